/** The process dies before each step that it takes outside of itself, from a push to its apply; another one goes on. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Store } from '../../src/store/database.js';
import { createRunRig, type Outside, type RunRig } from './run-rig.js';

class Died extends Error {
  override readonly name = 'Died';
}

/** Counts what a process does outside of itself, and lets it die before one of those steps: after that it does nothing at all. */
function mortal({ store, octokit, executor }: Outside, dies = Number.POSITIVE_INFINITY) {
  const steps: string[] = [];
  const reach = (what: string) => {
    if (steps.length >= dies) throw new Died(`before step ${dies}`);
    steps.push(what);
  };
  const counted = <T extends object>(target: T, name: string, methods: readonly string[]): T =>
    new Proxy(target, {
      get(of, key) {
        const value: unknown = Reflect.get(of, key);
        if (typeof value !== 'function') return value;
        const call = value.bind(of) as (...given: unknown[]) => unknown;
        if (!methods.includes(String(key))) return call;
        return async (...given: unknown[]) => {
          reach(`${name}.${String(key)}`);
          return call(...given);
        };
      },
    });
  const pool = counted(store.pool, 'pool', ['query']);
  const seen: Outside = {
    store: new Proxy(counted(store, 'store', ['tenant', 'glance']), {
      get: (of, key) => (key === 'pool' ? pool : Reflect.get(of, key)),
    }) as Store,
    octokit: counted(octokit, 'forge', ['request']),
    executor: counted(executor, 'executor', ['start', 'look', 'end', 'log', 'interrupt', 'remove', 'list']),
  };
  return { seen, steps };
}

describe('a process that dies', () => {
  let rig: RunRig;
  beforeAll(async () => {
    // Else a look at the version, which is by the clock, would be a step.
    rig = await createRunRig({ supersededPollMs: 600_000 });
  });
  afterAll(() => rig.close());

  let letters = 0;
  /** A new commit on the branch, which a workspace of its own applies by itself. */
  async function pushed(): Promise<string> {
    await rig.rows('DELETE FROM workspace');
    rig.stub.begun.length = 0;
    letters += 1;
    rig.forge.branches.set('main', letters.toString(16).padStart(40, '0'));
    return rig.workspace({ autoApply: true });
  }

  async function work(seen: Outside): Promise<void> {
    await rig.restart(seen);
    for (const go of [rig.look, rig.drive])
      await go().catch((error: unknown) => {
        if (!(error instanceof Died)) throw error;
      });
  }

  async function settleAll(): Promise<void> {
    await rig.restart();
    for (let round = 0; round < 5; round += 1) {
      await rig.rows(
        'UPDATE run SET next_attempt_at = NULL, lease_until = NULL WHERE observed_version <> desired_version',
      );
      await rig.look();
      await rig.drive();
      const [left] = await rig.rows<{ n: number }>(
        'SELECT count(*)::int AS n FROM run WHERE observed_version <> desired_version OR finished_at IS NULL',
      );
      if (round > 0 && left?.n === 0) return;
    }
  }

  it('before any step between a push and its apply loses nothing, and nothing is done twice', async () => {
    const whole = mortal(rig.outside);
    const first = await pushed();
    await work(whole.seen);
    expect((await rig.runsOf(first)).map(({ status }) => status)).toEqual(['applied']);
    const { steps } = whole;
    // Of each kind: the forge is asked, the database written, the executor told.
    for (const kind of ['forge.request', 'store.tenant', 'executor.start', 'executor.end', 'executor.remove'])
      expect(steps).toContain(kind);

    const wrong: unknown[] = [];
    for (let dies = 0; dies < steps.length; dies += 1) {
      const id = await pushed();
      const { seen } = mortal(rig.outside, dies);
      await work(seen);
      const [row, left] = [await rig.row(id), await rig.runsOf(id)];
      const lost = row.vcsLastCommitSha !== null && left.length === 0;
      await settleAll();
      const runs = await rig.runsOf(id);
      const [run] = runs;
      const after = await rig.row(id);
      const found = {
        lost,
        runs: runs.map(({ status }) => status),
        begun: rig.stub.begun.map((one) => one.do.phase),
        logs: run && [await rig.log(run.id, 'plan'), await rig.log(run.id, 'apply')],
        states: (await rig.rows('SELECT FROM state_version WHERE workspace_id = $1', [id])).length,
        seen: after.vcsLastCommitSha === rig.forge.branches.get('main'),
        locked: after.lockedByRunId,
        left: rig.stub.works.size,
      };
      const right = {
        ...{ lost: false, runs: ['applied'], begun: ['plan', 'apply'], logs: ['plan begun\n', 'apply begun\n'] },
        ...{ states: 1, seen: true, locked: null, left: 0 },
      };
      if (JSON.stringify(found) !== JSON.stringify(right)) wrong.push({ before: `${dies}: ${steps[dies]}`, ...found });
    }
    expect(wrong).toEqual([]);
  });
});
