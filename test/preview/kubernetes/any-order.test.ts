/**
 * Two pull requests whose deliveries come in any order, some of them twice, while answers of the cluster are lost and the worker is
 * killed in the middle of a call: what stands in the end is what the forge says last, and nothing else.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { askPreview } from '../../../src/jobs/preview/desired.js';
import { ForgewayError } from '../../../src/lib/errors.js';
import { type LifeState, pullRequestPayload, pusher, sha, start } from '../../handlers/pull-request-life.js';
import { isReal } from '../../support/kubernetes-api/chosen.js';
import { failures } from '../../support/kubernetes-api/faults.js';
import { listenTo } from './deliveries.js';
import { createRig, eventually, type Rig } from './rig.js';

const REPOSITORY = 900;
const RUNS = Number(process.env.FORGEWAY_ORDER_RUNS ?? 12);
// A real one takes seconds to be rid of each namespace.
jest.setTimeout(isReal ? 1_800_000 : 300_000);
const CONFIG = `preview:
  labels: [shown]
  paths: ['web/**']
  services:
    web:
      image: registry.example.com/web:{sha}
      port: 8080
`;

type Change = 'push' | 'close' | 'reopen' | 'label' | 'unlabel' | 'retarget away' | 'retarget back';
const CHANGES: readonly Change[] = ['push', 'close', 'reopen', 'label', 'unlabel', 'retarget away', 'retarget back'];
interface Truth {
  open: boolean;
  commit: number;
  isLabelled: boolean;
  /** What it changes against the branch that it is for. */
  isRelevant: boolean;
}
interface Told {
  event: string;
  at: number;
  truth: Truth;
}

const ACTIONS: Readonly<Record<Change, string>> = {
  ...{ push: 'synchronize', close: 'closed', reopen: 'reopened', label: 'labeled', unlabel: 'unlabeled' },
  ...{ 'retarget away': 'edited', 'retarget back': 'edited' },
};

/** What a forge lets happen: only what is open is closed or pushed to, and so on. */
function historyOf(changes: readonly Change[]): Told[] {
  let truth: Truth = { open: true, commit: 1, isLabelled: true, isRelevant: true };
  const told: Told[] = [{ event: 'opened', at: 0, truth }];
  for (const change of changes) {
    const next: Truth = {
      push: { ...truth, commit: truth.open ? truth.commit + 1 : truth.commit },
      close: { ...truth, open: false },
      reopen: { ...truth, open: true },
      label: { ...truth, isLabelled: true },
      unlabel: { ...truth, isLabelled: false },
      'retarget away': { ...truth, isRelevant: false },
      'retarget back': { ...truth, isRelevant: true },
    }[change];
    if (JSON.stringify(next) === JSON.stringify(truth)) continue;
    truth = next;
    told.push({ event: ACTIONS[change], at: told.length, truth });
  }
  return told;
}

let rig: Rig;
let receive: ReturnType<typeof listenTo>;
let open: Rig['clusters']['open'];
beforeAll(async () => {
  rig = await createRig({
    ...(isReal ? { timeoutMs: 10_000, readyTimeoutSeconds: 60 } : { pollMs: 5 }),
    ...{ on: 'chosen, told', api: { fate: () => 'runs' } },
  });
  open = rig.clusters.open;
  receive = listenTo(rig, new Date(start + 600_000));
  rig.forge.config = CONFIG;
  Object.assign(rig.forge, { repositoryId: REPOSITORY, userId: pusher.id });
});
afterAll(() => rig.end());

/** Different for each pull request, so that one whose image is another's is found. */
const commitOf = (number: number, commit: number) => sha(number * 1_000 + commit);

function happens(number: number, { open, commit, isLabelled, isRelevant }: Truth): void {
  rig.forge.pullRequests.set(number, {
    ...{ state: open ? 'open' : 'closed', sha: commitOf(number, commit), headRepositoryId: REPOSITORY },
    ...{ labels: isLabelled ? ['shown'] : [], files: [isRelevant ? 'web/index.html' : 'docs/a.md'] },
  });
}

async function deliver(number: number, { event, at, truth }: Told): Promise<void> {
  const state: LifeState = {
    ...{ state: truth.open ? 'open' : 'closed', title: 'First', merged: false },
    ...{ labels: truth.isLabelled ? ['shown'] : [], head: commitOf(number, truth.commit) },
  };
  const payload = pullRequestPayload(
    { repositoryId: REPOSITORY, number },
    { action: event, state, sender: pusher, at },
  );
  const changes = event === 'edited' ? { changes: { base: { ref: { from: 'main' }, sha: { from: sha(0) } } } } : {};
  await receive(`pull_request.${event}`, { ...payload, ...changes });
}

