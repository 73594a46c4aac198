/** Replays of many deliveries, and rehearsals of them, as `forgeway deliveries replay` runs them. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ReplayRunOptions, rehearseAll, replayAll } from '../../src/entry/replay-run.js';
import { liftHolds, placeHold } from '../../src/inbox/hold-changes.js';
import { prune } from '../../src/inbox/prune.js';
import { replayDelivery } from '../../src/inbox/replay.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { fakeDispatcher, Permanent } from './fake-forge.js';
import { eventually, InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const store = () => inbox.test.store('worker');
const options = (ids: readonly bigint[], more: Partial<ReplayRunOptions> = {}): ReplayRunOptions => ({
  ...{ ids, rate: 1_000, signal: new AbortController().signal, progress: () => undefined, actor: 'cli:ada' },
  ...more,
});
const rehearse = (ids: readonly bigint[], more: Partial<ReplayRunOptions> = {}, patienceMs = 30_000) =>
  rehearseAll(store(), { ...options(ids, more), patienceMs });
const audited = async (action: string) => {
  const { rows } = await store().tenant(inbox.test.organizationId, (tx) =>
    tx.query<{ subject: string; actor: string; detail: unknown }>(
      'SELECT subject, actor, detail FROM audit_entry WHERE action = $1 ORDER BY created_at, subject::bigint',
      [action],
    ),
  );
  return rows;
};

/** Fails until it is mended, beside an app that never does. */
function mendable() {
  const state = { broken: true };
  const dispatcher = fakeDispatcher({
    bad: async () => {
      if (state.broken) throw new Permanent('broken');
    },
    good: async () => undefined,
  });
  return { state, dispatcher };
}
const finished = async (id: bigint, count: number) =>
  eventually(async () => {
    const rows = await inbox.dispatches(id);
    return rows.length === count && rows.every(({ status }) => !['pending', 'parked'].includes(status));
  });

describe('a replay of many', () => {
  it('runs 200 dead ones again in the order of each lane, only where they had failed, and each is audited', async () => {
    const { state, dispatcher } = mendable();
    inbox.start({ dispatcher });
    const ids: bigint[] = [];
    for (let at = 0; at < 200; at += 1)
      ids.push(await inbox.deliver({ repository: 1, number: at % 7, mark: String(at) }));
    for (const id of ids) await finished(id, 2);
    state.broken = false;
    dispatcher.calls.length = 0;
    const told: number[] = [];
    const result = await replayAll(store(), options(ids, { failed: true, progress: (done) => told.push(done) }));
    expect(result).toEqual({ queued: ids.map((id) => ({ id, dispatches: 1 })), skipped: [], left: [] });
    expect(told).toEqual(ids.map((_, at) => at + 1));
    for (const id of ids) await inbox.settled(id, 'done');
    expect(dispatcher.calls).toHaveLength(200);
    for (let lane = 0; lane < 7; lane += 1) {
      const seen = dispatcher.calls
        .map((call) => Number(/^bad:(\d+)$/.exec(call)?.[1]))
        .filter((at) => at % 7 === lane);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
    }
    const rows = await audited('delivery.replayed');
    expect(rows.map(({ subject }) => subject).sort()).toEqual(ids.map(String).sort());
    expect(rows[0]).toMatchObject({ actor: 'cli:ada', detail: { failed: true, asStored: false } });
  });

  it('tells what it left out, keeps to its rate, and when it is stopped says where', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const ids: bigint[] = [];
    for (let at = 0; at < 6; at += 1) ids.push(await inbox.deliver({ repository: 1, number: at }));
    for (const id of ids) await inbox.settled(id, 'done');
    const ignored = await inbox.deliver({ ignored: 'not ours' });
    await inbox.settled(ignored, 'ignored');
    const stop = new AbortController();
    const began = performance.now();
    const result = await replayAll(
      store(),
      options([ids[0] ?? 0n, 999_999n, ignored, ...ids.slice(1)], {
        rate: 20,
        signal: stop.signal,
        progress: (done) => done === 5 && stop.abort(),
      }),
    );
    // Four rests of 50 ms; timers may end a little early.
    expect(performance.now() - began).toBeGreaterThan(190);
    expect(result).toEqual({
      queued: [ids[0], ids[1], ids[2]].map((id) => ({ id, dispatches: 1 })),
      skipped: [
        { id: 999_999n, reason: 'unknown' },
        { id: ignored, reason: 'empty' },
      ],
      left: ids.slice(3),
    });
  });
});

