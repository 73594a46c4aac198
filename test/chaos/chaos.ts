/**
 * `npm run chaos`: people work on three forges while parts of Forgeway are killed, at random and at numbered awaits;
 * then everything that should have come of it is counted. Ends with 1 when anything was lost or done twice.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { describeMachine } from '../../bench/support/machine.js';
import { type CampaignOptions, type CampaignResult, isClean, runCampaign } from './campaign.js';
import { kinds } from './checker.js';
import { flowNames } from './crash-points.js';
import type { HappeningKind } from './forge-protocol.js';

interface Options {
  seed?: number;
  kills?: number;
  deliveries?: number;
  points?: number;
  stops?: number;
  seconds?: number;
  redis?: boolean;
  external?: boolean;
  flow?: HappeningKind;
  long?: boolean;
  goOn?: boolean;
}

/** A stop takes a third of a short run, and what is begun at that moment is the one thing that cannot be fenced: see delivery guarantees. */
const SHORT = { kills: 30, deliveries: 400, points: 12, stops: 0, seconds: 60, flows: 2 };
/** One of {@link PARTS} of a long run: forges of its own, since theirs get slower with every branch that they keep. */
const LONG = { kills: 28, deliveries: 2_600, points: 12, stops: 8, seconds: 1_800, flows: 2 };
/** On PostgreSQL and on Redis by turns. */
const PARTS = 8;
/** What a long run is to show. */
const GOAL = { kills: 200, deliveries: 20_000 };
const RESULTS = 'bench/results/chaos.json';
const EXAMPLES_SHOWN = 10;

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
    throw new InvalidArgumentError('Write a whole number.');
  return value;
}

const { seed: wanted, ...options } = new Command('npm run chaos --')
  .description('kills Forgeway while it works for three forges, and counts what was lost and what was done twice')
  .option('--seed <number>', 'chance of an earlier run; default: a new one, which is printed', whole)
  .option('--kills <number>', `kills at random times; default ${SHORT.kills}`, whole)
  .option('--deliveries <number>', `webhooks to send in that time, or more; default ${SHORT.deliveries}`, whole)
  .option('--points <number>', `kills at numbered awaits; default ${SHORT.points}, 0 for none`, whole)
  .option(
    '--stops <number>',
    `workers that stand still for longer than their lease; default ${SHORT.stops}, ${LONG.stops} in each part of a long run`,
    whole,
  )
  .option('--seconds <number>', `longest time of each of the two phases; default ${SHORT.seconds}`, whole)
  .option('--external', 'a database beside Forgeway, behind a network that fails; default: of every other seed')
  .option('--redis', 'feature jobs on Redis, which is killed too')
  .addOption(
    new Option('--flow <flow>', 'nothing but this flow, killed at every await that it passes through').choices(
      Object.keys(flowNames),
    ),
  )
  .option(
    '--long',
    `${PARTS * LONG.kills} kills and more over ${PARTS * LONG.deliveries} deliveries, on PostgreSQL and on Redis; writes ${RESULTS}`,
  )
  .option('--go-on', `with --long: the parts that the run in ${RESULTS} had not come to`)
  .addHelpText(
    'after',
    `
Seeds decide who does what where, and what is killed when; how far the program had come by then, the machine decides.
Exit code 1 when anything was lost, duplicated, unexpected, out of order, unfinished or given up.`,
  )
  .parse()
  .opts<Options>();

/** A part as it is written down. */
interface Part {
  seed: number;
  deliveries: number;
  kills: Record<string, number>;
  [counted: string]: unknown;
}

function readEarlier(): { seed: number; runs: Part[] } {
  const { command, runs } = JSON.parse(readFileSync(RESULTS, 'utf8')) as { command: string; runs: Part[] };
  return { seed: whole(/--seed (\d+)/.exec(command)?.[1] ?? ''), runs };
}
const earlier = options.goOn ? readEarlier() : undefined;
const seed = earlier?.seed ?? wanted ?? Math.floor(Math.random() * 2 ** 32);
/** What was tried: parts of one run may be of several. */
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();

const began = Date.now();
const say = (line: string) => console.log(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    say('stopping; everything that was started is ended');
    stop.abort(new Error('It was stopped.'));
  });
// Even then everything that was started has to be ended.
process.on('uncaughtException', (error) => {
  say(`the run itself failed: ${error.stack}`);
  stop.abort(error);
});

