/** One run from start to verdict: people and a nemesis for a while, then kills at numbered awaits, then the count. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareAwaitPoints, type Role } from './await-points/await-points.js';
import { kinds, type Records, sentences, type Verdict } from './checker.js';
import { allStrikes, chooseStrikes, createCrashPoints, type Flow, flowName, flowNames } from './crash-points.js';
import type { HappeningKind } from './forge-protocol.js';
import { createNemesis } from './nemesis.js';
import { createRandom } from './random.js';
import { type Rig, startRig } from './rig.js';

export interface CampaignOptions {
  seed: number;
  /** Kills at random, and what must have been sent by then. */
  kills: number;
  deliveries: number;
  /** Workers that stand still for longer than their lease, one at a time. */
  stops: number;
  /** Kills at numbered awaits; Infinity: at all of them. */
  points: number;
  /** Only this kind of flow, see {@link flowNames}. */
  flow?: HappeningKind;
  redis: boolean;
  /** A database beside Forgeway, behind a network that fails. */
  external: boolean;
  /** Of how many kinds of flow on each forge the awaits are counted; Infinity: of all. */
  flows: number;
  /** Neither phase goes on longer than this, in seconds, though its numbers were not reached. */
  seconds: number;
  say(line: string): void;
  /** Aborted when everything is to end at once. */
  stopped: AbortSignal;
}

export interface CampaignResult {
  seed: number;
  backend: 'postgresql' | 'redis';
  database: 'embedded' | 'external';
  seconds: number;
  happenings: number;
  deliveries: number;
  attempts: number;
  effects: number;
  kills: Record<string, number>;
  faults: Record<string, number>;
  /** Awaits that one run of each flow passes through. */
  awaits: Record<string, Record<Role, number>>;
  points: { tried: number; hit: number };
  verdict: Verdict;
  /** What the forges were asked that a real one would not understand. */
  problems: string[];
}

/** People at work at a time, over all forges. */
const PEOPLE = 8;
/** They wait while more than this is not worked off, so that the end of a run is near its last kill. */
const MOST_OPEN = 100;
const PAUSE_MS = 30;

/** Sentences of each kind that are printed. */
const MOST_SAID = 20;
/** In the folder of a run that was not clean. */
const VERDICT = 'verdict.json';

export const isClean = ({ verdict }: CampaignResult): boolean => kinds.every((kind) => verdict[kind].length === 0);

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, redis, external, say, stopped } = options;
  const began = Date.now();
  const rig = await startRig({ seed, say, redis, external });
  let clean = false;
  try {
    const random = createRandom(seed ^ 0x5eed);
    const nemesis = createNemesis({ ...rig, random, say });
    await destroy(options, rig, nemesis, random);
    const struck = await strike(options, rig, random);
    stopped.throwIfAborted();
    await rig.drain(stopped);
    const { verdict, records, problems } = await rig.verdict();
    const result: CampaignResult = {
      seed,
      backend: redis ? 'redis' : 'postgresql',
      database: external ? 'external' : 'embedded',
      seconds: Math.round((Date.now() - began) / 1_000),
      happenings: records.happenings.length,
      deliveries: records.deliveries.length,
      attempts: rig.ledger.deliveries.reduce((sum, { attempts }) => sum + attempts.length, 0),
      effects: records.effects.length,
      kills: { ...nemesis.kills, ...(struck.hit > 0 && { await: struck.died }) },
      faults: nemesis.faults,
      awaits: struck.awaits,
      points: { tried: struck.tried, hit: struck.hit },
      verdict,
      problems,
    };
    clean = isClean(result);
    if (!clean) {
      // At once: a run of many campaigns prints its results only when the last one is over.
      for (const line of sentences(verdict, MOST_SAID)) say(line);
      await keepRecords(rig.folder, verdict, records);
    }
    return result;
  } finally {
    await rig.close(!clean && !stopped.aborted);
    if (!clean && !stopped.aborted) say(`kept for a look: ${rig.folder}`);
  }
}

/** What would be gone with the processes and the database; deliveries and effects have files of their own. */
async function keepRecords(folder: string, verdict: Verdict, records: Records): Promise<void> {
  const { happenings, heads, inbox, mirror, writes } = records;
  await writeFile(
    join(folder, VERDICT),
    `${JSON.stringify({ verdict, happenings, heads, inbox, mirror, writes }, null, 1)}\n`,
  );
}

type Nemesis = ReturnType<typeof createNemesis>;
type Random = ReturnType<typeof createRandom>;

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, count) => all + count, 0);

