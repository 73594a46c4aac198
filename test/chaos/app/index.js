/**
 * A plain Probot app whose every effect can be told apart: what a person writes carries a token, and the app's one
 * answer to it names that token. Twice the same answer, or none, is then a fault of the machinery around it.
 */

const TOKEN = /chaos:([\w.-]+)/;

const tokenIn = (text) => TOKEN.exec(text ?? '')?.[1];

const say = (context, token) =>
  context.octokit.rest.issues.createComment(context.issue({ body: `effect:${token} (seen by chaos-witness)` }));

/** Says it of the head that the forge has now: what is told late must never move this back. */
async function markHead(context) {
  const { data: pull } = await context.octokit.rest.pulls.get(context.pullRequest());
  await context.octokit.rest.repos.createCommitStatus(
    context.repo({ sha: pull.head.sha, context: 'chaos/head', state: 'success', description: 'The head' }),
  );
}

export default (app) => {
  app.on('issues.opened', async (context) => {
    const token = tokenIn(context.payload.issue.body);
    if (token) await say(context, token);
  });

  app.on('issue_comment.created', async (context) => {
    const [, token] = /^\/mark chaos:([\w.-]+)$/.exec(context.payload.comment.body.trim()) ?? [];
    if (token) await say(context, token);
  });

  app.on('pull_request.opened', async (context) => {
    const token = tokenIn(context.payload.pull_request.body);
    if (!token) return;
    await say(context, token);
    await context.octokit.rest.issues.addLabels(context.issue({ labels: ['chaos'] }));
    await markHead(context);
  });

  app.on('pull_request.synchronize', async (context) => {
    await say(context, `head.${context.payload.pull_request.head.sha}`);
    await markHead(context);
  });

  app.on('pull_request.closed', async (context) => {
    const token = tokenIn(context.payload.pull_request.body);
    if (token) await say(context, `${token}.closed`);
  });

  app.on('push', async (context) => {
    const { ref, repository, head_commit: head } = context.payload;
    const token = ref === `refs/heads/${repository.default_branch}` ? tokenIn(head?.message) : undefined;
    if (!token) return;
    await context.octokit.rest.issues.createLabel(
      context.repo({ name: `effect:${token}`, color: 'ededed', description: 'Seen by chaos-witness' }),
    );
  });
};
