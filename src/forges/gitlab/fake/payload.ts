/** The bodies of GitLab's webhooks: its own names, its display names where one expects paths, and its three forms of times. */
import { labelsOf, webUrl } from './present.js';
import { commit, DRAFT } from './present-git.js';
import {
  type Issue,
  type Label,
  type MergeRequest,
  type Note,
  type Project,
  projectById,
  type Release,
  type Thread,
  type User,
  userById,
  type World,
} from './state.js';

/** `2017-12-10 17:01:11 UTC`, as hooks of issues, merge requests and notes have it. */
const hookTime = (iso: string | null): string | null =>
  iso === null ? null : iso.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');

const visibility = { private: 0, internal: 10, public: 20 } as const;

export const actor = (world: World, of: User) => ({
  id: of.id,
  name: of.name,
  username: of.username,
  avatar_url: `${world.web}/uploads/-/system/user/avatar/${of.id}/avatar.png`,
  email: '[REDACTED]',
});

export function project(world: World, of: Project) {
  const web = webUrl(world, of);
  const ssh = `git@${new URL(world.web).hostname}:${of.fullPath}.git`;
  return {
    id: of.id,
    name: of.path,
    description: of.description,
    web_url: web,
    avatar_url: null,
    git_ssh_url: ssh,
    git_http_url: `${web}.git`,
    // The display name, which is no path.
    namespace: namespaceName(world, of),
    visibility_level: visibility[of.visibility],
    path_with_namespace: of.fullPath,
    default_branch: of.defaultBranch,
    ci_config_path: null,
    homepage: web,
    url: ssh,
    ssh_url: ssh,
    http_url: `${web}.git`,
  };
}

const namespaceName = (world: World, of: Project): string =>
  of.namespace.kind === 'user'
    ? userById(world, of.namespace.id).name
    : (world.state.groups.find(({ id }) => id === of.namespace.id)?.name ?? '');

export const repository = (world: World, of: Project) => {
  const { name, url, description, homepage } = project(world, of);
  return { name, url, description, homepage };
};

export const label = (in_: Project, of: Label) => ({
  id: of.id,
  title: of.name,
  color: of.color,
  project_id: in_.id,
  template: false,
  description: of.description,
  type: 'ProjectLabel',
  group_id: null,
});

const people = (world: World, ids: readonly number[]) => ids.map((id) => actor(world, userById(world, id)));

const common = (world: World, in_: Project, of: Thread) => ({
  id: of.id,
  iid: of.iid,
  title: of.title,
  description: of.description,
  author_id: of.authorId,
  assignee_id: of.assigneeIds[0] ?? null,
  assignee_ids: of.assigneeIds,
  milestone_id: of.milestoneId,
  created_at: hookTime(of.createdAt),
  updated_at: hookTime(of.updatedAt),
  labels: labelsOf(in_, of).map((one) => label(in_, one)),
  time_estimate: 0,
  total_time_spent: 0,
  url: `${webUrl(world, in_)}/-/${of.kind === 'Issue' ? 'issues' : 'merge_requests'}/${of.iid}`,
});

const issueAttributes = (world: World, in_: Project, of: Issue) => ({
  ...common(world, in_, of),
  project_id: in_.id,
  state: of.state,
  confidential: of.confidential,
  closed_at: hookTime(of.closedAt),
  discussion_locked: of.locked ? true : null,
  type: 'Issue',
});

/** The head commit, as a merge request and a push name it. */
async function hookCommit(world: World, in_: Project, sha: string) {
  const found = await commit(world, in_, sha);
  return {
    id: sha,
    message: found.message,
    title: found.title,
    timestamp: found.authored_date,
    url: found.web_url,
    author: { name: found.author_name, email: found.author_email },
  };
}

