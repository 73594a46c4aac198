/**
 * What polling costs (goal: a cycle of 1,000 watched things over 200 repositories under 60 s where each answer takes 200 ms):
 * a GitHub's double, the App installed on all repositories, and cycles as a worker runs them. At most one request for each
 * repository in a cycle, plus what changed; 304 when nothing did.
 * Options: `--repositories <n>`, `--things <n>` of each, `--latency <ms>`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { MIRROR } from '../src/handlers/apps.js';
import { runCycle } from '../src/inbox/poll/cycle.js';
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
    things: { type: 'string', default: '5' },
    latency: { type: 'string', default: '200' },
  },
});
const repositories = Number(options.repositories);
const each = Number(options.things);
const latencyMs = Number(options.latency);
const pulls = Math.ceil(each / 2);
const GOAL_SECONDS = 60;

const database = await startBenchDatabase();
const double = await startGitHubDouble({ repositories, pulls, issues: each - pulls, latencyMs });
const { store } = database;
await installOn(store, database.organizationId, double);
const log = pino({ level: 'warn' });
const metrics = createMetrics();
const bridge = await createBridge({ fetch: loopback.fetch, github: appOf(double), apps: [], store, log, metrics });
const ports = { store, access: bridge.askAs, recorder: MIRROR, log, metrics };

interface Cycle {
  cycle: string;
  requests: number;
  not_modified: number;
  most_per_repository: number;
  events: number;
  seconds: number;
}

/** One cycle over all repositories; what it asked is counted for each of them. */
async function measure(cycle: string): Promise<Cycle> {
  double.asked.length = 0;
  const summary = await runCycle(ports, { intervalMs: 60_000, all: true });
  if (summary.failed > 0) throw new Error(`${summary.failed} repositories could not be polled`);
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
    events: summary.events.length,
    seconds: Number(summary.seconds.toFixed(1)),
  };
}

const cycles: Cycle[] = [await measure('first')];
// The list after the first brings its ETag; from then on nothing has changed.
cycles.push(await measure('second'), await measure('unchanged'));
const now = new Date().toISOString();
for (const { items } of [...double.repositories.values()].slice(0, Math.ceil(repositories / 10))) {
  const [item] = items;
  if (item) Object.assign(item, { title: 'Another title', updatedAt: now });
}
cycles.push(await measure('a tenth changed one thing'), await measure('branches'));
// Every thing at once: the dearest cycle there is.
const later = new Date().toISOString();
for (const { items } of double.repositories.values())
  for (const item of items) Object.assign(item, { title: `${item.title}!`, updatedAt: later });
cycles.push(await measure('everything changed'));

const named = (cycle: string): Cycle => cycles.find((one) => one.cycle === cycle) ?? (cycles[0] as Cycle);
const [first, unchanged] = [named('first'), named('unchanged')];
console.table(cycles);
const watching = Math.max(first.seconds, unchanged.seconds);
console.log(
  `Watching: ${watching} s at most, goal ${GOAL_SECONDS} s: ${watching < GOAL_SECONDS ? 'reached' : 'MISSED'}`,
);
const result = {
  machine: {
    ...describeMachine(),
  },
  things: repositories * each,
  repositories,
  latency_ms: latencyMs,
  requests_first_cycle: first.requests,
  requests_unchanged: unchanged.requests,
  not_modified_unchanged: unchanged.not_modified,
  most_requests_per_repository_unchanged: unchanged.most_per_repository,
  seconds_at_200ms: latencyMs === 200 ? unchanged.seconds : null,
  seconds_everything_changed: named('everything changed').seconds,
  cycles,
};
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/poll.json', `${JSON.stringify(result, null, 2)}\n`);
await double.close();
await database.stop();
