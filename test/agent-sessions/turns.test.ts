/** The last free place for an agent, for which two workers look at the same moment. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { takeTurn } from '../../src/jobs/agent/begin.js';
import type { AgentContext } from '../../src/jobs/agent/context.js';
import { readSession } from '../../src/jobs/agent/session-record.js';
import { systemClock } from '../../src/lib/clock.js';
import { withConnection } from '../../src/store/connection.js';
import { eventually } from '../jobs/eventually.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { plannedFor } from '../support/planned-agents.js';
import { populateTenant } from '../support/tenant-rows.js';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await withConnection(db.superuser, (client) => populateTenant(client, db.organizationId, 1, { create: false }));
});
afterAll(() => db?.drop());

it('is given to one of them, although neither has written down yet that it has it', async () => {
  const store = db.store('worker');
  const tenant = <T>(run: Parameters<typeof store.tenant<T>>[1]) => store.tenant(db.organizationId, run);
  const planned = { ...plannedFor('scripted'), atOnce: 1 };
  const queue = (name: string) => ({ name, poke: async () => undefined });
  const context = {
    ...{ store, agents: planned, clock: systemClock, log: pino({ level: 'silent' }), runner: { kind: 'worktree' } },
    pokes: { agent: queue('agent'), report: queue('report') },
  } as unknown as AgentContext;
  await tenant((tx) => tx.query(`UPDATE agent_session SET status = 'completed', lease_held = false`));
  const sessionOn = async (number: number) => {
    const id = randomUUID();
    await tenant((tx) =>
      tx.query(
        `INSERT INTO agent_session (id, organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
           agent, requested_by, limit_seconds, event_sequence, command_key, triggered_at)
         SELECT $1::uuid, organization_id, id, forge, host, remote_id, $2, false, 'scripted', 'ada', 60, 1, $1::uuid::text, now()
           FROM repository LIMIT 1`,
        [id, number],
      ),
    );
    const session = await tenant((tx) => readSession(tx, id));
    if (session === undefined) throw new Error('the session is not there');
    return session;
  };
  const [first, second] = [await sessionOn(9_001), await sessionOn(9_002)];
  /** So many transactions of this database wait for a lock. */
  const waiting = (most: number) =>
    eventually(async () => {
      const { rows } = await withConnection(db.superuser, (client) =>
        client.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        ),
      );
      return (rows[0]?.count ?? 0) >= most;
    }, `${most} wait`);

  let took: Promise<unknown>[] = [];
  await tenant(async (tx) => {
    await readSession(tx, first.id, { lock: true });
    // It has found the place free, and waits to write into its row that it has it.
    took = [takeTurn(context, first)];
    await waiting(1);
    const other = takeTurn(context, second);
    took.push(other);
    await Promise.race([other, waiting(2)]);
  });
  await Promise.all(took);
  const { rows } = await tenant((tx) =>
    tx.query<{ id: string }>('SELECT id FROM agent_session WHERE lease_held ORDER BY id'),
  );
  expect(rows).toEqual([{ id: first.id }]);
});
