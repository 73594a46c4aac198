/**
 * What translation needs of Gitea's and Forgejo's objects, the same in webhooks and in API answers. Only what an object is
 * useless without is required; everything else that is absent, null or of another type counts as "not told", since servers
 * of five years and two projects leave out different things. What is not named here is left out, which zod does fastest.
 */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import type { JsonObject } from '../forge.js';
import { isObject } from './events/fields.js';

/** The ghost is -1 and the Actions account is -2; ids beyond 2^53 arrive as text. */
const id = z.union([z.number().int(), z.string().regex(/^-?\d{1,19}$/)]);
const name = z.string().min(1);
const number = z.number().int().positive();
const sha = z.string().regex(/^[0-9a-f]{4,64}$/i);

/** Absent when it is not what it should be. */
const told = <T extends z.ZodType>(schema: T) => schema.nullish().catch(undefined);
const text = told(z.string());
const flag = told(z.boolean());
const count = told(z.number().int().nonnegative());
/** Read on by the converter of its own. */
const anObject = z.custom<JsonObject>(isObject);
const object = told(anObject);
const objects = told(z.custom<readonly unknown[]>(Array.isArray));
const texts = told(z.array(z.string()));

export const nativeUser = z.object({
  id,
  login: text,
  /** The older name of `login`. */
  username: text,
  full_name: text,
  email: text,
  avatar_url: text,
  html_url: text,
  is_admin: flag,
});

export const nativeRepository = z.object({
  id,
  name,
  owner: anObject,
  html_url: text,
  description: text,
  private: flag,
  internal: flag,
  fork: flag,
  default_branch: text,
  archived: flag,
  website: text,
  language: text,
  topics: texts,
  created_at: text,
  updated_at: text,
  size: count,
  stars_count: count,
  forks_count: count,
  open_issues_count: count,
  open_pr_counter: count,
  has_issues: flag,
  has_wiki: flag,
  clone_url: text,
  ssh_url: text,
  allow_merge_commits: flag,
  allow_rebase: flag,
  allow_squash_merge: flag,
  default_delete_branch_after_merge: flag,
  permissions: told(z.object({ admin: flag, push: flag, pull: flag })),
});

export const nativeLabel = z.object({ id, name: z.string(), color: text, description: text });

export const nativeMilestone = z.object({
  id,
  title: z.string(),
  description: text,
  state: text,
  open_issues: count,
  closed_issues: count,
  created_at: text,
  updated_at: text,
  closed_at: text,
  due_on: text,
});

const side = z.object({ label: text, ref: name, sha: text, repo: object });

export const nativePullRequest = z.object({
  id,
  number,
  title: z.string(),
  body: text,
  state: text,
  html_url: text,
  user: object,
  head: side,
  base: side,
  labels: objects,
  assignees: objects,
  assignee: object,
  requested_reviewers: objects,
  requested_reviewers_teams: objects,
  milestone: object,
  draft: flag,
  is_locked: flag,
  mergeable: flag,
  merged: flag,
  merged_at: text,
  merged_by: object,
  merge_commit_sha: text,
  merge_base: text,
  allow_maintainer_edit: flag,
  comments: count,
  review_comments: count,
  additions: count,
  deletions: count,
  changed_files: count,
  created_at: text,
  updated_at: text,
  closed_at: text,
});

export const nativeTeam = z.object({ id, name });

export const nativeIssue = z.object({
  id,
  number,
  title: z.string(),
  body: text,
  state: text,
  html_url: text,
  user: object,
  labels: objects,
  assignees: objects,
  assignee: object,
  milestone: object,
  is_locked: flag,
  comments: count,
  created_at: text,
  updated_at: text,
  closed_at: text,
  pull_request: told(z.object({ html_url: text, merged_at: text, draft: flag })),
});

export const nativeComment = z.object({
  id,
  body: z.string(),
  html_url: text,
  issue_url: text,
  pull_request_url: text,
  user: object,
  created_at: text,
  updated_at: text,
});

