import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ADVISORY_LOCKS } from '../../src/inbox/advisory-locks.js';
import { pollNow, startPoller } from '../../src/inbox/poll/poller.js';
import { type StubbedCycles, startStubbedCycles } from './stubbed-cycle.js';

let cycles: StubbedCycles;
beforeAll(async () => {
  cycles = await startStubbedCycles();
});
afterEach(() => cycles.forget());
afterAll(() => cycles.close());

const CLOSED = { state: 'closed' } as const;

describe('a cycle', () => {
  it('reads no more than it may; the rest comes in the next ones, and none is left out', async () => {
    const host = await cycles.addHost({ repositories: 1, issues: 25 });
    expect(await cycles.cycle()).toMatchObject({ imported: 25, events: [] });
    // All in one second.
    const updatedAt = new Date().toISOString();
    for (let number = 1; number <= 25; number += 1) host.change('repo-1', number, { title: 'New', updatedAt });
    const found: number[] = [];
    for (let round = 0; round < 3; round += 1) found.push((await cycles.cycle({ mostObjects: 10 })).events.length);
    expect(found).toEqual([10, 10, 5]);
    const told = await cycles.told();
    expect(new Set(told).size).toBe(25);
    expect(told).toHaveLength(25);
  });

  it('does not tell again what a webhook told in the second in which polling began', async () => {
    const host = await cycles.addHost({ repositories: 1, issues: 2 });
    const createdAt = new Date(Date.now() + 60_000).toISOString();
    // A new second may have begun when it is looked at.
    for (const number of [1, 2]) host.change('repo-1', number, { createdAt, updatedAt: createdAt });
    // As the mirror's app left the first of them, before anything was noted of what apps were told.
    await cycles.rows(
      `INSERT INTO issue (organization_id, repository_id, forge, host, remote_repository_id, remote_id, number, title, state, url,
         remote_updated_at)
       SELECT organization_id, id, forge, host, remote_id, 1, 1, 'Old', 'open', 'https://stub.test/acme/repo-1/issues/1',
         '${createdAt}'
       FROM repository WHERE NOT archived`,
    );
    expect(await cycles.cycle()).toMatchObject({ imported: 0, events: [] });
    await cycles.cycle();
    expect(await cycles.told()).toEqual(['issues.opened acme/repo-1 2']);
  });

  it('lets a repository that fails wait, and the others go on', async () => {
    const host = await cycles.addHost({ repositories: 3, issues: 1 });
    await cycles.cycle();
    host.repositories.delete('repo-2');
    host.change('repo-1', 1, CLOSED);
    host.change('repo-3', 1, CLOSED);
    expect(await cycles.cycle()).toMatchObject({ failed: 1, changed: 2 });
    expect((await cycles.told()).sort()).toEqual(['issues.closed acme/repo-1 1', 'issues.closed acme/repo-3 1']);
    const cursors = await cycles.rows<{ failures: number; error: string | null; waits: boolean }>(
      `SELECT failures, error, next_run_at > now() AS waits FROM sync_cursor s JOIN repository r ON r.id = s.repository_id
       WHERE NOT r.archived ORDER BY failures DESC`,
    );
    expect(cursors).toMatchObject([{ failures: 1, error: 'Not Found', waits: true }, { failures: 0 }, { failures: 0 }]);
    // Nobody is due before the minute is over.
    expect(await cycles.cycle({ all: false })).toMatchObject({ repositories: 0 });
  });

  it('leaves a host alone for its rest when three of its repositories get no answer; other hosts go on', async () => {
    const [gone, here] = [
      await cycles.addHost({ repositories: 30, issues: 1 }),
      await cycles.addHost({ repositories: 12, issues: 1 }),
    ];
    await cycles.cycle();
    gone.away = true;
    gone.asked.length = 0;
    for (const repository of here.repositories.keys()) here.change(repository, 1, CLOSED);
    expect(await cycles.cycle()).toMatchObject({ repositories: 42, failed: 30, changed: 12 });
    // Those that were under way with the third, and none after.
    expect(gone.asked.length).toBeGreaterThanOrEqual(3);
    expect(gone.asked.length).toBeLessThanOrEqual(10);
    expect(await cycles.told()).toHaveLength(12);
    const waiting = await cycles.rows(
      `SELECT FROM sync_cursor WHERE failures = 1 AND next_run_at > now() AND error <> ''`,
    );
    expect(waiting.length).toBeGreaterThanOrEqual(30);

    gone.away = false;
    gone.change('repo-30', 1, CLOSED);
    expect(await cycles.cycle()).toMatchObject({ failed: 0 });
    expect((await cycles.told()).at(-1)).toBe('issues.closed acme/repo-30 1');
  });

  it('is run by one process at a time, and when somebody asks', async () => {
    const host = await cycles.addHost({ repositories: 2, issues: 1 });
    await cycles.cycle();
    host.change('repo-1', 1, CLOSED);
    const poller = startPoller(cycles.ports, { intervalMs: 60_000, tickMs: 20 });
    await pollNow(cycles.ports, { intervalMs: 60_000 });
    await poller.stop();
    expect(await cycles.told()).toEqual(['issues.closed acme/repo-1 1']);
  });

  it('goes on with the sessions that there are, and leaves none of them its lock', async () => {
    const { pool } = cycles.ports.store;
    const locks = () =>
      cycles.rows(
        `SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
         WHERE l.locktype = 'advisory' AND (l.classid::bigint << 32) + l.objid::bigint = ${ADVISORY_LOCKS.poller}`,
      );
    await pollNow(cycles.ports, { intervalMs: 60_000 });
    let opened = 0;
    const count = () => {
      opened += 1;
    };
    pool.on('connect', count);
    const ROUNDS = 8;
    for (let round = 0; round < ROUNDS; round += 1) await pollNow(cycles.ports, { intervalMs: 60_000 });
    pool.off('connect', count);
    // Some may have been idle for too long, on a machine that has much else to do.
    expect(opened).toBeLessThan(ROUNDS);
    expect(await locks()).toEqual([]);
  });
});
