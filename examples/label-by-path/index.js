/** Labels pull requests by the paths that they change. */

const CONFIG = 'labeler.yml';
const MARK = '<!-- label-by-path -->';

/** A glob of `*`, `**` and `?` as a regular expression over a whole path. */
function pattern(glob) {
  const source = glob.replace(/\*\*\/|\*\*|[*?]|[.+^${}()|[\]\\]/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : `\\${part}`;
  });
  return new RegExp(`^${source}$`);
}

/** Labels with their globs, from `label: glob` or `label: [glob, …]`. @throws TypeError naming the label */
function rulesOf(file) {
  return Object.entries(file).map(([label, globs]) => {
    const list = [globs].flat();
    if (list.length === 0 || list.some((glob) => typeof glob !== 'string'))
      throw new TypeError(`\`${label}\` has no globs`);
    return { label, patterns: list.map(pattern) };
  });
}

/** Says it once, however often somebody pushes. */
async function complain(context, problem) {
  const { octokit } = context;
  const body = `${MARK}\n\`.github/${CONFIG}\` is not valid: ${problem}.`;
  const comments = await octokit.paginate(octokit.rest.issues.listComments, context.issue());
  const own = comments.find((comment) => comment.body.startsWith(MARK));
  if (own === undefined) await octokit.rest.issues.createComment(context.issue({ body }));
  else if (own.body !== body) await octokit.rest.issues.updateComment(context.repo({ comment_id: own.id, body }));
}

async function label(context) {
  const { octokit } = context;
  let rules;
  try {
    rules = rulesOf((await context.config(CONFIG)) ?? {});
  } catch (error) {
    if (error.status !== undefined) throw error;
    return complain(context, error instanceof TypeError ? error.message : 'it is no YAML');
  }
  const files = await octokit.paginate(octokit.rest.pulls.listFiles, context.pullRequest());
  const matching = rules.filter(({ patterns }) => files.some(({ filename }) => patterns.some((p) => p.test(filename))));
  const wanted = new Set(matching.map((rule) => rule.label));
  const { data: current } = await octokit.rest.issues.listLabelsOnIssue(context.issue());
  const present = new Set(current.map(({ name }) => name));

  const missing = [...wanted].filter((name) => !present.has(name));
  if (missing.length > 0) await octokit.rest.issues.addLabels(context.issue({ labels: missing }));
  for (const { label: name } of rules)
    if (present.has(name) && !wanted.has(name)) await octokit.rest.issues.removeLabel(context.issue({ name }));
}

export default (app) => {
  app.on(['pull_request.opened', 'pull_request.synchronize', 'pull_request.reopened'], label);
};