const rowOf = async (number: number) => {
  const { rows } = await rig.store.tenant(rig.organizationId, (tx) =>
    tx.query<{ name: string; phase: string; message: string | null; settled: boolean }>(
      `SELECT p.name, p.phase, p.message, p.observed_version = p.desired_version AS settled
       FROM preview p JOIN pull_request q ON q.id = p.pull_request_id WHERE q.number = $1`,
      [number],
    ),
  );
  return rows[0];
};

/** Every namespace that says that it is ours. */
const ours = async () =>
  (await rig.chosen.behind.list('Namespace'))
    .filter(({ metadata }) => metadata.annotations?.['forgeway.dev/identity']?.includes(rig.organizationId))
    .filter(({ metadata }) => rig.chosen.isMadeHere(metadata.name))
    .map(({ metadata }) => metadata.name)
    .sort();
/** Where anything of ours ever was. */
const names = new Set<string>();
const leftIn = async (kind: string) =>
  (await rig.chosen.behind.list(kind)).filter(({ metadata }) => names.has(metadata.namespace ?? ''));

const history = fc
  .array(fc.constantFrom(...CHANGES), { minLength: 0, maxLength: 6 })
  .map(historyOf)
  .chain((told) =>
    fc.record({
      told: fc.constant(told),
      // Each at least once: what a forge never delivered is found by other means.
      order: fc.shuffledSubarray([...told, ...told], { minLength: told.length }).map((some) => {
        const missing = told.filter((one) => !some.includes(one));
        return [...some, ...missing];
      }),
      /** In the end the forge knows it no longer: its repository was moved away. */
      isAway: fc.boolean(),
      /** Something in its namespace keeps that from going, if it is to go, until all has been told. */
      isHeld: fc.boolean(),
    }),
  );
const story = fc.record({
  first: history,
  second: history,
  /** Which of the two is told of next. */
  turns: fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
  /** After so many calls of the cluster since the last time. */
  crashes: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
  /** Nobody can say how to get to the cluster, between these two turns. */
  unusable: fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 24 })),
  lost: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }),
});

let next = 5_000;
const HOLD_AT = 4;
const counts = { crashes: 0, held: 0, shown: 0, gone: 0 };

async function hold(number: number): Promise<void> {
  const name = (await rowOf(number))?.name;
  if (name === undefined) return;
  const { behind } = rig.chosen;
  const namespace = await behind.get('Namespace', undefined, name);
  if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
  const metadata = { name: 'held', namespace: name, finalizers: ['example.com/never'] };
  await behind.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata });
  counts.held += 1;
}
async function release(number: number): Promise<void> {
  const name = (await rowOf(number))?.name;
  if (name !== undefined) await rig.chosen.behind.edit('ConfigMap', name, 'held', { metadata: { finalizers: null } });
}
const nobodyKnows = async (): Promise<never> => {
  throw new ForgewayError('FORGEWAY_CLUSTER_UNUSABLE', 'The cluster that this preview was made on is not known here.');
};
/** As the sweep or a person does. */
async function look(number: number): Promise<void> {
  const { rows } = await rig.store.tenant(rig.organizationId, (tx) =>
    tx.query<{ id: string }>(
      'SELECT p.id FROM preview p JOIN pull_request q ON q.id = p.pull_request_id WHERE q.number = $1',
      [number],
    ),
  );
  for (const { id: previewId } of rows) {
    const asked = await rig.store.tenant(rig.organizationId, (tx) => askPreview(tx, { previewId, to: 'look-again' }));
    if (asked !== null) await rig.queue.poke({ organizationId: rig.organizationId, id: asked.id });
  }
}

