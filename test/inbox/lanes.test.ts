import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DispatchResult } from '../../src/inbox/dispatch.js';
import { type FakeApp, fakeDispatcher, Permanent } from './fake-forge.js';
import { eventually, InboxDatabase, quickTiming } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const deliverMany = async (count: number, number: (index: number) => number) => {
  const ids: bigint[] = [];
  for (let index = 0; index < count; index += 1) {
    ids.push(await inbox.deliver({ repository: 1, number: number(index), mark: `${number(index)}/${index}` }));
  }
  return ids;
};

describe('lanes', () => {
  it('keep the order of one number, also of more rows than fit into memory', async () => {
    const dispatcher = fakeDispatcher({ app: async () => undefined });
    const ids = await deliverMany(120, (index) => index % 2);
    inbox.start({ dispatcher });
    for (const id of ids) await inbox.settled(id, 'done');
    const indexes = (number: number) =>
      dispatcher.calls.filter((call) => call.startsWith(`app:${number}/`)).map((call) => Number(call.split('/')[1]));
    expect(indexes(0)).toEqual(Array.from({ length: 60 }, (_, i) => i * 2));
    expect(indexes(1)).toEqual(Array.from({ length: 60 }, (_, i) => i * 2 + 1));
  });

  it('keep the order of deliveries that arrive while others run', async () => {
    const dispatcher = fakeDispatcher({ app: () => new Promise((resolve) => setTimeout(resolve, 2)) });
    const running = inbox.start({ dispatcher });
    const ids: { id: bigint; index: number }[] = [];
    // One after the other: of two deliveries that are committed at the same time, neither came first.
    for (let index = 0; index < 100; index += 1) {
      const id = await inbox.deliver({ repository: 1, number: index % 3, mark: String(index) });
      running.wake();
      ids.push({ id, index });
    }
    for (const { id } of ids) await inbox.settled(id, 'done');
    const place = new Map(ids.map(({ id, index }) => [`app:${index}`, id]));
    const seen = [0, 1, 2].map((number) =>
      dispatcher.calls.filter((call) => Number(call.slice(4)) % 3 === number).map((call) => place.get(call) ?? 0n),
    );
    for (const ofLane of seen) expect(ofLane).toEqual([...ofLane].sort((a, b) => Number(a - b)));
    expect(dispatcher.calls).toHaveLength(100);
  });

  it('run one row of a lane at a time, and different lanes beside each other', async () => {
    const running = new Map<number, number>();
    let most = 0;
    let overlap = false;
    const app: FakeApp = async (_row, { number = 0 }) => {
      running.set(number, (running.get(number) ?? 0) + 1);
      if ((running.get(number) ?? 0) > 1) overlap = true;
      most = Math.max(
        most,
        [...running.values()].reduce((a, b) => a + b),
      );
      await new Promise((resolve) => setTimeout(resolve, 30));
      running.set(number, (running.get(number) ?? 0) - 1);
    };
    const ids = await deliverMany(20, (index) => index % 5);
    inbox.start({ dispatcher: fakeDispatcher({ app }), concurrency: 3 });
    for (const id of ids) await inbox.settled(id, 'done');
    expect(overlap).toBe(false);
    expect(most).toBe(3);
  });
});

