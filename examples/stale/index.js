'use strict';
/** `/stale`, by somebody who may write: issues without activity are marked, and closed the next time. */

const DEFAULTS = {
  daysUntilStale: 60,
  staleLabel: 'stale',
  exemptLabels: ['pinned', 'security'],
  markComment: 'Nothing has happened here for a while. It will be closed unless somebody objects.',
  closeComment: 'Closed, since nobody objected.',
};
const DAY = 24 * 60 * 60 * 1000;
const COLOR = 'cccccc';

/** A search that does not change while it is worked off. */
const search = async ({ octokit }, query) =>
  (await octokit.paginate(octokit.rest.search.issuesAndPullRequests, { q: query, per_page: 50 })).toSorted(
    (a, b) => a.number - b.number,
  );

async function ensureLabel(context, name) {
  try {
    await context.octokit.rest.issues.getLabel(context.repo({ name }));
  } catch (error) {
    if (error.status !== 404) throw error;
    await context.octokit.rest.issues.createLabel(context.repo({ name, color: COLOR, description: 'No activity' }));
  }
}

async function mayWrite(context) {
  const { login: username } = context.payload.comment.user;
  const { data } = await context.octokit.rest.repos.getCollaboratorPermissionLevel(context.repo({ username }));
  return ['admin', 'write'].includes(data.permission);
}

async function sweep(context) {
  const { issues } = context.octokit.rest;
  const config = await context.config('stale.yml', DEFAULTS);
  const { owner, repo } = context.repo();
  const label = config.staleLabel;
  const before = new Date(Date.now() - config.daysUntilStale * DAY).toISOString().replace(/\.\d+Z$/, 'Z');
  const exempt = config.exemptLabels.map((name) => `-label:"${name}"`).join(' ');
  const open = `repo:${owner}/${repo} is:issue is:open ${exempt}`;

  const marked = await search(context, `${open} label:"${label}"`);
  const inactive = await search(context, `${open} -label:"${label}" updated:<=${before}`);
  const others = inactive.filter(({ number }) => number !== context.payload.issue.number);
  if (others.length > 0) await ensureLabel(context, label);
  for (const { number: issue_number } of marked) {
    await issues.createComment(context.repo({ issue_number, body: config.closeComment }));
    await issues.update(context.repo({ issue_number, state: 'closed', state_reason: 'not_planned' }));
  }
  for (const { number: issue_number } of others) {
    await issues.addLabels(context.repo({ issue_number, labels: [label] }));
    await issues.createComment(context.repo({ issue_number, body: config.markComment }));
  }
  return `${others.length} marked, ${marked.length} closed.`;
}

module.exports = (app) => {
  app.on('issue_comment.created', async (context) => {
    if (context.payload.comment.body.trim() !== '/stale') return;
    const { login } = context.payload.comment.user;
    const allowed = await mayWrite(context);
    const body = allowed ? await sweep(context) : `Only people who may write can do that, @${login}.`;
    await context.octokit.rest.issues.createComment(context.issue({ body }));
  });
};
