/** Finds, makes and edits the one comment. Every step may run again: nothing is created that could be found. */

import { refusalOf } from '../sync/denied.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import { startsWithMarker } from './marker.js';

export interface Thread {
  owner: string;
  repo: string;
  /** The pull request's number; its conversation has the same. */
  number: number;
}

interface Comment {
  id: number;
  body: string;
  login: string | undefined;
  userId: number | undefined;
  /** The App that wrote it, where the forge says. */
  appId: number | undefined;
}

const COMMENT = '/repos/{owner}/{repo}/issues/comments/{comment_id}';
const COMMENTS = '/repos/{owner}/{repo}/issues/{issue_number}/comments';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const numberOf = (value: unknown, field: string): number | undefined => {
  const found = isObject(value) ? value[field] : undefined;
  return typeof found === 'number' ? found : undefined;
};

function commentOf(data: unknown): Comment | undefined {
  const id = numberOf(data, 'id');
  if (!isObject(data) || id === undefined) return undefined;
  const login = isObject(data.user) ? data.user.login : undefined;
  return {
    id,
    body: typeof data.body === 'string' ? data.body : '',
    login: typeof login === 'string' ? login : undefined,
    userId: numberOf(data.user, 'id'),
    appId: numberOf(data.performed_via_github_app, 'id'),
  };
}

/** Who we are to the forge: an App and its bot, or where there are no Apps the account that the token belongs to. */
interface Identity {
  appId?: number;
  userId?: number;
  login: string;
}

async function identity(octokit: ForgeOctokit, signal: AbortSignal): Promise<Identity> {
  try {
    const { data } = await octokit.request('GET /app', { request: { signal } });
    if (isObject(data) && typeof data.slug === 'string')
      return { appId: numberOf(data, 'id'), login: `${data.slug}[bot]` };
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
  }
  const { data } = await octokit.request('GET /user', { request: { signal } });
  if (isObject(data) && typeof data.login === 'string') return { userId: numberOf(data, 'id'), login: data.login };
  throw new Error('the forge does not say which account writes our comments');
}

/** Whether `comment` was written by us. No person can have a login that ends in `[bot]`. */
function isBy({ appId, userId, login }: Identity, comment: Comment): boolean {
  if (userId !== undefined && comment.userId !== undefined) return comment.userId === userId;
  if (comment.appId !== undefined && appId !== undefined && comment.appId !== appId) return false;
  return comment.login?.toLowerCase() === login.toLowerCase();
}

async function byId(octokit: ForgeOctokit, thread: Thread, id: bigint, signal: AbortSignal) {
  const { owner, repo } = thread;
  try {
    const { data } = await octokit.request(`GET ${COMMENT}`, {
      owner,
      repo,
      comment_id: Number(id),
      request: { signal },
    });
    return commentOf(data);
  } catch (error) {
    const status = refusalOf(error)?.status;
    if (status === 404 || status === 410) return undefined;
    throw error;
  }
}

/** Our oldest comment in the thread. Who we are is asked only when somebody wrote our marker. */
async function byMarker(octokit: ForgeOctokit, thread: Thread, marker: string, signal: AbortSignal) {
  const marked: Comment[] = [];
  const { owner, repo, number } = thread;
  await eachItem(octokit, `GET ${COMMENTS}`, { owner, repo, issue_number: number }, signal, (item) => {
    const comment = commentOf(item);
    if (comment !== undefined && startsWithMarker(comment.body, marker)) marked.push(comment);
    return false;
  });
  if (marked.length === 0) return undefined;
  const us = await identity(octokit, signal);
  return marked.find((comment) => isBy(us, comment));
}

const sameText = (left: string, right: string) =>
  left.replace(/\r\n/g, '\n').trimEnd() === right.replace(/\r\n/g, '\n').trimEnd();

export interface PutComment {
  thread: Thread;
  marker: string;
  body: string;
  /** The id stored when it was created, if that is known. */
  knownId: bigint | null;
  /** False: an existing comment is edited, but none is made. */
  create: boolean;
  signal: AbortSignal;
}

/** Makes the thread's comment say `body`. Resolves to its id, or to null when there is none and none was to be made. */
export async function putComment(
  octokit: ForgeOctokit,
  { thread, marker, body, knownId, create, signal }: PutComment,
): Promise<{ id: bigint | null; written: boolean }> {
  const { owner, repo, number } = thread;
  const known = knownId === null ? undefined : await byId(octokit, thread, knownId, signal);
  const existing = known ?? (await byMarker(octokit, thread, marker, signal));
  if (existing !== undefined) {
    const id = BigInt(existing.id);
    if (sameText(existing.body, body)) return { id, written: false };
    await octokit.request(`PATCH ${COMMENT}`, { owner, repo, comment_id: existing.id, body, request: { signal } });
    return { id, written: true };
  }
  if (!create) return { id: null, written: false };
  // Last look before the one step that cannot be repeated: the lock may have been lost while we were reading.
  signal.throwIfAborted();
  const { data } = await octokit.request(`POST ${COMMENTS}`, { owner, repo, issue_number: number, body });
  const id = numberOf(data, 'id');
  if (id === undefined) throw new Error('the forge answered a new comment without its id');
  return { id: BigInt(id), written: true };
}
