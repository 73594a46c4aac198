/** The inbox as the database has it, read by its owner. */
import pg from 'pg';
import { attachEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import type { InboxRow, MirrorRow, WriteRow } from './checker.js';

export interface InboxView {
  /** Deliveries, dispatches and reads of the forge that are not finished. */
  unfinished(): Promise<number>;
  /** As if the time that parked rows wait for were over. */
  passTime(): Promise<void>;
  rows(): Promise<InboxRow[]>;
  /** Everything that apps wrote, as the journal has it. */
  writes(): Promise<WriteRow[]>;
  /** Every pull request of our own mirror. */
  mirror(): Promise<MirrorRow[]>;
}

async function withClient<T>(dataDir: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, database, user, password } = await attachEmbeddedPostgres({ dataDir, waitMs: 30_000 });
  const client = new pg.Client({ host, port, database, user, password });
  // The database may be killed while it is asked; the query fails with the same.
  client.on('error', () => undefined);
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
                + (SELECT count(*) FROM dispatch WHERE status IN ('pending', 'parked'))::int
                + (SELECT count(*) FROM pull_request_sync WHERE observed_version <> desired_version)::int AS count`,
        );
        return rows[0]?.count ?? 0;
      }),
    passTime: () =>
      withClient(dataDir, async (client) => {
        for (const [table, waits] of [
          ['dispatch', "status = 'parked'"],
          ['pull_request_sync', 'observed_version <> desired_version'],
        ])
          await client.query(
            `UPDATE ${table} SET next_attempt_at = now() WHERE ${waits} AND next_attempt_at > now() + interval '1 second'`,
          );
      }),
    mirror: () =>
      withClient(dataDir, async (client) => {
        const { rows } = await client.query<MirrorRow>(
          `SELECT forge, remote_name || '#' || number AS pull, head_sha AS "headSha", state FROM pull_request`,
        );
        return rows;
      }),
    writes: () =>
      withClient(dataDir, async (client) => {
        const { rows } = await client.query<WriteRow>(
          `SELECT j.forge, j.route, j.status, j.sends, extract(epoch FROM j.created_at) * 1000 AS "firstAt",
             extract(epoch FROM coalesce(j.answered_at, j.sent_at)) * 1000 AS "lastAt", d.app,
             concat_ws('.', d.event_name, d.action) AS event, d.attempts, w.source, w.delivery_key AS delivery
           FROM write_journal j JOIN dispatch d ON d.id = j.dispatch_id JOIN webhook_delivery w ON w.id = d.delivery_id`,
        );
        return rows;
      }),
    rows: () =>
      withClient(dataDir, async (client) => {
        const { rows } = await client.query<InboxRow>(
          `SELECT w.forge, w.delivery_key AS id, w.source, w.status, coalesce(w.reason, '') AS reason,
             coalesce((SELECT json_agg(json_build_object('app', d.app, 'status', d.status,
                'error', coalesce(d.error, d.reason, ''))) FROM dispatch d
                WHERE d.delivery_id = w.id AND d.status NOT IN ('done', 'ignored')), '[]') AS open
           FROM webhook_delivery w
           UNION ALL
           SELECT p.forge, 'reading ' || p.remote_name || '#' || p.number, 'job', 'behind', coalesce(s.error, ''), '[]'
           FROM pull_request_sync s JOIN pull_request p ON p.id = s.pull_request_id
           WHERE s.observed_version <> s.desired_version`,
        );
        return rows;
      }),
  };
}
