/** A free place for an agent, for which two workers look at the same moment, or for which one has waited. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { PoolClient } from 'pg';
import { pino } from 'pino';
import type { PlannedAgents } from '../../src/jobs/agent/agents.js';
import { takeTurn } from '../../src/jobs/agent/begin.js';
import type { AgentContext } from '../../src/jobs/agent/context.js';
import { drive } from '../../src/jobs/agent/drive.js';
import { readSession, type SessionRecord } from '../../src/jobs/agent/session-record.js';
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
const tenant = <T>(run: (tx: PoolClient) => Promise<T>): Promise<T> =>
  db.store('worker').tenant(db.organizationId, run);

function contextWith(planned: Partial<PlannedAgents>): AgentContext {
  const queue = (name: string) => ({ name, poke: async () => undefined });
  return {
    ...{ store: db.store('worker'), agents: { ...plannedFor('scripted'), ...planned }, clock: systemClock },
    ...{ log: pino({ level: 'silent' }), runner: { kind: 'worktree' } },
    pokes: { agent: queue('agent'), report: queue('report') },
  } as unknown as AgentContext;
}

/** One that waits for its turn. */
async function sessionOn(number: number): Promise<SessionRecord> {
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
}

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

beforeEach(() =>
  tenant((tx) => tx.query(`UPDATE agent_session SET status = 'completed', lease_held = false, tokens = 0`)),
);

it('is given to one of them, although neither has written down yet that it has it', async () => {
  const context = contextWith({ atOnce: 1 });
  const [first, second] = [await sessionOn(9_001), await sessionOn(9_002)];
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

it('is none for what waited for it while others have used up the day', async () => {
  const context = contextWith({ perDay: { tokens: 100, costMicros: null } });
  const [one, other] = [await sessionOn(9_003), await sessionOn(9_004)];
  let took: Promise<unknown> = Promise.resolve();
  await tenant(async (tx) => {
    await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('agent turns ' || current_organization(), 0))`);
    took = takeTurn(context, other);
    await waiting(1);
    await drive(tx, one.id, [{ kind: 'stop', why: 'cancelled', by: 'ada' }]);
    await tx.query('UPDATE agent_session SET tokens = 100 WHERE id = $1', [one.id]);
  });
  await took;
  expect(await tenant((tx) => readSession(tx, other.id))).toMatchObject({
    ...{ status: 'failed', leaseHeld: false, fence: null },
    failure: expect.stringContaining('100 tokens were used, which is all there is for a day'),
  });
});