async function mergeRequestAttributes(world: World, in_: Project, of: MergeRequest) {
  const source = projectById(world, of.sourceProjectId);
  return {
    ...common(world, in_, of),
    state: of.state,
    draft: DRAFT.test(of.title),
    work_in_progress: DRAFT.test(of.title),
    source_branch: of.sourceBranch,
    target_branch: of.targetBranch,
    source_project_id: of.sourceProjectId,
    target_project_id: in_.id,
    merge_commit_sha: of.mergeCommitSha,
    merge_status: of.state === 'merged' ? 'can_be_merged' : 'checking',
    detailed_merge_status: of.state === 'opened' ? 'checking' : 'not_open',
    merge_user_id: of.mergedById,
    merge_when_pipeline_succeeds: false,
    reviewer_ids: of.reviewerIds,
    source: project(world, source),
    target: project(world, in_),
    last_commit: await hookCommit(world, source, of.sha),
    blocking_discussions_resolved: true,
  };
}

type Changes = Readonly<Record<string, { previous: unknown; current: unknown }>>;

export const issueHook = (world: World, in_: Project, of: Issue, by: User, action: string, changes: Changes) => ({
  name: of.confidential ? 'Confidential Issue Hook' : 'Issue Hook',
  flag: of.confidential ? 'confidential_issues_events' : 'issues_events',
  payload: {
    object_kind: 'issue',
    event_type: of.confidential ? 'confidential_issue' : 'issue',
    user: actor(world, by),
    project: project(world, in_),
    object_attributes: { ...issueAttributes(world, in_, of), action },
    labels: labelsOf(in_, of).map((one) => label(in_, one)),
    changes,
    repository: repository(world, in_),
    ...(of.assigneeIds.length > 0 && { assignees: people(world, of.assigneeIds) }),
  },
});

export async function mergeRequestHook(
  world: World,
  in_: Project,
  of: MergeRequest,
  by: User,
  action: string,
  changes: Changes,
  oldrev?: string,
) {
  return {
    name: 'Merge Request Hook',
    flag: 'merge_requests_events',
    payload: {
      object_kind: 'merge_request',
      event_type: 'merge_request',
      user: actor(world, by),
      project: project(world, in_),
      object_attributes: {
        ...(await mergeRequestAttributes(world, in_, of)),
        action,
        ...(oldrev !== undefined && { oldrev }),
      },
      labels: labelsOf(in_, of).map((one) => label(in_, one)),
      changes,
      repository: repository(world, in_),
      // The keys are there only when somebody is.
      ...(of.assigneeIds.length > 0 && { assignees: people(world, of.assigneeIds) }),
      ...(of.reviewerIds.length > 0 && { reviewers: people(world, of.reviewerIds) }),
    },
  };
}

export async function noteHook(world: World, in_: Project, on: Thread, of: Note, by: User, action: string) {
  const url = `${common(world, in_, on).url}#note_${of.id}`;
  const about =
    on.kind === 'Issue'
      ? { issue: issueAttributes(world, in_, on as Issue) }
      : { merge_request: await mergeRequestAttributes(world, in_, on as MergeRequest) };
  const isHidden = of.internal === true || (on.kind === 'Issue' && (on as Issue).confidential);
  return {
    name: isHidden ? 'Confidential Note Hook' : 'Note Hook',
    flag: isHidden ? 'confidential_note_events' : 'note_events',
    payload: {
      object_kind: 'note',
      event_type: isHidden ? 'confidential_note' : 'note',
      user: actor(world, by),
      project_id: in_.id,
      project: project(world, in_),
      object_attributes: {
        id: of.id,
        note: of.body,
        description: of.body,
        noteable_type: on.kind,
        noteable_id: on.id,
        author_id: of.authorId,
        created_at: hookTime(of.createdAt),
        updated_at: hookTime(of.updatedAt),
        project_id: in_.id,
        attachment: null,
        line_code: null,
        commit_id: '',
        system: of.system,
        internal: of.internal ?? false,
        type: of.type,
        position: of.position ?? null,
        original_position: of.position ?? null,
        discussion_id: of.discussionId,
        resolved_at: null,
        url,
        action,
      },
      repository: repository(world, in_),
      ...about,
    },
  };
}

const NO_COMMIT = '0'.repeat(40);

