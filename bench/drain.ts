/**
 * How fast deliveries are worked off, from receipt to the handler in a worker process (performance.md, goal 3), for each
 * forge: while they arrive, as a backlog that is there already, and one at a time when nothing else is to be done.
 * Options: `--dist <folder>` (default dist), `--rounds <n>`, `--seconds <n>`, `--samples <n>` of latency per round, and
 * `--idle`: only the latency when nothing else is to be done, printed and not written down.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type BenchDatabase, startBenchDatabase } from './support/bench-database.js';
import { deliveriesFrom } from './support/payload.js';
import { cpuSeconds, type RunningServer } from './support/processes.js';
import {
  addHooks,
  askHandled,
  CONNECTIONS,
  FORGES,
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
    samples: { type: 'string', default: '200' },
    idle: { type: 'boolean', default: false },
  },
});
const dist = resolve(options.dist);
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);
const samples = Number(options.samples);
/** Until a worker has its leases. */
const SETTLE_MS = 1_000;
const PATIENCE_MS = 120_000;
/** Between two deliveries that are to find nothing to do: longer than workers are not told a second time (`webhook/wake.ts`). */
const IDLE_MS = 50;

const now = (): number => performance.timeOrigin + performance.now();

/** Waits until so many are handled. */
async function untilHandled(worker: RunningServer, count: number) {
  for (const end = Date.now() + PATIENCE_MS; ; await sleep(20)) {
    const { handled, firstAt = 0, lastAt = 0 } = await askHandled(worker);
    if (handled >= count) return { handled, firstAt, lastAt };
    if (Date.now() > end) throw new Error(`${count - handled} of ${count} deliveries were never handled`);
  }
}

/** Handled per second while they arrive: from the end of the warm-up to the last handler. */
async function whileArriving(database: BenchDatabase, forge: string): Promise<number> {
  await database.empty();
  const [worker, ingress] = await Promise.all([startWorker(dist, database), startIngress(dist, database)]);
  await sleep(SETTLE_MS);
  const measuring = sleep(WARM_UP_MS).then(async () => ({ at: now(), ...(await askHandled(worker)) }));
  const { requests } = await load(ingress.port, `/api/webhooks/${forge}`, seconds, forge);
  const before = await measuring;
  const { handled, lastAt } = await untilHandled(worker, requests);
  await Promise.all([worker.stop(), ingress.stop()]);
  return ((handled - before.handled) / (lastAt - before.at)) * 1_000;
}

interface Backlog {
  perSecond: number;
  /** Microseconds of CPU per delivery. */
  workerCpu: number;
  databaseCpu: number;
}

/** Handled per second of what lay there when the worker started, from its first handler to its last. */
async function backlog(database: BenchDatabase, forge: string): Promise<Backlog> {
  await database.empty();
  const ingress = await startIngress(dist, database);
  const { requests } = await load(ingress.port, `/api/webhooks/${forge}`, seconds, forge);
  await ingress.stop();
  const postmaster = await database.postmaster();
  const databaseBefore = cpuSeconds(postmaster);
  const worker = await startWorker(dist, database);
  // What it costs to start is none of a delivery's.
  const workerBefore = cpuSeconds(worker.pid);
  const { handled, firstAt, lastAt } = await untilHandled(worker, requests);
  const backlog = {
    perSecond: ((handled - 1) / (lastAt - firstAt)) * 1_000,
    workerCpu: ((cpuSeconds(worker.pid) - workerBefore) / handled) * 1e6,
    databaseCpu: ((cpuSeconds(postmaster) - databaseBefore) / handled) * 1e6,
  };
  await worker.stop();
  return backlog;
}

interface Latencies {
  /** Of processes that were started for it. */
  fresh: number[];
  /** Of the same ones after a load, whose code is compiled. */
  warm: number[];
}

/** Milliseconds from the 202 to the handler, one delivery at a time. */
async function whenIdle(database: BenchDatabase, forge: string): Promise<Latencies> {
  await database.empty();
  const [worker, ingress] = await Promise.all([startWorker(dist, database), startIngress(dist, database)]);
  await sleep(SETTLE_MS);
  const fresh = await oneAtATime(worker, ingress, forge);
  const { requests } = await load(ingress.port, `/api/webhooks/${forge}`, seconds, forge);
  await untilHandled(worker, fresh.length + requests);
  const warm = await oneAtATime(worker, ingress, forge);
  await Promise.all([worker.stop(), ingress.stop()]);
  return { fresh, warm };
}

