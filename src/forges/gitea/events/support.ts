/** Which of GitHub's events the forge gives, and how well. */
import type { EventSupport } from '../../forge.js';

const exact = { support: 'exact' } as const;
const emulated = (note: string) => ({ support: 'emulated', note }) as const;
const partial = (note: string) => ({ support: 'partial', note }) as const;

const COMPARED =
  'Worked out by comparison with the delivery before; the first change after a repository is connected is not seen unless the server names it.';
const ON_LINE =
  'The webhook of a review has neither id nor comments, and that of an answer no place: both are looked up. Without a token that reads reviews there are none.';
const NO_WORKFLOW = 'A workflow has no number here: one is made from the path of its file, and no request knows it.';

const conversation = (name: string): EventSupport =>
  Object.fromEntries([
    ...['opened', 'edited', 'closed', 'reopened', 'milestoned'].map((action) => [`${name}.${action}`, exact] as const),
    ...['labeled', 'unlabeled', 'assigned', 'unassigned', 'demilestoned'].map(
      (action) => [`${name}.${action}`, partial(COMPARED)] as const,
    ),
  ]);

const PREFIX = 'Worked out from the title, whose prefix makes a draft here.';

const shared: EventSupport = {
  ping: emulated('The test delivery of the hook; of one that Forgeway did not make, which it was is not told.'),
  push: partial(
    'At most five commits are sent, without their trees; the push that removes a branch does not know its head.',
  ),
  'check_suite.requested': emulated('A push to a branch; one suite of all apps.'),
  create: exact,
  delete: exact,
  fork: exact,
  ...conversation('issues'),
  'issues.deleted': exact,
  ...conversation('pull_request'),
  'pull_request.synchronize': partial('Without an older delivery `before` is the commit where the branch began.'),
  'pull_request.converted_to_draft': emulated(PREFIX),
  'pull_request.ready_for_review': emulated(PREFIX),
  'pull_request.review_requested': exact,
  'pull_request.review_request_removed': exact,
  'pull_request_review.submitted': emulated(
    'Id, commit and time are looked up; a token that may not read reviews leaves the id 0.',
  ),
  'pull_request_review_comment.created': emulated(ON_LINE),
  'pull_request_review_comment.edited': emulated(ON_LINE),
  'pull_request_review_comment.deleted': partial('Where the comment was seen before; its place is not told any more.'),
  issue_comment: exact,
  'repository.created': exact,
  'repository.deleted': exact,
  'release.created': exact,
  'release.published': exact,
  'release.released': emulated('Follows `published` as on GitHub.'),
  'release.prereleased': emulated('Follows `published` as on GitHub.'),
  'release.edited': partial('`changes` is empty.'),
  'release.deleted': exact,
  gollum: partial('One page a time, without its commit.'),
  'package.published': partial(
    'Containers, Maven, npm, NuGet and RubyGems, without the files and the metadata of the version. GitHub has no other kinds.',
  ),
  'workflow_run.completed': partial(NO_WORKFLOW),
};

/** What Gitea gives beyond that, since 1.24. */
const ofGitea: EventSupport = {
  status: exact,
  'workflow_run.requested': partial(NO_WORKFLOW),
  'workflow_run.in_progress': partial(NO_WORKFLOW),
  workflow_job: exact,
};

export const eventSupport = { gitea: { ...shared, ...ofGitea }, forgejo: shared } as const;

const WRITTEN = 'Those that apps make through Forgeway: the server has none. No event for what becomes `inactive`.';

export const ownEvents: EventSupport = {
  'deployment.created': emulated(WRITTEN),
  'deployment_status.created': emulated(WRITTEN),
};
