/** What the server tells its hooks when something happens, in the form of its own payloads. */
import { git } from '../../kit/fake/git-process.js';
import { pageOf, payloadCommit, pullJson } from './git-json.js';
import { commentJson, issueJson, releaseJson, repositoryJson, userJson } from './objects.js';
import {
  type Activity,
  type Comment,
  type Issue,
  organizationNamed,
  type Pull,
  type Release,
  type Repository,
  type Review,
  type Status,
} from './state.js';
import type { World } from './world.js';

export const NO_COMMIT = '0'.repeat(40);

/** Notes it for the feeds, whose ids are their own. */
function note(world: World, repository: Repository, by: string, type: string, more: Partial<Activity> = {}): void {
  const { activities } = world.state;
  activities.push({
    id: activities.length + 1,
    type,
    by,
    repository: repository.id,
    ref: '',
    content: '',
    created: world.state.now(),
    ...more,
  });
}

const NOTED: ReadonlyMap<string, string> = new Map([
  ['opened', 'create'],
  ['closed', 'close'],
  ['reopened', 'reopen'],
]);

function noteIssue(world: World, repository: Repository, issue: Issue, by: string, action: string): void {
  const verb = NOTED.get(action);
  if (verb === undefined) return;
  const word = issue.pull === null ? 'issue' : 'pull_request';
  const isMerge = verb === 'close' && issue.pull?.merged != null;
  const content = `${issue.number}|${issue.title}`;
  note(world, repository, by, isMerge ? 'merge_pull_request' : `${verb}_${word}`, { content });
}

const isPull = (issue: Issue): issue is Issue & { pull: Pull } => issue.pull !== null;

/** An issue or a pull request changed. `type` is the part after `issue_` or `pull_request_`, '' for the plain events. */
export async function tellIssue(
  world: World,
  repository: Repository,
  issue: Issue,
  sender: string,
  action: string,
  type: '' | 'assign' | 'label' | 'milestone' | 'sync' | 'review_request' = '',
  more: Record<string, unknown> = {},
): Promise<void> {
  if (type === '') noteIssue(world, repository, issue, sender, action);
  const shared = {
    action,
    number: issue.number,
    ...more,
    repository: repositoryJson(world, repository, sender),
    sender: userJson(world, sender),
    commit_id: '',
  };
  if (isPull(issue)) {
    const payload = {
      ...shared,
      pull_request: await pullJson(world, repository, issue, sender),
      requested_reviewer: more.requested_reviewer ?? null,
      review: null,
    };
    world.emit(repository, type === '' ? 'pull_request' : `pull_request_${type}`, payload);
  } else {
    world.emit(repository, type === '' ? 'issues' : `issue_${type}`, {
      ...shared,
      issue: issueJson(world, repository, issue),
    });
  }
}

export async function tellComment(
  world: World,
  repository: Repository,
  issue: Issue,
  comment: Comment,
  sender: string,
  action: 'created' | 'edited' | 'deleted',
  before?: string,
): Promise<void> {
  if (action === 'created')
    note(world, repository, sender, issue.pull === null ? 'comment_issue' : 'comment_pull', {
      content: `${issue.number}|${comment.body.slice(0, 200)}`,
      comment: { number: issue.number, id: comment.id },
    });
  world.emit(repository, issue.pull === null ? 'issue_comment' : 'pull_request_comment', {
    action,
    issue: issueJson(world, repository, issue),
    ...(isPull(issue) && world.features.v122 && { pull_request: await pullJson(world, repository, issue, sender) }),
    comment: commentJson(world, repository, issue, comment),
    ...(before !== undefined && { changes: { body: { from: before } } }),
    repository: repositoryJson(world, repository, sender),
    sender: userJson(world, sender),
    is_pull: issue.pull !== null,
  });
}

const REVIEWS: Readonly<Record<string, string>> = {
  APPROVED: 'pull_request_review_approved',
  REQUEST_CHANGES: 'pull_request_review_rejected',
  COMMENT: 'pull_request_review_comment',
};

/** The review is told by its kind and text alone: no id, no commit, no time. */
export async function tellReview(
  world: World,
  repository: Repository,
  issue: Issue & { pull: Pull },
  review: Review,
): Promise<void> {
  const type = REVIEWS[review.state];
  if (type === undefined) return;
  const word = { APPROVED: 'approve_pull_request', REQUEST_CHANGES: 'reject_pull_request' }[String(review.state)];
  const content = `${issue.number}|${review.body}`;
  note(world, repository, review.user, word ?? 'comment_pull', { content });
  world.emit(repository, type, {
    action: 'reviewed',
    number: issue.number,
    pull_request: await pullJson(world, repository, issue, review.user),
    requested_reviewer: null,
    repository: repositoryJson(world, repository, review.user),
    sender: userJson(world, review.user),
    commit_id: '',
    review: { type, content: review.body },
  });
}

export function tellRelease(
  world: World,
  repository: Repository,
  release: Release,
  sender: string,
  action: 'published' | 'updated' | 'deleted',
): void {
  if (action === 'published')
    note(world, repository, sender, 'publish_release', { ref: release.tag, content: release.name });
  world.emit(repository, 'release', {
    action,
    release: releaseJson(world, repository, release),
    repository: repositoryJson(world, repository, sender),
    sender: userJson(world, sender),
  });
}

export function tellRepository(
  world: World,
  repository: Repository,
  sender: string,
  action: 'created' | 'deleted',
): void {
  if (action === 'created') note(world, repository, sender, 'create_repo');
  const organization = organizationNamed(world.state, repository.owner);
  world.emit(repository, 'repository', {
    action,
    repository: repositoryJson(world, repository, sender),
    organization: userJson(world, organization?.login ?? repository.owner),
    sender: userJson(world, sender),
  });
}