describe('two pull requests', () => {
  it('end as the forge says last, whatever came when, and whoever died over it', async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ first, second, turns, crashes, lost, unusable }) => {
        const both = [first, second].map((one) => {
          next += 1;
          return { ...one, number: next, at: -1, waiting: [...one.order] };
        });
        const before = await ours();
        let calls = 0;
        let crashed: Promise<void> = Promise.resolve();
        const nextCrash = [...crashes];
        const nextLost = [...lost];
        let crashAt = nextCrash.shift() ?? Number.POSITIVE_INFINITY;
        let lostAt = nextLost.shift() ?? Number.POSITIVE_INFINITY;
        const stopCrashes = rig.chosen.faults.add('reset', {
          when: () => {
            calls += 1;
            if (calls < crashAt) return false;
            crashAt = calls + (nextCrash.shift() ?? Number.POSITIVE_INFINITY);
            crashed = crashed.then(() => rig.crash());
            return true;
          },
        });
        const stopLost = rig.chosen.faults.add('lost', {
          when: ({ verb }) => {
            if (calls < lostAt || verb === 'watch') return false;
            lostAt = calls + (nextLost.shift() ?? Number.POSITIVE_INFINITY);
            return true;
          },
        });
        const stopConflicts = rig.chosen.faults.add(failures.conflict(), {
          when: ({ verb }) => verb === 'apply',
          times: 1,
        });

        for (const [index, turn] of turns.entries()) {
          rig.clusters.open = index >= unusable[0] && index < unusable[1] ? nobodyKnows : open;
          if (index === HOLD_AT && both.some(({ isHeld }) => isHeld)) {
            // At rest for once, so that something stands.
            rig.clusters.open = open;
            await crashed;
            await rig.drained();
            for (const one of both) if (one.isHeld) await hold(one.number);
          }
          for (const one of turn ? both : [...both].reverse()) {
            const told = one.waiting.shift();
            if (told === undefined) continue;
            // What happened is true before anybody is told of it.
            if (told.at > one.at) {
              one.at = told.at;
              happens(one.number, told.truth);
            }
            await deliver(one.number, told);
            break;
          }
        }
        for (const one of both)
          for (const told of one.waiting.splice(0)) {
            if (told.at > one.at) {
              one.at = told.at;
              happens(one.number, told.truth);
            }
            await deliver(one.number, told);
          }
        rig.clusters.open = open;
        await Promise.all(both.map(({ number }) => release(number)));
        for (const { number, isAway, told } of both) {
          if (!isAway) continue;
          rig.forge.pullRequests.delete(number);
          if (told[0] !== undefined) await deliver(number, told[0]);
          await look(number);
        }
        await crashed;
        counts.crashes += crashes.length - nextCrash.length;
        stopCrashes();
        stopLost();
        stopConflicts();
        await rig.crash();
        await rig.drained();
        await crashed;
        await rig.drained();

        const wanted: string[] = [...before];
        for (const { number, told, order, isAway } of both) {
          const last = told.at(-1)?.truth as Truth;
          const isShown = !isAway && last.open && last.isLabelled && last.isRelevant;
          const row = await eventually(
            async () => {
              const found = await rowOf(number);
              return found === undefined || found.settled ? { found } : undefined;
            },
            () => rowOf(number),
          );
          const name = row.found?.name ?? 'none';
          names.add(name);
          const images = (await rig.chosen.behind.list('Deployment', name)).map(({ spec }) => {
            const { template } = spec as { template: { spec: { containers: { image: string }[] } } };
            return template.spec.containers[0]?.image;
          });
          if (isShown) wanted.push(name);
          counts[isShown ? 'shown' : 'gone'] += 1;
          const said = order.map(({ event, at }) => `${event} ${at}`).join(', ');
          expect({ said, phase: row.found?.phase ?? 'gone', message: row.found?.message ?? null, images }).toEqual({
            ...{ said, message: null },
            phase: isShown ? 'ready' : expect.stringMatching(/^(gone|pending)$/),
            images: isShown ? [`registry.example.com/web:${commitOf(number, last.commit)}`] : [],
          });
        }
        expect(await ours()).toEqual(wanted.sort());
        // What one run leaves standing the next one would stumble over: the forge no longer knows them.
        for (const { number } of both) {
          rig.forge.pullRequests.delete(number);
          await deliver(number, {
            event: 'closed',
            at: 50,
            truth: { open: false, commit: 1, isLabelled: true, isRelevant: true },
          });
        }
        await rig.drained();
        expect(await ours()).toEqual([]);
        for (const kind of ['Secret', 'Pod']) expect(await leftIn(kind)).toEqual([]);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    // None of it is a test of nothing.
    for (const [what, times] of Object.entries(counts)) expect([what, times > 0]).toEqual([what, true]);
  });
});

it('a pull request against another branch has a preview by what it changes there', async () => {
  const number = 4_000;
  for (const told of historyOf(['retarget away', 'retarget back', 'unlabel', 'label'])) {
    happens(number, told.truth);
    await deliver(number, told);
    await rig.drained();
    const isShown = told.truth.isRelevant && told.truth.isLabelled;
    expect([told.event, told.at, (await rowOf(number))?.phase]).toEqual([
      told.event,
      told.at,
      isShown ? 'ready' : 'gone',
    ]);
  }
});
