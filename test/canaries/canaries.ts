/**
 * `npm run canaries`: runs the program with secrets in everything that it is given, and looks for them everywhere that
 * something of it could be. Ends with 1 when one is found where it does not belong.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { describeMachine } from '../../bench/support/machine.js';
import { inspect, type Report } from './check.js';
import { sinkNames } from './sinks.js';
import { ALL_OF_IT, tell } from './story.js';
import { startWorld } from './world.js';

interface Options {
  seed: string;
  postgresql?: boolean;
  redis?: boolean;
  keep?: boolean;
  write?: boolean;
}

const RESULTS = 'bench/results/canaries.json';
const MOST_SAID = 60;

const options = new Command('npm run canaries --')
  .description('plants secrets in everything, runs the program, and looks for them everywhere')
  .option('--seed <text>', 'makes the secrets; default: a new one, which is printed', randomBytes(4).toString('hex'))
  .option('--postgresql', 'only with the embedded database and its queue')
  .option('--redis', 'only with a database beside it, and Redis')
  .option('--keep', 'leave the folder of the run')
  .option('--write', `write ${RESULTS}`)
  .addHelpText('after', '\nExit code 1 when a secret was found where it does not belong. See docs/canaries.md.')
  .parse()
  .opts<Options>();

const began = Date.now();
const say = (line: string) => console.log(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
const ends = new Set<() => Promise<void>>();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    say('stopping; everything that was started is ended');
    for (const end of ends) await end();
    process.exit(1);
  });

async function runOnce(external: boolean): Promise<Report> {
  const { seed, keep } = options;
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-canaries-'));
  const world = await startWorld({
    seed,
    folder,
    external,
    connected: ['gitlab', 'gitea'],
    github: true,
    previews: true,
    say,
  });
  const end = async () => {
    await world.close();
    if (!keep) await rm(folder, { recursive: true, force: true });
  };
  ends.add(end);
  try {
    await tell(world, { ...ALL_OF_IT, seed, say });
    say(`${world.planted.length} secrets are looked for`);
    return await inspect(world, () => world.program.stop());
  } finally {
    ends.delete(end);
    await end();
    if (keep) say(`kept: ${folder}`);
  }
}

/** Places by what was planted where: how many of it each of them has. */
function table({ hits, searched, lawful }: Report): Record<string, Record<string, number>> {
  const rows: Record<string, Record<string, number>> = {};
  for (const sink of sinkNames) {
    const bytes = searched[sink];
    if (bytes === undefined) continue;
    const found = hits.filter((hit) => hit.sink === sink).length;
    const allowed = Object.entries(lawful).reduce(
      (sum, [key, count]) => sum + (key.startsWith(`${sink}: `) ? count : 0),
      0,
    );
    rows[sink] = { kilobytes: Math.ceil(bytes / 1_024), lawful: allowed, hits: found };
  }
  return rows;
}

/** What one has to look at, each kind once. */
function sentences({ hits }: Report): string[] {
  const groups = new Map<string, { count: number; example: string }>();
  for (const { sink, what, canary, around } of hits) {
    const key = `${sink}, ${what.replace(/[0-9a-f-]{30,}/g, 'ID').slice(0, 80)}: ${canary.channel}`;
    const group = groups.get(key) ?? { count: 0, example: around };
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups].slice(0, MOST_SAID).map(([key, { count, example }]) => `${key}, ${count} times\n      ${example}`);
}

const runs: { backend: string; planted: Record<string, number>; searched: Record<string, unknown>; hits: number }[] =
  [];
for (const external of [false, true]) {
  if ((external && options.postgresql) || (!external && options.redis)) continue;
  const backend = external ? 'a database beside it, Redis' : 'embedded database, its own queue';
  say(backend);
  const report = await runOnce(external);
  const rows = table(report);
  console.table(rows);
  for (const sentence of sentences(report)) say(sentence);
  runs.push({ backend, planted: report.planted, searched: rows, hits: report.hits.length });
}
const hits = runs.reduce((sum, run) => sum + run.hits, 0);
if (options.write) {
  const machine = describeMachine();
  await writeFile(RESULTS, `${JSON.stringify({ machine, seed: options.seed, runs }, undefined, 2)}\n`);
}
say(`${hits} hits; seed ${options.seed}`);
process.exit(hits > 0 ? 1 : 0);
