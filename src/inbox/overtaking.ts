/**
 * Runs rows ahead of their turn for what in them waits for nobody, such as a comment that stops an agent (ADR 59). A lane is in order, so
 * that a row which must not wait stands behind every row before it, one of which may hang for minutes. Such a run is no attempt: nothing of
 * the row but its mark is written, it keeps its place, and is run whole when its turn comes. It is tried once, so that what it does to its
 * process it does once.
 */
import type pg from 'pg';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { attempt } from './attempt.js';
import { loadBodies } from './body-text.js';
import type { Dispatcher } from './dispatch.js';
import { Holds } from './holds.js';
import { describeError } from './outcome.js';
import { type LaneRow, type LaneRowRecord, laneRow, laneRowColumns } from './row.js';

export interface OvertakingOptions {
  pool: pg.Pool;
  dispatcher: Dispatcher;
  log: Logger;
  handlerTimeoutMs: number;
}

/** Beside the handlers of the lanes, all of which may hang. */
const MOST_AT_A_TIME = 4;

/** Takes the mark from rows whose turn has not come; each is taken by one worker, whichever holds their lane. */
async function claim(pool: pg.Pool, most: number): Promise<LaneRow[]> {
  const { rows } = await pool.query<LaneRowRecord>({
    name: 'lane_claim_overtaking',
    text: `WITH claimed AS (
        UPDATE dispatch SET overtakes = false WHERE id IN (
          SELECT id FROM dispatch WHERE overtakes ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING *
      )
      SELECT ${laneRowColumns} FROM claimed d JOIN webhook_delivery w ON w.id = d.delivery_id LEFT JOIN hook k ON k.id = w.hook_id
      WHERE d.status = 'pending' AND d.started_epoch IS NULL ORDER BY d.id`,
    values: [most],
  });
  return rows.map(laneRow);
}

export class Overtaking {
  readonly #options: OvertakingOptions;
  readonly #running = new Map<Promise<void>, AbortController>();
  #looking = false;
  #again = false;
  #stopped = false;

  constructor(options: OvertakingOptions) {
    this.#options = options;
  }

  /** Looks whether there are any, and begins them. Never rejects. */
  async look(): Promise<void> {
    this.#again = this.#looking;
    const room = MOST_AT_A_TIME - this.#running.size;
    if (this.#looking || this.#stopped || room <= 0) return;
    this.#looking = true;
    try {
      const rows = await claim(this.#options.pool, room);
      if (rows.length > 0) await this.#begin(rows);
    } catch (error) {
      this.#options.log.warn({ err: messageOf(error) }, 'rows that do not wait could not be read; tried again');
    } finally {
      this.#looking = false;
    }
    if (this.#again) void this.look();
  }

  /** Begins nothing new, and waits for what runs, at most `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped = true;
    const timer = setTimeout(() => {
      for (const controller of this.#running.values()) controller.abort();
    }, timeoutMs);
    await Promise.all(this.#running.keys());
    clearTimeout(timer);
  }

  async #begin(rows: readonly LaneRow[]): Promise<void> {
    const { pool } = this.#options;
    const holds = new Holds();
    const [bodies] = await Promise.all([
      loadBodies(
        pool,
        rows.map(({ deliveryId }) => deliveryId),
      ),
      holds.load(pool),
    ]);
    for (const row of rows) {
      const body = bodies.get(row.deliveryId);
      // What is silenced is recorded as an attempt's writes, and this is none.
      if (body === undefined || row.writes !== 'send' || holds.silences(row)) continue;
      const controller = new AbortController();
      const running = this.#run(row, body, controller).finally(() => {
        this.#running.delete(running);
        void this.look();
      });
      this.#running.set(running, controller);
    }
  }

  async #run(row: LaneRow, body: Buffer, controller: AbortController): Promise<void> {
    const { dispatcher, handlerTimeoutMs } = this.#options;
    const log = this.#options.log.child({ delivery: row.deliveryKey, event: row.eventName, app: row.app });
    const stopped = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()));
    const run = attempt(
      dispatcher,
      { ...row, urgency: 'now' },
      undefined,
      body,
      undefined,
      handlerTimeoutMs,
      controller,
    );
    const result = await Promise.race([run, stopped]);
    if (result?.kind === 'failed')
      log.warn({ err: describeError(result.error) }, 'what does not wait failed; it is tried again in its turn');
    else log.debug('what does not wait was done ahead of its turn');
  }
}
