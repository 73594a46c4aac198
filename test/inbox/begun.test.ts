/** What an idle worker spares itself: round trips of the assigner, and the statement that marks a row as begun. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { assign } from '../../src/inbox/assign.js';
import type { Dispatcher, PreparedRow } from '../../src/inbox/dispatch.js';
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
async function assignAs(
  plan: Partial<Beginnings> = {},
  dispatcher: Dispatcher = fakeDispatcher({ app: async () => undefined }),
) {
  await inbox.pool.query("UPDATE lane_lease SET owner = 'me', epoch = 5");
  const holds = new Holds();
  await holds.load(inbox.pool);
  const client = await inbox.pool.connect();
  try {
    const deliveries = await readReceived(client, fakeForges);
    return await watched(() =>
      assign(client, deliveries, {
        dispatcher,
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

it('what is about to begin is made ready while that is written down, and nothing else is', async () => {
  const prepared: unknown[] = [];
  const dispatcher = {
    ...fakeDispatcher({ app: async () => undefined, other: async () => undefined }),
    prepare: ({ deliveryId, app, payload }: PreparedRow) => prepared.push([deliveryId, app, payload !== undefined]),
  };
  const first = await inbox.deliver({ repository: 1, number: 1 });
  await assignAs({}, dispatcher);
  await inbox.deliver({ repository: 1, number: 2 });
  const { roundTrips } = await assignAs({ epochs: [null, null] }, dispatcher);
  // What was parsed is one app's: it may change it.
  expect(prepared).toEqual([
    [first, 'app', true],
    [first, 'other', false],
  ]);
  expect(roundTrips).toBe(2);
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

/** Starts a worker that has every lane, and knows which holds there are. */
async function startIdle(dispatcher: Dispatcher) {
  const running = inbox.start({ dispatcher });
  // The first of a worker tells it about the holds.
  await inbox.settled(await inbox.deliver({ repository: 1, number: 1 }), 'done');
  await eventually(async () => {
    const { rows } = await inbox.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM lane_lease WHERE owner IS NOT NULL',
    );
    return rows[0]?.n === 64;
  });
  return running;
}

/** Names of statements while `work` ran. Now and then a reading of the lanes is under way, and rows are begun like any other. */
const withoutMarks = (work: () => Promise<void>) =>
  eventually(async () => {
    const { names } = await watched(work);
    return names.includes('lane_mark_started') ? undefined : names;
  });

it('a worker that is idle runs what it assigned without marking it once more', async () => {
  const running = await startIdle(fakeDispatcher({ app: async () => undefined }));
  const names = await withoutMarks(async () => {
    const id = await inbox.deliver({ repository: 1, number: 2 });
    running.wake();
    await inbox.settled(id, 'done');
    const [row] = await inbox.dispatches(id);
    expect([row?.attempts, row?.started_epoch]).toEqual([1, null]);
  });
  expect(names).toContain('inbox_insert_dispatches');
});

it('one repository has more than its half of the places while nobody else wants them', async () => {
  const together = { wanted: 1, waiting: [] as (() => void)[] };
  const dispatcher = fakeDispatcher({
    app: () =>
      new Promise((resolve) => {
        together.waiting.push(() => resolve(undefined));
        if (together.waiting.length === together.wanted) for (const end of together.waiting.splice(0)) end();
      }),
  });
  const running = await startIdle(dispatcher);
  // Of ten places; half are five, and one stays free for others.
  together.wanted = 9;
  await withoutMarks(async () => {
    const ids: bigint[] = [];
    for (let number = 1; number <= 9; number += 1) ids.push(await inbox.deliver({ repository: 1, number }));
    running.wake();
    for (const id of ids) await inbox.settled(id, 'done');
  });
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
