/** One PostgreSQL connection that holds advisory locks, and notices when it is gone. */
import type { Pool } from 'pg';

export interface LockSession {
  tryLock(number: bigint): Promise<boolean>;
  unlock(number: bigint): Promise<void>;
  end(): void;
}

/**
 * A machine that is gone says nothing, and by itself PostgreSQL would keep its locks for two hours. One that comes back has given them up
 * long before: it did not get an answer either.
 */
const KEEPALIVES = `SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
  set_config('tcp_keepalives_count', '6', false)`;
/** PostgreSQL 13 does not know it; there a process that is only stopped keeps its locks. */
const SILENCE = `SELECT set_config('idle_session_timeout', $1, false) WHERE current_setting('server_version_num')::int >= 140000`;

/**
 * @param onLost called once when the connection is lost, never after `end`
 * @param o.silenceMs PostgreSQL ends the session when it has heard nothing for so long
 */
export async function openLockSession(
  pool: Pick<Pool, 'connect'>,
  o: { heartbeatMs: number; silenceMs: number | undefined },
  onLost: (error: unknown) => void,
): Promise<LockSession> {
  const { heartbeatMs, silenceMs } = o;
  const client = await pool.connect();
  try {
    await client.query(KEEPALIVES);
    if (silenceMs !== undefined) await client.query(SILENCE, [String(silenceMs)]);
  } catch (error) {
    client.release(true);
    throw error;
  }
  const state: { over: boolean; tail: Promise<unknown> } = { over: false, tail: Promise.resolve() };

  function finish(error?: unknown): void {
    if (state.over) return;
    state.over = true;
    clearInterval(heartbeat);
    client.release(true);
    if (error !== undefined) onLost(error);
  }

  /** Statements of one connection one after the other: pg warns when they overlap. */
  function query<T extends object>(sql: string, values: unknown[]): Promise<T | undefined> {
    const answer = state.tail.then(async () => {
      if (state.over) throw new Error('the lock connection is closed');
      const { rows } = await client.query<T>(sql, values);
      return rows[0];
    });
    state.tail = answer.catch(() => undefined);
    return answer;
  }

  function beat(): void {
    const silence = setTimeout(() => finish(new Error(`no answer within ${heartbeatMs} ms`)), heartbeatMs);
    query('SELECT 1', [])
      .catch(finish)
      .finally(() => clearTimeout(silence));
  }

  const heartbeat = setInterval(beat, heartbeatMs);
  heartbeat.unref();
  // Errors also come after the end, when a socket dies that was already given up; they must not be unhandled.
  client.on('error', finish);
  client.once('end', () => finish(new Error('the connection ended')));

  return {
    async tryLock(number) {
      const row = await query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1::bigint) AS locked', [
        number.toString(),
      ]);
      return row?.locked === true;
    },
    async unlock(number) {
      await query('SELECT pg_advisory_unlock($1::bigint)', [number.toString()]);
    },
    end: () => finish(),
  };
}
