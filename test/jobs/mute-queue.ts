/** Takes from BullMQ what it wakes waiting workers with, so that only polling and the sweeper are left. */
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { TestDatabase } from '../support/database.js';

export interface Muted {
  /** How often it was kept from waking somebody, or somebody waited to be woken. */
  suppressed(): Promise<number>;
  /** What was heard nevertheless. */
  heard(): string[];
  close(): Promise<void>;
}

const CHANNEL = 'bullmq_jobs';
const PROOF = 'of the test';

/**
 * In this database every function of BullMQ's that notifies counts instead. A listener of ours hears that it is so; it
 * hears one notification, sent at the end by {@link Muted.suppressed}, as proof that it can.
 */
export async function muteOnPostgres(database: TestDatabase): Promise<Muted> {
  const client = new pg.Client(database.superuser);
  await client.connect();
  await client.query(`
    CREATE SEQUENCE bullmq.muted;
    CREATE FUNCTION bullmq.mute(channel text, payload text) RETURNS void LANGUAGE sql SECURITY DEFINER
      AS $$ SELECT nextval('bullmq.muted') $$;
    DO $$
      DECLARE
        noisy regprocedure;
      BEGIN
        FOR noisy IN SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname = 'bullmq' AND p.prosrc ~ 'pg_notify'
        LOOP
          EXECUTE replace(pg_get_functiondef(noisy), 'pg_notify(', 'bullmq.mute(');
        END LOOP;
      END
    $$`);
  const heard: string[] = [];
  client.on('notification', ({ payload }) => heard.push(payload ?? ''));
  await client.query(`LISTEN ${CHANNEL}`);
  return {
    async suppressed() {
      await client.query('SELECT pg_notify($1, $2)', [CHANNEL, PROOF]);
      const { rows } = await client.query<{ n: number }>('SELECT last_value::int AS n FROM bullmq.muted');
      if (!heard.includes(PROOF)) throw new Error('the listener is deaf');
      return rows[0]?.n ?? 0;
    },
    heard: () => heard.filter((payload) => payload !== PROOF),
    close: () => client.end(),
  };
}

/** BullMQ's workers on Redis wait in BZPOPMIN, which answers at once when there is work. Here it only ever times out. */
export function muteOnRedis(): Muted {
  const waits = { count: 0 };
  const blocking = jest.spyOn(Redis.prototype, 'bzpopmin') as unknown as {
    mockImplementation(wait: (this: Redis, key: string, seconds: number) => Promise<null>): void;
    mockRestore(): void;
  };
  blocking.mockImplementation(async function wait(this: Redis, _key, seconds) {
    waits.count += 1;
    const until = performance.now() + seconds * 1_000;
    // It ends early with its connection, as the real one does.
    while (performance.now() < until && this.status === 'ready') await sleep(50);
    return null;
  });
  return {
    suppressed: async () => waits.count,
    heard: () => [],
    async close() {
      blocking.mockRestore();
    },
  };
}
