/** The log of a phase: bytes in the order in which they came, read from any position while more are coming. */
import type pg from 'pg';

/** What one log may have; the rest is left out and said to be. */
export const LOG_LIMIT = 10 * 1024 * 1024;
const LEFT_OUT = Buffer.from('\n[The log ends here: it is longer than what is kept.]\n');

/** Answers the size of the log now. What comes after it was closed is not kept. */
export async function appendLog(tx: pg.PoolClient, phaseId: string, bytes: Buffer, limit = LOG_LIMIT): Promise<bigint> {
  const { rows } = await tx.query<{
    organization_id: string;
    log_size: bigint;
    log_truncated: boolean;
    log_closed: boolean;
  }>('SELECT organization_id, log_size, log_truncated, log_closed FROM run_phase WHERE id = $1 FOR UPDATE', [phaseId]);
  const [row] = rows;
  if (row === undefined) throw new TypeError('a log belongs to a phase');
  if (row.log_closed || row.log_truncated || bytes.length === 0) return row.log_size;
  const room = limit - Number(row.log_size);
  const fits = bytes.length <= room;
  const kept = fits ? bytes : Buffer.concat([bytes.subarray(0, Math.max(0, room)), LEFT_OUT]);
  await tx.query('INSERT INTO run_log_chunk (phase_id, position, organization_id, bytes) VALUES ($1, $2, $3, $4)', [
    phaseId,
    row.log_size,
    row.organization_id,
    kept,
  ]);
  const size = row.log_size + BigInt(kept.length);
  await tx.query('UPDATE run_phase SET log_size = $2, log_truncated = $3, updated_at = now() WHERE id = $1', [
    phaseId,
    size,
    !fits,
  ]);
  return size;
}

/** Readers stop waiting for more. */
export async function closeLog(tx: pg.PoolClient, phaseId: string): Promise<void> {
  await tx.query('UPDATE run_phase SET log_closed = true, updated_at = now() WHERE id = $1', [phaseId]);
}

export interface LogPart {
  bytes: Buffer;
  /** Of the whole log so far. */
  size: number;
  closed: boolean;
}

/** At most `limit` bytes from `offset` on; undefined: there is no such phase. */
export async function readLog(
  tx: pg.PoolClient,
  phaseId: string,
  { offset, limit }: { offset: number; limit: number },
): Promise<LogPart | undefined> {
  const { rows: phases } = await tx.query<{ log_size: bigint; log_closed: boolean }>(
    'SELECT log_size, log_closed FROM run_phase WHERE id = $1',
    [phaseId],
  );
  const [phase] = phases;
  if (phase === undefined) return undefined;
  const { rows } = await tx.query<{ position: bigint; bytes: Buffer }>(
    `SELECT position, bytes FROM run_log_chunk
     WHERE phase_id = $1 AND position < $2::bigint + $3::bigint AND position >= coalesce(
       (SELECT max(c.position) FROM run_log_chunk c WHERE c.phase_id = $1 AND c.position <= $2::bigint), 0)
     ORDER BY position`,
    [phaseId, offset, limit],
  );
  const parts = rows.map(({ position, bytes }) =>
    bytes.subarray(Math.max(0, offset - Number(position)), Math.max(0, offset + limit - Number(position))),
  );
  return { bytes: Buffer.concat(parts), size: Number(phase.log_size), closed: phase.log_closed };
}
