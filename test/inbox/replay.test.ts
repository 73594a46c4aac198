import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { placeHold } from '../../src/inbox/hold-changes.js';
import { chooseDeliveries, type DeliveryFilter, listDeliveries, showDelivery } from '../../src/inbox/list.js';
import { prune } from '../../src/inbox/prune.js';
import { type ReplayOptions, replayDelivery } from '../../src/inbox/replay.js';
import { fakeDispatcher, Permanent } from './fake-forge.js';
import { eventually, InboxDatabase, quickTiming } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const replay = (id: bigint, options: Partial<ReplayOptions> = {}) =>
  replayDelivery(inbox.test.store('worker'), id, { actor: 'cli:ada', ...options });

/** An app that fails until it is mended, and one that never does. */
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

describe('a dead delivery', () => {
  it('is done after a replay of the app that failed, and the replay can be replayed', async () => {
    const { state, dispatcher } = mendable();
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1, mark: 'm' });
    await inbox.settled(id, 'dead');
    // The other app may still be at work on it; what it writes at the end would be about the first run.
    for (let open = true; open; ) {
      const { dispatches = [] } = (await showDelivery(inbox.pool, id)) ?? {};
      open = dispatches.some(({ status }) => status === 'pending' || status === 'parked');
    }
    expect(await replay(id, { app: 'bad' })).toMatchObject({ kind: 'queued', dispatches: [expect.anything()] });
    await inbox.settled(id, 'dead');
    state.broken = false;
    expect(await replay(id, { app: 'bad' })).toMatchObject({ kind: 'queued', dispatches: [expect.anything()] });
    await inbox.settled(id, 'done');
    expect(dispatcher.calls.filter((call) => call === 'good:m')).toHaveLength(1);
    const shown = await showDelivery(inbox.pool, id);
    const bad = shown?.dispatches.filter((d) => d.app === 'bad') ?? [];
    expect(bad.map((d) => d.status)).toEqual(['dead', 'dead', 'done']);
    expect(bad.map((d) => d.replayOf)).toEqual([null, bad[0]?.id, bad[1]?.id]);
  });

  it('that the forge delivers again runs only where it was dead', async () => {
    const { state, dispatcher } = mendable();
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1, mark: 'm' });
    await inbox.settled(id, 'dead');
    state.broken = false;
    await inbox.pool.query("UPDATE webhook_delivery SET status = 'received', reason = NULL WHERE id = $1", [id]);
    await inbox.settled(id, 'done');
    expect(dispatcher.calls.filter((call) => call === 'good:m')).toHaveLength(1);
    expect(dispatcher.calls.filter((call) => call === 'bad:m')).toHaveLength(2);
  });

  it('that the forge delivers again goes on with its newest run, and with none that a replay has mended', async () => {
    const broken = new Set(['one', 'two']);
    const app = async ({ app: name }: { app: string }) => {
      if (broken.has(name)) throw new Permanent('broken');
    };
    const dispatcher = fakeDispatcher({ one: app, two: app });
    inbox.start({ dispatcher });
    const id = await inbox.deliver({ repository: 1, mark: 'm' });
    const over = () =>
      eventually(async () => {
        const rows = await inbox.dispatches(id);
        return rows.length > 0 && rows.every(({ status }) => status === 'done' || status === 'dead') ? rows : undefined;
      });
    await over();
    broken.delete('one');
    await replay(id, { app: 'one' });
    await over();
    await replay(id, { app: 'two' });
    await over();
    broken.clear();
    await inbox.settled(id, 'dead');
    await inbox.pool.query("UPDATE webhook_delivery SET status = 'received', reason = NULL WHERE id = $1", [id]);
    await inbox.settled(id, 'done');
    const statuses = (await inbox.dispatches(id)).map(({ app: name, status }) => `${name} ${status}`);
    expect(statuses).toEqual(['one dead', 'two dead', 'one done', 'two done']);
    expect(dispatcher.calls.filter((call) => call === 'one:m')).toHaveLength(2);
  });

  it('is refused a replay while it runs, when it is unknown, and when its body is gone', async () => {
    let release: (() => void) | undefined;
    inbox.start({ dispatcher: fakeDispatcher({ app: () => new Promise<void>((resolve) => (release = resolve)) }) });
    const id = await inbox.deliver({ repository: 1 });
    while (!release) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await replay(id)).toEqual({ kind: 'refused', reason: 'unfinished' });
    release();
    await inbox.settled(id, 'done');
    await inbox.pool.query('UPDATE webhook_delivery SET body = NULL WHERE id = $1', [id]);
    expect(await replay(id)).toEqual({ kind: 'refused', reason: 'empty' });
    expect(await replay(999_999n)).toEqual({ kind: 'refused', reason: 'unknown' });
  });
});

