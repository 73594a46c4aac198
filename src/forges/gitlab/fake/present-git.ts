/** Commits, diffs, branches, tags and merge requests as GitLab's API shows them: what has to look into the repository. */
import type {
  BranchSchema,
  CommitDiffSchema,
  CommitSchema,
  CommitStatusSchema,
  ExpandedMergeRequestSchema,
  PipelineSchema,
  TagSchema,
} from '@gitbeaker/rest';
import type { FakeDiffFile } from '../../kit/fake/git-store.js';
import { person, thread, user, webUrl } from './present.js';
import {
  type Job,
  type MergeRequest,
  type Pipeline,
  type Project,
  projectById,
  type Status,
  userById,
  type World,
} from './state.js';

export async function commit(world: World, in_: Project, sha: string): Promise<CommitSchema & { title: string }> {
  const found = await in_.git.readCommit(sha);
  if (found === undefined) throw new Error(`The fake has no commit ${sha}.`);
  return {
    id: sha,
    short_id: sha.slice(0, 8),
    title: found.message.split('\n')[0] ?? '',
    message: found.message,
    parent_ids: found.parents,
    author_name: found.author.name,
    author_email: found.author.email,
    authored_date: found.author.date,
    committer_name: found.committer.name,
    committer_email: found.committer.email,
    committed_date: found.committer.date,
    created_at: found.committer.date,
    web_url: `${webUrl(world, in_)}/-/commit/${sha}`,
  };
}

export const diff = (of: FakeDiffFile): CommitDiffSchema => ({
  old_path: of.previousPath ?? of.path,
  new_path: of.path,
  a_mode: of.oldMode ?? (of.status === 'added' ? '0' : '100644'),
  b_mode: of.newMode ?? (of.status === 'removed' ? '0' : '100644'),
  new_file: of.status === 'added',
  renamed_file: of.status === 'renamed',
  deleted_file: of.status === 'removed',
  diff: of.patch,
});

/** Above this GitLab leaves a file's diff out of the answer. */
const COLLAPSED = 100 * 1024;

export function limitedDiff(of: FakeDiffFile) {
  const collapsed = of.patch.length > COLLAPSED;
  return { ...diff(of), ...(collapsed && { diff: '' }), collapsed, too_large: false };
}

const isProtected = (in_: Project, name: string): boolean => in_.protections.some((one) => one.name === name);

export async function branch(world: World, in_: Project, name: string, sha: string): Promise<BranchSchema> {
  return {
    name,
    merged: false,
    protected: isProtected(in_, name),
    default: name === in_.defaultBranch,
    developers_can_push: false,
    developers_can_merge: false,
    can_push: true,
    web_url: `${webUrl(world, in_)}/-/tree/${name}`,
    commit: await commit(world, in_, sha),
  };
}

/** `target` is the tag object of an annotated tag. */
export async function tag(world: World, in_: Project, name: string, target: string): Promise<Partial<TagSchema>> {
  const annotated = await in_.git.readTag(target);
  return {
    name,
    target,
    message: annotated?.message ?? '',
    protected: false,
    commit: await commit(world, in_, annotated?.target ?? target),
  };
}

export const DRAFT = /^\s*(\[draft\]|\(draft\)|draft:)/i;

type Mergeability = 'mergeable' | 'conflict' | 'draft_status' | 'not_open' | 'commits_status';

async function mergeStatus(world: World, in_: Project, of: MergeRequest): Promise<Mergeability> {
  if (of.state !== 'opened') return 'not_open';
  if (DRAFT.test(of.title)) return 'draft_status';
  const source = projectById(world, of.sourceProjectId);
  if ((await source.git.resolve(`refs/heads/${of.sourceBranch}`)) === undefined) return 'commits_status';
  // A fork's objects are another repository's in the fake, so only one's own branches are tried.
  return source === in_ && (await in_.git.conflicts(of.targetBranch, of.sha)) ? 'conflict' : 'mergeable';
}

