/** Kills a process at numbered awaits between the receipt of one event and its effects. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AwaitPoints, Point, Role } from './await-points/await-points.js';
import type { HappeningKind } from './forge-protocol.js';
import type { Random } from './random.js';
import type { Rig } from './rig.js';

export interface Flow {
  forge: string;
  kind: HappeningKind;
}

/** As GitHub calls what apps see of it. */
export const flowNames: Readonly<Record<HappeningKind, string>> = {
  pull: 'pull_request.opened',
  sync: 'pull_request.synchronize',
  close: 'pull_request.closed',
  comment: 'issue_comment.created',
  issue: 'issues.opened',
  push: 'push',
};

export const flowName = ({ forge, kind }: Flow): string => `${forge} ${flowNames[kind]}`;

export interface Strike extends Flow {
  role: Role;
  point: Point;
  /** Where the worker dies that takes over; at 0 it does not. */
  recovery: Point;
}

export interface CrashPoints {
  /** Runs a flow once and counts the awaits that it passes through in each role, with whatever runs beside it. */
  discover(flow: Flow): Promise<Record<Role, number>>;
  /** Answers the processes that died; none when the flow was over before it came to that point. */
  strike(strike: Strike): Promise<number>;
}

const FLOW_MS = 30_000;
const LOOK_MS = 150;
const QUIET_LOOKS = 4;
const NOWHERE: Point = { at: 0, side: 'sent' };

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

export function createCrashPoints(rig: Rig, points: AwaitPoints): CrashPoints {
  const { program, forges, ledger, inbox, traffic } = rig;

  /**
   * Restarts the server when it was it that died, and waits until nothing is left of the flow. `more`: webhooks that the
   * ledger has at least by then, since a forge tells of something a moment after it has done it.
   */
  async function finish(more: number, died: (pid: number) => void, before: readonly number[]): Promise<void> {
    const deadline = Date.now() + FLOW_MS;
    for (let quiet = 0; quiet < QUIET_LOOKS && Date.now() < deadline; await sleep(LOOK_MS)) {
      if (!isAlive(program.server())) {
        await program.gone();
        await program.start();
      }
      for (const { order } of forges) await order({ kind: 'settled' });
      const open = ledger.waiting() + (await inbox.unfinished());
      quiet = open === 0 && ledger.deliveries.length >= more ? quiet + 1 : 0;
      if (open > 0) await inbox.passTime();
      for (const pid of before) if (!isAlive(pid)) died(pid);
    }
  }

  /** Makes whatever a flow needs, so that it is no part of the flow. */
  async function prepare({ forge, kind }: Flow): Promise<number[]> {
    await traffic.prepare(forge, kind);
    await finish(0, () => undefined, []);
    return settledProcesses();
  }

  /** Workers that have been started but do not listen to signals yet would die of ours. */
  async function settledProcesses(): Promise<number[]> {
    for (;;) {
      const workers = program.workers();
      await program.ready();
      if (workers.length > 0 && workers.join() === program.workers().join()) return [program.server(), ...workers];
      await sleep(50);
    }
  }

  return {
    async discover(flow) {
      const pids = await prepare(flow);
      const sent = ledger.deliveries.length;
      await points.arm(pids, { server: NOWHERE, worker: NOWHERE });
      await traffic.make(flow.forge, flow.kind);
      await finish(sent + 1, () => undefined, []);
      return points.count(pids);
    },
    async strike({ role, point, recovery, ...flow }) {
      const pids = await prepare(flow);
      const sent = ledger.deliveries.length;
      const dead = new Set<number>();
      await points.arm(pids, { [role]: point }, recovery);
      await traffic.make(flow.forge, flow.kind);
      await finish(sent + 1, (pid) => dead.add(pid), pids);
      await points.count([program.server(), ...program.workers()]);
      return dead.size;
    },
  };
}

/** Points of all flows, in an order and choice that the seed decides: those of the server are fewer, and so are its turns. */
export function* chooseStrikes(
  found: ReadonlyMap<Flow, Record<Role, number>>,
  random: Random,
): Generator<Strike, never, unknown> {
  const flows = [...found.keys()];
  for (;;) {
    const flow = random.pick(flows);
    const role: Role = random.next() < 0.1 ? 'server' : 'worker';
    const most = found.get(flow)?.[role] ?? 0;
    if (most === 0) continue;
    const side = random.next() < 0.5 ? ('sent' as const) : ('answered' as const);
    const again = role === 'worker' && random.next() < 0.25;
    yield {
      ...flow,
      role,
      point: { at: random.between(1, most), side },
      recovery: { at: again ? random.between(1, most) : 0, side },
    };
  }
}

/** Every point of every flow, on both sides. */
export function* allStrikes(found: ReadonlyMap<Flow, Record<Role, number>>): Generator<Strike> {
  for (const [flow, counts] of found)
    for (const role of ['server', 'worker'] as const)
      for (let at = 1; at <= counts[role]; at += 1)
        for (const side of ['sent', 'answered'] as const)
          yield { ...flow, role, point: { at, side }, recovery: NOWHERE };
}
