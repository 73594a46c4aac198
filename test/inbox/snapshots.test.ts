/** Deliveries that tell only the new state are compared with what the same hook told before, once. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import { insertSynthesised } from '../../src/inbox/synthesised.js';
import { fakeDispatcher, fakeForge } from './fake-forge.js';
import { eventually, InboxDatabase } from './inbox-database.js';

/** Payloads are `{ number, labels, at }`; an event per label that was not there before. */
const comparing: ForgeDescriptor = {
  ...fakeForge,
  snapshot: (_type, payload) =>
    typeof payload.number === 'number'
      ? {
          repositoryId: 7n,
          kind: 'issue',
          number: payload.number,
          updatedAt: payload.at as string | undefined,
          state: { labels: payload.labels },
        }
      : undefined,
  classify(_type, payload, options) {
    const before = options?.previous?.labels as string[] | undefined;
    if (before === undefined) return { kind: 'ignored', reason: 'nothing to compare with' };
    const added = (payload.labels as string[]).filter((label) => !before.includes(label));
    if (added.length === 0) return { kind: 'ignored', reason: 'no change' };
    const events = added.map((label) => ({ name: 'issues', action: 'labeled', change: { label } }));
    return { kind: 'events', events, repositoryId: 7n, number: payload.number as number };
  },
};

let inbox: InboxDatabase;
const seen: [key: string, ...rest: unknown[]][] = [];
beforeAll(async () => {
  inbox = await InboxDatabase.create();
  const failing = new Set(['fails']);
  inbox.start({
    forges: new Map([['fake', comparing]]),
    dispatcher: fakeDispatcher({
      app: async (row) => {
        seen.push([row.deliveryKey, row.source, row.eventName, row.action, row.change]);
        if (failing.delete(row.deliveryKey)) throw Object.assign(new Error('broken'), { permanent: true });
        return undefined;
      },
    }),
  });
});
afterAll(() => inbox.drop());

const ended = (key: string) =>
  eventually(async () => {
    const { rows } = await inbox.pool.query<{ status: string; reason: string | null }>(
      'SELECT status, reason FROM webhook_delivery WHERE delivery_key = $1',
      [key],
    );
    const [row] = rows;
    return row && ['done', 'ignored', 'dead'].includes(row.status) && row;
  });
const deliver = (key: string, number: number, labels: string[], at?: string, hook?: string) =>
  inbox.deliver({ number, labels, at } as never, { key, ...(hook && { hook }) });

it('compares with the delivery before, also within one batch, and not with another hook’s', async () => {
  await inbox.addHook('other-hook', inbox.test.organizationId);
  await deliver('1', 1, ['a'], '2026-01-01T00:00:01Z');
  await deliver('2', 1, ['a', 'b', 'c'], '2026-01-01T00:00:02Z');
  await deliver('3', 1, ['c'], '2026-01-01T00:00:03Z');
  await deliver('4', 1, ['c', 'd'], '2026-01-01T00:00:04Z');
  await deliver('5', 1, ['z'], '2026-01-01T00:00:05Z', 'other-hook');
  expect(await ended('1')).toEqual({ status: 'ignored', reason: 'nothing to compare with' });
  expect(await ended('2')).toMatchObject({ status: 'done' });
  expect(await ended('3')).toEqual({ status: 'ignored', reason: 'no change' });
  expect(await ended('4')).toMatchObject({ status: 'done' });
  expect(await ended('5')).toEqual({ status: 'ignored', reason: 'nothing to compare with' });
  expect(seen).toEqual([
    ['2', 'webhook', 'issues', 'labeled', { label: 'b' }],
    ['2', 'webhook', 'issues', 'labeled', { label: 'c' }],
    ['4', 'webhook', 'issues', 'labeled', { label: 'd' }],
  ]);
});

it('gives up the one whose comparing threw, and no other of its batch', async () => {
  await deliver('earlier', 40, ['a'], '2026-01-01T00:00:01Z');
  await ended('earlier');
  const [good, bad, after] = ['sound', 'unsound', 'next'];
  await deliver(good, 40, ['a', 'b'], '2026-01-01T00:00:02Z');
  await deliver(bad, 40, null as never, '2026-01-01T00:00:03Z');
  await deliver(after, 41, ['a'], '2026-01-01T00:00:04Z');
  expect(await ended(bad)).toEqual({ status: 'dead', reason: 'it could not be classified' });
  expect(await ended(good)).toMatchObject({ status: 'done' });
  expect(await ended(after)).toEqual({ status: 'ignored', reason: 'nothing to compare with' });
  seen.length = 0;
});

