/**
 * What looking after workspaces costs (goal: a cycle over 1,000 workspaces on 200 repositories under 60 s where each answer takes
 * 200 ms, one pass for each repository): a GitHub's double with open pull requests, and the passes as a worker makes them.
 * Options: `--repositories <n>`, `--workspaces <n>` of each, `--latency <ms>`.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { createPermissions } from '../src/accounts/permissions.js';
import { createKeyLocks } from '../src/jobs/reconcile-locks.js';
import { createWatchReconciler } from '../src/jobs/run/watch.js';
import { systemClock } from '../src/lib/clock.js';
import { createMetrics } from '../src/lib/metrics.js';
import { createBridge } from '../src/translate/bridge.js';
import { loopback } from '../test/support/loopback.js';
import { startBenchDatabase } from './support/bench-database.js';
import { startGitHubDouble } from './support/github-double.js';
import { appOf, installOn } from './support/installed-app.js';
import { describeMachine } from './support/machine.js';

const { values: options } = parseArgs({
  options: {
    repositories: { type: 'string', default: '200' },
    workspaces: { type: 'string', default: '5' },
    latency: { type: 'string', default: '200' },
  },
});
const repositories = Number(options.repositories);
const each = Number(options.workspaces);
const latencyMs = Number(options.latency);
const GOAL_SECONDS = 60;
/** As a worker's queue runs them. */
const WIDTH = 16;

const database = await startBenchDatabase();
const double = await startGitHubDouble({ repositories, pulls: 1, issues: 0, latencyMs });
const { store, organizationId } = database;
await installOn(store, organizationId, double);
const log = pino({ level: 'warn' });
const metrics = createMetrics();
const bridge = await createBridge({ fetch: loopback.fetch, github: appOf(double), apps: [], store, log, metrics });
const rows = <T extends object>(sql: string, values: unknown[] = []): Promise<T[]> =>
  store.tenant(organizationId, async (tx) => (await tx.query<T>(sql, values)).rows);

const connectionId = randomUUID();
await rows(
  `INSERT INTO connection (id, organization_id, name, kind, forge, host, provider_account_id, status)
   VALUES ($1, $2, 'bench', 'pat', 'github', $3, '1', 'active')`,
  [connectionId, organizationId, double.host],
);
await rows(
  `INSERT INTO workspace (organization_id, name, created_by, vcs_connection_id, forge, host, vcs_repo_url, vcs_branch, remote_path)
   SELECT r.organization_id, r.remote_name || '-' || n, 'bench', $1, r.forge, r.host, r.remote_url, 'main',
     r.remote_owner || '/' || r.remote_name FROM repository r, generate_series(1, $2) n`,
  [connectionId, each],
);
const [anyRepository] = await rows<{ id: string }>('SELECT id FROM repository LIMIT 1');
const queue = (name: string) => ({ name, poke: async () => undefined });
const locks = createKeyLocks({ store, log });
const watch = createWatchReconciler({
  ...{ store, log, metrics, locks, intervalMs: 60_000 },
  pokes: {
    preview: queue('preview'),
    sync: queue('sync'),
    report: queue('report'),
    run: queue('run'),
    watch: queue('watch'),
    agent: queue('agent'),
  },
  // The double asks nobody who he is: one installation's Octokit speaks for all.
  octokitOf: () => bridge.octokitFor(organizationId, anyRepository?.id ?? ''),
  permissions: createPermissions({ clock: systemClock }),
});

interface Cycle {
  cycle: string;
  requests: number;
  not_modified: number;
  most_per_repository: number;
  runs: number;
  seconds: number;
}

async function measure(cycle: string): Promise<Cycle> {
  double.asked.length = 0;
  await rows('UPDATE repository_watch SET next_attempt_at = NULL');
  const [before] = await rows<{ count: number }>('SELECT count(*)::int FROM run');
  const ids = (await rows<{ id: string }>('SELECT id FROM repository_watch ORDER BY id')).map(({ id }) => id);
  const signal = new AbortController().signal;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: WIDTH }, async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) await watch.run({ organizationId, id }, signal);
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  const errors = await rows<{ error: string }>('SELECT error FROM repository_watch WHERE error IS NOT NULL LIMIT 1');
  if (errors[0] !== undefined) throw new Error(errors[0].error);
  const [after] = await rows<{ count: number }>('SELECT count(*)::int FROM run');
  const perRepository = new Map<string, number>();
  for (const { request } of double.asked) {
    const name = /\/repos\/acme\/([^/]+)/.exec(request)?.[1];
    if (name !== undefined) perRepository.set(name, (perRepository.get(name) ?? 0) + 1);
  }
  return {
    cycle,
    requests: double.asked.length,
    not_modified: double.asked.filter(({ status }) => status === 304).length,
    most_per_repository: Math.max(0, ...perRepository.values()),
    runs: (after?.count ?? 0) - (before?.count ?? 0),
    seconds: Number(seconds.toFixed(1)),
  };
}

const first = await measure('first: everything is planned');
const unchanged = await measure('unchanged');
for (const name of [...double.repositories.keys()].slice(0, Math.ceil(repositories / 10)))
  double.heads.set(name, 'b'.repeat(40));
const pushed = await measure('a tenth was pushed to');
const cycles = [first, unchanged, pushed];
console.table(cycles);
const expected = { first: repositories * each * 2, pushed: Math.ceil(repositories / 10) * each };
if (first.runs !== expected.first || unchanged.runs !== 0 || pushed.runs !== expected.pushed)
  throw new Error(`runs are missing or there twice: ${first.runs}, ${unchanged.runs}, ${pushed.runs}`);
const reached = unchanged.seconds < GOAL_SECONDS;
console.log(
  `${repositories * each} workspaces: ${unchanged.seconds} s, goal ${GOAL_SECONDS} s: ${reached ? 'reached' : 'MISSED'}`,
);
mkdirSync('bench/results', { recursive: true });
writeFileSync(
  'bench/results/workspaces.json',
  `${JSON.stringify(
    {
      machine: {
        ...describeMachine(),
      },
      workspaces: repositories * each,
      repositories,
      latency_ms: latencyMs,
      requests_unchanged: unchanged.requests,
      not_modified_unchanged: unchanged.not_modified,
      most_requests_per_repository_unchanged: unchanged.most_per_repository,
      seconds_unchanged: unchanged.seconds,
      cycles,
    },
    null,
    2,
  )}\n`,
);
await locks.close();
await double.close();
await database.stop();
