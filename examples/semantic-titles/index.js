/** The title of a pull request, or its commits, follow Conventional Commits. */

const TYPES = ['feat', 'fix', 'docs', 'style', 'refactor', 'perf', 'test', 'build', 'ci', 'chore', 'revert'];

/** `type(scope)!: subject`. What is wrong with it, or undefined. */
function problemOf(text, { types, scopes }) {
  const [, type, scope, subject] = /^([a-z]+)(?:\(([^)]+)\))?!?: (.*)$/.exec(text) ?? [];
  if (type === undefined) return 'is not "type: subject"';
  if (!types.includes(type)) return `has the unknown type "${type}"`;
  if (scopes && scope !== undefined && !scopes.includes(scope)) return `has the unknown scope "${scope}"`;
  return subject.trim() === '' ? 'has no subject' : undefined;
}

function validate(file) {
  const config = { types: TYPES, scopes: null, titleOnly: true, ...file };
  if (!Array.isArray(config.types)) throw new TypeError('types is no list');
  if (config.scopes !== null && !Array.isArray(config.scopes)) throw new TypeError('scopes is no list');
  return config;
}

async function judge(context) {
  const { pull_request: pull } = context.payload;
  let config;
  try {
    config = validate(await context.config('semantic.yml'));
  } catch (error) {
    context.log.warn(`semantic.yml: ${error.message}`);
    return { state: 'failure', description: 'semantic.yml is not valid' };
  }
  const wrong = problemOf(pull.title, config);
  if (wrong) return { state: 'failure', description: `The title ${wrong}` };
  if (config.titleOnly) return { state: 'success', description: 'The title is semantic' };
  const commits = await context.octokit.paginate(context.octokit.rest.pulls.listCommits, context.pullRequest());
  for (const { commit } of commits) {
    const [subject] = commit.message.split('\n');
    const problem = problemOf(subject, config);
    if (problem) return { state: 'failure', description: `"${subject}" ${problem}` };
  }
  return { state: 'success', description: `The title and ${commits.length} commits are semantic` };
}

export default (app) => {
  app.on(['pull_request.opened', 'pull_request.edited', 'pull_request.synchronize'], async (context) => {
    const { head } = context.payload.pull_request;
    const status = await judge(context);
    await context.octokit.rest.repos.createCommitStatus(
      context.repo({ sha: head.sha, context: 'semantic', ...status }),
    );
  });
};
