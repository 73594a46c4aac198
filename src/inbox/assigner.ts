import type pg from 'pg';
import type { ForgeDescriptor } from '../forges/forge.js';
import { storable } from '../forges/kit/storable-text.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { redactText } from '../lib/redact.js';
import { ADVISORY_LOCKS } from './advisory-locks.js';
import { assign } from './assign.js';
import { Unclassifiable } from './compared.js';
import type { Dispatcher } from './dispatch.js';
import { releaseLeftOver } from './hold-changes.js';
import { CHANNEL } from './leases.js';
import { prune, type Retention } from './prune.js';
import { type Received, readReceived } from './received.js';
import type { Beginnings, LaneRow, PlannedRow } from './row.js';

export interface AssignerOptions {
  pool: pg.Pool;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  dispatcher: Dispatcher;
  log: Logger;
  metrics: Metrics;
  pollMs: number;
  retention: Retention | undefined;
  /** Which of these rows this process would begin at once. */
  plan: (rows: readonly PlannedRow[]) => Beginnings;
  /** Takes the new rows of this process's shards; answers the shards of the others. */
  offer: (rows: readonly LaneRow[]) => number[];
  /** Waits until this process has room for more rows, at most so long. */
  room: (ms: number) => Promise<void>;
}

interface Gauges {
  /** Age of the oldest delivery that waits for nothing but its first turn. */
  seconds: number;
  pauses: number;
  shadows: number;
  paused: number;
}

const RECONNECT_PAUSE_MS = 1_000;
const GAUGE_EVERY_MS = 5_000;
const PRUNE_EVERY_MS = 600_000;
/** Other workers wait as long for what is theirs when the handlers of this one are slow. */
const MOST_WAIT_FOR_ROOM_MS = 50;

const UNCLASSIFIED = 'it could not be classified';

/** SQLSTATE classes 22 and 23 blame the data, not the server or the connection. */
const isContentError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23]/.test(error.code);

/**
 * Turns received deliveries into dispatch rows. One process at a time does it, so rows get their numbers in the order
 * of arrival and nothing needs a cursor. The lock belongs to a session, and so do its writes: when it is lost, they fail.
 */
export class Assigner {
  readonly #options: AssignerOptions;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;
  #woken = false;
  /** Ends the rest that it takes. */
  #interrupt: ((by: 'news' | 'stop') => void) | undefined;
  #gaugeAt = 0;
  #pruneAt = 0;
  #releaseAt = 0;
  #holdsSeen: bigint | undefined;

