/** What becomes of rows whose forge is down: they wait for it, keep their attempts, and come back in order. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { outcomeOf } from '../../src/inbox/outcome.js';
import { deliveryBackoff } from '../../src/lib/backoff.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { fakeDispatcher, Permanent } from './fake-forge.js';
import { eventually, InboxDatabase, quickTiming } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const down = (waitMs: number) => new ForgewayError('FORGEWAY_FORGE_DOWN', 'it is down', { details: { waitMs } });
const parked = (id: bigint) =>
  eventually(
    async () => {
      const [row] = await inbox.dispatches(id);
      return row?.status === 'parked' && Number(row.next_attempt_at) > Date.now() && row;
    },
    () => inbox.dispatches(id),
  );
/** As if the wait were over. */
const due = () =>
  inbox.pool.query("UPDATE dispatch SET next_attempt_at = next_attempt_at - interval '1 hour' WHERE status = 'parked'");

it('a row waits for its forge without using up an attempt, however often', async () => {
  const forge = { down: true };
  const dispatcher = fakeDispatcher({
    app: async () => {
      if (forge.down) throw down(600_000);
    },
  });
  const id = await inbox.deliver({ repository: 1, number: 1 });
  inbox.start({ dispatcher });
  for (let outage = 1; outage <= 12; outage += 1) {
    const row = await parked(id);
    const waitMs = Number(row.next_attempt_at) - Date.now();
    expect(waitMs).toBeGreaterThan(590_000);
    expect(waitMs).toBeLessThan(612_000);
    expect(row.error).toContain('FORGEWAY_FORGE_DOWN');
    if (outage === 12) forge.down = false;
    await due();
  }
  await inbox.settled(id, 'done');
  expect(dispatcher.calls.length).toBeGreaterThan(12);
});

it('nor does one that the forge wants silence from', async () => {
  const limit = new ForgewayError('FORGEWAY_FORGE_LIMIT', 'slow', { details: { waitMs: 1_000 } });
  const forge = { limited: true };
  const dispatcher = fakeDispatcher({
    app: async () => {
      if (forge.limited) throw limit;
    },
  });
  const id = await inbox.deliver({ repository: 1, number: 1 });
  inbox.start({ dispatcher });
  for (let attempt = 1; attempt <= 12; attempt += 1) {
    const row = await eventually(async () => {
      const [found] = await inbox.dispatches(id);
      return found?.status === 'parked' && Number(found.attempts) >= attempt && found;
    });
    expect(row.error).toContain('FORGEWAY_FORGE_LIMIT');
    if (attempt === 12) forge.limited = false;
    await due();
  }
  await inbox.settled(id, 'done');
});

it('what the same limit stopped comes back further apart each time, and in another order', () => {
  const now = new Date('2026-03-02T10:00:00Z');
  const lanes = Array.from({ length: 100 }, (_, index) => `gitea/host/7/${index}`);
  const outcome = (lane: string, begun: number, since = now) =>
    outcomeOf(
      {
        error: new ForgewayError('FORGEWAY_FORGE_LIMIT', 'slow', { details: { waitMs: 30_000 } }),
        ...{ permanent: false, timedOut: false, attempts: 1, begun, lane, since },
      },
      { backoff: deliveryBackoff, inPlaceMs: 1_000, now: () => now },
    );
  const waits = (begun: number) => lanes.map((lane) => (outcome(lane, begun) as { waitMs: number }).waitMs);
  for (const [begun, apartMs] of [
    [1, 10_000],
    [4, 80_000],
    [7, 600_000],
    [99, 600_000],
  ] as const) {
    const sorted = waits(begun).sort((one, other) => one - other);
    expect(sorted[0]).toBeGreaterThanOrEqual(30_000);
    expect(sorted.at(-1)).toBeLessThanOrEqual(30_000 + apartMs + 1_000);
    // Half of them are not in one half of it.
    expect(sorted[50]).toBeGreaterThan(30_000 + apartMs * 0.25);
    expect(sorted[50]).toBeLessThan(30_000 + apartMs * 0.75);
  }
  const [seventh, eighth] = [waits(7), waits(8)];
  const late = (all: number[]) => lanes.filter((_, index) => (all[index] ?? 0) > 330_000);
  expect(late(seventh).filter((lane) => !late(eighth).includes(lane)).length).toBeGreaterThan(10);
  expect(outcome('lane', 9, new Date('2026-02-27T09:00:00Z'))).toMatchObject({
    status: 'dead',
    reason: 'the forge has wanted to be asked less since it came, for more than three days',
  });
});

it('attempts that fail for another reason still count, and only they', async () => {
  const run = { count: 0 };
  const dispatcher = fakeDispatcher({
    app: async () => {
      run.count += 1;
      throw run.count % 2 === 1 ? down(0) : new Error('always');
    },
  });
  const id = await inbox.deliver({ repository: 1, number: 1 });
  inbox.start({ dispatcher });
  const dead = await eventually(async () => {
    await due();
    const row = await inbox.delivery(id);
    return row.status === 'dead' && row;
  });
  expect(dead.reason).toBe('it failed 8 times');
  expect(await inbox.dispatches(id)).toMatchObject([{ attempts: 16 }]);
});

it('a row whose forge stays down for more than three days is dead, with that reason', async () => {
  const id = await inbox.deliver({ repository: 1, number: 1 });
  const dispatcher = fakeDispatcher({
    app: async () => {
      throw down(600_000);
    },
  });
  inbox.start({ dispatcher });
  await parked(id);
  await inbox.pool.query("UPDATE dispatch SET created_at = now() - interval '71 hours'");
  await due();
  await parked(id);
  await inbox.pool.query("UPDATE dispatch SET created_at = now() - interval '73 hours'");
  await due();
  const row = await inbox.settled(id, 'dead');
  expect(row.reason).toBe('the forge has been down since it came, for more than three days');
});

it('one that would fail all the same is dead at once', async () => {
  const dispatcher = fakeDispatcher({
    app: async () => {
      throw new Permanent('it is gone', { cause: down(600_000) });
    },
  });
  const id = await inbox.deliver({ repository: 1, number: 1 });
  inbox.start({ dispatcher });
  await inbox.settled(id, 'dead');
});

it('the rows of a lane come back in their order, and other forges are served meanwhile', async () => {
  const forge = { down: true };
  const dispatcher = fakeDispatcher({
    app: async (_row, { repository }) => {
      if (repository === 1 && forge.down) throw down(600_000);
    },
  });
  const lost: bigint[] = [];
  for (let index = 0; index < 12; index += 1)
    lost.push(await inbox.deliver({ repository: 1, number: index % 3, mark: `${index % 3}/${index}` }));
  const other = await inbox.deliver({ repository: 2, number: 1, mark: 'other' });
  inbox.start({ dispatcher, timing: { ...quickTiming, pollMs: 200 } });
  await inbox.settled(other, 'done');
  for (const id of lost) await parked(id);
  forge.down = false;
  dispatcher.calls.length = 0;
  await due();
  for (const id of lost) await inbox.settled(id, 'done');
  for (const lane of [0, 1, 2]) {
    const ran = dispatcher.calls.filter((call) => call.startsWith(`app:${lane}/`)).map((call) => Number(call.slice(6)));
    expect(ran).toEqual([...ran].sort((a, b) => a - b));
    expect(ran).toHaveLength(4);
  }
});