export const nativeReview = z.object({
  id,
  state: text,
  body: text,
  html_url: text,
  pull_request_url: text,
  user: object,
  commit_id: text,
  dismissed: flag,
  submitted_at: text,
  updated_at: text,
});

export const nativeReviewComment = nativeComment.extend({
  path: z.string(),
  commit_id: text,
  original_commit_id: text,
  pull_request_review_id: told(id),
  diff_hunk: text,
  /** Line on the new side, 0 when the comment stands on the old one. */
  position: count,
  original_position: count,
});

const signer = told(z.object({ name: text, email: text, date: text }));
const pusher = told(z.object({ name: text, email: text, date: text, username: text }));

/** `GET /repos/{owner}/{repo}/commits`. */
export const nativeCommit = z.object({
  sha,
  html_url: text,
  commit: z.object({
    message: text,
    author: signer,
    committer: signer,
    tree: told(z.object({ sha })),
    verification: told(z.object({ verified: flag })),
  }),
  author: object,
  committer: object,
  parents: told(z.array(z.object({ sha }))),
  files: objects,
  stats: told(z.object({ additions: z.number(), deletions: z.number() })),
});

/** A commit in a push. */
export const nativePushCommit = z.object({
  id: sha,
  message: text,
  url: text,
  author: pusher,
  committer: pusher,
  timestamp: text,
  verification: told(z.object({ verified: flag })),
  added: texts,
  removed: texts,
  modified: texts,
});

export const nativeFile = z.object({
  filename: name,
  previous_filename: text,
  status: text,
  additions: count,
  deletions: count,
  html_url: text,
});

export const nativeRelease = z.object({
  id,
  tag_name: z.string(),
  target_commitish: text,
  name: text,
  body: text,
  draft: flag,
  prerelease: flag,
  html_url: text,
  author: object,
  publisher: object,
  created_at: text,
  published_at: text,
  assets: objects,
});

export const nativeAsset = z.object({ id, name, size: count, browser_download_url: text });

/** `state` in webhooks, `status` in API answers. */
export const nativeStatus = z.object({
  id,
  state: text,
  status: text,
  sha: text,
  context: text,
  description: text,
  target_url: text,
  creator: object,
  created_at: text,
  updated_at: text,
});

/** A run of Gitea's Actions, in webhooks and in API answers. */
export const nativeWorkflowRun = z.object({
  id,
  display_title: text,
  path: text,
  event: text,
  run_number: count,
  run_attempt: count,
  head_sha: text,
  head_branch: text,
  status: text,
  conclusion: text,
  html_url: text,
  actor: object,
  trigger_actor: object,
  created_at: text,
  started_at: text,
  completed_at: text,
  updated_at: text,
});

/** A run of Forgejo's Actions, which has other names for all of it. */
export const nativeActionRun = z.object({
  id,
  title: text,
  workflow_id: text,
  index_in_repo: count,
  trigger_user: object,
  trigger_event: text,
  event: text,
  prettyref: text,
  commit_sha: text,
  status: text,
  html_url: text,
  created: text,
  started: text,
  stopped: text,
  updated: text,
});

export const nativeWorkflowStep = z.object({
  name: z.string(),
  number: count,
  status: text,
  conclusion: text,
  started_at: text,
  completed_at: text,
});

export const nativeWorkflowJob = z.object({
  id,
  run_id: id,
  name: text,
  head_sha: text,
  head_branch: text,
  status: text,
  conclusion: text,
  html_url: text,
  runner_id: told(id),
  runner_name: text,
  labels: texts,
  run_attempt: count,
  steps: objects,
  created_at: text,
  started_at: text,
  completed_at: text,
});

/**
 * `value` as `schema` has it.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming `what` and the first field that is missing or of the wrong type
 */
export function read<T extends z.ZodType>(what: string, schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = [what, ...(parsed.error.issues[0]?.path ?? [])].join('.');
  throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', `${field} is missing or of the wrong type`);
}
