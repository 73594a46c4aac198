/** Rehearsals while they run: what became of them, and their end. */
import { type Queryable, type WriteSummary, writesOf } from './list.js';

export interface RehearsedRun {
  dispatchId: bigint;
  app: string;
  /** GitHub's name, with its action where it has one. */
  event: string;
  /** `dead`: it would fail. Undefined: it has not run yet. */
  status: 'done' | 'ignored' | 'dead' | undefined;
  /** Why it was ignored, or how it failed. */
  reason: string | null;
  /** What would be written. A write that the replay would be answered from its journal is none. */
  writes: readonly (WriteSummary & { body: string | null })[];
}

/** As base64, since the bytes need not be text. */
const BODY = `, 'body', encode(j.request_body, 'base64')`;

export async function rehearsedRuns(client: Queryable, dispatchIds: readonly bigint[]): Promise<RehearsedRun[]> {
  const { rows } = await client.query<Omit<RehearsedRun, 'dispatchId' | 'status'> & { id: string; status: string }>(
    `SELECT d.id::text, d.app, d.event_name || coalesce('.' || d.action, '') AS event, d.status,
       CASE d.status WHEN 'dead' THEN coalesce(d.error, d.reason) ELSE d.reason END AS reason, ${writesOf(BODY)} AS writes
     FROM dispatch d WHERE d.id = ANY($1::bigint[]) AND d.writes = 'rehearsal' ORDER BY d.id`,
    [dispatchIds],
  );
  return rows.map(({ id, status, writes, ...row }) => ({
    ...row,
    writes: writes.map(({ body, ...write }) => ({
      ...write,
      body: body === null ? null : Buffer.from(body, 'base64').toString('utf8'),
    })),
    dispatchId: BigInt(id),
    status: status === 'done' || status === 'ignored' || status === 'dead' ? status : undefined,
  }));
}

/** Takes rehearsals away, with what they recorded. One that is at work finds its row gone, and is over. */
export async function endRehearsals(client: Queryable, dispatchIds: readonly bigint[]): Promise<void> {
  await client.query(`DELETE FROM dispatch WHERE id = ANY($1::bigint[]) AND writes = 'rehearsal'`, [dispatchIds]);
}