/** People work, and parts are killed, until there was enough of both. */
async function destroy(o: CampaignOptions, rig: Rig, nemesis: Nemesis, random: Random): Promise<void> {
  const { ledger, inbox, traffic } = rig;
  const deadline = Date.now() + o.seconds * 1_000;
  const state = { over: false, unfinished: 0 };
  const goOn = () => !state.over && !o.stopped.aborted;

  async function watch(): Promise<void> {
    while (goOn()) {
      // With the database down nobody knows; the next look tells.
      state.unfinished = await inbox.unfinished().catch(() => state.unfinished);
      await sleep(500);
    }
  }
  async function work(): Promise<void> {
    while (goOn()) {
      if (ledger.waiting() + state.unfinished <= MOST_OPEN) await traffic.once();
      // Slower than the looks at the inbox, so that it does not fill far beyond that between two of them.
      await sleep(PAUSE_MS);
    }
  }
  async function freeze(): Promise<void> {
    for (let stops = 0; stops < o.stops && goOn(); stops += 1) {
      await sleep(random.between(1_000, 10_000));
      await nemesis.standStill();
    }
  }
  async function rage(): Promise<void> {
    const started = Date.now();
    const share = () =>
      // Spread over deliveries and time, so that the last kills are as dangerous as the first.
      Math.max(ledger.deliveries.length / Math.max(1, o.deliveries), (Date.now() - started) / (deadline - started));
    while (goOn() && Date.now() < deadline) {
      if (sum(nemesis.kills) >= o.kills && ledger.deliveries.length >= o.deliveries) break;
      // Mostly something that has begun to work again; sometimes what is just starting.
      if (random.next() < 0.8) await rig.program.ready();
      await sleep(random.between(100, 2_000));
      if (sum(nemesis.kills) < Math.ceil(share() * o.kills)) await nemesis.kill();
      if (random.next() < 0.3) await nemesis.disturb();
    }
    state.over = true;
  }
  try {
    if (o.kills > 0 || o.deliveries > 0)
      await Promise.all([rage(), freeze(), watch(), ...Array.from({ length: PEOPLE }, () => work())]);
  } finally {
    state.over = true;
  }
  o.say(`${traffic.happenings.length} happenings, ${ledger.deliveries.length} deliveries, ${sum(nemesis.kills)} kills`);
}

function sample<T>(list: readonly T[], count: number, random: Random): T[] {
  const left = [...list];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0)
    chosen.push(...left.splice(Math.floor(random.next() * left.length), 1));
  return chosen;
}

interface Struck {
  awaits: Record<string, Record<Role, number>>;
  tried: number;
  /** Points that were reached. */
  hit: number;
  died: number;
}

async function strike(o: CampaignOptions, rig: Rig, random: Random): Promise<Struck> {
  const struck: Struck = { awaits: {}, tried: 0, hit: 0, died: 0 };
  if (o.points === 0 || o.stopped.aborted) return struck;
  const points = await prepareAwaitPoints(join(rig.folder, 'await-points'));
  o.say(`${points.awaits} awaits in the text from receipt to effect; Forgeway starts again with them numbered`);
  await rig.drain(o.stopped);
  // One worker, so that all of a flow's awaits are counted in one process.
  await rig.restart({ ...points.environment, WORKER_PROCESSES: '1' });
  const crash = createCrashPoints(rig, points);
  const all = Object.keys(flowNames) as HappeningKind[];
  const found = new Map<Flow, Record<Role, number>>();
  for (const { forge } of rig.forges)
    for (const kind of o.flow === undefined ? sample(all, o.flows, random) : [o.flow]) {
      if (o.stopped.aborted) return struck;
      const flow = { forge, kind };
      const counts = await crash.discover(flow);
      found.set(flow, counts);
      struck.awaits[flowName(flow)] = counts;
      o.say(`${flowName(flow)}: ${counts.server} awaits in the server, ${counts.worker} in a worker`);
    }
  const deadline = Date.now() + o.seconds * 1_000;
  for (const one of o.points === Number.POSITIVE_INFINITY ? allStrikes(found) : chooseStrikes(found, random)) {
    if (struck.tried >= o.points || Date.now() > deadline || o.stopped.aborted) break;
    struck.tried += 1;
    const died = await crash.strike(one);
    struck.died += died;
    if (died > 0) struck.hit += 1;
    const { role, point, recovery } = one;
    const twice = recovery.at > 0 ? `, and its successor at ${recovery.at}` : '';
    o.say(
      `${flowName(one)}: ${role} at await ${point.at} (${point.side})${twice}: ${died === 0 ? 'not reached' : 'died'}`,
    );
  }
  return struck;
}
