/** Rows of what apps have been told, kept for repositories that are polled. */
import type { PoolClient } from 'pg';
import { type Branches, began, pushed, type RefHistory } from './refs.js';
import { type ToldEvent, type ToldState, toldAfter, type Versions } from './state.js';

export interface ToldRow {
  state: ToldState;
  versions: Versions;
  /** Version that the poller read last; null when it has not read it. */
  seenAt: Date | null;
  /** Nothing else can carry that version any more. */
  settled: boolean;
  /** By the database's clock, when it was written last. */
  writtenAt?: Date;
}

interface Place {
  organizationId: string;
  /** Our id of the repository. */
  repositoryId: string;
  number: number;
}

/** The row, locked until the transaction ends. */
export async function toldRow(tx: PoolClient, { repositoryId, number }: Place): Promise<ToldRow | undefined> {
  const { rows } = await tx.query<{
    state: ToldState;
    versions: Versions;
    seen_at: Date | null;
    settled: boolean;
    updated_at: Date;
  }>({
    name: 'told-object',
    text: 'SELECT state, versions, seen_at, settled, updated_at FROM told_object WHERE repository_id = $1 AND number = $2 FOR UPDATE',
    values: [repositoryId, number],
  });
  const [row] = rows;
  return (
    row && {
      state: row.state,
      versions: row.versions,
      seenAt: row.seen_at,
      settled: row.settled,
      writtenAt: row.updated_at,
    }
  );
}

export async function writeTold(
  tx: PoolClient,
  { organizationId, repositoryId, number }: Place,
  kind: 'pull_request' | 'issue',
  row: ToldRow,
): Promise<void> {
  await tx.query({
    name: 'told-write',
    text: `INSERT INTO told_object AS t (repository_id, number, organization_id, kind, state, versions, seen_at, settled)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      ON CONFLICT (repository_id, number) DO UPDATE SET state = excluded.state, versions = excluded.versions,
        seen_at = excluded.seen_at, settled = excluded.settled, updated_at = now()`,
    values: [
      repositoryId,
      number,
      organizationId,
      kind,
      JSON.stringify(row.state),
      JSON.stringify(row.versions),
      row.seenAt,
      row.settled,
    ],
  });
}

export interface Seen {
  seenAt: Date | null;
  settled: boolean;
  comments: number | undefined;
}

/** What the poller knows of objects by number, and the database's clock. */
export async function seenVersions(
  tx: PoolClient,
  repositoryId: string,
  numbers: readonly number[],
): Promise<{ seen: Map<number, Seen>; now: Date }> {
  const { rows } = await tx.query<{
    now: Date;
    number: number | null;
    seen_at: Date | null;
    settled: boolean;
    comments: number | null;
  }>({
    name: 'told-seen',
    text: `SELECT clock_timestamp() AS now, t.number, t.seen_at, t.settled, (t.state->>'comments')::int AS comments
      FROM (SELECT) one LEFT JOIN told_object t ON t.repository_id = $1 AND t.number = ANY($2::int[])`,
    values: [repositoryId, numbers],
  });
  const seen = new Map<number, Seen>();
  for (const { number, seen_at: seenAt, settled, comments } of rows)
    if (number !== null) seen.set(number, { seenAt, settled, comments: comments ?? undefined });
  return { seen, now: rows[0]?.now ?? new Date() };
}

/** When the poller first came to a repository, and whether it has taken in all that was open then. */
async function beginning(tx: PoolClient, repositoryId: string) {
  const { rows } = await tx.query<{ watermark_at: Date | null; imported_at: Date | null }>({
    name: 'told-beginning',
    text: 'SELECT watermark_at, imported_at FROM sync_cursor WHERE repository_id = $1',
    values: [repositoryId],
  });
  return rows[0];
}

/**
 * The state of an object that the mirror learned of before the poller came to the repository: apps were told of it when nothing was
 * noted. Undefined for any other.
 */
export async function toldBefore(
  tx: PoolClient,
  { repositoryId, number }: Place,
  kind: 'pull_request' | 'issue',
): Promise<ToldState['state'] | undefined> {
  const { rows } = await tx.query<{ state: string }>({
    name: `told-before-${kind}`,
    text: `SELECT m.state FROM repository r JOIN sync_cursor s ON s.repository_id = r.id
      JOIN ${kind} m ON m.forge = r.forge AND m.host = r.host AND m.remote_repository_id = r.remote_id AND m.number = $2
      WHERE r.id = $1 AND m.created_at < coalesce(s.begun_at, now())`,
    values: [repositoryId, number],
  });
  const [row] = rows;
  return row && (row.state === 'closed' ? 'closed' : 'open');
}

/** Notes that apps are told of an object's change. Nothing is kept of a repository that nobody polls. */
export async function noteTold(
  tx: PoolClient,
  place: Place,
  kind: 'pull_request' | 'issue',
  event: ToldEvent,
): Promise<void> {
  const begun = await beginning(tx, place.repositoryId);
  if (begun?.watermark_at == null) return;
  const known = await toldRow(tx, place);
  const opened = known === undefined && event.action !== 'opened' && (await toldBefore(tx, place, kind)) !== undefined;
  const after = toldAfter(known, event, {
    watermark: begun.watermark_at,
    imported: begun.imported_at !== null,
    opened,
  });
  await writeTold(tx, place, kind, { seenAt: null, settled: false, ...known, ...after });
}

const REF = /^refs\/(heads|tags)\/(.+)$/s;
const COLUMNS = { branch: 'branches', tag: 'tags' } as const;

/** What `next` makes of what apps were told of a branch or a tag. Nothing is kept of a repository that nobody polls. */
async function noteRef(
  tx: PoolClient,
  repositoryId: string,
  { kind, name }: { kind: keyof typeof COLUMNS; name: string },
  next: (history: RefHistory | undefined) => RefHistory,
): Promise<void> {
  const column = COLUMNS[kind];
  const { rows } = await tx.query<{ told: Branches | null }>({
    name: `told-${column}`,
    text: `SELECT ${column} AS told FROM sync_cursor WHERE repository_id = $1 AND ${column} IS NOT NULL FOR UPDATE`,
    values: [repositoryId],
  });
  const told = rows[0]?.told;
  if (told === undefined || told === null) return;
  const history = next(Object.hasOwn(told, name) ? told[name] : undefined);
  await tx.query({
    name: `told-one-of-${column}`,
    text: `UPDATE sync_cursor SET ${column} = jsonb_set(${column}, ARRAY[$2], $3), pushed_at = now() WHERE repository_id = $1`,
    values: [repositoryId, name, JSON.stringify(history)],
  });
}

/** Notes that apps are told of a push to a branch or a tag. */
export async function notePush(
  tx: PoolClient,
  repositoryId: string,
  push: { ref: string; before: string; after: string },
): Promise<void> {
  const [, folder, name] = REF.exec(push.ref) ?? [];
  if (folder === undefined || name === undefined) return;
  const ref = { kind: folder === 'tags' ? 'tag' : 'branch', name } as const;
  await noteRef(tx, repositoryId, ref, (history) => pushed(history, push.before, push.after));
}

/** Notes that apps are told that a branch or a tag came, which its first push says besides. */
export const noteBeginning = (
  tx: PoolClient,
  repositoryId: string,
  ref: { kind: 'branch' | 'tag'; name: string },
): Promise<void> => noteRef(tx, repositoryId, ref, began);