/** Oldest first. @param shas newest first */
const pushedCommits = (world: World, in_: Project, shas: readonly string[]) =>
  Promise.all(
    shas.toReversed().map(async (sha) => {
      const [parent = null] = (await in_.git.readCommit(sha))?.parents ?? [];
      const { files } = await in_.git.diff(parent, sha);
      const paths = (...kinds: string[]) =>
        files.filter((file) => kinds.includes(file.status)).map((file) => file.path);
      return {
        ...(await hookCommit(world, in_, sha)),
        added: paths('added'),
        modified: paths('modified', 'renamed'),
        removed: paths('removed'),
      };
    }),
  );

/** What the button "Test" sends: the newest three commits, as if the oldest of them had been there before. */
export async function samplePushHook(world: World, in_: Project, by: User, head: string) {
  const shas = (await in_.git.log(head)).slice(0, 3);
  const change = { ref: `refs/heads/${in_.defaultBranch}`, before: shas.at(-1) ?? head, after: head };
  const sent = await pushHook(world, in_, by, change);
  const commits = await pushedCommits(world, in_, shas);
  return { ...sent, payload: { ...sent.payload, commits, total_commits_count: shas.length } };
}

/** What a test of `resource_access_token_events` sends: a token that was never there is about to expire. */
export const sampleTokenHook = (world: World, in_: Project | undefined) => ({
  name: 'Resource Access Token Hook',
  flag: 'access_token_events',
  payload: {
    object_kind: 'access_token',
    ...(in_ && { project: project(world, in_) }),
    object_attributes: { id: 1, user_id: null, name: 'pat_for_webhook_event', expires_at: world.now().slice(0, 10) },
    event_name: 'expiring_access_token',
  },
});

/**
 * A push of one ref. GitLab tells the newest 20 commits, oldest first; of a new branch those that the default branch has not, and
 * of a new tag the one that it stands on.
 */
export async function pushHook(
  world: World,
  in_: Project,
  by: User,
  change: { ref: string; before: string; after: string },
) {
  const isTag = change.ref.startsWith('refs/tags/');
  const gone = change.after === NO_COMMIT;
  const annotated = isTag && !gone ? await in_.git.readTag(change.after) : undefined;
  const head = annotated?.target ?? change.after;
  const isNew = change.before === NO_COMMIT;
  const isDefault = change.ref === `refs/heads/${in_.defaultBranch}`;
  const exclude = isNew ? (isDefault ? undefined : await in_.git.resolve(in_.defaultBranch)) : change.before;
  const shas = gone ? [] : isTag ? [head] : await in_.git.log(head, { exclude });
  const commits = await pushedCommits(world, in_, shas.slice(0, 20));
  const { git_http_url, git_ssh_url, visibility_level } = project(world, in_);
  return {
    name: isTag ? 'Tag Push Hook' : 'Push Hook',
    flag: isTag ? 'tag_push_events' : 'push_events',
    payload: {
      object_kind: isTag ? 'tag_push' : 'push',
      event_name: isTag ? 'tag_push' : 'push',
      before: change.before,
      after: change.after,
      ref: change.ref,
      ref_protected: in_.protections.some((one) => `refs/heads/${one.name}` === change.ref),
      checkout_sha: gone ? null : head,
      message: annotated?.message ?? null,
      user_id: by.id,
      user_name: by.name,
      user_username: by.username,
      user_email: '',
      user_avatar: actor(world, by).avatar_url,
      project_id: in_.id,
      project: project(world, in_),
      commits,
      total_commits_count: shas.length,
      push_options: {},
      repository: { ...repository(world, in_), git_http_url, git_ssh_url, visibility_level },
    },
  };
}

export const releaseHook = async (world: World, in_: Project, of: Release, action: string, sha: string) => ({
  name: 'Release Hook',
  flag: 'releases_events',
  payload: {
    object_kind: 'release',
    id: of.createdAt.length,
    created_at: hookTime(of.createdAt),
    released_at: hookTime(of.releasedAt),
    name: of.name,
    tag: of.tag,
    description: of.description,
    url: `${webUrl(world, in_)}/-/releases/${encodeURIComponent(of.tag)}`,
    action,
    project: project(world, in_),
    assets: { count: 0, links: [], sources: [] },
    commit: await hookCommit(world, in_, sha),
  },
});
