/** Which of GitHub's events the forge gives, and how well. */
import type { EventSupport } from '../../forge.js';

const exact = { support: 'exact' } as const;
const emulated = (note: string) => ({ support: 'emulated', note }) as const;
const partial = (note: string) => ({ support: 'partial', note }) as const;

const NO_SENDER = 'The hook does not say who did it: the sender is the ghost.';
const NO_PREVIOUS = '`changes` is empty: the hook does not say what it was before.';

const LOCK = 'Not told by the hook: by the poller, where it runs.';

const thread = (name: string): EventSupport =>
  Object.fromEntries(
    [
      ...['opened', 'edited', 'closed', 'reopened', 'labeled', 'unlabeled', 'assigned', 'unassigned'],
      ...['milestoned', 'demilestoned', 'locked', 'unlocked'],
    ].map((action) => [`${name}.${action}`, exact] as const),
  );

export const eventSupport: EventSupport = {
  push: partial(
    'At most twenty commits are sent, without their trees, and nothing at all for a push of more than three branches or tags.',
  ),
  create: exact,
  delete: exact,
  ...thread('pull_request'),
  'pull_request.locked': partial(LOCK),
  'pull_request.unlocked': partial(LOCK),
  'pull_request.synchronize': exact,
  'pull_request.converted_to_draft': exact,
  'pull_request.ready_for_review': exact,
  'pull_request.review_requested': exact,
  'pull_request.review_request_removed': exact,
  'pull_request_review.submitted': partial(
    'Approvals; requested changes and comments from the version that tells the states of reviewers. A review has no text.',
  ),
  'pull_request_review.dismissed': emulated('An approval that was taken back, or that a push took back.'),
  'pull_request_review_comment.created': partial('`in_reply_to_id` for apps that read it, and no `diff_hunk`.'),
  'pull_request_review_comment.edited': partial(NO_PREVIOUS),
  'issue_comment.created': exact,
  'issue_comment.edited': partial(NO_PREVIOUS),
  'commit_comment.created': exact,
  ...thread('issues'),
  'milestone.created': partial(NO_SENDER),
  'milestone.closed': partial(NO_SENDER),
  'milestone.opened': partial(NO_SENDER),
  'milestone.deleted': partial(NO_SENDER),
  'milestone.edited': partial(NO_SENDER),
  'release.created': exact,
  'release.published': emulated('Follows `created` as on GitHub.'),
  'release.released': emulated('Follows `published` as on GitHub.'),
  'release.prereleased': emulated('A release that is dated into the future.'),
  'release.edited': partial(NO_PREVIOUS),
  'release.deleted': partial(NO_SENDER),
  gollum: exact,
  'deployment.created': emulated('When it begins to run.'),
  'deployment_status.created': emulated(
    'Its id is that of the deployment; a deployment that was cancelled is an error.',
  ),
  'check_suite.requested': emulated('A pipeline that waits.'),
  'check_suite.completed': emulated('A pipeline that is done.'),
  'workflow_run.requested': emulated('A pipeline that waits; there is one workflow, `.gitlab-ci.yml`.'),
  'workflow_run.in_progress': emulated('A pipeline that runs.'),
  'workflow_run.completed': emulated('A pipeline that is done.'),
  'check_run.created': emulated('A job that was made or waits; it may come twice.'),
  'check_run.completed': emulated('A job that is done.'),
  'workflow_job.queued': emulated('A job that was made or waits; it may come twice.'),
  'workflow_job.in_progress': emulated('A job that runs.'),
  'workflow_job.completed': emulated('A job that is done.'),
  status: partial('A pipeline that another system reports, as a whole.'),
  'member.added': partial(NO_SENDER),
  'member.edited': partial(`${NO_SENDER} The permission before is not told.`),
  'member.removed': partial(NO_SENDER),
  'membership.added': partial(NO_SENDER),
  'membership.edited': emulated('An event that GitHub has not: the level of a member of a group was changed.'),
  'membership.removed': partial(NO_SENDER),
  'organization.member_added': partial(NO_SENDER),
  'organization.member_removed': partial(NO_SENDER),
  'organization.renamed': partial(NO_SENDER),
  'organization.deleted': partial(NO_SENDER),
  'team.created': partial(NO_SENDER),
  'team.edited': partial(NO_SENDER),
  'team.deleted': partial(NO_SENDER),
  'repository.created': partial(NO_SENDER),
  'repository.deleted': partial(NO_SENDER),
  'repository.renamed': partial(NO_SENDER),
  'repository.transferred': partial(NO_SENDER),
  'repository.edited': partial(`${NO_SENDER} ${NO_PREVIOUS}`),
};
