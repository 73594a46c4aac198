/**
 * What it costs that every forge speaks GitHub's language (requirement: an event of 20 KB under 0.5 ms of CPU, a request
 * under 0.3 ms more). Events: every fixture of every forge, grown to the size of real ones, round after round, as the inbox
 * and a worker translate it: parse, compare with what was kept, classify, and build each payload, the first from what was
 * parsed (`inbox/parsed.ts`), each further one from the body again.
 * Requests: the same issue read through our fetch and directly, in turns, from a stub on loopback.
 * Options: `--dist <folder>` (default dist), `--rounds <n>`, `--milliseconds <n>` per event and round.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { ForgeDescriptor, TranslatePorts } from '../src/forges/forge.js';
import { type Delivery, deliveriesOf } from './support/forge-deliveries.js';
import { type RequestModules, type RequestPair, startRequestPair } from './support/forge-requests.js';
import { describeMachine } from './support/machine.js';

const { values: options } = parseArgs({
  options: {
    dist: { type: 'string', default: 'dist' },
    rounds: { type: 'string', default: '5' },
    milliseconds: { type: 'string', default: '40' },
  },
});
const rounds = Number(options.rounds);
const batchMs = Number(options.milliseconds);
const WARM_UP_TIMES = 400;
const REQUESTS = 400;
const FULL_SIZE = 18_000;

// The build is what runs in production; a loader for TypeScript slows small functions down.
const load = <T>(path: string): Promise<T> => import(new URL(path, `file://${resolve(options.dist)}/src/`).href);
const { forges } = await load<typeof import('../src/forges/registry.js')>('forges/registry.js');
const modules: RequestModules = {
  virtual: await load('translate/virtual-fetch.js'),
  credential: await load('translate/credential.js'),
  forgeFetch: await load('translate/forge-fetch.js'),
  limits: await load('translate/request-limits.js'),
  metrics: await load('lib/metrics.js'),
  logger: await load('lib/logger.js'),
  clock: await load('lib/clock.js'),
};

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
const quantile = (numbers: readonly number[], share: number): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length * share)] ?? 0;
const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

interface Subject {
  forge: ForgeDescriptor;
  delivery: Delivery;
  ports: TranslatePorts;
  /** GitHub's events in it; 0 for a delivery that is ignored with a reason. */
  events: number;
  /** Times per round. */
  times: number;
  cpu: number[];
  wall: number[];
}

const receivedAt = new Date('2026-03-02T10:00:05Z');
const JSON_TYPE = 'application/json';

/** As the assigner does it, then as a worker does it for each event. Answers how many there were. */
async function translate({ forge, delivery, ports }: Pick<Subject, 'forge' | 'delivery' | 'ports'>): Promise<number> {
  const { eventType, body, previous } = delivery;
  const read = () => {
    const parsed = forge.parse(JSON_TYPE, body);
    if ('invalid' in parsed) throw new Error(`${delivery.name}: ${parsed.invalid}`);
    return parsed.payload;
  };
  const payload = read();
  forge.snapshot?.(eventType, payload);
  const found = forge.classify(eventType, payload, previous === undefined ? {} : { previous });
  if (found.kind === 'ignored') return 0;
  for (const [at, event] of found.events.entries())
    await forge.payload({ eventType, payload: at === 0 ? payload : read(), receivedAt }, event, ports);
  return found.events.length;
}

/** CPU and time of one run, in microseconds. */
async function timed(times: number, run: () => unknown): Promise<{ cpu: number; wall: number }> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let at = 0; at < times; at += 1) await run();
  const wall = ((performance.now() - began) * 1_000) / times;
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / times, wall };
}

async function subjectOf(forge: ForgeDescriptor, delivery: Delivery): Promise<Subject> {
  const { webUrl } = forge.endpoint('https://code.example.com');
  const { github } = delivery;
  const ports = {
    base: { api: `${webUrl}/api/v3`, web: webUrl },
    wanted: new Set<string>(),
    ...(github && { github }),
  };
  const events = await translate({ forge, delivery, ports });
  const { wall } = await timed(WARM_UP_TIMES, () => translate({ forge, delivery, ports }));
  const times = Math.max(20, Math.ceil((batchMs * 1_000) / wall));
  return { forge, delivery, ports, events, times, cpu: [], wall: [] };
}

