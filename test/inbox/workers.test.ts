import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fakeDispatcher } from './fake-forge.js';
import { eventually, InboxDatabase, quickTiming } from './inbox-database.js';

let inbox: InboxDatabase;
const children: ChildProcess[] = [];
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await inbox.drop();
});

const shares = async (): Promise<number[]> => {
  const { rows } = await inbox.pool.query<{ held: bigint }>(
    'SELECT count(*) AS held FROM lane_lease WHERE owner IS NOT NULL GROUP BY owner ORDER BY 1',
  );
  return rows.map((row) => Number(row.held));
};

describe('several workers', () => {
  it('share the shards, also when one comes later or goes', async () => {
    const dispatcher = fakeDispatcher({ app: async () => undefined });
    inbox.start({ dispatcher });
    await eventually(async () => (await shares()).join() === '64', shares);
    const second = inbox.start({ dispatcher });
    await eventually(async () => (await shares()).join() === '32,32', shares);
    await second.drain(1_000);
    await eventually(async () => (await shares()).join() === '64', shares);
  });

  it('run everything once between them', async () => {
    const dispatchers = [0, 1, 2].map(() => fakeDispatcher({ app: async () => undefined }));
    for (const dispatcher of dispatchers) inbox.start({ dispatcher });
    await eventually(async () => (await shares()).length === 3, shares);
    const ids = await Promise.all(
      Array.from({ length: 150 }, (_, index) => inbox.deliver({ repository: index, mark: String(index) })),
    );
    for (const id of ids) await inbox.settled(id, 'done');
    const calls = dispatchers.flatMap((dispatcher) => dispatcher.calls);
    expect(calls).toHaveLength(150);
    expect(new Set(calls).size).toBe(150);
    expect(dispatchers.filter((dispatcher) => dispatcher.calls.length > 0).length).toBeGreaterThan(1);
  });
});

describe('a worker whose lease was taken', () => {
  it('cannot write its result any more', async () => {
    let release: (() => void) | undefined;
    const aborted: boolean[] = [];
    const slow = fakeDispatcher({
      app: async (_row, _payload, signal) => {
        await new Promise<void>((resolve) => (release = resolve));
        aborted.push(signal.aborted);
        return { kind: 'ignored', reason: 'written by the stale worker' };
      },
    });
    inbox.start({ dispatcher: slow });
    const id = await inbox.deliver({ repository: 1 });
    await eventually(() => release !== undefined);
    const [row] = await inbox.dispatches(id);
    // What a takeover does while this process is stopped: another owner who is alive, a higher epoch.
    const other = await inbox.openWorkerStore().pool.connect();
    await other.query("SELECT set_config('application_name', 'other', false)");
    await inbox.pool.query(
      "UPDATE lane_lease SET owner = 'other', epoch = epoch + 1, expires_at = now() + interval '1 h' WHERE shard = (SELECT shard FROM dispatch WHERE id = $1)",
      [row?.id],
    );
    release?.();
    await eventually(() => aborted.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await inbox.dispatches(id))[0]).toMatchObject({ status: 'pending', reason: null });
    // The other owner goes: the shard comes back, and the row runs again without having lost an attempt.
    const again = release;
    other.release(true);
    await eventually(() => release !== again);
    release?.();
    await inbox.settled(id, 'ignored');
    expect((await inbox.dispatches(id))[0]).toMatchObject({ status: 'ignored', attempts: 1 });
  });
});

/** A worker in a process of its own, which an app may end. */
function startWorker(): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/inbox/killable-worker.ts'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '', KILLABLE: JSON.stringify(inbox.test.database.poolConfig('worker')) },
  });
  children.push(child);
  return child;
}

describe('a handler that ends its process', () => {
  it('is dead after its attempts, and everything else completes', async () => {
    const poison = await inbox.deliver({ repository: 0, mark: 'exit' });
    const good = await Promise.all(
      Array.from({ length: 30 }, (_, i) => inbox.deliver({ repository: i + 1, mark: 'slow' })),
    );
    let deaths = 0;
    const supervise = () => {
      startWorker().once('exit', (code) => {
        if (code !== 7) return;
        deaths += 1;
        supervise();
      });
    };
    supervise();
    expect(await inbox.settled(poison, 'dead')).toMatchObject({
      reason: expect.stringContaining('worker process ended'),
    });
    for (const id of good) await inbox.settled(id, 'done');
    const attempts = await Promise.all(good.map(async (id) => (await inbox.dispatches(id))[0]?.attempts));
    expect(new Set(attempts)).toEqual(new Set([1]));
    expect((await inbox.dispatches(poison))[0]).toMatchObject({ attempts: 8 });
    expect(deaths).toBeGreaterThanOrEqual(8);
    expect(deaths).toBeLessThanOrEqual(9);
  });

  it('loses nothing when the process is killed from outside again and again', async () => {
    const ids = await Promise.all(
      Array.from({ length: 200 }, (_, i) => inbox.deliver({ repository: i % 40, number: 1, mark: 'slow' })),
    );
    for (let kills = 0; kills < 3; kills += 1) {
      const child = startWorker();
      const before = await inbox.pool.query<{ n: bigint }>("SELECT count(*) AS n FROM dispatch WHERE status = 'done'");
      await eventually(async () => {
        const now = await inbox.pool.query<{ n: bigint }>("SELECT count(*) AS n FROM dispatch WHERE status = 'done'");
        return Number(now.rows[0]?.n) > Number(before.rows[0]?.n) + 20;
      });
      child.kill('SIGKILL');
    }
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => undefined }), timing: quickTiming });
    for (const id of ids) await inbox.settled(id, 'done');
  });
});
