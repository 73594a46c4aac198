/**
 * GitHub-shaped JSON to mirror data: the one reading of these objects, used for webhook payloads and for answers of the
 * REST routes alike. Permissive: only the fields that are stored, and of those only what the columns need.
 */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import { parseId } from '../../lib/ids.js';
import { hideTokens } from '../../lib/redact.js';
import type { CommentData } from './comment.js';
import type { CommitData } from './commit.js';
import type { IssueData } from './issue.js';
import type { PullRequestData } from './pull-request.js';
import type { RepositoryData } from './repository.js';
import type { ReviewData } from './review.js';

/** PostgreSQL stores neither NUL nor half a surrogate pair, and people's text may hold both. */
export const storable = (value: string) => value.replaceAll('\0', '\uFFFD').replace(/\p{Surrogate}/gu, '\uFFFD');
const text = z.string().transform(storable);
const optionalText = text.nullish().transform((value) => value ?? null);
/** What people write: a token that slipped into it stays with the forge. */
const written = text.transform(hideTokens);
const optionalWritten = written.nullish().transform((value) => value ?? null);
/** A path of a forge's own making: letters that would have to be replaced make it another path. */
const exactText = z
  .string()
  .min(1)
  .refine((value) => storable(value) === value, 'holds characters that cannot be stored');

export const id = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    return parseId(value);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not an id' });
    return z.NEVER;
  }
});
const optionalId = id.nullish().transform((value) => value ?? null);
/** Issue and pull request numbers, counts. */
export const whole = z.number().int().min(0).max(2_147_483_647);
const optionalWhole = whole.nullish().transform((value) => value ?? null);
const sha = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i, 'is not a commit id');

const LAST_STORABLE = Date.parse('9999-12-31T23:59:59Z');
function readTime(value: string | number): Date | undefined {
  const date = new Date(typeof value === 'number' ? value * 1_000 : value);
  return date.getTime() > LAST_STORABLE || Number.isNaN(date.getTime()) || date.getTime() < 0 ? undefined : date;
}
/** ISO text, or Unix seconds as some events write them. */
export const time = z.union([z.string(), z.number()]).transform((value, context) => {
  const date = readTime(value);
  if (date !== undefined) return date;
  context.addIssue({ code: 'custom', message: 'is not a time' });
  return z.NEVER;
});
const optionalTime = time.nullish().transform((value) => value ?? null);

export const user = z.object({ id, login: text });
const author = user.nullish().transform((value) => value ?? null);
const labels = z
  .array(z.object({ name: text, color: optionalText }))
  .nullish()
  .transform((value) => (value ?? []).map(({ name, color }) => ({ name, color: color ?? '' })));
// A deleted account stands in these lists as null.
const people = z
  .array(user.nullable())
  .nullish()
  .transform((value) => (value ?? []).filter((person) => person !== null));
const teams = z
  .array(z.object({ slug: text.nullish(), name: text.nullish() }))
  .nullish()
  .transform((value) => (value ?? []).map((team) => ({ team: team.slug ?? team.name ?? '' })));

/** A whole repository, as most events and routes carry it. */
export const repository = z
  .object({
    id,
    name: exactText,
    owner: z.object({ login: exactText }),
    html_url: exactText,
    default_branch: exactText.nullish(),
    private: z.boolean(),
    archived: z.boolean().nullish(),
    updated_at: optionalTime,
  })
  .transform(
    (value): RepositoryData => ({
      remoteId: value.id,
      owner: value.owner.login,
      name: value.name,
      url: value.html_url,
      defaultBranch: value.default_branch ?? null,
      private: value.private,
      archived: value.archived ?? false,
      updatedAt: value.updated_at,
    }),
  );

export const pullRequest = z
  .object({
    id,
    number: whole,
    title: written,
    body: optionalWritten,
    state: z.string(),
    draft: z.boolean().nullish(),
    merged: z.boolean().nullish(),
    user: author,
    head: z.object({ ref: exactText, sha, repo: z.object({ id }).nullish() }),
    base: z.object({ ref: exactText, sha }),
    merge_commit_sha: z.string().nullish(),
    labels,
    assignees: people,
    requested_reviewers: people,
    requested_teams: teams,
    additions: optionalWhole,
    deletions: optionalWhole,
    changed_files: optionalWhole,
    html_url: exactText,
    created_at: optionalTime,
    updated_at: time,
    closed_at: optionalTime,
    merged_at: optionalTime,
  })
  .transform((value): PullRequestData => {
    const merged = value.merged === true || value.merged_at !== null;
    return {
      remoteId: value.id,
      number: value.number,
      title: value.title,
      body: value.body,
      state: merged ? 'merged' : value.state === 'closed' ? 'closed' : 'open',
      draft: value.draft ?? false,
      author: value.user,
      headBranch: value.head.ref,
      baseBranch: value.base.ref,
      headSha: value.head.sha,
      baseSha: value.base.sha,
      headRepositoryId: value.head.repo?.id ?? null,
      // While it is open the forge shows a test merge here, which changes without a new version.
      mergeCommitSha: merged ? (value.merge_commit_sha ?? null) : null,
      labels: value.labels,
      assignees: value.assignees,
      reviewers: [...value.requested_reviewers, ...value.requested_teams],
      additions: value.additions,
      deletions: value.deletions,
      changedFiles: value.changed_files,
      url: value.html_url,
      createdAt: value.created_at,
      updatedAt: value.updated_at,
      closedAt: value.closed_at,
      mergedAt: value.merged_at,
    };
  });

