/** What GitHub could not deliver to the App arrives all the same, once. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ensureDefaultHook } from '../../src/entry/default-app.js';
import { takeMissed } from '../../src/inbox/recovery/missed-rows.js';
import { createRecovery } from '../../src/inbox/recovery/recovery.js';
import type { WatchedHook } from '../../src/inbox/recovery/watched-hooks.js';
import { openStore } from '../../src/store/database.js';
import { type ConnectionRig, startConnectionRig } from '../connections/connection-rig.js';
import { type GitHubAppDouble, startGitHubAppDouble } from './github-app-double.js';
import { type RecoveryRig, watchOver } from './recovery-rig.js';

describe('deliveries of a GitHub App', () => {
  let github: GitHubAppDouble;
  let rig: ConnectionRig;
  let watch: RecoveryRig;
  beforeEach(async () => {
    github = await startGitHubAppDouble();
    rig = await startConnectionRig({ github: github.app });
    github.deliverTo(rig.publicUrl);
    watch = watchOver(rig);
    const { appId, host } = github.app;
    const config = { appId, gheHost: host, gheProtocol: 'http' } as never;
    await ensureDefaultHook(rig.test.store('worker'), rig.test.organizationId, config);
  });
  afterEach(async () => {
    await rig.close();
    await github.close();
  });
  const asks = () => github.asked.filter((one) => one.startsWith('POST attempts')).length;
  const told = () => rig.noted.filter(({ event }) => event === 'push').length;

  it.each(['busy', 'shut'] as const)(
    'that found the door %s arrive exactly once when it is open again',
    async (door) => {
      await github.happen(2);
      await rig.door(door);
      await github.happen(12);
      await rig.door('open');
      await github.happen(1);
      await watch.cycle();
      await github.settled();
      expect(await watch.arrived('push')).toBe(15);
      expect(asks()).toBe(12);
      await watch.cycle();
      expect(asks()).toBe(12);
      expect(new Set((await watch.missed()).map(({ status }) => status))).toEqual(new Set(['arrived']));
      await rig.quiet();
      expect(told()).toBe(15);
      expect(await watch.counted('found')).toBe(12);
      expect(await watch.counted('arrived')).toBe(12);
    },
  );

  it('are asked for three at a time while none arrives, and all when one does', async () => {
    await rig.door('busy');
    await github.happen(9);
    await watch.cycle();
    expect(asks()).toBe(3);
    await github.settled();
    await watch.cycle();
    // Three others: the first wait for their next turn.
    expect(asks()).toBe(6);
    await github.settled();
    await rig.door('open');
    await watch.later();
    await watch.cycle();
    await github.settled();
    expect(await watch.arrived('push')).toBe(9);
    expect(asks()).toBe(15);
  });

  it('are given up after so many asks, which is told', async () => {
    watch = watchOver(rig, { mostAsks: 2, arrivesWithinMs: 20 });
    await rig.door('busy');
    await github.happen(1);
    for (let cycle = 0; cycle < 4; cycle += 1) {
      await watch.cycle();
      await github.settled();
      await watch.later();
    }
    expect(asks()).toBe(2);
    expect(await watch.missed()).toEqual([
      {
        status: 'given_up',
        asks: 2,
        reason: 'It was asked for 2 times and did not come.',
        answer: 'Invalid HTTP Response: 503',
      },
    ]);
    expect(await watch.counted('given_up')).toBe(1);
    expect(watch.lines.join('')).toMatch(/"level":40.*is given up/);
    // A person has it sent again.
    await rig.door('open');
    await github.sender().redeliver(1);
    await watch.cycle();
    expect(await watch.missed()).toMatchObject([{ status: 'arrived', reason: null }]);
  });

  it('are read on where a cycle ended, in the next process, and what comes meanwhile is read after it', async () => {
    github.pageSize = 1;
    await rig.door('busy');
    await github.happen(32);
    const newest = Date.parse(github.sender().list()[0]?.deliveredAt ?? '');
    await watch.cycle();
    // A cycle reads 30 pages.
    expect(await watch.missed()).toHaveLength(30);
    expect(await watch.watch()).toMatchObject([{ seen: null }]);
    await github.settled();
    // It is newer than the reading, as are the attempts that were just asked for.
    await github.happen(1);
    await watch.cycle();
    expect(await watch.missed()).toHaveLength(32);
    expect(await watch.watch()).toMatchObject([{ seen: String(newest) }]);
    await github.settled();
    await rig.door('open');
    await watch.later();
    await watch.cycle();
    await github.settled();
    expect(await watch.missed()).toHaveLength(33);
    expect(await watch.arrived('push')).toBe(33);
  });

  it('of the time before the hook was ours are left alone', async () => {
    await rig.door('busy');
    await github.happen(3);
    await rig.door('open');
    await rig.rows(`UPDATE hook SET created_at = now() + interval '1 hour'`);
    await watch.cycle();
    expect(asks()).toBe(0);
    expect(await watch.missed()).toEqual([]);
  });

  it('are asked for once by two processes', async () => {
    await rig.door('busy');
    await github.happen(20);
    await rig.door('open');
    await watch.cycles(3);
    await github.settled();
    expect(asks()).toBe(20);
    expect(await watch.arrived('push')).toBe(20);
    // Also when the lock of the cycle was lost: a delivery is taken by one of them.
    await rig.rows(`UPDATE missed_delivery SET status = 'open', next_ask_at = now() WHERE attempt_id = '1'`);
    const store = rig.test.store('worker');
    const hook = { id: 'github', organizationId: rig.test.organizationId } as WatchedHook;
    const wait = { baseMs: 60_000, capMs: 60_000 };
    const taken = await Promise.all([1, 2, 3].map(() => takeMissed(store, hook, wait)));
    expect(taken.filter((one) => one !== undefined)).toMatchObject([{ attemptId: '1' }]);
  });

  it('that are in the inbox, or were sent again with success, are not asked for', async () => {
    await rig.door('busy');
    await github.happen(3);
    await rig.door('open');
    await github.sender().redeliver(1);
    // Answered too late for GitHub, but stored.
    const guid = github.sender().list().at(-2)?.guid;
    await rig.rows(
      `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, status) VALUES ('github', 'github', 'x', $1, 'done')`,
      [guid],
    );
    await watch.cycle();
    await github.settled();
    expect(asks()).toBe(1);
    expect(await watch.missed()).toHaveLength(1);
  });

  it('wait where GitHub refuses to be asked, and are not lost', async () => {
    await rig.door('busy');
    await github.happen(2);
    await rig.door('open');
    const refused = async (answer: Parameters<GitHubAppDouble['answerNext']>[0], trouble: RegExp | null) => {
      github.asked.splice(0);
      github.answerNext(answer);
      await watch.cycle();
      const [found] = await watch.watch();
      if (trouble === null) expect(found?.trouble).toBeNull();
      else expect(found?.trouble).toMatch(trouble);
      expect(github.asked).toHaveLength(1);
      expect(await watch.missed()).toEqual([]);
    };
    await refused({ status: 401 }, /not now/);
    await refused({ status: 403 }, /not now/);
    // There is no such list; it is looked for again a day later.
    await refused({ status: 404 }, null);
    await watch.cycle();
    expect(github.asked).toHaveLength(1);
    await rig.rows('UPDATE hook_watch SET unlisted_until = now()');
    // A cycle that found the list but may not ask for what is missing.
    github.asked.splice(0);
    github.answerNext({ status: 200 });
    await watch.cycle();
    expect((await watch.watch())[0]?.trouble).toMatch(/not understood/);
    await refused({ status: 429, headers: { 'retry-after': '3600' } }, /not understood/);
    const waiting = await rig.rows(
      `SELECT next_look_at > now() + interval '50 minutes' AS waits FROM hook_watch WHERE hook_id = 'github'`,
    );
    expect(waiting).toEqual([{ waits: true }]);
  });

  it('are not counted as asked for when the forge could not be asked', async () => {
    await rig.door('busy');
    await github.happen(2);
    await rig.door('open');
    github.answerNext('properly', { status: 500 });
    await watch.cycle();
    expect(github.asked).toEqual(['GET deliveries 200', 'POST attempts 500']);
    expect(await watch.missed()).toMatchObject([
      { status: 'open', asks: 0 },
      { status: 'open', asks: 0 },
    ]);
    await watch.cycle();
    await github.settled();
    expect(await watch.arrived('push')).toBe(2);
  });

  it('do not keep a worker from stopping while GitHub does not answer', async () => {
    let opened: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const store = openStore(rig.test.database, 'worker', { max: 3 });
    const recovery = createRecovery({
      store,
      metrics: rig.metrics,
      log: pino({ level: 'silent' }),
      intervalSeconds: 60,
      timing: { graceMs: 10 },
      open: () => {
        opened();
        return new Promise(() => undefined);
      },
    });
    recovery.start();
    await asked;
    await recovery.stop();
    // Neither does the lock of the cycle.
    await store.close();
    await github.happen(1);
    await watch.cycle();
    expect(await watch.watch()).toHaveLength(1);
  });
});