export const baseOf = async (of: MergeRequest, in_: Project): Promise<string> =>
  (await in_.git.mergeBase(of.startSha, of.sha)) ?? of.startSha;

/** As in lists. */
export async function simpleMergeRequest(world: World, in_: Project, of: MergeRequest, detailed = false) {
  const { labels, milestone, assignee, ...rest } = thread(world, in_, of, detailed);
  const status = await mergeStatus(world, in_, of);
  const isDraft = DRAFT.test(of.title);
  const shown = {
    ...rest,
    source_branch: of.sourceBranch,
    target_branch: of.targetBranch,
    source_project_id: of.sourceProjectId,
    target_project_id: in_.id,
    reviewers: of.reviewerIds.map((id) => user(world, userById(world, id))),
    draft: isDraft,
    work_in_progress: isDraft,
    sha: of.sha,
    merge_commit_sha: of.mergeCommitSha,
    squash_commit_sha: of.squashCommitSha,
    merged_at: of.mergedAt,
    merge_status: status === 'conflict' ? 'cannot_be_merged' : 'can_be_merged',
    has_conflicts: status === 'conflict',
    merge_when_pipeline_succeeds: of.autoMerge !== undefined,
    squash: of.squash ?? false,
  } satisfies Partial<ExpandedMergeRequestSchema>;
  const merger = person(world, of.mergedById);
  // Until then it is whoever set it to be merged by itself.
  const willMerge = person(world, of.autoMerge?.userId ?? null);
  return {
    ...shown,
    labels,
    milestone,
    assignee,
    detailed_merge_status: status,
    merge_user: merger ?? willMerge,
    merged_by: merger,
    allow_collaboration: of.allowCollaboration,
  };
}

/** As where one is read. */
export async function mergeRequest(world: World, in_: Project, of: MergeRequest) {
  const base = await baseOf(of, in_);
  const { files } = await in_.git.diff(base, of.sha);
  return {
    ...(await simpleMergeRequest(world, in_, of)),
    changes_count: String(files.length),
    diff_refs: { base_sha: base, head_sha: of.sha, start_sha: of.startSha },
    merge_error: null,
  };
}

export const status = (world: World, of: Status): Partial<CommitStatusSchema> => ({
  id: of.id,
  sha: of.sha,
  ref: of.ref,
  status: of.status as CommitStatusSchema['status'],
  name: of.name,
  target_url: of.targetUrl as string,
  description: of.description as string,
  created_at: of.createdAt,
  started_at: of.startedAt as string,
  finished_at: of.finishedAt as string,
  allow_failure: false,
  author: user(world, userById(world, of.authorId)),
});

export const pipeline = (world: World, in_: Project, of: Pipeline): PipelineSchema => ({
  id: of.id,
  iid: of.iid,
  project_id: in_.id,
  sha: of.sha,
  ref: of.ref,
  status: of.status,
  source: of.source,
  created_at: of.createdAt,
  updated_at: of.updatedAt,
  web_url: `${webUrl(world, in_)}/-/pipelines/${of.id}`,
  user: user(world, userById(world, of.userId)),
});

export const job = (world: World, in_: Project, on: Pipeline, of: Job) => ({
  id: of.id,
  name: of.name,
  stage: of.stage,
  status: of.status,
  ref: on.ref,
  tag: false,
  allow_failure: of.allowFailure,
  created_at: of.createdAt,
  started_at: of.startedAt,
  finished_at: of.finishedAt,
  web_url: `${webUrl(world, in_)}/-/jobs/${of.id}`,
  commit: { id: on.sha },
  pipeline: { id: on.id, sha: on.sha, project_id: in_.id, ref: on.ref, status: on.status },
  runner: null,
  tag_list: [],
  ...(of.artifacts && {
    artifacts_file: { filename: of.artifacts.filename, size: of.artifacts.size },
    artifacts_expire_at: of.artifacts.expireAt,
  }),
});
