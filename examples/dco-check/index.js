/** Every commit of a pull request carries a sign-off by its author. */

const CHECK = 'DCO';
const CONFIG = 'dco.yml';

/** `Signed-off-by: Name <mail>` lines of a message. */
const signOffs = (message) =>
  [...message.matchAll(/^signed-off-by:\s*(.+?)\s*<([^>\s]+)>\s*$/gim)].map(([, name, email]) => ({ name, email }));

const same = (a = '', b = '') => a.trim().toLowerCase() === b.trim().toLowerCase();

function isSigned({ commit: { author, message } }) {
  return signOffs(message).some(({ name, email }) => same(email, author.email) || same(name, author.name));
}

/** Addresses of authors whose commits need none, such as bots. `undefined` when the file cannot be used. */
async function exemptAuthors(context) {
  try {
    const { exempt = [] } = (await context.config(CONFIG)) ?? {};
    return Array.isArray(exempt) ? exempt.map(String) : undefined;
  } catch (error) {
    context.log.warn(`${CONFIG} cannot be read: ${error.message}`);
    return undefined;
  }
}

async function check(context) {
  const { pull_request: pull } = context.payload;
  const exempt = await exemptAuthors(context);
  const report = (conclusion, title, summary) =>
    context.octokit.rest.checks.create(
      context.repo({
        name: CHECK,
        head_sha: pull.head.sha,
        status: 'completed',
        conclusion,
        output: { title, summary },
      }),
    );
  if (exempt === undefined)
    return report(
      'action_required',
      `.github/${CONFIG} is not valid`,
      'Write a list of e-mail addresses under `exempt`.',
    );

  const commits = await context.octokit.paginate(context.octokit.rest.pulls.listCommits, context.pullRequest());
  const asked = commits.filter(({ parents, commit }) => parents.length < 2 && !exempt.includes(commit.author.email));
  const unsigned = asked.filter((commit) => !isSigned(commit));
  if (unsigned.length === 0) return report('success', 'All commits are signed off', `${asked.length} were looked at.`);
  const list = unsigned.map(({ sha, commit }) => `- \`${sha.slice(0, 8)}\` ${commit.message.split('\n')[0]}`);
  return report(
    'action_required',
    `${unsigned.length} of ${commits.length} commits are not signed off`,
    `${list.join('\n')}\n\nRun \`git rebase --signoff\` and push again.`,
  );
}

export default (app) => {
  app.on(['pull_request.opened', 'pull_request.reopened', 'pull_request.synchronize'], check);
};
