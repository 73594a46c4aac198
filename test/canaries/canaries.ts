/**
 * `npm run canaries`: runs the program with secrets in everything that it is given, and looks for them everywhere that
 * something of it could be. Ends with 1 when one is found where it does not belong.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, type Report } from './check.js';
import { ALL_OF_IT, tell } from './story.js';
import { startWorld } from './world.js';

const args = process.argv.slice(2);
const seed =
  args[args.indexOf('--seed') + 1] && args.includes('--seed')
    ? String(args[args.indexOf('--seed') + 1])
    : randomBytes(4).toString('hex');
const began = Date.now();
const say = (line: string) => console.log(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${line}`);

async function runOnce(external: boolean): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-canaries-'));
  const keep = args.includes('--keep');
  const world = await startWorld({
    seed,
    folder,
    external,
    connected: ['gitlab', 'gitea'],
    github: true,
    previews: true,
    say,
  });
  try {
    await tell(world, { ...ALL_OF_IT, seed, say });
    say(`${world.planted.length} secrets are looked for`);
    const report = await inspect(world, () => world.program.stop());
    if (keep) say(`kept: ${folder}`);
    return report;
  } finally {
    await world.close();
    if (!keep) await rm(folder, { recursive: true, force: true });
  }
}

function print(report: Report): void {
  const groups = new Map<string, number>();
  for (const { sink, canary, what } of report.hits) {
    const key = `${sink} | ${what.replace(/[0-9a-f-]{30,}/g, 'ID').slice(0, 70)} | ${canary.channel}`;
    groups.set(key, (groups.get(key) ?? 0) + 1);
  }
  for (const [key, count] of groups) console.log(`${String(count).padStart(5)}  ${key}`);
  console.log(report.searched, report.lawful);
}

const reports: Report[] = [];
for (const external of args.includes('--redis') ? [true] : args.includes('--postgresql') ? [false] : [false, true]) {
  say(external ? 'external database, Redis' : 'embedded database');
  const report = await runOnce(external);
  print(report);
  reports.push(report);
}
await writeFile(join(tmpdir(), `canary-hits-${process.pid}.json`), JSON.stringify(reports, null, 1));
const hits = reports.reduce((sum, report) => sum + report.hits.length, 0);
say(`${hits} hits; seed ${seed}; details ${join(tmpdir(), `canary-hits-${process.pid}.json`)}`);
process.exit(hits > 0 ? 1 : 0);
