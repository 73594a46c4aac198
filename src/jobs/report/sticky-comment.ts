/** Finds, makes and edits the one comment. Every step may run again: nothing is created that could be found. */

import { refusalOf } from '../sync/denied.js';
import { authorOf, type ForgeAuthor, isBy, isObject, numberOf, ourIdentity } from '../sync/identity.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import { startsWithMarker } from './marker.js';

export interface Thread {
  owner: string;
  repo: string;
  /** The pull request's number; its conversation has the same. */
  number: number;
}

interface Comment extends ForgeAuthor {
  id: number;
  body: string;
}

const COMMENT = '/repos/{owner}/{repo}/issues/comments/{comment_id}';
const COMMENTS = '/repos/{owner}/{repo}/issues/{issue_number}/comments';

function commentOf(data: unknown): Comment | undefined {
  const id = numberOf(data, 'id');
  if (!isObject(data) || id === undefined) return undefined;
  return { id, body: typeof data.body === 'string' ? data.body : '', ...authorOf(data) };
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
  const us = await ourIdentity(octokit, signal);
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
