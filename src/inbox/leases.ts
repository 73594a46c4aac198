import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { SHARDS } from './lane.js';
import type { Lease } from './lane-statements.js';
import type { Lanes } from './lanes.js';

export interface LeasesOptions {
  pool: pg.Pool;
  lanes: Lanes;
  log: Logger;
  /** Name of this worker, for people. */
  ownerId: string;
  /** A lease that is not renewed in this time may be taken by anybody. */
  leaseMs: number;
  /** Time between renewals. */
  tickMs: number;
  /** A notification arrived: shards that have new rows, or undefined for new deliveries. */
  notified: (shards: number[] | undefined) => void;
}

export const CHANNEL = 'forgeway_inbox';

/** Application names of our sessions begin like this; a worker is alive while its session is and has spoken lately. */
const SESSION = 'fw-lanes:';

const RECONNECT_PAUSE_MS = 1_000;

/** A free shard that nobody with room has taken in this many ticks is taken by anybody. */
const PATIENCE_TICKS = 3;

/**
 * Holds this worker's share of the shards. All clocks are the database's. The leases live and die with one session: its
 * loss ends them, and when the process dies others see the session gone and need not wait for the time to run out.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #stopping = new AbortController();
  #owner = '';
  #loop: Promise<void> | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Stops renewing and gives every lease back, so that the next worker need not wait. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#release(this.#options.pool, undefined);
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        this.#options.log.warn({ err: messageOf(error) }, 'the leases of this worker are lost; it connects again');
        await this.#sleep(RECONNECT_PAUSE_MS);
      }
    }
  }

  async #session(): Promise<void> {
    const { pool, lanes, ownerId, notified, tickMs } = this.#options;
    const client = await pool.connect();
    const ended = new Promise<never>((_, reject) => {
      client.once('error', reject);
      client.once('end', () => reject(new Error('the connection was closed')));
    });
    // Only raced against below; on its own it must not count as unhandled.
    ended.catch(() => undefined);
    client.on('notification', ({ payload = '' }) => {
      const shards = payload
        .split(',')
        .filter((text) => text !== '')
        .map(Number);
      notified(shards.length > 0 ? shards : undefined);
    });
    try {
      this.#owner = `${SESSION}${ownerId.replace(/[^!-~]/g, '-').slice(0, 36)}:${randomBytes(6).toString('hex')}`;
      lanes.become(this.#owner);
      await client.query("SELECT set_config('application_name', $1, false)", [this.#owner]);
      await client.query(`LISTEN ${CHANNEL}`);
      while (!this.#stopping.signal.aborted) {
        await Promise.race([this.#tick(client), ended]);
        await Promise.race([this.#sleep(tickMs), ended]);
      }
    } finally {
      if (!this.#stopping.signal.aborted) lanes.become('');
      client.removeAllListeners('notification');
      client.release(true);
    }
  }

  /** Renews, drops what was lost, then takes or gives back until this worker has its share. */
  async #tick(client: pg.PoolClient): Promise<void> {
    const { lanes, leaseMs, tickMs } = this.#options;
    const renewed = await client.query<{ shard: number }>({
      text: `UPDATE lane_lease l SET expires_at = clock_timestamp() + $2 * interval '1 millisecond'
        FROM (SELECT shard FROM lane_lease WHERE owner = $1 ORDER BY shard FOR NO KEY UPDATE) mine
        WHERE l.shard = mine.shard RETURNING l.shard`,
      values: [this.#owner, leaseMs],
    });
    const ours = new Set(renewed.rows.map((row) => row.shard));
    for (const shard of lanes.shards) if (!ours.has(shard)) lanes.drop(shard);
    const closed = lanes.closed();
    if (closed.length > 0) {
      for (const shard of closed) lanes.drop(shard);
      await this.#release(client, closed);
    }
    const alive = await client.query<{ workers: number }>(
      `SELECT count(*)::int AS workers FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE $1
         AND state_change > clock_timestamp() - $2 * interval '1 millisecond'`,
      [`${SESSION}%`, leaseMs],
    );
    const share = Math.ceil(SHARDS / Math.max(1, alive.rows[0]?.workers ?? 1));
    const held = lanes.shards;
    if (held.length > share) lanes.close(held.slice(share));
    else lanes.open(await this.#take(client, share - held.length, PATIENCE_TICKS * tickMs));
  }

  /** Takes up to `room` shards that nobody holds, and any that stayed free for longer than `patienceMs`. */
  async #take(client: pg.PoolClient, room: number, patienceMs: number): Promise<Lease[]> {
    const { rows } = await client.query<{ shard: number; epoch: bigint | string }>({
      text: `WITH free AS (
          SELECT l.shard, coalesce(l.expires_at < clock_timestamp() - $4 * interval '1 millisecond', false) AS stale
          FROM lane_lease l
          WHERE l.owner IS NULL OR l.expires_at < clock_timestamp()
            OR NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = l.owner)
          ORDER BY l.shard FOR NO KEY UPDATE OF l SKIP LOCKED
        ), chosen AS (
          SELECT shard FROM (SELECT shard, stale, row_number() OVER (ORDER BY random()) AS place FROM free) f
          WHERE place <= $2 OR stale
        )
        UPDATE lane_lease l SET
          owner = $1, epoch = l.epoch + 1, expires_at = clock_timestamp() + $3 * interval '1 millisecond'
        FROM chosen WHERE l.shard = chosen.shard RETURNING l.shard, l.epoch`,
      values: [this.#owner, room, this.#options.leaseMs, patienceMs],
    });
    return rows.map((row) => ({ shard: row.shard, epoch: BigInt(row.epoch) }));
  }

  /** `shards` undefined: all. The time of release stays in expires_at, for the patience of others. */
  async #release(client: pg.Pool | pg.PoolClient, shards: number[] | undefined): Promise<void> {
    await client.query(
      `UPDATE lane_lease SET owner = NULL, expires_at = clock_timestamp()
       WHERE owner = $1 AND ($2::smallint[] IS NULL OR shard = ANY($2))`,
      [this.#owner, shards ?? null],
    );
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal, ref: false }).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) throw error;
    });
  }
}