describe('a handler that fails', () => {
  it('once is tried again in place, before the next row of its lane', async () => {
    let failures = 1;
    const dispatcher = fakeDispatcher({
      app: async () => {
        if (failures-- > 0) throw new Error('once');
      },
    });
    const first = await inbox.deliver({ repository: 1, number: 1, mark: 'first' });
    const second = await inbox.deliver({ repository: 1, number: 1, mark: 'second' });
    inbox.start({ dispatcher });
    await inbox.settled(second, 'done');
    expect(await inbox.delivery(first)).toMatchObject({ status: 'done', error_message: null });
    expect(dispatcher.calls).toEqual(['app:first', 'app:first', 'app:second']);
    expect(await inbox.dispatches(first)).toMatchObject([{ attempts: 2, status: 'done' }]);
  });

  it('twice is parked while its lane goes on, and comes back', async () => {
    const timing = { ...quickTiming, backoff: { baseMs: 1_000_000, capMs: 1_000_000, attempts: 8 } };
    const dispatcher = fakeDispatcher({
      app: async (row, { mark }) => {
        if (mark === 'bad' && row.attempts < 2) throw new Error('not yet');
      },
    });
    const bad = await inbox.deliver({ repository: 1, number: 1, mark: 'bad' });
    const good = await inbox.deliver({ repository: 1, number: 1, mark: 'good' });
    inbox.start({ dispatcher, timing });
    await inbox.settled(good, 'done');
    expect(dispatcher.calls).toEqual(['app:bad', 'app:bad', 'app:good']);
    expect(await inbox.dispatches(bad)).toMatchObject([{ status: 'parked', attempts: 2, error: 'not yet' }]);
    expect(await inbox.delivery(bad)).toMatchObject({ status: 'assigned', error_message: 'not yet' });
    await inbox.pool.query('UPDATE dispatch SET next_attempt_at = now() WHERE delivery_id = $1', [bad]);
    await inbox.settled(bad, 'done');
  });

  it('in a way that repeats is dead at once, and says why without the secret', async () => {
    const secret = `ghp_${'a1'.repeat(18)}`;
    const dispatcher = fakeDispatcher({
      app: async () => {
        throw new Permanent(`bad token ${secret}`);
      },
    });
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1 });
    const row = await inbox.settled(id);
    expect(row.status).toBe('dead');
    const [dispatch] = await inbox.dispatches(id);
    expect(dispatch).toMatchObject({ status: 'dead', attempts: 1, error: 'bad token [redacted]' });
    expect(JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? '' : value))).not.toContain(secret);
  });

  it('in words that PostgreSQL refuses is written down all the same, and holds up no other result', async () => {
    inbox.start({
      dispatcher: fakeDispatcher({
        app: async (_row, { mark }) => {
          if (mark === 'throws') throw new Permanent('no \u0000 label \ud800');
          return mark === 'ignores' ? { kind: 'ignored', reason: 'about \u0000' } : undefined;
        },
      }),
    });
    const [throws, ignores, good] = await Promise.all(
      ['throws', 'ignores', 'good'].map((mark, at) => inbox.deliver({ repository: at, mark })),
    );
    expect(await inbox.settled(throws ?? 0n)).toMatchObject({
      status: 'dead',
      error_message: 'no \ufffd label \ufffd',
    });
    expect(await inbox.settled(ignores ?? 0n)).toMatchObject({ status: 'ignored', reason: 'about \ufffd' });
    expect(await inbox.settled(good ?? 0n)).toMatchObject({ status: 'done' });
  });

  it('every time is dead after eight attempts; the other app ran once', async () => {
    const dispatcher = fakeDispatcher({
      bad: async () => {
        throw new Error('always');
      },
      good: async () => undefined,
    });
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1 });
    const row = await inbox.settled(id, 'dead');
    expect(row.reason).toBe('it failed 8 times');
    await eventually(async () => (await inbox.dispatches(id)).every((d) => d.status !== 'pending'));
    expect(dispatcher.calls.filter((call) => call.startsWith('bad'))).toHaveLength(8);
    expect(dispatcher.calls.filter((call) => call.startsWith('good'))).toHaveLength(1);
  });

  it('waits as long as the answer’s Retry-After says', async () => {
    const dispatcher = fakeDispatcher({
      app: async () => {
        throw Object.assign(new Error('slow down'), { response: { headers: { 'retry-after': '120' } } });
      },
    });
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1 });
    const [parked] = await eventually(async () => {
      const rows = await inbox.dispatches(id);
      return rows[0]?.status === 'parked' && rows;
    });
    const wait = Number(parked?.next_attempt_at) - Date.now();
    expect(wait).toBeGreaterThan(60_000);
    expect(wait).toBeLessThan(121_000);
    expect(dispatcher.calls).toHaveLength(1);
  });

  it('by hanging is told, parked, and does not hold its lane', async () => {
    let told = false;
    const dispatcher = fakeDispatcher({
      app: (_row, { mark }, signal) => {
        if (mark !== 'hangs') return Promise.resolve();
        signal.addEventListener('abort', () => (told = true));
        return new Promise(() => undefined);
      },
    });
    const timing = { ...quickTiming, backoff: { baseMs: 1_000_000, capMs: 1_000_000, attempts: 8 } };
    const hangs = await inbox.deliver({ repository: 1, number: 1, mark: 'hangs' });
    const next = await inbox.deliver({ repository: 1, number: 1, mark: 'next' });
    inbox.start({ dispatcher, timing, handlerTimeoutMs: 200 });
    await inbox.settled(next, 'done');
    expect(told).toBe(true);
    const [dispatch] = await inbox.dispatches(hangs);
    expect(dispatch).toMatchObject({ status: 'parked', attempts: 1 });
    expect(dispatch?.error).toContain('FORGEWAY_HANDLER_TIMEOUT');
  });
});

describe('draining', () => {
  it('waits for what runs, begins nothing else, and gives the leases back', async () => {
    let release: (() => void) | undefined;
    const dispatcher = fakeDispatcher({
      app: () => new Promise<DispatchResult>((resolve) => (release = () => resolve({ kind: 'done' }))),
    });
    const running = inbox.start({ dispatcher });
    const first = await inbox.deliver({ repository: 1, number: 1 });
    const second = await inbox.deliver({ repository: 1, number: 1 });
    await eventually(() => release !== undefined);
    const drained = running.drain(20_000);
    setTimeout(() => release?.(), 50);
    await drained;
    expect(await inbox.delivery(first)).toMatchObject({ status: 'done' });
    expect(await inbox.delivery(second)).not.toMatchObject({ status: 'done' });
    expect(dispatcher.calls).toHaveLength(1);
    const { rows } = await inbox.pool.query<{ held: bigint }>('SELECT count(owner) AS held FROM lane_lease');
    expect(rows).toEqual([{ held: 0n }]);
  });

  it('does not wait longer than it may, and the row runs again elsewhere without losing an attempt', async () => {
    const hanging = fakeDispatcher({ app: () => new Promise(() => undefined) });
    const first = inbox.start({ dispatcher: hanging });
    const id = await inbox.deliver({ repository: 1 });
    await eventually(() => hanging.calls.length === 1);
    await first.drain(50);
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    await inbox.settled(id, 'done');
    expect(await inbox.dispatches(id)).toMatchObject([{ attempts: 1 }]);
  });
});

describe('without notifications', () => {
  it('the work is found by asking', async () => {
    const dispatcher = fakeDispatcher({ app: async () => undefined });
    inbox.start({ dispatcher });
    await eventually(async () => {
      const { rows } = await inbox.pool.query<{ held: bigint }>('SELECT count(owner) AS held FROM lane_lease');
      return rows[0]?.held === 64n;
    });
    // Nobody wakes anybody: the row appears behind everybody's back, assigned and all.
    const id = await inbox.deliver({ repository: 1 });
    await inbox.settled(id, 'done');
    await inbox.pool.query("UPDATE webhook_delivery SET status = 'assigned' WHERE id = $1", [id]);
    await inbox.pool.query("UPDATE dispatch SET status = 'pending', started_epoch = NULL WHERE delivery_id = $1", [id]);
    await inbox.settled(id, 'done');
    expect(dispatcher.calls).toHaveLength(2);
  });
});
