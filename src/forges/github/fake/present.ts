/** What the fake remembers, in the shapes that GitHub shows. */
import type { JsonObject } from '../../forge.js';
import { user, userOrGhost } from '../../kit/shapes/account.js';
import { checkRun, checkSuite, suiteProgress } from '../../kit/shapes/check.js';
import { issueComment, reviewComment } from '../../kit/shapes/comment.js';
import type { AccountInput, CheckedPullRequestInput, LabelInput, RepositoryInput } from '../../kit/shapes/inputs.js';
import { issue } from '../../kit/shapes/issue.js';
import { label } from '../../kit/shapes/label.js';
import { milestone } from '../../kit/shapes/milestone.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { release, releaseAsset } from '../../kit/shapes/release.js';
import { repository } from '../../kit/shapes/repository.js';
import { review } from '../../kit/shapes/review.js';
import { commitStatus } from '../../kit/shapes/status.js';
import {
  accountNamed,
  type CheckRun,
  type CheckSuite,
  type Comment,
  type Issue,
  type IssueEvent,
  isCollaborator,
  type Label,
  levelOf,
  type Milestone,
  type PullIssue,
  type Release,
  type ReleaseAsset,
  type Repository,
  type Review,
  type ReviewComment,
  type Status,
  same,
} from './state.js';
import type { World } from './world.js';

export const accountOf = (world: World, login: string): AccountInput | null => {
  const found = accountNamed(world.state, login);
  return found === undefined ? null : { id: found.id, login: found.login, type: found.kind };
};

export const userJson = (world: World, login: string): JsonObject => userOrGhost(world.base, accountOf(world, login));

export const webOf = (world: World, repository: Repository): string =>
  `${world.webUrl}/${repository.owner}/${repository.name}`;

export function repositoryInput(world: World, one: Repository): RepositoryInput {
  const { allow_merge_commit, allow_rebase_merge, allow_squash_merge, delete_branch_on_merge } = one.settings;
  return {
    id: one.id,
    owner: accountOf(world, one.owner) ?? { id: 0, login: one.owner },
    name: one.name,
    htmlUrl: webOf(world, one),
    description: one.description,
    homepage: one.homepage,
    visibility: one.private ? 'private' : 'public',
    defaultBranch: one.defaultBranch,
    archived: one.archived,
    topics: one.topics,
    createdAt: one.created,
    updatedAt: one.updated,
    pushedAt: one.pushed,
    openIssueCount: one.issues.filter(({ state }) => state === 'open').length,
    hasIssues: one.settings.has_issues ?? true,
    hasWiki: one.settings.has_wiki ?? false,
    allowMergeCommit: allow_merge_commit ?? true,
    allowRebaseMerge: allow_rebase_merge ?? true,
    allowSquashMerge: allow_squash_merge ?? true,
    deleteBranchOnMerge: delete_branch_on_merge ?? false,
  };
}

export const repositoryJson = (world: World, one: Repository): JsonObject =>
  repository(world.base, repositoryInput(world, one));

function association(world: World, one: Repository, login: string) {
  if (same(one.owner, login)) return 'OWNER' as const;
  if (world.state.members.get(one.owner)?.has(login)) return 'MEMBER' as const;
  return isCollaborator(world.state, one, login) ? ('COLLABORATOR' as const) : ('NONE' as const);
}

const labelInput = ({ id, name, color, description }: Label): LabelInput => ({ id, name, color, description });

export const labelsOf = (one: Repository, { labels }: Issue): Label[] =>
  labels.flatMap((id) => one.labels.find((label) => label.id === id) ?? []);

export const labelJson = (world: World, one: Repository, of: Label): JsonObject =>
  label(world.base, one.owner, one.name, labelInput(of));

function milestoneInput(world: World, one: Repository, of: Milestone) {
  const within = one.issues.filter((issue) => issue.milestone === of.number);
  const count = (state: Issue['state']) => within.filter((issue) => issue.state === state).length;
  return {
    id: of.id,
    number: of.number,
    title: of.title,
    description: of.description,
    state: of.state,
    dueOn: of.dueOn,
    creator: accountOf(world, of.creator),
    openIssues: count('open'),
    closedIssues: count('closed'),
    createdAt: of.created,
    updatedAt: of.updated,
    closedAt: of.closed,
  };
}

export const milestoneJson = (world: World, one: Repository, of: Milestone): JsonObject =>
  milestone(world.base, one.owner, one.name, milestoneInput(world, one, of));

