/**
 * The fields of GitLab's hooks that translation reads. Only what an event cannot be told without is required; anything else
 * that is missing or of another type counts as not sent. What is not listed here is never read.
 */
import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import { lineRange } from './convert/note.js';

const isId = (value: string): boolean => {
  try {
    return parseId(value) >= 0n;
  } catch {
    return false;
  }
};

/** A number, or its digits where a number would not be exact. */
export const id = z.union([z.number().int().nonnegative(), z.string().refine(isId, 'is no id')]);
/** Counted per project; issues are raised above this, see `references.ts`. */
const iid = z.number().int().positive().max(999_999_999);
/** As a database and an address can hold it: without NUL and without halves of characters. */
const clean = (value: string): string =>
  value.isWellFormed() && !value.includes('\u0000') ? value : value.replaceAll('\u0000', '').toWellFormed();
const text = z.string().transform(clean);
const name = z.string().transform(clean).pipe(z.string().min(1));
const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);
const ADDRESS = /^https?:\/\/[^\s]+$/;
const isAddress = (value: string): boolean => ADDRESS.test(value) && URL.canParse(value);
const webAddress = z.string().refine(isAddress).transform(clean);
const flag = z.boolean();
const number = z.number();

/** What is left of a value that may be anything; undefined when it is not of the type. */
type Leaf = (value: unknown) => unknown;
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/**
 * The same as the types, without the four or five objects that each of them is: a delivery has hundreds of these fields, and
 * checking them was a third of what its translation cost.
 */
const leaves: ReadonlyMap<z.ZodType, Leaf> = new Map<z.ZodType, Leaf>([
  [text, (value) => (typeof value === 'string' ? clean(value) : undefined)],
  [name, (value) => (typeof value === 'string' && clean(value) !== '' ? clean(value) : undefined)],
  [webAddress, (value) => (typeof value === 'string' && isAddress(value) ? clean(value) : undefined)],
  [id, (value) => (isWhole(value) || (typeof value === 'string' && isId(value)) ? value : undefined)],
  [flag, (value) => (typeof value === 'boolean' ? value : undefined)],
  [number, (value) => (Number.isFinite(value) ? value : undefined)],
]);

/** Whatever is not as expected counts as not sent. */
function maybe<T extends z.ZodType>(type: T) {
  const checked = type.nullish().catch(undefined);
  const leaf = leaves.get(type);
  if (leaf === undefined) return checked;
  return z.transform((value) => (value === null ? null : leaf(value))) as unknown as typeof checked;
}

export const account = z.object({
  id: maybe(id),
  username: maybe(name),
  name: maybe(text),
  avatar_url: maybe(text),
});
export type NativeAccount = z.output<typeof account>;

export const project = z.object({
  id: maybe(id),
  name: maybe(text),
  description: maybe(text),
  web_url: maybe(webAddress),
  git_http_url: maybe(webAddress),
  git_ssh_url: maybe(text),
  visibility_level: maybe(number),
  path_with_namespace: maybe(name),
  default_branch: maybe(name),
});
export type NativeProject = z.output<typeof project>;

export const label = z.object({ id, title: name, color: maybe(text), description: maybe(text) });
export type NativeLabel = z.output<typeof label>;
const labels = maybe(z.array(label));

const reviewer = account.extend({ state: maybe(text), re_requested: maybe(flag) });
export type NativeReviewer = z.output<typeof reviewer>;

export const commit = z.object({
  id: sha,
  message: maybe(text),
  timestamp: maybe(text),
  url: maybe(webAddress),
  author: maybe(z.object({ name: maybe(text), email: maybe(text) })),
  added: maybe(z.array(text)),
  modified: maybe(z.array(text)),
  removed: maybe(z.array(text)),
});
export type NativeCommit = z.output<typeof commit>;

/** `{ previous, current }` of one field. */
const change = <T extends z.ZodType>(type: T) => maybe(z.object({ previous: maybe(type), current: maybe(type) }));

const changes = maybe(
  z.object({
    title: change(text),
    description: change(text),
    target_branch: change(text),
    draft: change(flag),
    work_in_progress: change(flag),
    labels: change(z.array(label)),
    assignees: change(z.array(account)),
    reviewers: change(z.array(reviewer)),
    milestone_id: change(id),
    discussion_locked: change(flag),
    moved_to_id: change(id),
  }),
);
export type NativeChanges = NonNullable<z.output<typeof changes>>;