  constructor(options: AssignerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** There may be new deliveries. */
  wake(): void {
    this.#woken = true;
    this.#interrupt?.('news');
  }

  /** Resolves when the batch in hand is committed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#interrupt?.('stop');
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        this.#options.log.warn({ err: messageOf(error) }, 'deliveries could not be assigned; tried again');
        await this.#rest(RECONNECT_PAUSE_MS);
      }
    }
  }

  async #session(): Promise<void> {
    const client = await this.#options.pool.connect();
    // The failing query says the same; without a listener the event would end the process.
    client.on('error', (error) => this.#options.log.debug({ err: messageOf(error) }, 'the assigner lost its session'));
    try {
      while (!this.#stopping.signal.aborted) {
        const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
          ADVISORY_LOCKS.assigner,
        ]);
        if (rows[0]?.mine) return await this.#work(client);
        await this.#rest(this.#options.pollMs);
      }
    } finally {
      // Processes are added up in /metrics, and from now on another one counts.
      this.#gauge({ seconds: 0, pauses: 0, shadows: 0, paused: 0 });
      client.release(true);
    }
  }

  async #work(client: pg.PoolClient): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      const count = await this.#batch(client);
      // Handlers begin before anything more is read.
      await new Promise<void>((resolve) => setImmediate(resolve));
      await this.#upkeep(client);
      if (count === 0 && !this.#woken) await this.#rest(this.#options.pollMs, 'until news');
    }
  }

  async #batch(client: pg.PoolClient): Promise<number> {
    const { forges, offer, room } = this.#options;
    await room(MOST_WAIT_FOR_ROOM_MS);
    const deliveries = await readReceived(client, forges);
    if (deliveries.length === 0) return 0;
    const readable: Received[] = [];
    for (const delivery of deliveries)
      if (delivery.failure === undefined) readable.push(delivery);
      else await this.#giveUp(client, delivery, UNCLASSIFIED, delivery.failure);
    const rows = await this.#assign(client, readable);
    const others = offer(rows);
    if (others.length > 0) await client.query('SELECT pg_notify($1, $2)', [CHANNEL, others.join(',')]);
    return deliveries.length;
  }

  /**
   * Assigns all of them in one transaction. When their content is refused they are assigned one by one, so that a
   * delivery that PostgreSQL cannot store something of is given up with that reason and holds up nobody.
   */
  async #assign(client: pg.PoolClient, deliveries: readonly Received[]): Promise<LaneRow[]> {
    if (deliveries.length === 0) return [];
    try {
      return await assign(client, deliveries, this.#options);
    } catch (error) {
      if (error instanceof Unclassifiable) {
        await client.query('ROLLBACK');
        await this.#giveUp(client, error.delivery, UNCLASSIFIED, error.cause);
        return this.#assign(
          client,
          deliveries.filter(({ id }) => id !== error.delivery.id),
        );
      }
      if (!isContentError(error)) throw error;
      await client.query('ROLLBACK');
      const [only, ...others] = deliveries;
      if (only !== undefined && others.length === 0) {
        await this.#giveUp(client, only, 'its content cannot be stored', error);
        return [];
      }
      const rows: LaneRow[] = [];
      for (const delivery of deliveries) rows.push(...(await this.#assign(client, [delivery])));
      return rows;
    }
  }

  async #giveUp(client: pg.PoolClient, { id, deliveryKey }: Received, reason: string, error: unknown): Promise<void> {
    this.#options.log.error({ delivery: deliveryKey, err: messageOf(error), reason }, 'a delivery was given up');
    await client.query(
      `UPDATE webhook_delivery SET status = 'dead', reason = $2, error_message = $3, finished_at = now() WHERE id = $1`,
      [id, reason, storable(redactText(messageOf(error)).slice(0, 1_000))],
    );
  }

  async #upkeep(client: pg.PoolClient): Promise<void> {
    const now = performance.now();
    if (now >= this.#gaugeAt) {
      this.#gaugeAt = now + GAUGE_EVERY_MS;
      const { rows } = await client.query<Gauges>(
        `SELECT (SELECT coalesce(extract(epoch FROM now() - min(at)), 0)::float8 FROM (
             SELECT min(received_at) AS at FROM webhook_delivery WHERE status = 'received'
             UNION ALL SELECT min(created_at) FROM dispatch WHERE status = 'pending' AND attempts = 0) oldest) AS seconds,
           (SELECT count(*)::int FROM run_hold WHERE mode = 'pause') AS pauses,
           (SELECT count(*)::int FROM run_hold WHERE mode = 'shadow') AS shadows,
           (SELECT count(*)::int FROM dispatch WHERE status = 'paused') AS paused`,
      );
      if (rows[0]) this.#gauge(rows[0]);
    }
    if (now >= this.#releaseAt) {
      this.#releaseAt = now + this.#options.pollMs;
      this.#holdsSeen = await releaseLeftOver(client, this.#holdsSeen);
    }
    if (this.#options.retention && now >= this.#pruneAt) {
      this.#pruneAt = now + PRUNE_EVERY_MS;
      await prune(client, this.#options.retention, this.#stopping.signal);
    }
  }

  #gauge({ seconds, pauses, shadows, paused }: Gauges): void {
    const { inboxOldestSeconds, holds, pausedRuns } = this.#options.metrics;
    inboxOldestSeconds.set(seconds);
    holds.set({ mode: 'pause' }, pauses);
    holds.set({ mode: 'shadow' }, shadows);
    pausedRuns.set(paused);
  }

  #rest(ms: number, until?: 'until news'): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#interrupt = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#interrupt = (by) => {
        if (by === 'stop' || until !== undefined) end();
      };
    });
  }
}
