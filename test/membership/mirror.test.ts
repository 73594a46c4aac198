/** The loop that reads what is due, of every organization, until it is told to stop. */

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { startMembershipMirror } from '../../src/accounts/membership/mirror.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { PATIENCE_MS } from '../support/patience.js';
import { createRig } from './rig.js';
import { gitlabWorld } from './worlds.js';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

const until = async (condition: () => Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + PATIENCE_MS; !(await condition()); ) {
    if (Date.now() > end) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

it('reads what is due, again when it is marked, goes on after a failure, and stops', async () => {
  const world = await gitlabWorld();
  world.add('ann');
  world.join('ann', 'member');
  const rig = await createRig(db, world);
  await rig.link();
  await rig.signIn('ann');
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const failing = { left: 1 };
  const store = {
    ...rig.ports.store,
    pool: Object.assign(Object.create(rig.ports.store.pool) as typeof rig.ports.store.pool, {
      query: (...o: Parameters<typeof rig.ports.store.pool.query>) => {
        failing.left -= 1;
        if (failing.left === 0) throw new Error('the database is away');
        return rig.ports.store.pool.query(...o);
      },
    }),
  };
  const mirror = startMembershipMirror({ ...rig.ports, store, log }, { tickMs: 5 });
  await until(async () => (await rig.source()).state === 'ok');
  expect(lines.join()).toContain('the database is away');
  world.leave('ann');
  await rig.webhook();
  await until(async () => (await rig.roleOf('ann')) === undefined);
  await mirror.stop();
  world.join('ann', 'member');
  await rig.webhook();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(await rig.roleOf('ann')).toBeUndefined();
  expect(world.api.violations).toEqual([]);
  await world.close();
});