/** Only newer servers tell of statuses. */
export async function tellStatus(world: World, repository: Repository, sha: string, status: Status): Promise<void> {
  if (!world.features.v124) return;
  world.emit(repository, 'status', {
    commit: await payloadCommit(world, repository, sha),
    context: status.context,
    created_at: status.created,
    description: status.description,
    id: status.id,
    repository: repositoryJson(world, repository, status.creator),
    sender: userJson(world, status.creator),
    sha,
    state: status.state,
    target_url: status.targetUrl,
    updated_at: status.created,
  });
}

/** No more commits than this are told in a push. */
const MOST_COMMITS = 5;

/** A test delivery is a push that moves nothing. */
export async function pushPayload(
  world: World,
  repository: Repository,
  sender: string,
  ref: string,
  before: string,
  after: string,
) {
  const gone = after === NO_COMMIT;
  const fresh = before === NO_COMMIT;
  const all = gone
    ? []
    : before === after
      ? [after]
      : ref.startsWith('refs/tags/')
        ? []
        : await repository.git.log(after, fresh ? { limit: 1 } : { exclude: before });
  const commits = await Promise.all(
    all.slice(0, MOST_COMMITS).map((sha) => payloadCommit(world, repository, sha, true)),
  );
  return {
    ref,
    before,
    after,
    compare_url: `${pageOf(world, repository)}/compare/${before}...${after}`,
    commits,
    total_commits: all.length,
    head_commit: gone ? null : await payloadCommit(world, repository, after, true),
    repository: repositoryJson(world, repository, sender),
    pusher: userJson(world, sender),
    sender: userJson(world, sender),
  };
}

async function noteRef(
  world: World,
  repository: Repository,
  by: string,
  ref: string,
  before: string,
  after: string,
): Promise<void> {
  const kind = ref.startsWith('refs/tags/') ? 'tag' : 'branch';
  if (after === NO_COMMIT) return note(world, repository, by, `delete_${kind}`, { ref });
  if (kind === 'tag') return note(world, repository, by, 'push_tag', { ref });
  // A branch that is new and has nothing of its own has no commits to tell.
  if (before === NO_COMMIT) return note(world, repository, by, 'commit_repo', { ref });
  const all = await repository.git.log(after, { exclude: before });
  const told = (sha: string) => ({ Sha1: sha, Message: '', AuthorEmail: '', AuthorName: '' });
  const content = JSON.stringify({
    Commits: all.slice(0, MOST_COMMITS).map(told),
    HeadCommit: told(after),
    CompareURL: `${repository.owner}/${repository.name}/compare/${before}...${after}`,
    Len: all.length,
  });
  note(world, repository, by, 'commit_repo', { ref, content });
}

/** In the server's order: a branch is created and then pushed to, a tag the other way round; a deleted branch is not pushed. */
async function tellRef(
  world: World,
  repository: Repository,
  sender: string,
  ref: string,
  before: string,
  after: string,
): Promise<void> {
  const [, kind = '', ...name] = ref.split('/');
  const isTag = kind === 'tags';
  const about = {
    ref: name.join('/'),
    ref_type: isTag ? 'tag' : 'branch',
    repository: repositoryJson(world, repository, sender),
    sender: userJson(world, sender),
  };
  // An annotated tag is told by the commit that it is on.
  const push = async () => {
    const commit = after === NO_COMMIT ? after : ((await repository.git.resolve(after)) ?? after);
    world.emit(repository, 'push', await pushPayload(world, repository, sender, ref, before, commit));
  };
  const create = () => world.emit(repository, 'create', { sha: after, ...about });
  await noteRef(world, repository, sender, ref, before, after);
  if (after === NO_COMMIT) {
    if (isTag) await push();
    world.emit(repository, 'delete', { ...about, pusher_type: 'user' });
  } else if (before === NO_COMMIT) {
    if (isTag) {
      await push();
      create();
    } else {
      create();
      await push();
    }
  } else await push();
}

/** Refs moved, by a push or by a route: tells it, and what it means for pull requests. */
export async function refMoved(
  world: World,
  repository: Repository,
  sender: string,
  ref: string,
  before: string,
  after: string,
): Promise<void> {
  if (before === after) return;
  await tellRef(world, repository, sender, ref, before, after);
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
  for (const target of world.state.repositories)
    for (const issue of target.issues) {
      if (!isPull(issue) || issue.state !== 'open') continue;
      const { pull } = issue;
      if (branch === undefined || pull.headRepository !== repository.id || pull.headBranch !== branch) continue;
      if (after === NO_COMMIT) {
        await closePull(world, target, issue, sender);
        continue;
      }
      pull.headSha = after;
      issue.updated = world.state.now();
      if (target !== repository) await mirrorHead(target, repository, after);
      await tellIssue(world, target, issue, sender, 'synchronized', 'sync');
    }
}

/** A pull request loses its branch: the server closes it and keeps its commits. */
async function closePull(
  world: World,
  repository: Repository,
  issue: Issue & { pull: Pull },
  sender: string,
): Promise<void> {
  issue.pull.baseSha = await repository.git.resolve(`refs/heads/${issue.pull.baseBranch}`);
  issue.state = 'closed';
  issue.closed = world.state.now();
  issue.updated = issue.closed;
  await tellIssue(world, repository, issue, sender, 'closed');
}

/** Commits of a fork have to be in the repository that they are proposed to. */
export async function mirrorHead(target: Repository, fork: Repository, sha: string): Promise<void> {
  if ((await target.git.resolve(sha)) !== undefined) return;
  await git(target.git.directory, ['fetch', '--quiet', '--no-tags', fork.git.directory, sha]);
}