it('is not moved back by an older delivery that comes late', async () => {
  await deliver('late', 1, ['old'], '2026-01-01T00:00:00Z');
  await ended('late');
  await deliver('after', 1, ['c', 'd', 'e'], '2026-01-01T00:00:06Z');
  await ended('after');
  expect(seen.filter(([key]) => key === 'after')).toEqual([['after', 'webhook', 'issues', 'labeled', { label: 'e' }]]);
});

it('reads the first one again when what was before it comes, once', async () => {
  seen.length = 0;
  await deliver('came first', 6, ['a', 'b'], '2026-01-01T00:00:02Z');
  expect(await ended('came first')).toEqual({ status: 'ignored', reason: 'nothing to compare with' });
  await deliver('was before', 6, ['a'], '2026-01-01T00:00:01Z');
  await eventually(async () => (await ended('came first')).status === 'done');
  expect(await ended('was before')).toMatchObject({ status: 'ignored' });
  await deliver('long before', 6, [], '2026-01-01T00:00:00Z');
  await eventually(async () => (await ended('was before')).status === 'done');
  expect(seen).toEqual([
    ['came first', 'webhook', 'issues', 'labeled', { label: 'b' }],
    ['was before', 'webhook', 'issues', 'labeled', { label: 'a' }],
  ]);
});

it('keeps what a delivery was found to be when it comes again', async () => {
  await deliver('first', 2, ['x'], '2026-01-01T00:00:01Z');
  await deliver('second', 2, ['x', 'y'], '2026-01-01T00:00:02Z');
  await ended('second');
  await inbox.pool.query(`UPDATE webhook_delivery SET status = 'received' WHERE delivery_key = 'second'`);
  await inbox.pool.query(
    `UPDATE dispatch SET status = 'dead' WHERE delivery_id = (SELECT id FROM webhook_delivery WHERE delivery_key = 'second')`,
  );
  await eventually(async () => seen.filter(([key]) => key === 'second').length === 2);
  expect(await ended('second')).toMatchObject({ status: 'done' });
  expect(seen.at(-1)).toEqual(['second', 'webhook', 'issues', 'labeled', { label: 'y' }]);
});

it('takes events of our own as they are, once', async () => {
  const hook = { id: 'hook', forge: 'fake', host: 'fake.example' };
  const event = { hook, key: 'ping:1', name: 'ping', payload: { action: 'sent', zen: 'x' } };
  await insertSynthesised(inbox.pool, [event, event]);
  expect(await ended('forgeway:ping:1')).toMatchObject({ status: 'done' });
  expect(seen.filter(([key]) => key === 'forgeway:ping:1')).toEqual([
    ['forgeway:ping:1', 'forgeway', 'ping', 'sent', null],
  ]);
});

it('does not wait for a number that no column holds, nor does anybody behind it', async () => {
  for (const number of [2 ** 31, Number.MAX_SAFE_INTEGER, 0.5, -1]) await deliver(`number ${number}`, number, ['x']);
  await deliver('behind', 3, ['x'], '2026-01-01T00:00:01Z');
  for (const number of [2 ** 31, Number.MAX_SAFE_INTEGER, 0.5, -1])
    expect(await ended(`number ${number}`)).toEqual({ status: 'ignored', reason: 'nothing to compare with' });
  expect(await ended('behind')).toEqual({ status: 'ignored', reason: 'nothing to compare with' });
});

it('gives up what its forge’s code throws at, with the reason, and nobody waits', async () => {
  // No list of labels: `classify` above throws, which no forge may.
  await deliver('seen before', 4, ['x'], '2026-01-01T00:00:01Z');
  await inbox.deliver({ number: 4, labels: 'a\u0000b' } as never, { key: 'broken' });
  await deliver('behind the broken', 5, ['x'], '2026-01-01T00:00:01Z');
  expect(await ended('broken')).toEqual({ status: 'dead', reason: 'it could not be classified' });
  expect(await ended('behind the broken')).toMatchObject({ status: 'ignored' });
  const { rows } = await inbox.pool.query("SELECT error_message FROM webhook_delivery WHERE delivery_key = 'broken'");
  expect(rows).toEqual([{ error_message: expect.stringContaining('filter is not a function') }]);
});