async function measureRequests(pair: RequestPair): Promise<{ direct: number[]; via: number[] }> {
  const direct: number[] = [];
  const via: number[] = [];
  const once = async (run: () => Promise<unknown>, into: number[]) => {
    const began = performance.now();
    await run();
    into.push(performance.now() - began);
  };
  for (let at = 0; at < REQUESTS; at += 1) {
    await once(pair.direct, direct);
    await once(pair.via, via);
  }
  return { direct, via };
}

const translated = [...forges.values()].filter((forge) => forge.routes !== undefined);
const subjects: Subject[] = [];
for (const forge of translated)
  for (const delivery of deliveriesOf(forge.id)) subjects.push(await subjectOf(forge, delivery));

const example =
  subjects.find(({ delivery }) => delivery.body.length >= FULL_SIZE)?.delivery.body.toString('utf8') ?? '';
const jsonParse: number[] = [];
for (let turn = 1; turn <= rounds; turn += 1) {
  for (const subject of subjects) {
    const { cpu, wall } = await timed(subject.times, () => translate(subject));
    subject.cpu.push(cpu);
    subject.wall.push(wall);
  }
  jsonParse.push((await timed(2_000, () => JSON.parse(example))).cpu);
  console.error(`events, round ${turn}/${rounds}: JSON.parse of 20 KB takes ${round(jsonParse.at(-1) ?? 0)} µs of CPU`);
}

const request: Record<string, Record<string, number>> = {};
for (const forge of translated) {
  const pair = await startRequestPair(modules, forge);
  await measureRequests(pair);
  const samples: { direct: number[]; via: number[] }[] = [];
  for (let turn = 1; turn <= rounds; turn += 1) samples.push(await measureRequests(pair));
  await pair.close();
  const of = (share: number, pick: (direct: number, via: number) => number) =>
    round(median(samples.map(({ direct, via }) => pick(quantile(direct, share), quantile(via, share)))), 3);
  request[forge.id] = {
    directP50: of(0.5, (direct) => direct),
    viaP50: of(0.5, (_direct, via) => via),
    addedP50: of(0.5, (direct, via) => via - direct),
    addedP99: of(0.99, (direct, via) => via - direct),
  };
}

const events: Record<
  string,
  Record<string, { cpuMicros: number; perSecond: number; bytes: number; events: number }>
> = {};
for (const { forge, delivery, events: count, cpu, wall } of subjects) {
  const each = Math.max(1, count);
  events[forge.id] ??= {};
  Object.assign(events[forge.id] ?? {}, {
    [delivery.name]: {
      cpuMicros: round(median(cpu) / each),
      perSecond: round((each / median(wall)) * 1e6),
      bytes: delivery.body.length,
      events: count,
    },
  });
}

const goals = [
  ...Object.entries(events).map(([forge, rows]) => {
    const full = Object.values(rows).filter((row) => row.bytes >= FULL_SIZE && row.events > 0);
    const slowest = Math.max(...full.map((row) => row.cpuMicros));
    return { goal: `${forge}: CPU of the slowest event of 20 KB, µs`, value: slowest, limit: 500 };
  }),
  ...Object.entries(request).map(([forge, { addedP50 = Number.NaN }]) => ({
    goal: `${forge}: added to a request, ms`,
    value: addedP50,
    limit: 0.3,
  })),
].map((goal) => ({ ...goal, result: goal.value < goal.limit ? 'met' : 'MISSED' }));

const machine = {
  ...describeMachine(),
  rounds,
  milliseconds: batchMs,
  requests: REQUESTS,
  /** CPU of JSON.parse alone for one body of 20 KB, in microseconds, to compare machines and loads. */
  jsonParseMicros: round(median(jsonParse)),
};
mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL('./results/translate.json', import.meta.url),
  `${JSON.stringify({ machine, translate: events, request, goals }, undefined, 2)}\n`,
);
for (const rows of Object.values(events)) console.table(rows);
console.table(request);
console.table(goals);
