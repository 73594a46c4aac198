/**
 * Fuzzes what reads deliveries. `--mutations <n>` (20,000) in this process, of which `--deliveries <n>` (one in fifty) are
 * also sent over HTTP to an ingress and a worker on a real database; `--seed <n>` (by chance), `--json`, `--results <file>`
 * keeps what it found. Ends with 1 when something failed, and prints each failure as a file for `test/fuzz/regressions/`. A
 * rejection that nobody handles ends the process.
 */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describeMachine } from '../../bench/support/machine.js';
import { forges } from '../../src/forges/registry.js';
import globalSetup from '../support/global-setup.js';
import globalTeardown from '../support/global-teardown.js';
import { bodyOf, type Case, drawCase } from './case.js';
import { crafted } from './crafted-bodies.js';
import { type Sent, sendOverTheWire } from './over-the-wire.js';
import { runCases, runKept } from './run.js';

const { values: options } = parseArgs({
  options: {
    mutations: { type: 'string', default: '20000' },
    deliveries: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    results: { type: 'string' },
  },
});

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const collect = (): number => {
  gc();
  return process.memoryUsage().heapUsed;
};

const folder = new URL('./regressions/', import.meta.url);
const kept = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Case);

/** Forges of the registry only: no server knows the one that the tests made up. */
function deliveries(seed: number, mutations: number, wanted: number): Sent[] {
  const drawn: Case[] = [];
  for (let at = 0; at < mutations && drawn.length < wanted; at += 1) {
    const one = drawCase(seed, at);
    if (forges.has(one.forge)) drawn.push(one);
  }
  if (drawn.length === 0) return [];
  const sent = [...kept, ...drawn].map((one) => ({ ...one, name: JSON.stringify(one), body: bodyOf(one) }));
  const byHand = [...forges.keys()].flatMap((forge) =>
    crafted.map(({ name, body }) => ({ name, forge, eventType: 'push', contentType: 'application/json', body })),
  );
  return [...sent, ...byHand];
}

const seed = Number(options.seed ?? randomInt(2 ** 31));
const mutations = Number(options.mutations);
const startedAt = performance.now();
const again = await runKept(kept);
const report = await runCases(seed, mutations, collect);

const ownServer = process.env.FORGEWAY_TEST_SERVER === undefined;
const wanted = deliveries(seed, mutations, Number(options.deliveries ?? Math.ceil(mutations / 50)));
if (ownServer && wanted.length > 0) await globalSetup();
const wire = wanted.length > 0 ? await sendOverTheWire(wanted) : undefined;
if (ownServer && wanted.length > 0) await globalTeardown();

const failures = [...again, ...report.failures];
if (options.results !== undefined) {
  const answered = Object.entries(wire?.answers ?? {});
  const results = {
    machine: describeMachine(),
    command: `npm run fuzz -- --mutations ${mutations} --seed ${seed} --deliveries ${wanted.length === 0 ? 0 : (options.deliveries ?? Math.ceil(mutations / 50))} --results bench/results/fuzz.json`,
    seed,
    mutations: report.cases,
    // A crash, or a rejection that nobody handles, would have ended this process before.
    crashes: 0,
    failures: failures.length + (wire?.failures.length ?? 0),
    ends: report.ends,
    http: {
      sent: wire?.sent ?? 0,
      answers: wire?.answers ?? {},
      '5xx': answered.filter(([status]) => status.startsWith('5')).reduce((sum, [, count]) => sum + count, 0),
      ends: wire?.ends ?? {},
    },
    heap: report.heap,
    rss: report.rss,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  };
  writeFileSync(options.results, `${JSON.stringify(results, undefined, 2)}\n`);
}
if (options.json) console.log(JSON.stringify({ ...report, kept: kept.length, failures, wire }));
else {
  console.log(`seed ${seed}: ${report.cases} mutations and ${kept.length} kept cases`);
  console.log(`${JSON.stringify(report.ends)}, heap ${JSON.stringify(report.heap)}, rss ${JSON.stringify(report.rss)}`);
  for (const failure of failures) console.log(`\n${failure.error}\n${JSON.stringify(failure.case)}`);
  if (wire) console.log(`over HTTP: ${JSON.stringify(wire, undefined, 2)}`);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`\n${failures.length + (wire?.failures.length ?? 0)} failures in ${seconds} s`);
}
process.exitCode = failures.length > 0 || (wire?.failures.length ?? 0) > 0 ? 1 : 0;
