/**
 * One noisy repository, organization or app among others. What is counted are the handlers that began before the others had
 * their turn, with all of them held: no clock can make it pass.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { shardOf } from '../../src/inbox/lane.js';
import { Rota } from '../../src/inbox/rota.js';
import { Slots } from '../../src/inbox/slots.js';
import { type FakeApp, fakeDispatcher } from './fake-forge.js';
import { eventually, InboxDatabase, quickTiming } from './inbox-database.js';

const CONCURRENCY = 10;

let inbox: InboxDatabase;
let gate: { open(): void; passed: Promise<void> };
beforeEach(async () => {
  inbox = await InboxDatabase.create();
  const state: { open?: () => void } = {};
  const passed = new Promise<void>((resolve) => (state.open = resolve));
  gate = { passed, open: () => state.open?.() };
});
afterEach(async () => {
  gate.open();
  await inbox.drop();
});

interface Place {
  organizationId: string;
  repository: number;
  number: number;
}

/** Deliveries that are assigned already and wait for a worker, for one app each. */
async function backlog(places: readonly Place[], app = 'app'): Promise<void> {
  const lanes = places.map(({ repository, number }) => `fake:fake.example:${repository}:${number}`);
  await inbox.pool.query(
    `WITH n AS (
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[])
         WITH ORDINALITY AS n(organization_id, lane, shard, body, place)
     ), w AS (
       INSERT INTO webhook_delivery (organization_id, hook_id, forge, host, delivery_key, event_type, status, body)
       SELECT organization_id, 'hook', 'fake', 'fake.example', $5 || '-' || place, 'thing', 'assigned', convert_to(body, 'UTF8')
       FROM n ORDER BY place RETURNING id, delivery_key
     )
     INSERT INTO dispatch (delivery_id, event_name, app, organization_id, lane, shard)
     SELECT w.id, 'thing', $5, n.organization_id, n.lane, n.shard FROM n JOIN w ON w.delivery_key = $5 || '-' || n.place
     ORDER BY n.place`,
    [
      places.map(({ organizationId }) => organizationId),
      lanes,
      lanes.map(shardOf),
      places.map(({ repository, number }) => JSON.stringify({ repository, number, mark: `noisy ${repository}` })),
      app,
    ],
  );
}

const many = (count: number, place: (index: number) => Place): Place[] =>
  Array.from({ length: count }, (_, n) => place(n));

/** Noisy ones hold their slot until the gate opens. */
const held: FakeApp = async (_row, { mark }) => {
  if (mark?.startsWith('noisy')) await gate.passed;
};
const noisy = (calls: readonly string[]) => calls.filter((call) => call.includes('noisy'));

it('10,000 slow deliveries of one repository leave a slot for the next of another repository and organization', async () => {
  const organizationId = inbox.test.organizationId;
  await backlog(many(10_000, (number) => ({ organizationId, repository: 1, number })));
  await inbox.addHook('other', await inbox.addOrganization('other'));
  const dispatcher = fakeDispatcher({ app: held });
  const running = inbox.start({ dispatcher, concurrency: CONCURRENCY });
  await eventually(() => noisy(dispatcher.calls).length === CONCURRENCY - 1);
  const others = [
    await inbox.deliver({ repository: 2, number: 1, mark: 'same organization' }),
    await inbox.deliver({ repository: 3, number: 1, mark: 'another organization' }, { hook: 'other' }),
  ];
  running.wake();
  for (const id of others) await inbox.settled(id, 'done');
  // None of them ended, and none began.
  expect(noisy(dispatcher.calls)).toHaveLength(CONCURRENCY - 1);
});

it('they are not in the way either when they came first and the worker only starts', async () => {
  const organizationId = inbox.test.organizationId;
  await inbox.addHook('other', await inbox.addOrganization('other'));
  await backlog(many(10_000, (number) => ({ organizationId, repository: 1, number })));
  const others = [
    await inbox.deliver({ repository: 2, number: 1, mark: 'same organization' }),
    await inbox.deliver({ repository: 3, number: 1, mark: 'another organization' }, { hook: 'other' }),
  ];
  const dispatcher = fakeDispatcher({ app: held });
  inbox.start({ dispatcher, concurrency: CONCURRENCY });
  for (const id of others) await inbox.settled(id, 'done');
  expect(noisy(dispatcher.calls).length).toBeLessThan(CONCURRENCY);
});

