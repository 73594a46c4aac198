/**
 * What an earlier delivery of the same hook said of the same object. Some forges send only the new state of a thing; what
 * changed is found by comparing it with the state before, once, when the delivery is classified.
 */
import type pg from 'pg';
import { z } from 'zod';
import type { Classification, JsonObject, Snapshot } from '../forges/forge.js';
import { tokensHidden } from '../lib/redact.js';
import type { Received } from './received.js';

interface Kept {
  updatedAt: string | undefined;
  state: JsonObject;
}

export interface Previous {
  get(key: string): Kept | undefined;
  /** Replaces what was there, unless that is newer. */
  keep(hookId: string, snapshot: Snapshot): void;
}

export const snapshotKey = (hookId: string, { repositoryId, kind, number }: Snapshot): string =>
  `${hookId}\n${repositoryId}\n${kind}\n${number}`;

/** Versions are compared as times: forges write them with and without fractions and offsets. */
function isOlder(left: string | undefined, right: string | undefined): boolean {
  const [a, b] = [Date.parse(left ?? ''), Date.parse(right ?? '')];
  return a < b;
}

/** Reads what was kept of the objects of these deliveries. */
export async function previousSnapshots(client: pg.PoolClient, deliveries: readonly Received[]): Promise<Previous> {
  const wanted = deliveries.flatMap(({ hookId, snapshot }) => (snapshot ? [{ hookId, snapshot }] : []));
  const kept = new Map<string, Kept>();
  if (wanted.length > 0) {
    const { rows } = await client.query<{
      hook_id: string;
      repository_id: bigint | string;
      kind: Snapshot['kind'];
      number: number;
      remote_updated_at: string | null;
      state: JsonObject;
    }>({
      name: 'inbox_snapshots',
      text: `SELECT DISTINCT s.hook_id, s.repository_id, s.kind, s.number, s.remote_updated_at, s.state
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[]) AS k(hook_id, repository_id, kind, number)
        JOIN object_snapshot s USING (hook_id, repository_id, kind, number)`,
      values: [
        wanted.map(({ hookId }) => hookId),
        wanted.map(({ snapshot }) => snapshot.repositoryId),
        wanted.map(({ snapshot }) => snapshot.kind),
        wanted.map(({ snapshot }) => snapshot.number),
      ],
    });
    for (const row of rows) {
      const key = `${row.hook_id}\n${row.repository_id}\n${row.kind}\n${row.number}`;
      kept.set(key, { updatedAt: row.remote_updated_at ?? undefined, state: row.state });
    }
  }
  return {
    get: (key) => kept.get(key),
    keep(hookId, snapshot) {
      const key = snapshotKey(hookId, snapshot);
      if (isOlder(snapshot.updatedAt, kept.get(key)?.updatedAt)) return;
      kept.set(key, { updatedAt: snapshot.updatedAt, state: snapshot.state });
    },
  };
}

/** Whether it is compared with a state before, which it replaces. */
const isCompared = ({ snapshot, again }: Received): boolean => snapshot !== undefined && !again;

/** Writes the newest snapshot of each object in the batch. */
export async function keepSnapshots(client: pg.PoolClient, deliveries: readonly Received[]): Promise<void> {
  const fresh = deliveries.filter(isCompared);
  if (fresh.length === 0) return;
  const newest = new Map<string, { hookId: string; snapshot: Snapshot }>();
  for (const { hookId, snapshot } of fresh) {
    if (snapshot === undefined) continue;
    const key = snapshotKey(hookId, snapshot);
    const other = newest.get(key);
    if (other === undefined || !isOlder(snapshot.updatedAt, other.snapshot.updatedAt))
      newest.set(key, { hookId, snapshot });
  }
  const rows = [...newest.values()];
  await client.query({
    name: 'inbox_keep_snapshots',
    text: `INSERT INTO object_snapshot AS s
        (hook_id, organization_id, repository_id, kind, number, remote_updated_at, state)
      SELECT n.hook_id, h.organization_id, n.repository_id, n.kind, n.number, n.remote_updated_at, n.state
      FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::jsonb[])
        AS n(hook_id, repository_id, kind, number, remote_updated_at, state)
      JOIN hook h ON h.id = n.hook_id
      ORDER BY n.hook_id, n.repository_id, n.kind, n.number
      ON CONFLICT (hook_id, repository_id, kind, number) DO UPDATE SET
        remote_updated_at = excluded.remote_updated_at, state = excluded.state, updated_at = now()
      WHERE s.remote_updated_at IS NULL OR excluded.remote_updated_at IS NULL
        OR s.remote_updated_at::timestamptz <= excluded.remote_updated_at::timestamptz`,
    values: [
      rows.map(({ hookId }) => hookId),
      rows.map(({ snapshot }) => snapshot.repositoryId),
      rows.map(({ snapshot }) => snapshot.kind),
      rows.map(({ snapshot }) => snapshot.number),
      rows.map(({ snapshot }) => isoTime(snapshot.updatedAt)),
      rows.map(({ snapshot }) => JSON.stringify(snapshot.state)),
    ],
  });
}

/**
 * What a delivery was found to be by comparison, to be kept with it: what it was compared with is replaced. Null for one that
 * says it by itself, or that was classified before.
 */
export const classificationToKeep = (delivery: Received): string | null =>
  isCompared(delivery)
    ? JSON.stringify(delivery.classification, (key, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : tokensHidden(key, value),
      )
    : null;

/** As PostgreSQL reads it without fail; null for what is no time. */
function isoTime(value: string | undefined): string | null {
  const time = Date.parse(value ?? '');
  if (Number.isNaN(time)) return null;
  const text = new Date(time).toISOString();
  // JavaScript's years have a sign beyond four digits, and begin with 0; the database reads neither.
  return /^(?!0000)\d{4}-/.test(text) ? text : null;
}

const id = z.string().transform(BigInt).optional();
const stored = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ignored'), reason: z.string() }),
  z.object({
    kind: z.literal('events'),
    events: z.array(
      z.object({
        name: z.string(),
        action: z.string().optional(),
        change: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
    repositoryId: id,
    number: z.number().optional(),
    installationId: id,
    semanticKey: z.string().optional(),
  }),
]);

/** What {@link classificationToKeep} said; undefined for a delivery that is seen for the first time. */
export function readClassification(value: unknown): Classification | undefined {
  return value === null || value === undefined ? undefined : stored.parse(value);
}
