/** Ids in GitHub-shaped JSON: the numeric one, and the opaque `node_id` that GraphQL takes. */
import { Buffer } from 'node:buffer';
import type { Id } from './inputs.js';

/** The id as apps expect it: a number where that is exact, else (above 2^53) the digits. */
export function jsonId(id: Id): Id {
  if (typeof id === 'number') return id;
  const value = Number(id);
  return Number.isSafeInteger(value) && String(value) === id ? value : id;
}

/**
 * An opaque id of ours, read back by {@link readNodeId}: `nodeId('PullRequest', 12, 'acme/web#7')`. `type` is GraphQL's
 * type name. A GraphQL mutation gets nothing but such an id, and `where` tells it which REST route to ask:
 *
 * | type | where |
 * |---|---|
 * | Repository, Commit, Release, CheckRun, CheckSuite, Ref (its id is `refs/heads/main`) | `owner/repo` |
 * | PullRequest, Issue, Milestone | `owner/repo#number` |
 * | IssueComment, PullRequestReview, PullRequestReviewComment | `owner/repo#number` of the conversation |
 * | Label | `owner/repo#name` |
 * | User, Bot, Organization | login |
 * | Team | `organization/slug` |
 */
export function nodeId(type: string, id: Id, where?: string): string {
  return Buffer.from(`forgeway:${type}:${id}${where === undefined ? '' : ` ${where}`}`).toString('base64');
}

/** What {@link nodeId} was made of; undefined for any other text. `id` keeps its digits and may hold colons, no spaces. */
export function readNodeId(text: string): { type: string; id: string; where?: string } | undefined {
  const match = /^forgeway:([A-Za-z]+):([^ ]+)(?: (.+))?$/s.exec(Buffer.from(text, 'base64').toString('utf8'));
  const [, type, id, where] = match ?? [];
  if (type === undefined || id === undefined || nodeId(type, id, where) !== text) return undefined;
  return { type, id, ...(where !== undefined && { where }) };
}