async function oneAtATime(worker: RunningServer, ingress: RunningServer, forge: string): Promise<number[]> {
  const handledAt = new Map<string, number>();
  const keep = ({ id, at }: { id?: string; at?: number }) => {
    if (id !== undefined && at !== undefined) handledAt.set(id, at);
  };
  worker.child.on('message', keep);
  worker.child.send('tell');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (delivery: ReturnType<typeof deliveriesFrom>[number], id: string): Promise<number> =>
    new Promise((done, reject) => {
      const lines = delivery.headers(id).split('\r\n', 10).filter(Boolean);
      const headers = Object.fromEntries(lines.map((line) => line.split(': ', 2) as [string, string]));
      const sent = request(
        { port: ingress.port, host: '127.0.0.1', path: `/api/webhooks/${forge}`, method: 'POST', agent, headers },
        (answer) => {
          const at = now();
          if (answer.statusCode !== 202) reject(new Error(`answered ${answer.statusCode}`));
          answer.resume().once('end', () => done(at));
        },
      );
      sent.setHeader('content-type', 'application/json');
      sent.once('error', reject).end(delivery.body);
    });
  const deliveries = deliveriesFrom(forge, samples);
  const latencies: number[] = [];
  for (const delivery of deliveries) {
    const id = randomUUID();
    const answeredAt = await post(delivery, id);
    for (const end = Date.now() + PATIENCE_MS; !handledAt.has(id); await sleep(1))
      if (Date.now() > end) throw new Error('a delivery was never handled');
    // The handler may have been faster than the answer's way back.
    latencies.push(Math.max(0, (handledAt.get(id) ?? 0) - answeredAt));
    await sleep(IDLE_MS);
  }
  agent.destroy();
  worker.child.send('hush');
  worker.child.off('message', keep);
  return latencies;
}

interface Measured {
  arriving: number[];
  backlog: Backlog[];
  latencies: Latencies;
}

const noneYet = (): Latencies => ({ fresh: [], warm: [] });

function add(found: Latencies, { fresh, warm }: Latencies): void {
  found.fresh.push(...fresh);
  found.warm.push(...warm);
}

function latencySummary({ fresh, warm }: Latencies) {
  const of = (latencies: readonly number[]) => {
    const sorted = [...latencies].sort((a, b) => a - b);
    return (q: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0, 2);
  };
  const [ofFresh, ofWarm] = [of(fresh), of(warm)];
  return { idleP50: ofWarm(0.5), idleP99: ofWarm(0.99), freshIdleP50: ofFresh(0.5), freshIdleP99: ofFresh(0.99) };
}

function summary({ arriving, backlog, latencies }: Measured) {
  const of = (key: keyof Backlog) => round(median(backlog.map((one) => one[key])));
  return {
    wholePathRps: round(median(arriving)),
    wholePathRange: [round(Math.min(...arriving)), round(Math.max(...arriving))],
    backlogRps: of('perSecond'),
    workerCpuUs: of('workerCpu'),
    databaseCpuUs: of('databaseCpu'),
    ...latencySummary(latencies),
  };
}

async function onlyIdle(database: BenchDatabase): Promise<void> {
  const found = new Map(FORGES.map((forge) => [forge, noneYet()]));
  for (let turn = 1; turn <= rounds; turn += 1)
    for (const [forge, latencies] of found) add(latencies, await whenIdle(database, forge));
  console.table(Object.fromEntries([...found].map(([forge, latencies]) => [forge, latencySummary(latencies)])));
}

async function everything(database: BenchDatabase): Promise<void> {
  const measured = new Map(
    FORGES.map((forge): [string, Measured] => [forge, { arriving: [], backlog: [], latencies: noneYet() }]),
  );
  for (let turn = 1; turn <= rounds; turn += 1)
    for (const [forge, found] of measured) {
      found.arriving.push(await whileArriving(database, forge));
      found.backlog.push(await backlog(database, forge));
      add(found.latencies, await whenIdle(database, forge));
      const { wholePathRps, backlogRps, idleP50 } = summary(found);
      console.error(
        `round ${turn}/${rounds}, ${forge}: ${wholePathRps}/s arriving, ${backlogRps}/s of a backlog, ${idleP50} ms when idle (medians so far)`,
      );
    }
  const forges = Object.fromEntries([...measured].map(([forge, found]) => [forge, summary(found)]));
  const goals = Object.entries(forges).map(([forge, { idleP50 }]) => ({
    goal: `idle from 202 to handler, p50 ms, ${forge}`,
    value: idleP50,
    must: 5,
    result: idleP50 < 5 ? 'met' : 'MISSED',
  }));
  const machine = { ...machineOf(database, rounds), seconds, samples, connections: CONNECTIONS };
  mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
  writeFileSync(
    new URL('./results/drain.json', import.meta.url),
    `${JSON.stringify({ machine, ...forges, goals }, undefined, 2)}\n`,
  );
  console.table(forges);
  console.table(goals);
}

const database = await startBenchDatabase();
try {
  await addHooks(database);
  await (options.idle ? onlyIdle(database) : everything(database));
} finally {
  await database.stop();
}