export const pageOfIssue = (world: World, one: Repository, { number, pull }: Pick<Issue, 'number' | 'pull'>): string =>
  `${webOf(world, one)}/${pull === null ? 'issues' : 'pull'}/${number}`;

const accountsOf = (world: World, logins: readonly string[]): AccountInput[] =>
  logins.flatMap((login) => accountOf(world, login) ?? []);

/** What issues and pull requests have in common. */
export function conversationInput(world: World, one: Repository, of: Issue) {
  const set = one.milestones.find(({ number }) => number === of.milestone);
  return {
    number: of.number,
    htmlUrl: pageOfIssue(world, one, of),
    title: of.title,
    body: of.body,
    state: of.state,
    locked: of.locked,
    author: accountOf(world, of.author),
    association: association(world, one, of.author),
    labels: labelsOf(one, of).map(labelInput),
    assignees: accountsOf(world, of.assignees),
    milestone: set === undefined ? null : milestoneInput(world, one, set),
    createdAt: of.created,
    updatedAt: of.updated,
    closedAt: of.closed,
    comments: of.comments.length,
  };
}

/** A pull request too, as the lists of issues show it. */
export const issueJson = (world: World, one: Repository, of: Issue): JsonObject =>
  issue(world.base, one.owner, one.name, {
    ...conversationInput(world, one, of),
    id: of.id,
    stateReason: of.reason,
    ...(of.pull && {
      pullRequest: {
        htmlUrl: pageOfIssue(world, one, of),
        mergedAt: of.pull.merged?.at ?? null,
        draft: of.pull.draft,
      },
    }),
  });

export const issueCommentJson = (world: World, one: Repository, of: Issue, comment: Comment): JsonObject =>
  issueComment(world.base, one.owner, one.name, {
    id: comment.id,
    number: of.number,
    htmlUrl: `${pageOfIssue(world, one, of)}#issuecomment-${comment.id}`,
    body: comment.body,
    author: accountOf(world, comment.author),
    association: association(world, one, comment.author),
    createdAt: comment.created,
    updatedAt: comment.updated,
  });

/** A comment on lines, from the webhook or the API: they are the same. */
export const reviewCommentJson = (world: World, one: Repository, of: PullIssue, comment: ReviewComment): JsonObject =>
  reviewComment(world.base, one.owner, one.name, {
    id: comment.id,
    number: of.number,
    htmlUrl: `${pageOfIssue(world, one, of)}#discussion_r${comment.id}`,
    body: comment.body,
    author: accountOf(world, comment.author),
    association: association(world, one, comment.author),
    createdAt: comment.created,
    updatedAt: comment.updated,
    reviewId: comment.review,
    path: comment.path,
    commitSha: comment.commit,
    line: comment.line,
    startLine: comment.startLine,
    side: comment.side,
    ...(comment.replyTo !== undefined && { inReplyTo: comment.replyTo }),
  });

export const reviewJson = (
  world: World,
  one: Repository,
  of: PullIssue,
  given: Review,
  form: 'webhook' | 'api',
): JsonObject =>
  review(
    world.base,
    one.owner,
    one.name,
    {
      id: given.id,
      number: of.number,
      htmlUrl: `${pageOfIssue(world, one, of)}#pullrequestreview-${given.id}`,
      pullRequestHtmlUrl: pageOfIssue(world, one, of),
      author: accountOf(world, given.author),
      association: association(world, one, given.author),
      body: given.body,
      state: given.state,
      commitSha: given.commit,
      ...(given.submitted && { submittedAt: given.submitted }),
    },
    form,
  );

export const statusInput = (world: World, sha: string, status: Status) => ({
  id: status.id,
  sha,
  state: status.state,
  context: status.context,
  description: status.description,
  targetUrl: status.targetUrl,
  creator: accountOf(world, status.creator),
  createdAt: status.created,
});

export const statusJson = (world: World, one: Repository, sha: string, status: Status): JsonObject =>
  commitStatus(world.base, one.owner, one.name, statusInput(world, sha, status));

export const assetJson = (world: World, one: Repository, of: Release, asset: ReleaseAsset): JsonObject => ({
  ...releaseAsset(
    world.base,
    one.owner,
    one.name,
    {
      id: asset.id,
      name: asset.name,
      url: `${webOf(world, one)}/releases/download/${encodeURIComponent(of.tag)}/${encodeURIComponent(asset.name)}`,
      size: asset.bytes.length,
      contentType: asset.contentType,
    },
    { author: accountOf(world, asset.uploader), createdAt: asset.created },
  ),
  label: asset.label,
});

