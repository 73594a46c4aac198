/** Ids in GitHub-shaped JSON: the numeric one, and the opaque `node_id` that GraphQL takes. */
import { Buffer } from 'node:buffer';
import type { Id } from './inputs.js';

/** The id as apps expect it: a number where that is exact, else (above 2^53) the digits. */
export function jsonId(id: Id): Id {
  if (typeof id === 'number') return id;
  const value = Number(id);
  return Number.isSafeInteger(value) && String(value) === id ? value : id;
}

/** An opaque id of ours, read back by {@link readNodeId}: `nodeId('PullRequest', 12)`. `type` is GraphQL's type name. */
export function nodeId(type: string, id: Id): string {
  return Buffer.from(`forgeway:${type}:${id}`).toString('base64');
}

/** What {@link nodeId} was made of; undefined for any other text. `id` keeps its digits and may hold colons. */
export function readNodeId(text: string): { type: string; id: string } | undefined {
  const match = /^forgeway:([A-Za-z]+):(.+)$/s.exec(Buffer.from(text, 'base64').toString('utf8'));
  const [, type, id] = match ?? [];
  return type === undefined || id === undefined || nodeId(type, id) !== text ? undefined : { type, id };
}
