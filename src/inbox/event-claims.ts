/** Events that several sources report, such as two hooks or the poller: who reported each first. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Subject } from './ownership.js';

const LONGEST_SEMANTIC_KEY = 500;

export function semanticKey({ delivery, events }: Subject): string | undefined {
  if (events.semanticKey === undefined) return undefined;
  const key = `${delivery.forge}:${delivery.host}:${events.repositoryId ?? ''}:${events.semanticKey}`;
  return key.length <= LONGEST_SEMANTIC_KEY ? key : `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/** Who reported an event first. */
export interface EventClaim {
  hookId: string;
  source: string;
}

const keysOf = (subjects: readonly Subject[]): string[] => [
  ...new Set(subjects.flatMap((one) => semanticKey(one) ?? [])),
];

export async function readClaims(
  client: pg.PoolClient,
  subjects: readonly Subject[],
): Promise<Map<string, EventClaim>> {
  const keys = keysOf(subjects);
  if (keys.length === 0) return new Map();
  const { rows } = await client.query<{ semantic_key: string; hook_id: string; source: string }>({
    name: 'inbox_event_claims',
    text: 'SELECT semantic_key, hook_id, source FROM event_claim WHERE semantic_key = ANY($1::text[])',
    values: [keys],
  });
  return new Map(rows.map((row) => [row.semantic_key, { hookId: row.hook_id, source: row.source }]));
}

/**
 * Which subjects were reported by another source before, and the claims of those that were not reported at all. Within one
 * source every delivery counts, since three labels in one second look alike (decision 12).
 */
export function findRepeated(
  subjects: readonly Subject[],
  claims: Map<string, EventClaim>,
): { repeated: Set<Subject>; fresh: Map<string, Subject> } {
  const repeated = new Set<Subject>();
  const fresh = new Map<string, Subject>();
  for (const subject of subjects) {
    const key = semanticKey(subject);
    if (key === undefined) continue;
    const { hookId, source } = subject.delivery;
    const claim = claims.get(key);
    if (claim === undefined) {
      claims.set(key, { hookId, source });
      fresh.set(key, subject);
    } else if (claim.hookId !== hookId || claim.source !== source) repeated.add(subject);
  }
  return { repeated, fresh };
}

/** Nobody else writes claims, so that those that were not there when they were read are not there now. */
export async function writeClaims(client: pg.PoolClient, fresh: ReadonlyMap<string, Subject>): Promise<void> {
  if (fresh.size === 0) return;
  const subjects = [...fresh.values()];
  await client.query({
    name: 'inbox_claim_events',
    text: `INSERT INTO event_claim (semantic_key, hook_id, source, delivery_id)
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) ON CONFLICT DO NOTHING`,
    values: [
      [...fresh.keys()],
      subjects.map(({ delivery }) => delivery.hookId),
      subjects.map(({ delivery }) => delivery.source),
      subjects.map(({ delivery }) => delivery.id),
    ],
  });
}
