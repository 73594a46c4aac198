/** A new pull request gets assignees and reviewers. */

const CONFIG = 'auto_assign.yml';
const DEFAULTS = { assignees: 'author', reviewers: [], numberOfReviewers: 0, skipKeywords: [] };

/** Always the same choice for the same pull request, so that a repeated event changes nothing. */
function choose(people, count, number) {
  if (count === 0 || count >= people.length) return people;
  return Array.from({ length: count }, (_, at) => people[(number + at) % people.length]);
}

async function say(context, body) {
  await context.octokit.rest.issues.createComment(context.issue({ body }));
}

async function askForReview(context, reviewers) {
  if (reviewers.length === 0) return;
  try {
    await context.octokit.rest.pulls.requestReviewers(context.pullRequest({ reviewers }));
  } catch (error) {
    // Somebody who left, or a name with a typing error: whoever opened it should not wait for them.
    if (error.status !== 422 && error.status !== 404) throw error;
    await say(
      context,
      `${reviewers.join(', ')} could not be asked for a review. Please look at \`.github/${CONFIG}\`.`,
    );
  }
}

async function assign(context) {
  const { pull_request: pull } = context.payload;
  if (pull.draft) return;
  const config = await context.config(CONFIG, DEFAULTS);
  if (config.skipKeywords.some((word) => pull.title.toLowerCase().includes(String(word).toLowerCase()))) return;
  const assignees = config.assignees === 'author' ? [pull.user.login] : config.assignees;
  if (assignees.length > 0) await context.octokit.rest.issues.addAssignees(context.issue({ assignees }));
  const able = config.reviewers.filter((login) => login !== pull.user.login);
  await askForReview(context, choose(able, config.numberOfReviewers, pull.number));
}

export default (app) => {
  app.on(['pull_request.opened', 'pull_request.ready_for_review'], assign);
};
