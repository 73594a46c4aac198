/** What an idle worker spares itself: round trips of the assigner, and the statement that marks a row as begun. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { assign } from '../../src/inbox/assign.js';
import { Holds } from '../../src/inbox/holds.js';
import { readReceived } from '../../src/inbox/received.js';
import type { Beginnings } from '../../src/inbox/row.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { fakeDispatcher, fakeForges } from './fake-forge.js';
import { eventually, InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

/** Names of the statements that were sent while `work` ran, and how often somebody waited for an answer. */
async function watched<T>(work: () => Promise<T>): Promise<{ result: T; names: string[]; roundTrips: number }> {
  const original = pg.Client.prototype.query;
  const names: string[] = [];
  const under = new Map<pg.Client, number>();
  let roundTrips = 0;
  pg.Client.prototype.query = function query(this: pg.Client, ...call: unknown[]) {
    const [first] = call;
    names.push(typeof first === 'string' ? first : String((first as { name?: string }).name));
    const open = under.get(this) ?? 0;
    if (open === 0) roundTrips += 1;
    const answer: unknown = Reflect.apply(original, this, call);
    if (answer instanceof Promise) {
      under.set(this, open + 1);
      const over = () => under.set(this, (under.get(this) ?? 1) - 1);
      answer.then(over, over);
    }
    return answer as never;
  } as typeof original;
  try {
    return { result: await work(), names, roundTrips };
  } finally {
    pg.Client.prototype.query = original;
  }
}

/** Assigns what was received, as a worker that would begin everything under lease 5. */
async function assignAs(plan: Partial<Beginnings> = {}) {
  await inbox.pool.query("UPDATE lane_lease SET owner = 'me', epoch = 5");
  const holds = new Holds();
  await holds.load(inbox.pool);
  const client = await inbox.pool.connect();
  try {
    const deliveries = await readReceived(client, fakeForges);
    return await watched(() =>
      assign(client, deliveries, {
        dispatcher: fakeDispatcher({ app: async () => undefined }),
        metrics: createMetrics(),
        plan: (rows) => ({ owner: 'me', holdsVersion: holds.version, epochs: rows.map(() => 5n), ...plan }),
      }),
    );
  } finally {
    client.release();
  }
}

it('a delivery is assigned in two round trips, one that reads and one that writes', async () => {
  await inbox.deliver({ repository: 1, number: 1 });
  await assignAs();
  const id = await inbox.deliver({ repository: 1, number: 2, key: 'a semantic key' });
  const { result, roundTrips } = await assignAs();
  expect([result.map(({ deliveryId }) => deliveryId), roundTrips]).toEqual([[id], 2]);
});

it('a row is written as begun under the lease and the holds that it was planned with', async () => {
  const id = await inbox.deliver({ repository: 1, number: 1 });
  const { result } = await assignAs();
  expect(result.map(({ begunIn, attempts }) => [begunIn, attempts])).toEqual([[5n, 1]]);
  expect((await inbox.dispatches(id)).map((row) => [row.attempts, row.started_epoch])).toEqual([[1, 5n]]);
});

it.each<[string, Partial<Beginnings>]>([
  ['the lease is another worker’s', { owner: 'other' }],
  ['the lease was given anew', { epochs: [4n] }],
  ['the holds have changed', { holdsVersion: -7n }],
])('a row waits for its turn when %s', async (_when, plan) => {
  const id = await inbox.deliver({ repository: 1, number: 1 });
  const { result } = await assignAs(plan);
  expect(result.map(({ begunIn, attempts }) => [begunIn, attempts])).toEqual([[undefined, 0]]);
  expect((await inbox.dispatches(id)).map((row) => [row.attempts, row.started_epoch])).toEqual([[0, null]]);
});

it('a dead row that came again is not begun by it', async () => {
  const id = await inbox.deliver({ repository: 1, number: 1 });
  await assignAs();
  await inbox.pool.query("UPDATE dispatch SET status = 'dead'");
  await inbox.pool.query("UPDATE webhook_delivery SET status = 'received'");
  const { result } = await assignAs();
  expect(result.map(({ begunIn }) => begunIn)).toEqual([undefined]);
  expect((await inbox.dispatches(id)).map((row) => [row.status, row.attempts, row.started_epoch])).toEqual([
    ['pending', 0, null],
  ]);
});

it('a worker that is idle runs what it assigned without marking it once more', async () => {
  const dispatcher = fakeDispatcher({ app: async () => undefined });
  const running = inbox.start({ dispatcher });
  // The first of a worker tells it which holds there are.
  await inbox.settled(await inbox.deliver({ repository: 1, number: 1 }), 'done');
  await eventually(async () => {
    const { rows } = await inbox.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM lane_lease WHERE owner IS NOT NULL',
    );
    return rows[0]?.n === 64;
  });
  const marks = await eventually(async () => {
    const { names, result: id } = await watched(async () => {
      const added = await inbox.deliver({ repository: 1, number: 2 });
      running.wake();
      await inbox.settled(added, 'done');
      return added;
    });
    const [row] = await inbox.dispatches(id);
    expect([row?.attempts, row?.started_epoch]).toEqual([1, null]);
    // Now and then a reading of the lanes is under way, and the row is begun like any other.
    return names.includes('lane_mark_started') ? undefined : names;
  });
  expect(marks).toContain('inbox_insert_dispatches');
});

it('two rows of one lane begin one after the other', async () => {
  const order: string[] = [];
  const dispatcher = fakeDispatcher({
    app: async (_row, { mark = '' }) => {
      order.push(`${mark} begins`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push(`${mark} ends`);
    },
  });
  const ids = [];
  for (const mark of ['first', 'second']) ids.push(await inbox.deliver({ repository: 1, number: 1, mark }));
  inbox.start({ dispatcher });
  for (const id of ids) await inbox.settled(id, 'done');
  expect(order).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
});