function campaigns(): CampaignOptions[] {
  const { long, flow, redis = false, goOn: _, ...given } = options;
  const common = { seed, redis, external: seed % 2 === 1, say, stopped: stop.signal };
  if (flow !== undefined)
    return [
      { ...common, ...LONG, seconds: 5_400, points: Number.POSITIVE_INFINITY, ...given, flow, kills: 0, deliveries: 0 },
    ];
  if (!long) return [{ ...common, ...SHORT, ...given }];
  const parts = Array.from({ length: PARTS }, (_, at) => ({
    ...common,
    ...LONG,
    ...given,
    redis: at % 2 === 1,
    external: at % 4 >= 2,
    seed: (seed + at) >>> 0,
  }));
  return parts.filter((part) => !earlier?.runs.some((run) => run.seed === part.seed));
}

const total = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

function print(results: readonly CampaignResult[]): void {
  const header = [
    'backend',
    'database',
    'seed',
    'deliveries',
    'effects',
    'kills',
    'faults',
    'points',
    ...kinds,
    'seconds',
  ];
  const rows = results.map((result) => [
    ...[result.backend, result.database],
    ...[result.seed, result.deliveries, result.effects, total(result.kills), total(result.faults)],
    `${result.points.hit}/${result.points.tried}`,
    ...kinds.map((kind) => result.verdict[kind].length),
    result.seconds,
  ]);
  const widths = header.map((name, at) => Math.max(name.length, ...rows.map((row) => String(row[at]).length)));
  for (const row of [header, ...rows])
    console.log(row.map((cell, at) => String(cell).padStart(widths[at] ?? 0)).join('  '));
  for (const { verdict, problems, seed: used } of results) {
    for (const kind of kinds)
      for (const line of verdict[kind].slice(0, EXAMPLES_SHOWN)) console.log(`${kind} (seed ${used}): ${line}`);
    for (const line of problems.slice(0, EXAMPLES_SHOWN)) console.log(`a forge would not have understood: ${line}`);
  }
}

function write(results: readonly CampaignResult[]): void {
  const runs: Part[] = [
    ...(earlier?.runs ?? []),
    ...results.map(({ verdict, problems, ...rest }) => ({
      commit,
      ...rest,
      ...Object.fromEntries(kinds.map((kind) => [kind, verdict[kind].length])),
      problems: problems.length,
    })),
  ];
  const sum = (of: (run: Part) => number): number => runs.reduce((all, run) => all + of(run), 0);
  const machine = describeMachine();
  const summary = {
    command: `npm run chaos -- --long --seed ${seed}`,
    machine,
    date: new Date().toISOString().slice(0, 10),
    seeds: runs.map((run) => run.seed),
    // Parts that the run itself failed in, so that nothing could be counted.
    unfinished,
    deliveries: sum((run) => run.deliveries),
    kills: sum((run) => total(run.kills)),
    ...Object.fromEntries(kinds.map((kind) => [kind, sum((run) => Number(run[kind]))])),
    runs,
  };
  mkdirSync('bench/results', { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify(summary, null, 2)}\n`);
  say(`written to ${RESULTS}`);
  const last = runs.length + unfinished.length === PARTS;
  if (last && (summary.kills < GOAL.kills || summary.deliveries < GOAL.deliveries))
    say(`which is less than ${GOAL.kills} kills over ${GOAL.deliveries} deliveries: give it more --seconds`);
}

const results: CampaignResult[] = [];
const unfinished: number[] = [];
for (const campaign of campaigns()) {
  if (stop.signal.aborted) break;
  say(
    `seed ${campaign.seed}: ${campaign.external ? 'external' : 'embedded'} database, jobs on ${campaign.redis ? 'Redis' : 'PostgreSQL'}`,
  );
  try {
    results.push(await runCampaign(campaign));
  } catch (error) {
    // The seed is what whoever reads this needs. The other parts of a long run are worth having all the same.
    console.error(`seed ${campaign.seed}:`, error);
    if (!stop.signal.aborted) unfinished.push(campaign.seed);
  }
  if (options.long && results.length > 0) write(results);
}
if (results.length > 0) print(results);
const complete = results.length === campaigns().length;
// What a part of it has left open must not keep the process.
process.exit(complete && results.every(isClean) ? 0 : 1);
