/** A notice that the forge does not take: for now, or for good. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { PoolClient } from 'pg';
import { pino } from 'pino';
import type { AgentContext } from '../../src/jobs/agent/context.js';
import { postNotices } from '../../src/jobs/agent/notices.js';
import { readSession, type SessionRecord } from '../../src/jobs/agent/session-record.js';
import { systemClock } from '../../src/lib/clock.js';
import { withConnection } from '../../src/store/connection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { plannedFor } from '../support/planned-agents.js';
import { populateTenant } from '../support/tenant-rows.js';

let db: TestDatabase;
let session: SessionRecord;
const tenant = <T>(run: (tx: PoolClient) => Promise<T>): Promise<T> =>
  db.store('worker').tenant(db.organizationId, run);
beforeAll(async () => {
  db = await createTestDatabase();
  await withConnection(db.superuser, (client) => populateTenant(client, db.organizationId, 1, { create: false }));
  const found = await tenant(async (tx) => {
    const { rows } = await tx.query<{ id: string }>('SELECT id FROM agent_session LIMIT 1');
    await tx.query('UPDATE session_notice SET told_at = now()');
    return readSession(tx, rows[0]?.id ?? '');
  });
  if (found === undefined) throw new Error('there is no session');
  session = found;
});
afterAll(() => db?.drop());

/** As Octokit says it. */
const answered = (status: number, headers: Record<string, string> = {}) =>
  Object.assign(new Error(`the forge says ${status}`), { name: 'HttpError', status, response: { headers } });

it.each([
  ['is limited for a while', answered(403, { 'retry-after': '30' }), false],
  ['is limited for an hour', answered(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '4102444800' }), false],
  ['is asked too often', answered(429), false],
  ['is out of order', answered(502), false],
  ['does not answer', new TypeError('fetch failed'), false],
  ['may not be written to', answered(403), true],
  ['has locked the conversation', answered(422), true],
])(
  'is kept until it is told where the forge %s, and given up only where it says no for good',
  async (_what, problem, isFinal) => {
    const [id, posted] = [randomUUID(), [] as string[]];
    await tenant((tx) =>
      tx.query(
        `INSERT INTO session_notice (id, organization_id, session_id, kind, sequence, channel, body)
       VALUES ($1, $2, $3, 'failed', (SELECT coalesce(max(sequence), 0) + 1 FROM session_notice), 'comment', '@ada it failed')`,
        [id, session.organizationId, session.id],
      ),
    );
    const forge = { problem: problem as Error | undefined };
    const context = {
      ...{
        store: db.store('worker'),
        agents: plannedFor('scripted'),
        clock: systemClock,
        log: pino({ level: 'silent' }),
      },
      octokitFor: async () => ({
        request: async (route: string, { body }: { body?: string }) => {
          if (forge.problem !== undefined && route.startsWith('POST ')) throw forge.problem;
          if (body !== undefined) posted.push(body);
          return { data: [], headers: {} };
        },
      }),
    } as unknown as AgentContext;
    const { signal } = new AbortController();
    expect(await postNotices(context, session, signal)).toBe(isFinal);
    forge.problem = undefined;
    expect(await postNotices(context, session, signal)).toBe(true);
    expect(posted).toHaveLength(isFinal ? 0 : 1);
    expect(await postNotices(context, session, signal)).toBe(true);
    expect(posted).toHaveLength(isFinal ? 0 : 1);
  },
);