/** What issues and merge requests have in common. */
const thread = {
  id,
  iid,
  title: text,
  description: maybe(text),
  state: maybe(text),
  author_id: maybe(id),
  created_at: maybe(text),
  updated_at: maybe(text),
  closed_at: maybe(text),
  milestone_id: maybe(id),
  discussion_locked: maybe(flag),
  url: maybe(webAddress),
  labels,
};

export const mergeRequestAttributes = z.object({
  ...thread,
  action: maybe(text),
  source_branch: text,
  target_branch: text,
  source_project_id: maybe(id),
  target_project_id: maybe(id),
  source: maybe(project),
  target: maybe(project),
  last_commit: maybe(commit),
  oldrev: maybe(sha),
  draft: maybe(flag),
  work_in_progress: maybe(flag),
  merge_status: maybe(text),
  detailed_merge_status: maybe(text),
  merge_commit_sha: maybe(sha),
  squash_commit_sha: maybe(sha),
  merge_when_pipeline_succeeds: maybe(flag),
  system: maybe(flag),
  system_action: maybe(text),
});
export type MergeRequestAttributes = z.output<typeof mergeRequestAttributes>;

const actor = { user: maybe(account), project: maybe(project) };

export const mergeRequestEvent = z.object({
  ...actor,
  object_attributes: mergeRequestAttributes,
  labels,
  changes,
  assignees: maybe(z.array(account)),
  reviewers: maybe(z.array(reviewer)),
});
export type MergeRequestEvent = z.output<typeof mergeRequestEvent>;

export const issueAttributes = z.object({
  ...thread,
  action: maybe(text),
  project_id: maybe(id),
  confidential: maybe(flag),
  type: maybe(text),
});
export type IssueAttributes = z.output<typeof issueAttributes>;

export const issueEvent = z.object({
  ...actor,
  event_type: maybe(text),
  object_attributes: issueAttributes,
  labels,
  changes,
  assignees: maybe(z.array(account)),
});
export type IssueEvent = z.output<typeof issueEvent>;

const place = z.object({
  base_sha: maybe(sha),
  head_sha: maybe(sha),
  old_path: maybe(text),
  new_path: maybe(text),
  old_line: maybe(z.number().int()),
  new_line: maybe(z.number().int()),
  line_range: maybe(lineRange),
});
export const noteEvent = z.object({
  ...actor,
  event_type: maybe(text),
  project_id: maybe(id),
  object_attributes: z.object({
    id,
    note: text,
    noteable_type: text,
    type: maybe(text),
    action: maybe(text),
    created_at: maybe(text),
    updated_at: maybe(text),
    system: maybe(flag),
    internal: maybe(flag),
    confidential: maybe(flag),
    commit_id: maybe(sha),
    discussion_id: maybe(text),
    position: maybe(place),
    original_position: maybe(place),
    st_diff: maybe(z.object({ new_path: maybe(text), old_path: maybe(text) })),
    url: maybe(webAddress),
  }),
  merge_request: maybe(mergeRequestAttributes),
  issue: maybe(issueAttributes),
  commit: maybe(commit),
});
export type NoteEvent = z.output<typeof noteEvent>;

export const pushEvent = z.object({
  before: sha,
  after: sha,
  ref: name,
  checkout_sha: maybe(sha),
  project_id: maybe(id),
  user_id: maybe(id),
  user_name: maybe(text),
  user_username: maybe(name),
  user_email: maybe(text),
  user_avatar: maybe(text),
  project: maybe(project),
  commits: maybe(z.array(commit)),
});
export type PushEvent = z.output<typeof pushEvent>;

export const milestoneEvent = z.object({
  project: maybe(project),
  action: maybe(text),
  object_attributes: z.object({
    id,
    iid,
    title: text,
    description: maybe(text),
    state: text,
    due_date: maybe(text),
    created_at: maybe(text),
    updated_at: maybe(text),
    action: maybe(text),
  }),
});

export const releaseEvent = z.object({
  id,
  tag: name,
  name: maybe(text),
  description: maybe(text),
  created_at: maybe(text),
  released_at: maybe(text),
  upcoming_release: maybe(flag),
  action: text,
  url: maybe(webAddress),
  project: maybe(project),
  commit: maybe(commit),
  assets: maybe(z.object({ links: maybe(z.array(z.object({ id, name: text, url: text }))) })),
});
export type ReleaseEvent = z.output<typeof releaseEvent>;

export const wikiEvent = z.object({
  ...actor,
  object_attributes: z.object({
    title: text,
    slug: text,
    action: text,
    message: maybe(text),
    url: maybe(webAddress),
    version_id: maybe(text),
  }),
});

