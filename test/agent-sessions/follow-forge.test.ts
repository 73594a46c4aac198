/** A session whose pull request was merged says so at once, and waits for no sweeper. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sessionsFollowForge } from '../../src/jobs/agent/follow-forge.js';
import type { JobKey, JobQueue } from '../../src/jobs/queue/queue.js';
import { withConnection } from '../../src/store/connection.js';
import type { StoredPullRequest } from '../../src/store/mirror/pull-request.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { populateTenant } from '../support/tenant-rows.js';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await withConnection(db.superuser, (client) => populateTenant(client, db.organizationId, 1, { create: false }));
});
afterAll(() => db?.drop());

it('is looked at when it has moved, and left alone when it has not', async () => {
  const poked: [string, JobKey][] = [];
  const queue = (name: string): JobQueue => ({ name, poke: async (key) => void poked.push([name, key]) });
  const follow = sessionsFollowForge({ pokes: { report: queue('report'), agent: queue('agent') } });
  const tenant = db.store('worker').tenant;
  const { organizationId } = db;
  const session = await tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string; pull: string }>(
      `UPDATE agent_session SET status = 'in_review', stop_wanted = NULL, lease_held = false,
         pull_request_id = (SELECT id FROM pull_request LIMIT 1) RETURNING id, pull_request_id AS pull`,
    );
    return rows[0];
  });
  const say = async (state: 'open' | 'merged') =>
    (await tenant(organizationId, (tx) => follow(tx, { now: { id: session?.pull, state } as StoredPullRequest })))?.();
  await say('open');
  expect(poked).toEqual([]);
  await say('merged');
  expect(poked).toContainEqual(['agent', { organizationId, id: session?.id }]);
  const { rows } = await tenant(organizationId, (tx) =>
    tx.query('SELECT kind FROM session_notice WHERE session_id = $1 AND kind = $2', [session?.id, 'merged']),
  );
  expect(rows).toEqual([{ kind: 'merged' }]);
});
