'use strict';
/** Merges a pull request as soon as it has the label and every status of its head is green. */

const DEFAULTS = { label: 'automerge', method: 'merge', deleteBranch: true };

async function mergeOne(context, number) {
  const { octokit } = context;
  const config = await context.config('automerge.yml', DEFAULTS);
  const { data: pull } = await octokit.rest.pulls.get(context.repo({ pull_number: number }));
  const isWanted = pull.labels.some(({ name }) => name === config.label);
  if (pull.state !== 'open' || pull.draft || !isWanted) return;

  const { data: combined } = await octokit.rest.repos.getCombinedStatusForRef(context.repo({ ref: pull.head.sha }));
  if (combined.total_count === 0 || combined.state !== 'success') {
    context.log.info(`${number} is ${combined.state}`);
    return;
  }
  try {
    await octokit.rest.pulls.merge(
      context.repo({ pull_number: number, sha: pull.head.sha, merge_method: config.method }),
    );
  } catch (error) {
    // 409: somebody pushed meanwhile, and another event is on its way.
    if (error.status !== 405 && error.status !== 409) throw error;
    if (error.status === 405) await giveUp(context, number, config.label);
    return;
  }
  if (config.deleteBranch && pull.head.repo?.id === pull.base.repo.id)
    await octokit.rest.git.deleteRef(context.repo({ ref: `heads/${pull.head.ref}` }));
}

/** It conflicts, unless another event of the same moment was faster: then there is nothing to say. */
async function giveUp(context, number, label) {
  const { issues, pulls } = context.octokit.rest;
  const { data: now } = await pulls.get(context.repo({ pull_number: number }));
  if (now.merged || !now.labels.some(({ name }) => name === label)) return;
  try {
    await issues.removeLabel(context.repo({ issue_number: number, name: label }));
  } catch (error) {
    if (error.status === 404) return;
    throw error;
  }
  await issues.createComment(
    context.repo({
      issue_number: number,
      body: `This cannot be merged. Resolve the conflict and add \`${label}\` again.`,
    }),
  );
}

module.exports = (app) => {
  const own = (context) => mergeOne(context, context.payload.pull_request.number);
  app.on(['pull_request.labeled', 'pull_request.ready_for_review', 'pull_request_review.submitted'], own);

  app.on('status', async (context) => {
    if (context.payload.state !== 'success') return;
    const { octokit } = context;
    const open = await octokit.paginate(octokit.rest.pulls.list, context.repo({ state: 'open' }));
    for (const { number, head } of open) if (head.sha === context.payload.sha) await mergeOne(context, number);
  });
};
