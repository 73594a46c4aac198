/**
 * How fast and how costly a webhook is taken in, and that none is lost (performance.md, goals 1, 2, 3, 4 and 9).
 * Three servers take turns on one machine, round after round: (a) bare signature check, (b) Probot's middleware with an
 * empty handler, which stores nothing, (c) our durable ingress, with deliveries of each forge; then (d) the whole path to a handler in a worker process.
 * Options: `--dist <folder>` (default dist), `--rounds <n>`, `--seconds <n>`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type BenchDatabase, startBenchDatabase } from './support/bench-database.js';
import { childrenOf, cpuSeconds, type RunningServer, residentMegabytes, startServer } from './support/processes.js';
import {
  addHooks,
  askHandled,
  CONNECTIONS,
  load,
  machineOf,
  median,
  round,
  startIngress,
  startWorker,
  WARM_UP_MS,
} from './support/whole-path.js';

const { values: options } = parseArgs({
  options: {
    dist: { type: 'string', default: 'dist' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
  },
});
const dist = resolve(options.dist);
const rounds = Number(options.rounds);
interface Sample {
  rps: number;
  p50: number;
  p99: number;
  rss: number;
  bootMs: number;
  /** Microseconds of CPU per delivery. */
  serverCpu: number;
  databaseCpu: number;
}

/** Ours, with deliveries of this forge. */
async function measureForgeway(database: BenchDatabase, forge: string): Promise<Sample> {
  await database.empty();
  return measure(await startIngress(dist, database), `/api/webhooks/${forge}`, database, false, forge);
}

async function measure(
  server: RunningServer,
  path: string,
  database: BenchDatabase | undefined,
  runsHandlers = false,
  forge = 'github',
): Promise<Sample> {
  const postmaster = await database?.postmaster();
  const cpuOf = () => [cpuSeconds(server.pid), postmaster === undefined ? 0 : cpuSeconds(postmaster)] as const;
  const before = cpuOf();
  const result = await load(server.port, path, Number(options.seconds), forge);
  const after = cpuOf();
  const failed = Object.keys(result.statuses).filter((status) => !status.startsWith('2'));
  if (failed.length > 0) throw new Error(`answers other than 2xx: ${JSON.stringify(result.statuses)}`);
  if (runsHandlers && (await askHandled(server)).handled < result.requests) {
    throw new Error('the handler did not run for every delivery');
  }
  const sample: Sample = {
    rps: result.rps,
    p50: result.p50,
    p99: result.p99,
    rss: residentMegabytes(server.pid),
    bootMs: server.bootMs,
    serverCpu: ((after[0] - before[0]) / result.requests) * 1e6,
    databaseCpu: ((after[1] - before[1]) / result.requests) * 1e6,
  };
  await server.stop();
  return sample;
}

/** Deliveries handled per second in a worker process, from the first request to the last handler. */
async function wholePath(database: BenchDatabase): Promise<number> {
  await database.empty();
  const worker = await startWorker(dist, database);
  const ingress = await startIngress(dist, database);
  await sleep(1_000);
  const startedAt = Date.now() + WARM_UP_MS;
  let handledBefore = 0;
  const warm = setTimeout(() => void askHandled(worker).then(({ handled }) => (handledBefore = handled)), WARM_UP_MS);
  const { requests } = await load(ingress.port, '/api/webhooks/github', Number(options.seconds), 'github');
  clearTimeout(warm);
  for (let waited = 0; ; waited += 100) {
    const { handled, lastAt = 0 } = await askHandled(worker);
    if (handled >= requests) {
      await Promise.all([worker.stop(), ingress.stop()]);
      return ((handled - handledBefore) / (lastAt - startedAt)) * 1_000;
    }
    if (waited > 60_000) throw new Error(`${requests - handled} of ${requests} deliveries were never handled`);
    await sleep(100);
  }
}

/** SIGKILLs PostgreSQL in the middle of a load, and looks for every acknowledged delivery afterwards. */
async function durability(database: BenchDatabase): Promise<{ acknowledged: number; found: number }> {
  await database.empty();
  const ingress = await startIngress(dist, database);
  const postmaster = await database.postmaster();
  const killing = sleep(WARM_UP_MS + 1_500).then(() => {
    for (const pid of [postmaster, ...childrenOf(postmaster)]) process.kill(pid, 'SIGKILL');
  });
  const { acknowledged = [] } = await load(ingress.port, '/api/webhooks/github', 6, 'github', '--ids');
  await killing;
  await ingress.stop();
  let found = 0;
  for (let at = 0; at < acknowledged.length; at += 5_000) {
    const { rows } = await database.store.pool.query<{ found: bigint }>(
      'SELECT count(*) AS found FROM webhook_delivery WHERE delivery_key = ANY($1::text[])',
      [acknowledged.slice(at, at + 5_000)],
    );
    found += Number(rows[0]?.found ?? 0);
  }
  return { acknowledged: acknowledged.length, found };
}

