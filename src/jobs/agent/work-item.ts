/** The issue or pull request that an agent works on, as the forge says it is now, and what was written there in time. */
import { z } from 'zod';
import { type PermissionLevel, type Permissions, permissionAtLeast } from '../../accounts/permissions.js';
import { id, time, user } from '../../store/mirror/shape.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import type { SessionRecord } from './session-record.js';

const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);
const author = user.nullish().transform((value) => value ?? null);
const written = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

export const issueNow = z.object({ title: written, body: written, state: z.string(), user: author });
export const pullRequestNow = issueNow.extend({
  head: z.object({ sha, ref: z.string(), repo: z.object({ id }).nullish() }),
  base: z.object({ sha, ref: z.string(), repo: z.object({ id }) }),
});
const branchNow = z.object({ commit: z.object({ sha }) });
const commentNow = z.object({ body: written, user: author, created_at: time, updated_at: time });
const remarkNow = commentNow.extend({
  path: z.string(),
  line: z.number().nullish(),
  original_line: z.number().nullish(),
});
const reviewNow = z.object({ body: written, user: author, state: z.string(), submitted_at: time.nullish() });

export interface Written {
  author: { id: bigint; login: string } | null;
  /** Their right in the repository, asked now; undefined: it could not be found out. */
  level: PermissionLevel | undefined;
  text: string;
  /** Default: a comment. */
  kind?: 'comment' | 'review' | 'review comment';
  /** Of one on a line: file and line. */
  place?: string;
}

export interface WorkItemNow {
  open: boolean;
  /** Where the agent begins. */
  sha: string;
  /** The head of the branch that its work is to be merged into. */
  baseSha: string;
  baseBranch: string;
  /** The pull request comes from another repository. */
  isFork: boolean;
}

type Place = Pick<SessionRecord, 'number' | 'onPullRequest' | 'repository'>;

/** More is not read: a conversation that is longer is not one task. */
const MOST_COMMENTS = 200;

const at = ({ repository }: Pick<SessionRecord, 'repository'>) => ({ owner: repository.owner, repo: repository.name });

export async function headOf(octokit: ForgeOctokit, place: Place, branch: string, signal: AbortSignal) {
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/branches/{branch}', {
    ...{ ...at(place), branch, request: { signal } },
  });
  return branchNow.parse(data).commit.sha;
}

export async function readWorkItem(
  octokit: ForgeOctokit,
  session: Place & Pick<SessionRecord, 'branch' | 'resultSha'>,
  signal: AbortSignal,
): Promise<WorkItemNow> {
  const { number, onPullRequest, repository } = session;
  if (!onPullRequest) {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}', {
      ...{ ...at(session), issue_number: number, request: { signal } },
    });
    const base = await headOf(octokit, session, repository.defaultBranch, signal);
    return {
      open: issueNow.parse(data).state === 'open',
      // Another round goes on from what has been pushed.
      sha: session.resultSha ?? base,
      baseSha: base,
      baseBranch: repository.defaultBranch,
      isFork: false,
    };
  }
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...{ ...at(session), pull_number: number, request: { signal } },
  });
  const { state, head, base } = pullRequestNow.parse(data);
  const isFork = head.repo?.id !== base.repo.id;
  return {
    open: state === 'open',
    sha: session.resultSha ?? head.sha,
    baseSha: base.sha,
    // A pull request of ours into somebody's branch is theirs to take; into a fork's we cannot open one.
    baseBranch: isFork ? base.ref : head.ref,
    isFork,
  };
}

/** What a person wrote, with what they may do here. */
async function ranked(
  octokit: ForgeOctokit,
  permissions: Permissions,
  { repository }: Place,
  author: Written['author'],
  text: string,
): Promise<Written> {
  if (author === null) return { author, level: 'none', text };
  const { forge, host, remoteId, owner, name } = repository;
  const question = { repository: { forge, host, remoteId, owner, name }, user: author, octokit };
  return { author, level: (await permissions.levelOf(question)).level, text };
}

interface Found {
  kind: NonNullable<Written['kind']>;
  user: Written['author'];
  body: string;
  place?: string;
}

/** What Forgeway itself keeps saying there is news to nobody. */
const OURS = /<!-- forgeway:(?:status|notice)\b/;

/** The pull request whose reviews are about what the agent works on: the one it was called on, or the one that it has opened. */
const reviewedPull = ({ onPullRequest, number, pullRequestNumber }: SessionRecord): number | null =>
  onPullRequest ? number : pullRequestNumber;

/**
 * Remarks on lines, and what reviews say as a whole. Forges do not say whether the text of a review was changed since, so it is
 * only taken of those who may tell an agent what to do anyway.
 */
async function readReviews(octokit: ForgeOctokit, session: SessionRecord, signal: AbortSignal): Promise<Found[]> {
  const number = reviewedPull(session);
  if (number === null) return [];
  const place = { ...at(session), pull_number: number };
  const [reviews, remarks]: [Found[], Found[]] = [[], []];
  await eachItem(octokit, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', place, signal, (item) => {
    const { success, data } = reviewNow.safeParse(item);
    if (success && data.body.trim() !== '' && data.submitted_at != null && data.submitted_at < session.triggeredAt)
      reviews.push({ kind: 'review', user: data.user, body: `(${data.state.toLowerCase()}) ${data.body}` });
    return false;
  });
  await eachItem(octokit, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/comments', place, signal, (item) => {
    const { success, data } = remarkNow.safeParse(item);
    if (success && isBefore(data, session.triggeredAt)) {
      const line = data.line ?? data.original_line;
      const where = line == null ? data.path : `${data.path}:${line}`;
      remarks.push({ kind: 'review comment', user: data.user, body: data.body, place: where });
    }
    return false;
  });
  return [...reviews, ...remarks];
}

/** Written or changed after the trigger: whoever gave the command has not read it (R14). */
const isBefore = (one: { created_at: Date; updated_at: Date }, trigger: Date): boolean =>
  one.created_at < trigger && one.updated_at < trigger;

/**
 * The text of the issue or pull request as it was when the agent was asked for, and the comments that were there, with those of
 * reviews; of a longer conversation the latest.
 */
export async function readConversation(
  octokit: ForgeOctokit,
  permissions: Permissions,
  session: SessionRecord,
  signal: AbortSignal,
): Promise<{ text: Written; comments: Written[] }> {
  const found: Found[] = [];
  const place = { ...at(session), issue_number: session.number };
  await eachItem(octokit, 'GET /repos/{owner}/{repo}/issues/{issue_number}/comments', place, signal, (item) => {
    const { success, data } = commentNow.safeParse(item);
    if (success && isBefore(data, session.triggeredAt) && !OURS.test(data.body))
      found.push({ kind: 'comment', user: data.user, body: data.body });
    return false;
  });
  found.push(...(await readReviews(octokit, session, signal)));
  const comments: Written[] = [];
  for (const { kind, user: by, body, place: where } of found.slice(-MOST_COMMENTS)) {
    const written = await ranked(octokit, permissions, session, by, body);
    const mayInstruct = written.level !== undefined && permissionAtLeast(written.level, 'write');
    if (kind === 'review' && !mayInstruct) continue;
    comments.push({ ...written, kind, ...(where !== undefined && { place: where }) });
  }
  const { body, author: by } = session.context;
  return { text: await ranked(octokit, permissions, session, by, body), comments };
}
