/** What happens on the fake, as its webhooks tell it. */
import type { JsonObject } from '../../forge.js';
import { pushCommit, simpleCommit } from '../../kit/shapes/commit.js';
import { commitInput, NO_COMMIT, pullJson, pullListed } from './git-json.js';
import {
  accountOf,
  checkSuiteJson,
  issueCommentJson,
  issueJson,
  reviewCommentJson,
  reviewJson,
  userJson,
  webOf,
} from './present.js';
import {
  accountNamed,
  type Comment,
  type Issue,
  type IssueEvent,
  isPull,
  type PullIssue,
  type Repository,
  type Review,
  type ReviewComment,
} from './state.js';
import type { World } from './world.js';

/** Remembers what somebody did to an issue or pull request, which is newer for it. */
export function note(world: World, issue: Issue, actor: string, event: string, more: Partial<IssueEvent> = {}): void {
  issue.updated = world.state.now();
  issue.events.push({ id: world.state.nextId(), event, actor, created: issue.updated, ...more });
}

export async function tellIssue(
  world: World,
  one: Repository,
  issue: Issue,
  sender: string,
  action: string,
  more: JsonObject = {},
): Promise<void> {
  if (isPull(issue)) {
    const pull_request = await pullJson(world, one, issue, 'webhook');
    world.emit(one, 'pull_request', sender, { action, number: issue.number, pull_request, ...more });
  } else world.emit(one, 'issues', sender, { action, issue: issueJson(world, one, issue), ...more });
}

export function tellComment(
  world: World,
  one: Repository,
  issue: Issue,
  comment: Comment,
  sender: string,
  action: 'created' | 'edited' | 'deleted',
  more: JsonObject = {},
): void {
  const told = { issue: issueJson(world, one, issue), comment: issueCommentJson(world, one, issue, comment) };
  world.emit(one, 'issue_comment', sender, { action, ...told, ...more });
}

export async function tellReview(
  world: World,
  one: Repository,
  of: PullIssue,
  review: Review,
  sender: string,
  action: 'submitted' | 'dismissed' | 'edited',
): Promise<void> {
  const pull_request = await pullListed(world, one, of);
  const shown = reviewJson(world, one, of, review, 'webhook');
  world.emit(one, 'pull_request_review', sender, { action, review: shown, pull_request });
}

export async function tellReviewComment(
  world: World,
  one: Repository,
  of: PullIssue,
  comment: ReviewComment,
  sender: string,
  action: 'created' | 'edited' | 'deleted',
  more: JsonObject = {},
): Promise<void> {
  const pull_request = await pullListed(world, one, of);
  const shown = reviewCommentJson(world, one, of, comment);
  world.emit(one, 'pull_request_review_comment', sender, { action, comment: shown, pull_request, ...more });
}

async function pushPayload(
  world: World,
  one: Repository,
  sender: string,
  { ref, before, after }: { ref: string; before: string; after: string },
): Promise<JsonObject> {
  const [gone, fresh] = [after === NO_COMMIT, before === NO_COMMIT];
  const isBranch = ref.startsWith('refs/heads/');
  const known = fresh ? await one.git.resolve(`refs/heads/${one.defaultBranch}`) : before;
  const exclude = known === after ? undefined : known;
  const shas = gone || !isBranch || (fresh && known === after) ? [] : await one.git.log(after, { exclude });
  const commits: JsonObject[] = [];
  for (const sha of shas.toReversed()) commits.push(pushCommit(world.base, await commitInput(world, one, sha, true)));
  const head = gone ? null : pushCommit(world.base, await commitInput(world, one, after, true));
  const forced = !gone && !fresh && !(await one.git.isAncestor(before, after));
  const compare = fresh ? `commit/${after.slice(0, 12)}` : `compare/${before.slice(0, 12)}...${after.slice(0, 12)}`;
  const account = accountNamed(world.state, sender);
  return {
    ref,
    before,
    after,
    pusher: { name: sender, email: account?.email ?? null },
    created: fresh,
    deleted: gone,
    forced,
    base_ref: null,
    compare: `${webOf(world, one)}/${compare}`,
    commits,
    head_commit: head,
  };
}

/** An App that may write checks is asked for a suite of each commit that is pushed. */
async function requestSuite(world: World, one: Repository, sender: string, branch: string, sha: string): Promise<void> {
  if (one.checkSuites.some((suite) => suite.sha === sha)) return;
  const suite = { id: world.state.nextId(), sha, branch, created: world.state.now() };
  one.checkSuites.push(suite);
  const { repository: _repository, ...shown } = checkSuiteJson(world, one, suite);
  const head_commit = simpleCommit(sha, await commitInput(world, one, sha), suite.created);
  world.emit(one, 'check_suite', sender, { action: 'requested', check_suite: { ...shown, head_commit } });
}

/** Refs moved, by a push or by a route: tells it, and what it means for pull requests. */
export async function refMoved(
  world: World,
  one: Repository,
  sender: string,
  ref: string,
  before: string,
  after: string,
): Promise<void> {
  if (before === after) return;
  one.pushed = world.state.now();
  const [, kind, ...rest] = ref.split('/');
  const name = rest.join('/');
  const about = { ref: name, ref_type: kind === 'tags' ? 'tag' : 'branch', pusher_type: 'user' };
  const { description, defaultBranch } = one;
  if (before === NO_COMMIT) world.emit(one, 'create', sender, { ...about, master_branch: defaultBranch, description });
  if (after === NO_COMMIT) world.emit(one, 'delete', sender, about);
  world.emit(one, 'push', sender, await pushPayload(world, one, sender, { ref, before, after }));
  if (kind !== 'heads') return;
  if (after !== NO_COMMIT) await requestSuite(world, one, sender, name, after);
  for (const issue of one.issues)
    if (isPull(issue) && issue.state === 'open') await followBranch(world, one, issue, sender, name, before, after);
}

async function followBranch(
  world: World,
  one: Repository,
  issue: PullIssue,
  sender: string,
  branch: string,
  before: string,
  after: string,
): Promise<void> {
  const { pull } = issue;
  const isGone = after === NO_COMMIT;
  if (pull.headBranch === branch && !isGone) {
    pull.headSha = after;
    issue.updated = world.state.now();
    await one.git.setRef(`refs/pull/${issue.number}/head`, after);
    await tellIssue(world, one, issue, sender, 'synchronize', { before, after });
  } else if (isGone && (pull.headBranch === branch || pull.baseBranch === branch)) {
    pull.baseSha = pull.baseBranch === branch ? before : undefined;
    await closed(world, one, issue, sender);
  } else if (pull.baseBranch === branch && !isGone && (await one.git.isAncestor(pull.headSha, after))) {
    // Somebody merged it elsewhere and pushed.
    pull.baseSha = before;
    pull.merged = { sha: after, by: sender, at: world.state.now() };
    note(world, issue, sender, 'merged', { commit: after });
    await closed(world, one, issue, sender);
  }
}

/** Closes it and tells so. */
export async function closed(world: World, one: Repository, issue: Issue, sender: string): Promise<void> {
  issue.state = 'closed';
  issue.closed = world.state.now();
  note(world, issue, sender, 'closed');
  await tellIssue(world, one, issue, sender, 'closed');
}

/** Whom an event names beside the sender. */
export const userIn = (world: World, login: string): JsonObject | null =>
  accountOf(world, login) === null ? null : userJson(world, login);
