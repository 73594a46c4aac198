/** What waits for nobody is done ahead of its turn, once, and keeps its place. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Dispatcher } from '../../src/inbox/dispatch.js';
import { placeHold } from '../../src/inbox/hold-changes.js';
import { type FakeApp, fakeDispatcher } from './fake-forge.js';
import { eventually, InboxDatabase } from './inbox-database.js';

describe('a row that does not wait', () => {
  let inbox: InboxDatabase;
  let letGo: () => void;
  let hangs: Promise<void>;
  beforeEach(async () => {
    inbox = await InboxDatabase.create();
    hangs = new Promise((resolve) => {
      letGo = resolve;
    });
  });
  afterEach(async () => {
    letGo();
    await inbox.drop();
  });

  /** Every first delivery of a lane hangs; what is marked `stop` has something in it that does not wait. */
  function played(more: FakeApp = async () => undefined) {
    const seen: string[] = [];
    const made = fakeDispatcher({
      app: async (row, payload, signal) => {
        if (payload.mark === 'hangs') await hangs;
        seen.push(`${payload.mark}${row.urgent ? ' ahead' : ''}${row.attempt === undefined ? '' : ' in turn'}`);
        return more(row, payload, signal);
      },
    });
    const dispatcher: Dispatcher = { ...made, urgent: () => (text) => text.includes('stop') };
    return { dispatcher, seen };
  }
  const deliver = (mark: string, number = 1) => inbox.deliver({ repository: 1, number, mark });
  const marked = async () =>
    (await inbox.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM dispatch WHERE overtakes')).rows[0]?.n;

  it('is run while everything before it hangs, more of which there is than fits into memory, and again in its turn', async () => {
    const { dispatcher, seen } = played();
    // As many hang as may run at a time, in lanes of their own.
    for (let number = 1; number <= 3; number += 1) await deliver('hangs', number);
    for (let index = 0; index < 30; index += 1) await deliver(`before ${index}`);
    const last = await deliver('stop');
    const running = inbox.start({ dispatcher, concurrency: 3 });
    running.wake();
    await eventually(
      () => seen.length > 0,
      async () => ({ seen, rows: await inbox.dispatches() }),
    );
    expect(seen).toEqual(['stop ahead']);
    expect(await inbox.dispatches(last)).toMatchObject([{ status: 'pending', attempts: 0, started_epoch: null }]);
    letGo();
    await inbox.settled(last, 'done');
    const lane = seen.filter((mark) => mark.startsWith('before') || mark.startsWith('stop'));
    expect(lane).toEqual([
      'stop ahead',
      ...Array.from({ length: 30 }, (_, at) => `before ${at} in turn`),
      'stop in turn',
    ]);
    expect(await inbox.dispatches(last)).toMatchObject([{ status: 'done', attempts: 1 }]);
    expect(await marked()).toBe(0);
  });

  it('is run ahead by one of two workers, also when that fails or never ends', async () => {
    const failing = played(async ({ urgent }) => {
      if (urgent) throw new Error('not now');
    });
    await deliver('hangs');
    const id = await deliver('stop');
    for (let worker = 0; worker < 2; worker += 1) inbox.start({ dispatcher: failing.dispatcher });
    await eventually(() => failing.seen.length > 0);
    await eventually(async () => (await marked()) === 0);
    letGo();
    await inbox.settled(id, 'done');
    expect(failing.seen.filter((mark) => mark.startsWith('stop'))).toEqual(['stop ahead', 'stop in turn']);
  });

  it('has only its turn when nothing is before it, and in a shadow', async () => {
    const { dispatcher, seen } = played();
    const running = inbox.start({ dispatcher });
    await inbox.settled(await deliver('first', 9), 'done');
    const alone = await deliver('stop', 8);
    running.wake();
    await inbox.settled(alone, 'done');
    await placeHold(inbox.test.store('worker'), inbox.test.organizationId, {
      ...{ mode: 'shadow', scope: {}, actor: 'cli:ada' },
    });
    await deliver('hangs');
    const shadowed = await deliver('stop');
    running.wake();
    await eventually(async () => (await inbox.dispatches(shadowed)).length > 0 && (await marked()) === 0);
    letGo();
    await inbox.settled(shadowed, 'done');
    expect(seen.filter((mark) => mark.includes('ahead'))).toEqual([]);
  });
});