const signature = z
  .object({ name: optionalText, email: optionalText, date: z.unknown().optional() })
  .nullish()
  .transform((value) => value ?? null);

/** Whoever makes a commit sets its clock: what is no time of ours becomes the beginning of time, and is no error. */
const commitTime = (value: unknown) =>
  (typeof value === 'string' || typeof value === 'number' ? readTime(value) : undefined) ?? new Date(0);

/** A commit in a push event. */
export const pushedCommit = z
  .object({ id: sha, message: written, timestamp: z.unknown().optional(), author: signature })
  .transform(
    (value): CommitData => ({
      sha: value.id.toLowerCase(),
      message: value.message,
      authorName: value.author?.name ?? null,
      authorEmail: value.author?.email ?? null,
      committedAt: commitTime(value.timestamp),
    }),
  );

/** A commit in an answer of the commit routes, such as "list commits on a pull request". */
export const listedCommit = z
  .object({ sha, commit: z.object({ message: written, author: signature, committer: signature }) })
  .transform(
    (value): CommitData => ({
      sha: value.sha.toLowerCase(),
      message: value.commit.message,
      authorName: value.commit.author?.name ?? null,
      authorEmail: value.commit.author?.email ?? null,
      committedAt: commitTime(value.commit.committer?.date ?? value.commit.author?.date),
    }),
  );

export const issue = z
  .object({
    id,
    number: whole,
    title: written,
    body: optionalWritten,
    state: z.string().nullish(),
    state_reason: optionalText,
    user: author,
    labels,
    assignees: people,
    milestone: z.object({ title: written }).nullish(),
    html_url: exactText,
    created_at: optionalTime,
    updated_at: time,
    closed_at: optionalTime,
    pull_request: z.unknown().optional(),
  })
  .transform((value): IssueData & { isPullRequest: boolean } => ({
    remoteId: value.id,
    number: value.number,
    title: value.title,
    body: value.body,
    state: value.state === 'closed' ? 'closed' : 'open',
    stateReason: value.state_reason,
    author: value.user,
    labels: value.labels,
    assignees: value.assignees,
    milestone: value.milestone?.title ?? null,
    url: value.html_url,
    createdAt: value.created_at,
    updatedAt: value.updated_at,
    closedAt: value.closed_at,
    deletedAt: null,
    isPullRequest: value.pull_request !== undefined && value.pull_request !== null,
  }));

/** A comment of any kind, without what only its surroundings tell (kind, number). */
export const comment = z
  .object({
    id,
    user: author,
    body: written.nullish(),
    path: optionalText,
    line: optionalWhole,
    original_line: optionalWhole,
    commit_id: z.string().nullish(),
    in_reply_to_id: optionalId,
    html_url: exactText,
    created_at: optionalTime,
    updated_at: time,
  })
  .transform(
    (value): Omit<CommentData, 'kind' | 'number' | 'onPullRequest' | 'deletedAt'> => ({
      remoteId: value.id,
      author: value.user,
      body: value.body ?? '',
      path: value.path,
      line: value.line ?? value.original_line,
      commitSha: value.commit_id ?? null,
      inReplyTo: value.in_reply_to_id,
      url: value.html_url,
      createdAt: value.created_at,
      updatedAt: value.updated_at,
    }),
  );

/** A review, without the number of its pull request. */
export const review = z
  .object({
    id,
    user: author,
    state: z.string(),
    body: optionalWritten,
    commit_id: z.string().nullish(),
    html_url: exactText,
    submitted_at: optionalTime,
    updated_at: optionalTime,
  })
  .transform((value): Omit<ReviewData, 'number' | 'updatedAt'> & { updatedAt: Date | null } => ({
    remoteId: value.id,
    author: value.user,
    state: value.state.toLowerCase(),
    body: value.body,
    commitSha: value.commit_id ?? null,
    url: value.html_url,
    submittedAt: value.submitted_at,
    updatedAt: value.updated_at ?? value.submitted_at,
  }));

/**
 * Reads `value`, or says which field is wrong; the field's content never enters the message.
 * @param subject what is read, such as the event's name.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function readShape<Schema extends z.ZodType>(schema: Schema, value: unknown, subject: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || 'payload';
  throw new ForgewayError(
    'FORGEWAY_PAYLOAD_INVALID',
    `${subject}: ${field}: ${issue?.message ?? 'is not understood'}`,
    {
      details: { subject, field },
    },
  );
}