it('4,000 repositories of one organization do not hold up another organization', async () => {
  const organizationId = inbox.test.organizationId;
  await inbox.addHook('other', await inbox.addOrganization('other'));
  await backlog(many(8_000, (n) => ({ organizationId, repository: 10 + (n % 4_000), number: n })));
  const counted = { noisy: 0, before: Number.POSITIVE_INFINITY };
  const dispatcher = fakeDispatcher({
    app: async (_row, { mark }) => {
      if (mark === 'other') counted.before = counted.noisy;
      else {
        counted.noisy += 1;
        // As slow as a request to a forge.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  });
  const id = await inbox.deliver({ repository: 1, number: 1, mark: 'other' }, { hook: 'other' });
  inbox.start({ dispatcher, concurrency: CONCURRENCY, timing: { ...quickTiming, pollMs: 20 } });
  await inbox.settled(id, 'done');
  // It is read with the first walk of its shard, whenever that is; fair is every other start, and 8,000 is none at all.
  expect(counted.before).toBeLessThan(1_000);
});

it('an app that hangs takes half of the slots while another waits', async () => {
  const organizationId = inbox.test.organizationId;
  await backlog(
    many(200, (n) => ({ organizationId, repository: n, number: 1 })),
    'slow',
  );
  await backlog(
    many(200, (n) => ({ organizationId, repository: 1_000 + n, number: 1 })),
    'quick',
  );
  const slow = { most: 0 };
  const dispatcher = fakeDispatcher({
    slow: () => gate.passed,
    quick: async () => {
      slow.most = Math.max(slow.most, dispatcher.calls.filter((call) => call.startsWith('slow')).length);
    },
  });
  inbox.start({ dispatcher, concurrency: CONCURRENCY });
  await eventually(() => dispatcher.calls.filter((call) => call.startsWith('quick')).length === 200);
  expect(slow.most).toBeLessThanOrEqual(CONCURRENCY / 2);
});

it('handlers that always throw or hang hold up nobody, and are dead after eight attempts', async () => {
  const good: bigint[] = [];
  const bad: bigint[] = [];
  for (let index = 0; index < 100; index += 1) {
    good.push(await inbox.deliver({ repository: index % 20, number: index % 7, mark: 'good' }));
    if (index % 20 === 0) {
      bad.push(await inbox.deliver({ repository: index % 20, number: 1, mark: 'throws' }));
      bad.push(await inbox.deliver({ repository: 7, number: 1, mark: 'hangs' }));
    }
  }
  const app: FakeApp = async (_row, { mark }) => {
    if (mark === 'throws') throw new Error('always');
    if (mark === 'hangs') await new Promise(() => undefined);
  };
  inbox.start({ dispatcher: fakeDispatcher({ app }), concurrency: CONCURRENCY, handlerTimeoutMs: 100 });
  for (const id of good) await inbox.settled(id, 'done');
  for (const id of bad) {
    expect((await inbox.settled(id, 'dead')).reason).toBe('it failed 8 times');
    expect(await inbox.dispatches(id)).toMatchObject([{ attempts: 8 }]);
  }
});

describe('the rota', () => {
  const any = () => true;

  it('gives each organization its turn, in it each repository, in it each lane', () => {
    const rota = new Rota<{ organizationId: string; repository: string; name: string }>();
    for (const name of ['a1x', 'a1y', 'a1z', 'a2x', 'b1x', 'b1y'])
      rota.add({ organizationId: name.slice(0, 1), repository: name.slice(0, 2), name });
    const order = Array.from({ length: 7 }, () => rota.next(any, any)?.name);
    expect(order).toEqual(['a1x', 'b1x', 'a2x', 'b1y', 'a1y', 'a1z', undefined]);
  });

  it('passes over who may not go, and comes back to them first', () => {
    const rota = new Rota<{ organizationId: string; repository: string; name: string }>();
    for (const name of ['a1', 'b1', 'c1']) rota.add({ organizationId: name.slice(0, 1), repository: name, name });
    expect(rota.next((repository) => repository !== 'a1', any)?.name).toBe('b1');
    expect(rota.next(any, ({ name }) => name !== 'a1')?.name).toBe('c1');
    expect(rota.next(any, any)?.name).toBe('a1');
  });
});

it('slots are shared by halves while others wait; alone, a repository leaves an eighth', () => {
  const slots = new Slots(
    32,
    many(16, (number) => ({ organizationId: '', repository: 1, number })).map(({ number }) => ({
      lane: `f:h:1:${number}`,
      app: 'a',
    })),
  );
  const has = (repository: string, app: string, wait: boolean) => [
    slots.hasRepository(repository, wait),
    slots.hasApp(app, wait),
  ];
  expect([has('f:h:1', 'a', true), has('f:h:1', 'a', false), has('f:h:2', 'b', true)]).toEqual([
    [false, false],
    [true, true],
    [true, true],
  ]);
  for (let number = 16; number < 28; number += 1) slots.take({ lane: `f:h:1:${number}`, app: 'a' });
  expect(has('f:h:1', 'a', false)).toEqual([false, true]);
});