export const deploymentEvent = z.object({
  ...actor,
  status: text,
  status_changed_at: maybe(text),
  deployment_id: id,
  deployable_url: maybe(webAddress),
  environment: text,
  environment_tier: maybe(text),
  environment_external_url: maybe(webAddress),
  short_sha: maybe(text),
  ref: maybe(text),
  commit_url: maybe(text),
  commit_title: maybe(text),
});
export type DeploymentEvent = z.output<typeof deploymentEvent>;

export const pipelineEvent = z.object({
  ...actor,
  object_attributes: z.object({
    id,
    iid: maybe(z.number().int().positive()),
    name: maybe(text),
    ref: maybe(text),
    tag: maybe(flag),
    sha,
    before_sha: maybe(sha),
    source: maybe(text),
    status: text,
    detailed_status: maybe(text),
    created_at: maybe(text),
    finished_at: maybe(text),
    url: maybe(webAddress),
  }),
  merge_request: maybe(
    z.object({
      id,
      iid,
      source_branch: text,
      target_branch: text,
      source_project_id: maybe(id),
      target_project_id: maybe(id),
    }),
  ),
  commit: maybe(commit),
  builds: maybe(z.array(z.unknown())),
});
export type PipelineEvent = z.output<typeof pipelineEvent>;

export const jobEvent = z.object({
  ...actor,
  ref: maybe(text),
  sha,
  build_id: id,
  build_name: text,
  build_status: text,
  build_created_at: maybe(text),
  build_started_at: maybe(text),
  build_finished_at: maybe(text),
  build_allow_failure: maybe(flag),
  build_failure_reason: maybe(text),
  retries_count: maybe(z.number().int().nonnegative()),
  pipeline_id: maybe(id),
  project_id: id,
  runner: maybe(z.object({ id: maybe(id), description: maybe(text), tags: maybe(z.array(text)) })),
  /** `id` is the pipeline's, and `sha` is what the name says. */
  commit: maybe(z.object({ id: maybe(id), name: maybe(text) })),
  repository: maybe(
    z.object({
      description: maybe(text),
      homepage: maybe(webAddress),
      git_http_url: maybe(webAddress),
      git_ssh_url: maybe(text),
      visibility_level: maybe(number),
    }),
  ),
});
export type JobEvent = z.output<typeof jobEvent>;

const member = { user_id: id, user_username: name, user_name: maybe(text), updated_at: maybe(text) };

export const projectMemberEvent = z.object({
  ...member,
  project_id: id,
  project_path_with_namespace: name,
  project_visibility: maybe(text),
  access_level: maybe(text),
});
export type ProjectMemberEvent = z.output<typeof projectMemberEvent>;

export const groupMemberEvent = z.object({
  ...member,
  group_id: id,
  group_path: name,
  group_name: maybe(text),
  group_access: maybe(text),
});
export type GroupMemberEvent = z.output<typeof groupMemberEvent>;

export const projectEvent = z.object({
  project_id: id,
  path_with_namespace: name,
  old_path_with_namespace: maybe(name),
  project_visibility: maybe(text),
  created_at: maybe(text),
  updated_at: maybe(text),
});
export type ProjectEvent = z.output<typeof projectEvent>;

export const groupEvent = z.object({
  group_id: id,
  name: text,
  path: name,
  full_path: maybe(name),
  old_path: maybe(text),
  old_full_path: maybe(text),
  parent_group_id: maybe(id),
  parent_full_path: maybe(name),
  parent_name: maybe(text),
  updated_at: maybe(text),
});
export type GroupEvent = z.output<typeof groupEvent>;

/** Enough of any hook to say where it comes from and whether everybody may see it. */
export const anyEvent = z.object({
  ...actor,
  event_type: maybe(text),
  project_id: maybe(id),
  object_attributes: maybe(
    z.object({
      action: maybe(text),
      project_id: maybe(id),
      confidential: maybe(flag),
      internal: maybe(flag),
    }),
  ),
  action: maybe(text),
  issue: maybe(z.object({ iid: maybe(iid), confidential: maybe(flag) })),
  work_item: maybe(z.object({ confidential: maybe(flag) })),
  epic: maybe(z.object({ confidential: maybe(flag) })),
  merge_request: maybe(z.object({ iid: maybe(iid) })),
  note: maybe(z.object({ internal: maybe(flag), confidential: maybe(flag) })),
});
export type AnyEvent = z.output<typeof anyEvent>;