describe('the list', () => {
  it('filters by status, forge and event, newest first, in pages', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }) });
    const ids: bigint[] = [];
    for (const eventType of ['push', 'unheard', 'issues']) {
      ids.push(await inbox.deliver({ repository: 1 }, { eventType }));
    }
    for (const id of ids) await inbox.settled(id);
    const list = async (filter: Parameters<typeof listDeliveries>[1]) =>
      (await listDeliveries(inbox.pool, filter)).map((row) => row.id);
    expect(await list({})).toEqual([...ids].reverse());
    expect(await list({ status: 'ignored' })).toEqual([ids[1]]);
    expect(await list({ event: 'issues' })).toEqual([ids[2]]);
    expect(await list({ forge: 'none' })).toEqual([]);
    expect(await list({ limit: 1, before: ids[2] })).toEqual([ids[1]]);
    expect(await showDelivery(inbox.pool, 999_999n)).toBeUndefined();
  });

  it('tells a delivery that waits or is paused as such, and finds it by app, action, repository and time', async () => {
    const { organizationId } = inbox.test;
    const worker = inbox.test.store('worker');
    await worker.tenant(organizationId, (tx) =>
      tx.query(
        `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
         VALUES ($1, 'fake', 'fake.example', 7, 'https://fake.example/acme/web', 'acme', 'web', 'main')`,
        [organizationId],
      ),
    );
    await placeHold(worker, organizationId, { mode: 'pause', scope: { app: 'held' }, actor: 'cli:ada' });
    const dispatcher = fakeDispatcher({
      app: async (_row, { mark }) => {
        if (mark === 'fails') throw new Error('not yet');
      },
      held: async () => undefined,
    });
    const one = { ...dispatcher, subscribers: (name: string) => (name === 'issues' ? ['held'] : ['app']) };
    const timing = { ...quickTiming, backoff: { baseMs: 1_000_000, capMs: 1_000_000, attempts: 8 } };
    inbox.start({ dispatcher: one, timing });
    const paused = await inbox.deliver({ repository: 7 }, { eventType: 'issues' });
    const waiting = await inbox.deliver({ repository: 8, mark: 'fails' }, { eventType: 'push' });
    const done = await inbox.deliver({ repository: 7, number: 3 }, { eventType: 'push' });
    await inbox.settled(done, 'done');
    await eventually(async () => (await inbox.dispatches(paused))[0]?.status === 'paused');
    await eventually(async () => (await inbox.dispatches(waiting))[0]?.status === 'parked');
    await inbox.pool.query("UPDATE dispatch SET action = 'opened' WHERE delivery_id = $1", [paused]);
    const list = (filter: DeliveryFilter) => worker.tenant(organizationId, (tx) => listDeliveries(tx, filter));
    const idsOf = async (filter: DeliveryFilter) => (await list(filter)).map(({ id }) => id);
    expect(await list({})).toMatchObject([
      { id: done, status: 'done', repository: 'acme/web', nextAttemptAt: null },
      { id: waiting, status: 'waiting', repository: '8', nextAttemptAt: expect.any(Date) },
      { id: paused, status: 'paused', repository: 'acme/web', nextAttemptAt: null },
    ]);
    expect(await idsOf({ status: 'paused' })).toEqual([paused]);
    expect(await idsOf({ status: 'waiting' })).toEqual([waiting]);
    expect(await idsOf({ status: 'assigned' })).toEqual([]);
    expect(await idsOf({ app: 'held' })).toEqual([paused]);
    expect(await idsOf({ event: 'issues.opened' })).toEqual([paused]);
    expect(await idsOf({ event: 'issues.closed' })).toEqual([]);
    expect(await idsOf({ repository: { forge: 'fake', host: 'fake.example', remoteId: 7n } })).toEqual([done, paused]);
    const soon = new Date(Date.now() + 60_000);
    expect(await idsOf({ since: soon })).toEqual([]);
    expect(await idsOf({ until: soon, status: 'done' })).toEqual([done]);
    expect(await chooseDeliveries(inbox.pool, { forge: 'fake' }, 2)).toEqual({ ids: [paused, waiting], total: 3 });
  });
});

describe('retention', () => {
  it('empties bodies, later deletes rows, and never touches what is not finished', async () => {
    const insert = async (days: number, status: string) => {
      const id = await inbox.deliver({});
      await inbox.pool.query(
        `UPDATE webhook_delivery SET status = $2, received_at = now() - $3 * interval '1 day',
           finished_at = CASE WHEN $2 IN ('received', 'assigned') THEN NULL ELSE now() - $3 * interval '1 day' END WHERE id = $1`,
        [id, status, days],
      );
      return id;
    };
    const recent = await insert(1, 'done');
    const emptied = await insert(20, 'dead');
    const deleted = await insert(40, 'ignored');
    const waiting = await insert(400, 'received');
    expect(await prune(inbox.pool, { bodyDays: 14, rowDays: 30 })).toEqual({ emptied: 2, deleted: 1 });
    const { rows } = await inbox.pool.query<{ id: bigint; stored: boolean }>(
      'SELECT id, body IS NOT NULL AS stored FROM webhook_delivery ORDER BY id',
    );
    expect(rows).toEqual([
      { id: recent, stored: true },
      { id: emptied, stored: false },
      { id: waiting, stored: true },
    ]);
    expect(deleted).toBeGreaterThan(0n);
  });
});
