import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { listDeliveries, showDelivery } from '../../src/inbox/list.js';
import { prune } from '../../src/inbox/prune.js';
import { type ReplayOptions, replayDelivery } from '../../src/inbox/replay.js';
import { fakeDispatcher, Permanent } from './fake-forge.js';
import { InboxDatabase } from './inbox-database.js';

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
