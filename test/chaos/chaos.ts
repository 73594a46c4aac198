/** `npm run chaos`: people work on three forges while parts of Forgeway are killed; afterwards everything is counted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { kinds } from './checker.js';
import { createNemesis } from './nemesis.js';
import { createRandom } from './random.js';
import { startRig } from './rig.js';

const seed = Number(process.argv[2] ?? Math.floor(Math.random() * 2 ** 32));
const wantedDeliveries = Number(process.argv[3] ?? 400);
const wantedKills = Number(process.argv[4] ?? 10);
const started = Date.now();
const say = (line: string) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
say(`seed ${seed}`);
const rig = await startRig({ seed, say });
let failed = true;
try {
  const random = createRandom(seed ^ 0x5eed);
  const nemesis = createNemesis({ ...rig, random, say });
  const killed = () => Object.values(nemesis.kills).reduce((sum, count) => sum + count, 0);
  const state = { over: false, unfinished: 0 };
  const watch = (async () => {
    while (!state.over) {
      // With the database down nobody knows; the next look tells.
      state.unfinished = await rig.inbox.unfinished().catch(() => state.unfinished);
      await sleep(1_000);
    }
  })();
  const people = Array.from({ length: 4 }, async () => {
    while (!state.over) {
      await rig.traffic.once();
      while (!state.over && rig.ledger.waiting() + state.unfinished > 60) await sleep(100);
    }
  });
  const work = Promise.all(people);
  const destroy = (async () => {
    while (killed() < wantedKills || rig.ledger.deliveries.length < wantedDeliveries) {
      await sleep(random.between(300, 3000));
      if (killed() < wantedKills) await nemesis.kill();
      if (random.next() < 0.5) await nemesis.disturb();
    }
  })();
  await Promise.race([work, destroy]);
  await destroy;
  state.over = true;
  await work;
  await watch;
  say(`${rig.traffic.happenings.length} happenings, ${rig.ledger.deliveries.length} deliveries, ${killed()} kills`);
  await rig.drain();
  const { verdict, records, problems } = await rig.verdict();
  say(`${records.effects.length} effects, ${records.inbox.length} rows`);
  for (const kind of kinds) {
    console.log(kind.padEnd(12), verdict[kind].length);
    for (const line of verdict[kind].slice(0, 10)) console.log('   ', line.slice(0, 400));
  }
  for (const line of problems.slice(0, 10)) console.log('problem', line.slice(0, 400));
  failed = kinds.some((kind) => verdict[kind].length > 0);
} finally {
  await rig.close(failed || process.env.KEEP === '1');
  if (failed) console.log(`kept: ${rig.folder}`);
}
process.exit(failed ? 1 : 0);