describe('a rehearsal', () => {
  it('runs every app once, tells how each would end, and leaves no trace but the audit', async () => {
    const seen: string[] = [];
    const state = { failing: true };
    const dispatcher = fakeDispatcher({
      app: async (row, { mark = '' }) => {
        seen.push(`${mark} ${row.writes} ${row.refresh}`);
        if (row.writes === 'send') return undefined;
        if (mark === 'ignores') return { kind: 'ignored', reason: 'not today' };
        if (mark === 'fails' && state.failing) throw new Error('it broke');
        return undefined;
      },
    });
    const metrics = createMetrics();
    inbox.start({ dispatcher, metrics });
    const ids: bigint[] = [];
    for (const mark of ['works', 'ignores', 'fails']) ids.push(await inbox.deliver({ repository: 1, mark }));
    for (const id of ids) await inbox.settled(id, 'done');
    const everything = async () => [
      (await inbox.pool.query('SELECT * FROM webhook_delivery ORDER BY id')).rows,
      await inbox.dispatches(),
    ];
    const before = await everything();
    seen.length = 0;
    const run = { app: 'app', event: 'thing', writes: [] };
    expect(await rehearse(ids)).toEqual({
      rehearsed: [
        { id: ids[0], runs: [{ ...run, status: 'done', reason: null }] },
        { id: ids[1], runs: [{ ...run, status: 'ignored', reason: 'not today' }] },
        { id: ids[2], runs: [{ ...run, status: 'dead', reason: 'it broke' }] },
      ],
      skipped: [],
      left: [],
    });
    // Each once: one that fails is not tried again.
    expect(seen).toEqual(['works rehearsal true', 'ignores rehearsal true', 'fails rehearsal true']);
    expect(await everything()).toEqual(before);
    expect((await metrics.dispatches.get()).values).toMatchObject([
      { labels: { app: 'app', result: 'done' }, value: 3 },
    ]);
    expect((await audited('delivery.rehearsed')).map(({ subject }) => subject)).toEqual(ids.map(String));
    expect(await audited('delivery.replayed')).toEqual([]);
  });

  it('does not stand in the way of the real replay, nor of another rehearsal, nor count as a run', async () => {
    const { state, dispatcher } = mendable();
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1 });
    await finished(id, 2);
    const actor = 'cli:ada';
    const two = [1, 2].map(() => replayDelivery(store(), id, { actor, rehearsal: true, failed: true }));
    for (const queued of await Promise.all(two))
      expect(queued).toMatchObject({ kind: 'queued', dispatches: [expect.anything()] });
    await finished(id, 4);
    expect(await inbox.delivery(id)).toMatchObject({ status: 'dead' });
    state.broken = false;
    expect(await replayDelivery(store(), id, { actor, failed: true })).toMatchObject({
      dispatches: [expect.anything()],
    });
    await inbox.settled(id, 'done');
    // Left behind by a command that was killed, they go after a day.
    await inbox.pool.query("UPDATE dispatch SET created_at = now() - interval '2 days' WHERE writes = 'rehearsal'");
    await prune(inbox.pool, { bodyDays: 14, rowDays: 30 });
    expect((await inbox.dispatches(id)).map(({ app, status }) => `${app} ${status}`).sort()).toEqual([
      'bad dead',
      'bad done',
      'good done',
    ]);
  });

  it('that a pause stops says so, and does not wait for its end', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const id = await inbox.deliver({ repository: 1 });
    await inbox.settled(id, 'done');
    const { organizationId } = inbox.test;
    const hold = await placeHold(store(), organizationId, { mode: 'pause', scope: {}, actor: 'cli:ada' });
    const { rehearsed } = await rehearse([id]);
    expect(rehearsed).toMatchObject([
      { runs: [{ status: 'ignored', reason: expect.stringContaining('a pause stops it') }] },
    ]);
    await liftHolds(store(), organizationId, [hold.id], 'cli:ada');
    expect(await inbox.dispatches(id)).toHaveLength(1);
    // Nothing was waiting, so nobody has told the worker that the hold is gone.
    expect((await rehearse([id])).rehearsed).toMatchObject([{ runs: [{ status: 'done' }] }]);
  });

  it('is taken back when nobody runs it, or when the person stops it', async () => {
    const running = inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const ids = [await inbox.deliver({ repository: 1 }), await inbox.deliver({ repository: 2 })];
    for (const id of ids) await inbox.settled(id, 'done');
    await running.drain(2_000);
    expect(await rehearse(ids, {}, 300)).toEqual({ rehearsed: [], skipped: [], left: ids });
    const stop = new AbortController();
    const stopped = rehearse(ids, { signal: stop.signal });
    await eventually(async () => (await inbox.dispatches()).length > 2);
    stop.abort();
    expect(await stopped).toMatchObject({ rehearsed: [], left: ids });
    expect(await inbox.dispatches()).toHaveLength(2);
  });
});