function summary(samples: readonly Sample[]) {
  const of = (key: keyof Sample) => samples.map((sample) => sample[key]);
  return {
    rps: round(median(of('rps'))),
    p50: round(median(of('p50')), 2),
    p99: round(median(of('p99')), 2),
    rss: round(median(of('rss')), 1),
    bootMs: round(median(of('bootMs'))),
    serverCpuUs: round(median(of('serverCpu'))),
    databaseCpuUs: round(median(of('databaseCpu'))),
    rpsRange: [round(Math.min(...of('rps'))), round(Math.max(...of('rps')))],
  };
}

const database = await startBenchDatabase();
try {
  await addHooks(database);
  const empty = (): Sample[] => [];
  const samples = { bare: empty(), probot: empty(), forgeway: empty(), gitlab: empty(), gitea: empty() };
  const whole: number[] = [];
  for (let turn = 1; turn <= rounds; turn += 1) {
    samples.bare.push(await measure(await startServer('server-bare.mjs', []), '/', undefined));
    const probot = await startServer('server-probot.mjs', []);
    samples.probot.push(await measure(probot, '/api/github/webhooks', undefined, true));
    samples.forgeway.push(await measureForgeway(database, 'github'));
    samples.gitlab.push(await measureForgeway(database, 'gitlab'));
    samples.gitea.push(await measureForgeway(database, 'gitea'));
    whole.push(await wholePath(database));
    const last = (key: keyof typeof samples) => round(samples[key].at(-1)?.rps ?? 0);
    console.error(
      `round ${turn}/${rounds}: bare ${last('bare')}/s, Probot ${last('probot')}/s, Forgeway ${last('forgeway')}/s (GitLab ${last('gitlab')}/s, Gitea ${last('gitea')}/s), whole path ${round(whole.at(-1) ?? 0)}/s`,
    );
  }
  const survived = await durability(database);

  const bare = summary(samples.bare);
  const probot = summary(samples.probot);
  const forgeway = summary(samples.forgeway);
  const gitlab = summary(samples.gitlab);
  const gitea = summary(samples.gitea);
  const ratio = (pick: (at: number) => number) => round(median(samples.bare.map((_, at) => pick(at))), 3);
  const sampleAt = (list: readonly Sample[], at: number) => list[at]?.rps ?? Number.NaN;
  const ratios = {
    ofBare: ratio((at) => sampleAt(samples.forgeway, at) / sampleAt(samples.bare, at)),
    timesProbot: ratio((at) => sampleAt(samples.forgeway, at) / sampleAt(samples.probot, at)),
    cpuTimesBare: round((forgeway.serverCpuUs + forgeway.databaseCpuUs) / bare.serverCpuUs, 2),
    wholePathTimesProbot: ratio((at) => (whole[at] ?? Number.NaN) / sampleAt(samples.probot, at)),
  };
  const goals = [
    { goal: '1 share of bare', value: ratios.ofBare, must: 0.28, aim: 0.35, more: true },
    { goal: '1 times Probot', value: ratios.timesProbot, must: 1.2, aim: 1.5, more: true },
    { goal: '2 p99 ms', value: forgeway.p99, must: 40, aim: 20, more: false },
    { goal: '3 whole path, times Probot', value: ratios.wholePathTimesProbot, must: 0.55, aim: 0.8, more: true },
    { goal: '4 CPU, times bare', value: ratios.cpuTimesBare, must: 5, aim: 3, more: false },
    { goal: '9 memory MB', value: forgeway.rss, must: 150, aim: 120, more: false },
    { goal: '9 boot to listening ms', value: forgeway.bootMs, must: 1_000, aim: 500, more: false },
  ].map(({ more, ...goal }) => {
    const reaches = (limit: number) => (more ? goal.value >= limit : goal.value <= limit);
    return { ...goal, result: reaches(goal.aim) ? 'aim' : reaches(goal.must) ? 'met' : 'MISSED' };
  });

  const machine = { ...machineOf(database, rounds), seconds: Number(options.seconds), connections: CONNECTIONS };
  const wholePathRps = { rps: round(median(whole)), range: [round(Math.min(...whole)), round(Math.max(...whole))] };
  const result = {
    machine,
    bare,
    probot,
    forgeway,
    gitlab,
    gitea,
    wholePath: wholePathRps,
    ratios,
    durability: survived,
    goals,
  };
  mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
  writeFileSync(new URL('./results/ingest.json', import.meta.url), `${JSON.stringify(result, undefined, 2)}\n`);
  console.table({ bare, probot, forgeway, gitlab, gitea });
  console.table(goals);
  console.log(
    `whole path ${wholePathRps.rps}/s; after SIGKILL of PostgreSQL ${survived.found} of ${survived.acknowledged} acknowledged deliveries were there`,
  );
  if (survived.found !== survived.acknowledged) process.exitCode = 1;
} finally {
  await database.stop();
}