export const releaseJson = (world: World, one: Repository, of: Release): JsonObject => ({
  ...release(world.base, one.owner, one.name, {
    id: of.id,
    tag: of.tag,
    target: of.target,
    name: of.name,
    body: of.body,
    draft: of.draft,
    prerelease: of.prerelease,
    htmlUrl: `${webOf(world, one)}/releases/tag/${encodeURIComponent(of.tag)}`,
    author: accountOf(world, of.author),
    createdAt: of.created,
    publishedAt: of.published,
  }),
  assets: of.assets.map((asset) => assetJson(world, one, of, asset)),
  upload_url: `${world.webUrl}/api/uploads/repos/${one.owner}/${one.name}/releases/${of.id}/assets{?name,label}`,
});

/** Open ones whose head it is. */
function pullsAt(one: Repository, sha: string): CheckedPullRequestInput[] {
  return one.issues.flatMap(({ number, state, pull }) =>
    pull === null || state !== 'open' || pull.headSha !== sha
      ? []
      : [
          {
            id: pull.id,
            number,
            headRef: pull.headBranch,
            headSha: sha,
            baseRef: pull.baseBranch,
            baseSha: pull.baseSha ?? sha,
            repositoryId: one.id,
          },
        ],
  );
}

const appInput = ({ app }: World) => ({ id: app.id, slug: app.slug, name: app.name });

export const checkRunJson = (world: World, one: Repository, run: CheckRun): JsonObject =>
  checkRun(world.base, one.owner, one.name, {
    id: run.id,
    suiteId: run.suite,
    name: run.name,
    headSha: run.sha,
    headBranch: one.checkSuites.find(({ id }) => id === run.suite)?.branch ?? null,
    status: run.status,
    conclusion: run.conclusion,
    detailsUrl: run.detailsUrl,
    htmlUrl: `${webOf(world, one)}/runs/${run.id}`,
    externalId: run.externalId,
    startedAt: run.started,
    completedAt: run.completed,
    output: { title: run.title, summary: run.summary, text: run.text, annotationCount: run.annotations.length },
    app: appInput(world),
    pullRequests: pullsAt(one, run.sha),
  });

export function suiteState(one: Repository, suite: CheckSuite) {
  const runs = one.checkRuns.filter((run) => run.suite === suite.id);
  return { runs, ...suiteProgress(runs) };
}

export function checkSuiteJson(world: World, one: Repository, suite: CheckSuite): JsonObject {
  const { runs, status, conclusion } = suiteState(one, suite);
  return checkSuite(world.base, one.owner, one.name, {
    id: suite.id,
    headSha: suite.sha,
    headBranch: suite.branch,
    status,
    conclusion,
    createdAt: suite.created,
    app: appInput(world),
    checkRunCount: runs.length,
    repository: repositoryInput(world, one),
    pullRequests: pullsAt(one, suite.sha),
  });
}

/** An entry of the events of an issue; `id` and `url` are its own. */
export function issueEventJson(world: World, one: Repository, of: IssueEvent): JsonObject {
  const { label: named, assignee, reviewer, rename } = of;
  return {
    id: of.id,
    node_id: nodeId('IssueEvent', of.id),
    url: `${world.apiUrl}/repos/${one.owner}/${one.name}/issues/events/${of.id}`,
    actor: userJson(world, of.actor),
    event: of.event,
    commit_id: of.commit ?? null,
    commit_url: of.commit ? `${world.apiUrl}/repos/${one.owner}/${one.name}/commits/${of.commit}` : null,
    created_at: of.created,
    performed_via_github_app: null,
    ...(named && { label: { name: named.name, color: named.color } }),
    ...(assignee && { assignee: userJson(world, assignee), assigner: userJson(world, of.actor) }),
    ...(reviewer && { requested_reviewer: userJson(world, reviewer), review_requester: userJson(world, of.actor) }),
    ...(rename && { rename }),
  };
}

/** What one may do in a repository, in both of GitHub's forms. */
export function permissionsOf(world: World, one: Repository, login: string) {
  const level = levelOf(world.state, one, login);
  const [admin, write, read] = [level === 'admin', level === 'admin' || level === 'write', level !== 'none'];
  return { level, permissions: { admin, maintain: admin, push: write, triage: write, pull: read } };
}

export const collaboratorJson = (world: World, one: Repository, login: string): JsonObject => {
  const { level, permissions } = permissionsOf(world, one, login);
  return { ...user(world.base, accountOf(world, login) ?? { id: 0, login }), permissions, role_name: level };
};
