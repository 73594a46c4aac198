/** An App on a GitHub that has been there for long: what is there is taken in silently, and only then things are told. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Probot } from 'probot';
import { type GitHubDouble, startGitHubDouble } from '../../bench/support/github-double.js';
import { appOf, installOn } from '../../bench/support/installed-app.js';
import { forges } from '../../src/forges/registry.js';
import { createApps, MIRROR } from '../../src/handlers/apps.js';
import { runCycle } from '../../src/inbox/poll/cycle.js';
import { pollNow, startPoller } from '../../src/inbox/poll/poller.js';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createBridge } from '../../src/translate/bridge.js';
import { createTestDatabase } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { rightsFor } from '../support/rights.js';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const timing = {
  pollMs: 50,
  leaseMs: 5_000,
  tickMs: 200,
  inPlaceMs: 20,
  backoff: { baseMs: 10, capMs: 50, attempts: 3 },
};
const queue = (name: string) => ({ name, poke: async () => undefined });

async function rig(o: { repositories: number; pulls: number; issues: number }) {
  const double = await startGitHubDouble({ ...o, latencyMs: 0 });
  closing.push(() => double.close());
  const test = await createTestDatabase();
  closing.push(() => test.drop());
  const store = test.store('worker');
  await installOn(store, test.organizationId, double);
  const log = pino({ level: 'silent' });
  const metrics = createMetrics();
  const heard: string[] = [];
  const notes = (app: Probot) => {
    app.onAny(async ({ name, payload }) => {
      const {
        action,
        issue,
        pull_request: pull,
      } = payload as { action?: string; issue?: object; pull_request?: object };
      heard.push(`${name}.${action} ${String(Reflect.get(pull ?? issue ?? {}, 'number'))}`);
    });
  };
  const pokes = {
    preview: queue('preview'),
    sync: queue('sync'),
    report: queue('report'),
    run: queue('run'),
    watch: queue('watch'),
    agent: queue('agent'),
  };
  const apps = [
    ...createApps({ store, log, pokes, rights: rightsFor(store, test.organizationId), previews: true }),
    { name: 'notes', load: notes },
  ];
  const bridge = await createBridge({ fetch: loopback.fetch, github: appOf(double), apps, store, log, metrics });
  const inbox = startInbox({
    store,
    dispatcher: bridge,
    forges,
    log,
    metrics,
    ownerId: 'test',
    concurrency: 4,
    handlerTimeoutMs: 20_000,
    timing,
  });
  closing.push(() => inbox.drain(5_000));
  const ports = { store, access: bridge.askAs, recorder: MIRROR, log, metrics };
  const rows = async <T extends object>(statement: string) =>
    (await store.tenant(test.organizationId, (tx) => tx.query(statement))).rows as T[];
  const quiet = async () => {
    for (;;) {
      const [row] = await rows<{ n: number }>(
        `SELECT count(*)::int4 AS n FROM webhook_delivery WHERE status IN ('received', 'assigned')`,
      );
      if (row?.n === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const cycle = async (options: object = {}) => {
    double.asked.length = 0;
    const summary = await runCycle(ports, { intervalMs: 60_000, all: true, settleMs: 0, ...options });
    await quiet();
    return summary;
  };
  return { double, ports: { ...ports, organizationId: test.organizationId }, heard, rows, quiet, cycle, metrics };
}

const touch = (double: GitHubDouble, name: string, number: number, change: object) => {
  const item = double.repositories.get(name)?.items.find((one) => one.number === number);
  Object.assign(item ?? {}, { updatedAt: new Date().toISOString() }, change);
};

describe('the first look at a repository with 500 open pull requests', () => {
  it('tells nobody of them, and afterwards of what changes', async () => {
    const { double, heard, rows, cycle, metrics } = await rig({ repositories: 1, pulls: 500, issues: 20 });
    expect(await cycle()).toMatchObject({ imported: 520, failed: 0, events: [] });
    expect(double.asked.every(({ request }) => !/^(?:PATCH|PUT|DELETE)/.test(request))).toBe(true);
    expect(await rows('SELECT FROM pull_request')).toHaveLength(500);
    expect(await rows('SELECT FROM issue')).toHaveLength(20);
    expect([await rows('SELECT FROM dispatch'), await rows('SELECT FROM preview'), heard]).toEqual([[], [], []]);
    // The list's ETag is known after the second, and then nothing is read at all.
    await cycle();
    expect(await cycle()).toMatchObject({ notModified: 1, changed: 0 });
    expect(double.asked).toEqual([{ request: 'GET /repos/acme/repo-1/issues', status: 304 }]);

    touch(double, 'repo-1', 17, { title: 'Another title' });
    touch(double, 'repo-1', 501, { state: 'closed' });
    expect((await cycle()).events).toHaveLength(2);
    expect(heard.sort()).toEqual(['issues.closed 501', 'pull_request.edited 17']);
    await cycle();
    await cycle();
    expect(heard).toHaveLength(2);
    expect(await metrics.registry.getSingleMetricAsString('forgeway_events_total')).toMatch(/source="poll"} 2/);
    expect(await metrics.registry.getSingleMetricAsString('forgeway_poll_requests_total')).toMatch(
      /result="not_modified"} \d/,
    );
  });
});

describe('a cycle', () => {
  it('ends soon when everything is to stop, whatever a forge does, and what was left is looked at later', async () => {
    const { double, heard, ports, quiet, cycle } = await rig({ repositories: 1, pulls: 0, issues: 30 });
    await cycle();
    for (let number = 1; number <= 30; number += 1) touch(double, 'repo-1', number, { state: 'closed' });
    const hangs = { asked: 0 };
    const access: typeof ports.access = async (...of) => {
      const one = await ports.access(...of);
      return {
        ...one,
        github: async (route, parameters) => {
          hangs.asked += 1;
          return hangs.asked > 6 ? new Promise<never>(() => undefined) : one.github(route, parameters);
        },
      };
    };
    await pollNow(ports, { intervalMs: 60_000, mostObjects: 0 });
    await ports.store.tenant(ports.organizationId, (tx) => tx.query('UPDATE sync_cursor SET next_run_at = now()'));
    const poller = startPoller({ ...ports, access }, { intervalMs: 60_000, tickMs: 20, graceMs: 200 });
    while (hangs.asked <= 6) await new Promise((resolve) => setTimeout(resolve, 10));
    const began = performance.now();
    await poller.stop();
    expect(performance.now() - began).toBeLessThan(2_000);
    await cycle();
    await quiet();
    expect(new Set(heard).size).toBe(30);
    expect(heard).toHaveLength(30);
  });
});
