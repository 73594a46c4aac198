/** Whatever can go wrong around Forgeway, at times and places that the seed decides. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, FaultProxy } from './fault-proxy.js';
import type { ForgeClient } from './forge-client.js';
import type { Program } from './program.js';
import type { Random } from './random.js';
import type { RedisProcess } from './redis-process.js';

export interface NemesisOptions {
  program: Program;
  forges: readonly ForgeClient[];
  /** In front of each forge, and of the database where it is not Forgeway's own. */
  proxies: ReadonlyMap<string, FaultProxy>;
  redis: RedisProcess | undefined;
  random: Random;
  say(line: string): void;
}

export type KillKind = 'worker' | 'workers' | 'server' | 'database' | 'redis' | 'everything';

export interface Nemesis {
  readonly kills: Record<KillKind, number>;
  readonly faults: Record<string, number>;
  /** One kill and whatever must be started again after it. */
  kill(kind?: KillKind): Promise<void>;
  /** A worker stands still for longer than its lease, and goes on as if nothing had been. Resolves when it goes on. */
  standStill(): Promise<void>;
  /** One disturbance of the network, or answers that get lost; over when the promise resolves. */
  disturb(): Promise<void>;
}

const KILLS: Readonly<Record<KillKind, number>> = {
  worker: 10,
  workers: 3,
  server: 2,
  database: 2,
  redis: 0,
  everything: 1,
};
const FAULTS = { drop: 3, 'half-open': 2, delay: 3, reset: 3, throttle: 2, 'lose-answers': 5 } as const;
const LONGEST_MS = 2_000;
/** Leases are ten seconds. */
const STANDSTILL_MS = { least: 11_000, most: 20_000 };
/** In-flight requests of a killed worker may arrive this much later; the guarantee is written for under three seconds. */
const LONGEST_DELAY_MS = 800;

export function createNemesis({ program, forges, proxies, redis, random, say }: NemesisOptions): Nemesis {
  const kills: Record<KillKind, number> = { worker: 0, workers: 0, server: 0, database: 0, redis: 0, everything: 0 };
  const weights = { ...KILLS, redis: redis === undefined ? 0 : 3 };
  const faults: Record<string, number> = {};

  async function restartServer(): Promise<void> {
    await program.gone();
    await sleep(random.between(0, 300));
    await program.start();
  }

  async function victims(kind: KillKind): Promise<number[]> {
    const workers = program.workers();
    if (kind === 'worker') return workers.length === 0 ? [] : [random.pick(workers)];
    if (kind === 'workers') return workers;
    if (kind === 'server') return [program.server()];
    if (kind === 'redis') return redis === undefined ? [] : [redis.pid()];
    const postmaster = await program.postmaster();
    const database = postmaster === undefined ? [] : [postmaster];
    return kind === 'database' ? database : [program.server(), ...workers, ...database];
  }

  function faultOf(kind: Exclude<keyof typeof FAULTS, 'lose-answers'>): Fault {
    if (kind === 'delay') return { kind, ms: random.between(20, LONGEST_DELAY_MS) };
    if (kind === 'reset') return { kind, afterBytes: random.between(1, 20_000) };
    return kind === 'throttle' ? { kind, bytesPerSecond: random.between(500, 20_000) } : { kind };
  }

  return {
    kills,
    faults,
    async kill(kind = random.weighted(weights)) {
      const pids = await victims(kind);
      if (program.kill(pids) === 0) return;
      kills[kind] += 1;
      say(`SIGKILL ${kind} (${pids.join(', ')})`);
      if (kind === 'redis') await redis?.start();
      if (kind === 'server' || kind === 'everything') await restartServer();
    },
    async standStill() {
      const [pid] = await victims('worker');
      if (pid === undefined || !program.signal(pid, 'SIGSTOP')) return;
      faults['stand-still'] = (faults['stand-still'] ?? 0) + 1;
      say(`SIGSTOP worker (${pid})`);
      await sleep(random.between(STANDSTILL_MS.least, STANDSTILL_MS.most));
      // It may have been killed meanwhile.
      program.signal(pid, 'SIGCONT');
    },
    async disturb() {
      const kind = random.weighted(FAULTS);
      faults[kind] = (faults[kind] ?? 0) + 1;
      if (kind === 'lose-answers') {
        const forge = random.pick(forges);
        say(`${kind} at ${forge.forge}`);
        await forge.order({ kind, count: random.between(1, 3) });
        return;
      }
      const [name, proxy] = random.pick([...proxies]);
      say(`${kind} at ${name}`);
      proxy.set(faultOf(kind));
      await sleep(random.between(200, LONGEST_MS));
      proxy.set({ kind: 'none' });
    },
  };
}
