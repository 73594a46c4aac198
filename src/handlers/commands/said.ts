/**
 * What a person has said that may give commands: a comment of a conversation, one on a line, or the text of a review. They differ in
 * where the forge keeps them, and in what it says of them.
 */
import { z } from 'zod';
import type { DeliveryScope } from '../../lib/delivery-scope.js';
import { isOwn } from '../../lib/delivery-source.js';
import { id, time } from '../../store/mirror/shape.js';
import type { CommandOctokit, Conversation } from './command.js';

const account = z.object({ id, login: z.string(), type: z.string().nullish() });
const text = z.object({
  id,
  body: z.string().nullish(),
  user: account.nullish(),
  created_at: time.nullish(),
  updated_at: time.nullish(),
  submitted_at: time.nullish(),
});
const about = z.object({ number: z.number().int(), pull_request: z.unknown().optional() });
const told = z.object({
  issue: about.optional(),
  pull_request: about.optional(),
  comment: text.optional(),
  review: text.optional(),
  repository: z.object({ id, name: z.string(), owner: z.object({ login: z.string() }) }),
  sender: account.nullish(),
});
const stored = z.object({ body: z.string().nullish(), user: account.nullish() });

/** Events that tell of it. */
export const saidEvents = [
  'issue_comment.created',
  'pull_request_review_comment.created',
  'pull_request_review.submitted',
] as const;

export interface Said {
  kind: 'comment' | 'line' | 'review';
  id: bigint;
  body: string;
  by: z.output<typeof account> | null;
  sender: z.output<typeof account> | null;
  /** When it could be seen, by the forge's clock; null where that is not told. */
  at: Date | null;
  /** Its words may be another's than its author's. */
  wasEdited: boolean;
  in: Conversation;
}

/** A forge may need a moment to write down what it was just told. */
const ONE_GO_MS = 2_000;

/**
 * Whoever may write can edit other people's comments, and what was missed and is found later is told as new, as it stands by then (R5).
 * A comment on a line waits for its review, and counts as edited by that: there only what we found ourselves is doubted, and a review
 * says nothing of the kind.
 */
function wasEdited(
  kind: Said['kind'],
  { created_at: created, updated_at: updated }: z.output<typeof text>,
  isFound: boolean,
) {
  if (kind === 'review') return isFound;
  if (kind === 'line' && !isFound) return false;
  return created != null && updated != null && updated.getTime() - created.getTime() > ONE_GO_MS;
}

/** @throws ZodError for a payload of another shape than GitHub's */
export function readSaid(payload: unknown, scope: DeliveryScope): Said {
  const { issue, pull_request: pull, comment, review, repository, sender } = told.parse(payload);
  const kind = comment === undefined ? 'review' : issue === undefined ? 'line' : 'comment';
  const words = comment ?? review;
  const place = issue ?? pull;
  if (words === undefined || place === undefined) throw new Error('an event of something said says nothing');
  const at = kind === 'comment' ? words.created_at : (words.submitted_at ?? words.updated_at ?? words.created_at);
  return {
    ...{ kind, id: words.id, body: words.body ?? '', by: words.user ?? null, sender: sender ?? null, at: at ?? null },
    wasEdited: wasEdited(kind, words, isOwn(scope.source ?? '')),
    in: {
      owner: repository.owner.login,
      repo: repository.name,
      number: place.number,
      isPullRequest: issue === undefined || (issue.pull_request !== undefined && issue.pull_request !== null),
      remoteRepositoryId: repository.id,
    },
  };
}

/** It stands as it was told, and is its author's still. */
export async function stillStands(octokit: CommandOctokit, said: Said): Promise<boolean> {
  const { owner, repo, number } = said.in;
  const route = {
    comment: 'GET /repos/{owner}/{repo}/issues/comments/{comment_id}',
    line: 'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}',
    review: 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}',
  }[said.kind];
  const which =
    said.kind === 'review' ? { pull_number: number, review_id: Number(said.id) } : { comment_id: Number(said.id) };
  try {
    const { data } = await octokit.request(route, { owner, repo, ...which });
    const now = stored.parse(data);
    return (now.body ?? '') === said.body && now.user?.id === said.by?.id;
  } catch (error) {
    if (error instanceof Error && 'status' in error && (error.status === 404 || error.status === 410)) return false;
    throw error;
  }
}

export type Reaction = 'eyes' | 'rocket' | 'confused';

/** A conversation may be locked, or the forge have no faces: whoever gave a command still wants it carried out. */
const NO_FACES: readonly unknown[] = [403, 404, 410, 422, 501];

/** Why the forge lets nobody react to it; undefined once it did. No forge has faces for the text of a review. */
export async function reactTo(octokit: CommandOctokit, said: Said, content: Reaction): Promise<string | undefined> {
  if (said.kind === 'review') return undefined;
  const { owner, repo } = said.in;
  const route =
    said.kind === 'line'
      ? 'POST /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions'
      : 'POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions';
  try {
    await octokit.request(route, { owner, repo, comment_id: Number(said.id), content });
    return undefined;
  } catch (error) {
    if (!(error instanceof Error) || !NO_FACES.includes(Reflect.get(error, 'status'))) throw error;
    return error.message;
  }
}
