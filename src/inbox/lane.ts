import type { Classification } from '../forges/forge.js';

export const SHARDS = 64;

/** Events of one lane run one after the other: a pull request or issue, else a repository, else an installation. */
export function laneOf(
  source: { forge: string; host: string; hookId: string },
  subject: Extract<Classification, { kind: 'events' }>,
): string {
  const place = `${source.forge}:${source.host}`;
  if (subject.repositoryId !== undefined) return `${place}:${subject.repositoryId}:${subject.number ?? 'repository'}`;
  if (subject.installationId !== undefined) return `${place}:installation:${subject.installationId}`;
  return `${place}:hook:${source.hookId}`;
}

/** FNV-1a, 32 bits without sign: spreads similar lanes and is the same in every process and version. */
export function hashOf(lane: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < lane.length; at += 1) hash = Math.imul(hash ^ lane.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

export function shardOf(lane: string): number {
  const hash = hashOf(lane);
  // The low bits alone change little with the last digit of a number.
  return ((hash >>> 16) ^ hash) & (SHARDS - 1);
}

/** What a lane is part of: its repository, as far as it has one. `dispatch_turn` in the database cuts it in the same place. */
export const repositoryOf = (lane: string): string => lane.slice(0, lane.lastIndexOf(':'));
