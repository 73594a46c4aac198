/** The inbox as the database has it, read by its owner. */
import pg from 'pg';
import { attachEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import type { InboxRow } from './checker.js';

export interface InboxView {
  /** Deliveries that are not finished. */
  unfinished(): Promise<number>;
  /** As if the time that parked rows wait for were over. */
  passTime(): Promise<void>;
  rows(): Promise<InboxRow[]>;
}

async function withClient<T>(dataDir: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, database, user, password } = await attachEmbeddedPostgres({ dataDir, waitMs: 30_000 });
  const client = new pg.Client({ host, port, database, user, password });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

export function openInboxView(dataDir: string): InboxView {
  return {
    unfinished: () =>
      withClient(dataDir, async (client) => {
        const { rows } = await client.query<{ count: number }>(
          `SELECT (SELECT count(*) FROM webhook_delivery WHERE status IN ('received', 'assigned'))::int
                + (SELECT count(*) FROM dispatch WHERE status IN ('pending', 'parked'))::int AS count`,
        );
        return rows[0]?.count ?? 0;
      }),
    passTime: () =>
      withClient(dataDir, async (client) => {
        await client.query(
          `UPDATE dispatch SET next_attempt_at = now() WHERE status = 'parked' AND next_attempt_at > now()`,
        );
      }),
    rows: () =>
      withClient(dataDir, async (client) => {
        const { rows } = await client.query<InboxRow>(
          `SELECT w.forge, w.delivery_key AS id, w.source, w.status, coalesce(w.reason, '') AS reason,
             coalesce((SELECT json_agg(json_build_object('app', d.app, 'status', d.status,
                'error', coalesce(d.error, d.reason, ''))) FROM dispatch d
                WHERE d.delivery_id = w.id AND d.status NOT IN ('done', 'ignored')), '[]') AS open
           FROM webhook_delivery w ORDER BY w.id`,
        );
        return rows;
      }),
  };
}
