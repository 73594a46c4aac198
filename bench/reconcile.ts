/**
 * What previews on a cluster cost its API (goals: 1,000 at steady state no write, and at most one list per kind per minute; 100
 * opened at once are applied within 30 s where each answer takes 20 ms). The reconciler, the driver and the monitor as a worker
 * runs them, a real database, and the Kubernetes API in memory.
 * Options: `--previews <n>`, `--opened <n>`, `--latency <ms>`, `--seconds <n>` of each window.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createRig, sha } from '../test/preview/kubernetes/rig.js';
import { resourceOf } from '../test/support/kubernetes-api/objects.js';
import { startBenchDatabase } from './support/bench-database.js';
import { describeMachine } from './support/machine.js';

const { values: options } = parseArgs({
  options: {
    previews: { type: 'string', default: '1000' },
    opened: { type: 'string', default: '100' },
    latency: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '130' },
  },
});
const previews = Number(options.previews);
const opened = Number(options.opened);
const latencyMs = Number(options.latency);
const windowMs = Number(options.seconds) * 1_000;
const GOALS = { writes: 0, listsPerKindPerMinute: 1, appliedSeconds: 30 };
/** As a worker has them for previews on a cluster. */
const CONCURRENCY = 32;
const DISTURBED_EVERY_MS = 10_000;

const bench = await startBenchDatabase();
const rig = await createRig({
  database: { store: bench.store, organizationId: bench.organizationId },
  ...{ atOnce: CONCURRENCY, pollMs: 500, timeoutMs: 15_000, readyTimeoutSeconds: 120, limit: previews + opened },
  listEveryMs: 60_000,
  api: { latencyMs },
});
const { api } = rig;

/** Calls with the time they came at, counted by the double and not by us. */
interface Call {
  verb: string;
  kind: string;
  isNextPage: boolean;
  at: number;
}
const calls: Call[] = [];
const { push } = Array.prototype;
api.asked.push = (...asked) => {
  const at = performance.now();
  calls.push(...asked.map(({ verb, kind, isNextPage }) => ({ verb, kind, isNextPage, at })));
  return push.call(api.asked, ...asked);
};
const WRITES = new Set(['create', 'apply', 'update', 'patch', 'delete']);

/** A list of many pages is one. */
function mostListsInAMinute(of: readonly Call[]): number {
  const times = new Map<string, number[]>();
  for (const { verb, kind, isNextPage, at } of of)
    if (verb === 'list' && !isNextPage) times.set(kind, [...(times.get(kind) ?? []), at]);
  const mostOf = (at: number[]) =>
    Math.max(...at.map((from) => at.filter((one) => one >= from && one < from + 60_000).length));
  return Math.max(0, ...[...times.values()].map(mostOf));
}

async function until(what: string, is: () => boolean | Promise<boolean>, mostSeconds = 900): Promise<number> {
  const began = performance.now();
  while (!(await is())) {
    if (performance.now() - began > mostSeconds * 1_000) throw new Error(`after ${mostSeconds} s not yet: ${what}`);
    await sleep(50);
  }
  return (performance.now() - began) / 1_000;
}
const applied = () => api.store.list('Deployment').length;
async function ready(): Promise<number> {
  const { rows } = await bench.store.tenant(bench.organizationId, (tx) =>
    tx.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM preview WHERE phase = 'ready' AND observed_version = desired_version`,
    ),
  );
  return rows[0]?.count ?? 0;
}

rig.startMonitor({ intervalMs: 5_000 });
await rig.inventory().ready();

// Rows are there as the mirror writes them; what is measured begins with the wish.
for (let number = 1; number <= previews; number += 1) await rig.knows(number);
const began = performance.now();
await Promise.all(Array.from({ length: opened }, (_, index) => rig.want(index + 1, sha('a'))));
await until('all are applied', () => applied() >= opened);
const appliedSeconds = (performance.now() - began) / 1_000;
await until('all are ready', async () => (await ready()) >= opened);
const readySeconds = (performance.now() - began) / 1_000;
const writesForEach = calls.filter(({ verb }) => WRITES.has(verb)).length / opened;

// How long it takes to get there says nothing more.
api.latencyMs = 0;
for (let number = opened + 1; number <= previews; number += 1) await rig.want(number, sha('a'));
await until('a thousand are ready', async () => (await ready()) >= previews);
await rig.drained();
api.latencyMs = latencyMs;

async function observed(isDisturbed: boolean): Promise<Call[]> {
  // A list that was made on the way here would count in the first minute.
  const from = calls.length;
  const end = performance.now() + windowMs;
  let at = 0;
  while (performance.now() < end) {
    await sleep(Math.min(DISTURBED_EVERY_MS, Math.max(0, end - performance.now())));
    if (!isDisturbed) continue;
    at += 1;
    api.endWatches();
    // Of another's, so that the version that watches go on from is an old one.
    const metadata = { name: `another-${at}`, namespace: 'default' };
    const another = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
    api.store.create(resourceOf('ConfigMap'), 'default', another as never, 'somebody');
    api.store.compact();
  }
  return calls.slice(from);
}
const quiet = await observed(false);
const disturbed = await observed(true);
const stillReady = await ready();
if (stillReady < previews) throw new Error(`${previews - stillReady} previews are not ready any more`);

const isWrite = ({ verb }: Call) => WRITES.has(verb);
const count = (of: readonly Call[], verb: string) => of.filter((call) => call.verb === verb).length;
const row = (window: string, of: readonly Call[]) => ({
  window,
  ...{
    writes: of.filter(isWrite).length,
    lists: of.filter(({ verb, isNextPage }) => verb === 'list' && !isNextPage).length,
    pages: count(of, 'list'),
    watches: count(of, 'watch'),
    gets: count(of, 'get'),
  },
  mostListsOfAKindInAMinute: mostListsInAMinute(of),
});
console.table([row('quiet', quiet), row('watches expire', disturbed)]);
const writes = [...quiet, ...disturbed].filter(isWrite).length;
const listsPerKindPerMinute = mostListsInAMinute([...quiet, ...disturbed]);
const goals = {
  writes: { value: writes, goal: GOALS.writes, reached: writes <= GOALS.writes },
  listsPerKindPerMinute: {
    value: listsPerKindPerMinute,
    goal: GOALS.listsPerKindPerMinute,
    reached: listsPerKindPerMinute <= GOALS.listsPerKindPerMinute,
  },
  appliedSeconds: {
    value: Number(appliedSeconds.toFixed(1)),
    goal: GOALS.appliedSeconds,
    reached: appliedSeconds <= GOALS.appliedSeconds,
  },
};
for (const [name, { value, goal, reached }] of Object.entries(goals))
  console.log(`${name}: ${value}, goal ${goal}: ${reached ? 'reached' : 'MISSED'}`);
mkdirSync('bench/results', { recursive: true });
writeFileSync(
  'bench/results/reconcile.json',
  `${JSON.stringify(
    {
      machine: {
        ...describeMachine(),
        postgres: bench.version,
      },
      ...{ previews, opened, latencyMs, windowSeconds: windowMs / 1_000 },
      ...{ writes, listsPerKindPerMinute, reads: [...quiet, ...disturbed].length - writes },
      ...{ appliedSeconds: goals.appliedSeconds.value, readySeconds: Number(readySeconds.toFixed(1)) },
      writesForEach: Number(writesForEach.toFixed(1)),
      windows: [row('quiet', quiet), row('watches expire', disturbed)],
      goals,
    },
    null,
    2,
  )}\n`,
);
await rig.end();
await bench.stop();
if (Object.values(goals).some(({ reached }) => !reached)) process.exitCode = 1;
