'use strict';
/** A pull request that says it is not finished has a pending status, which a branch rule can wait for. */

const CONTEXT = 'wip';
const DEFAULTS = { terms: ['wip', 'work in progress', 'do not merge', '🚧'], labels: ['do not merge'], commits: true };

const isListOfTexts = (value) => Array.isArray(value) && value.every((one) => typeof one === 'string');

/** The configuration, and what is wrong with it. */
async function read(context) {
  let file = null;
  try {
    file = await context.config('wip.yml');
  } catch (error) {
    return { config: DEFAULTS, problem: error.message };
  }
  const config = { ...DEFAULTS, ...file };
  const wrong = ['terms', 'labels'].find((key) => !isListOfTexts(config[key]));
  return wrong === undefined
    ? { config }
    : { config: { ...config, [wrong]: DEFAULTS[wrong] }, problem: `${wrong} is no list of texts` };
}

const names = (text, terms) =>
  terms.find((term) => new RegExp(`(^|[^\\p{L}])${quoted(term)}($|[^\\p{L}])`, 'iu').test(text));
const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Why it is not finished, or undefined. */
async function reason(context, pull, config) {
  if (pull.draft) return 'it is a draft';
  const term = names(pull.title, config.terms);
  if (term) return `the title says "${term}"`;
  const label = pull.labels.find(({ name }) => config.labels.includes(name.toLowerCase()));
  if (label) return `it has the label "${label.name}"`;
  if (!config.commits) return undefined;
  const commits = await context.octokit.paginate(context.octokit.rest.pulls.listCommits, context.pullRequest());
  const fixup = commits.find(({ commit }) => /^(fixup|squash)!/.test(commit.message));
  return fixup && `${fixup.sha.slice(0, 8)} is to be squashed`;
}

async function guard(context) {
  const { config, problem } = await read(context);
  if (problem) context.log.warn(`wip.yml: ${problem}`);
  // Asked for again: while this event waited, the title may have changed.
  const { data: pull } = await context.octokit.rest.pulls.get(context.pullRequest());
  const why = await reason(context, pull, config);
  const said = why === undefined ? 'Ready for review' : `Not finished: ${why}`;
  await context.octokit.rest.repos.createCommitStatus(
    context.repo({
      sha: pull.head.sha,
      context: CONTEXT,
      state: why === undefined ? 'success' : 'pending',
      description: problem ? `${said} (wip.yml is not valid)` : said,
    }),
  );
}

module.exports = (app) => {
  app.on(
    [
      'pull_request.opened',
      'pull_request.edited',
      'pull_request.labeled',
      'pull_request.unlabeled',
      'pull_request.synchronize',
      'pull_request.ready_for_review',
      'pull_request.converted_to_draft',
    ],
    guard,
  );
};
