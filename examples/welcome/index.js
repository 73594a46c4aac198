/** Greets whoever opens their first issue or pull request in a repository. */

const LABEL = 'first contribution';

/** Whether this person had opened nothing of this kind before. What came after it does not count: events may be late. */
async function isFirst(context, kind, { number, user }) {
  const { octokit } = context;
  const found = await octokit.paginate(
    octokit.rest.issues.listForRepo,
    context.repo({ creator: user.login, state: 'all', per_page: 50 }),
  );
  const same = found.filter((one) => (kind === 'pull') === Boolean(one.pull_request));
  return same.every((one) => one.number >= number);
}

async function greet(context, kind, opened) {
  const { user } = opened;
  if (user.type === 'Bot') return;
  const config = await context.config('welcome.yml');
  const text = config?.[kind === 'pull' ? 'firstPullRequest' : 'firstIssue'];
  // No file, or nothing to say: not everybody wants to greet.
  if (typeof text !== 'string' || text.trim() === '') return;
  if (!(await isFirst(context, kind, opened))) return;
  await context.octokit.rest.issues.createComment(context.issue({ body: text.replaceAll('{user}', `@${user.login}`) }));
  try {
    await context.octokit.rest.issues.addLabels(context.issue({ labels: [LABEL] }));
  } catch (error) {
    // The greeting is what counts.
    context.log.warn(`${LABEL} could not be added: ${error.message}`);
  }
}

export default (app) => {
  app.on('pull_request.opened', (context) => greet(context, 'pull', context.payload.pull_request));
  app.on('issues.opened', (context) => greet(context, 'issue', context.payload.issue));
};
