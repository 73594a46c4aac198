/**
 * What can go wrong at a cluster, while a preview is made, replaced or removed (reliability.md, D): as soon as it is put
 * right, the goal is reached, by looking again and nothing else. Each case has its own namespace, and counts only when its
 * fault was met. What a server says in each, and whether a real one was seen to say so, stands in transcripts.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WATCHED } from '../../../src/jobs/preview/kubernetes/inventory.js';
import { isReal } from '../../support/kubernetes-api/chosen.js';
import type { Asked } from '../../support/kubernetes-api/faults.js';
import { failures } from '../../support/kubernetes-api/faults.js';
import type { Fate } from '../../support/kubernetes-api/pod-life.js';
import { type FaultName, transcripts } from '../../support/kubernetes-api/transcripts.js';
import { createRig, eventually, IMAGE_CONFIG, type Rig, sha } from './rig.js';

const BUILT_CONFIG = IMAGE_CONFIG.replace('image: registry.example.com/web:{sha}', 'build: {dockerfile: Dockerfile}');
const WRITTEN = join(import.meta.dirname, '../../support/kubernetes-api/transcripts');
type Step = 'create' | 'update' | 'delete';
const steps: readonly Step[] = ['create', 'update', 'delete'];
/** Of all of it; more of them, for a machine that does nothing else, finds rarer turns of events. */
const ROUNDS = Number(process.env.FORGEWAY_FAULT_ROUNDS ?? 1);
/** A test's database has few connections. */
const AT_ONCE = 7;
const END_AGAIN_MS = 2_000;

let rig: Rig;
const fates = new Map<string, { fate: Fate; met(): void }>();

interface Fault {
  met(): boolean | Promise<boolean>;
  repair(): void | Promise<void>;
}
/** Breaks it for one namespace. */
type Break = (namespace: string, step: Step) => Fault | Promise<Fault>;

const isWrite = ({ verb }: Asked) => ['create', 'apply', 'update', 'patch', 'delete'].includes(verb);
const within = (namespace: string) => (asked: Asked) =>
  asked.namespace === namespace || (asked.kind === 'Namespace' && asked.name === namespace);
function counted() {
  const times: true[] = [];
  return { note: () => void times.push(true), met: () => times.length > 0 };
}

const refusing =
  (failure: Parameters<Rig['chosen']['faults']['add']>[0], which: (asked: Asked) => boolean = isWrite): Break =>
  (namespace) => {
    const { note, met } = counted();
    const when = (asked: Asked) => {
      const is = within(namespace)(asked) && which(asked);
      if (is) note();
      return is;
    };
    return { met, repair: rig.chosen.faults.add(failure, { when }) };
  };
/** Pods that are there are taken away, as those of a node that is gone; new ones fare as they are told. */
const faring =
  (fate: Fate): Break =>
  async (namespace, step) => {
    const { note, met } = counted();
    const { behind } = rig.chosen;
    const renew = async () => {
      for (const pod of await behind.list('Pod', namespace)) await behind.delete('Pod', namespace, pod.metadata.name);
    };
    fates.set(namespace, { fate, met: note });
    await renew();
    return {
      // What goes away may be gone before a new pod of it was made.
      met: () => step === 'delete' || met(),
      async repair() {
        fates.delete(namespace);
        await renew();
      },
    };
  };

const faults: Readonly<Record<FaultName, Break>> = {
  'a conflict': refusing(failures.conflict()),
  'a watch that expired': async () => {
    const { chosen } = rig;
    const from = chosen.asked.length;
    // Broken off, and begun again from a version that is not kept any more; then everything is listed anew.
    chosen.endWatches();
    if (chosen.memory === undefined) {
      // Of each kind once: one that is listed anew and watched again may not use up what is meant for another.
      for (const one of WATCHED)
        chosen.faults.add('forgotten', { when: ({ verb, kind }) => verb === 'watch' && kind === one, times: 1 });
    } else {
      const metadata = { name: `later-${from}`, namespace: 'default' };
      await chosen.behind.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata });
      chosen.memory.store.compact();
    }
    const isListed = () =>
      chosen.asked.slice(from).some(({ verb, kind }) => verb === 'list' && kind === 'NetworkPolicy');
    let endedAt = performance.now();
    const met = () => {
      // One that was being begun in that moment was not there to be ended.
      if (!isListed() && performance.now() - endedAt > END_AGAIN_MS) {
        chosen.endWatches();
        endedAt = performance.now();
      }
      return isListed();
    };
    return { met, repair: () => undefined };
  },
  'too many requests': refusing(failures.tooMany(0)),
  'no quota left': refusing(failures.quota()),
  'a policy that denies': refusing(failures.denied()),
  'an internal error': refusing(failures.internal(), () => true),
  'a server that is not there': refusing('reset', () => true),
  'an answer that is lost': refusing('lost'),
  'a node that is gone': faring('no-node'),
  'an image that cannot be pulled': faring('no-image'),
  'a volume that stays pending': faring('volume-pending'),
  'a namespace that does not go': async (namespace) => {
    const { behind } = rig.chosen;
    const metadata = { name: 'held', namespace, finalizers: ['example.com/never'] };
    await behind.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata });
    return {
      met: async () => (await behind.get('Namespace', undefined, namespace))?.status?.conditions !== undefined,
      repair: () => behind.edit('ConfigMap', namespace, 'held', { metadata: { finalizers: [] } }),
    };
  },
  'an object that somebody edits': async (namespace, step) => {
    const { behind } = rig.chosen;
    const edited = () => behind.list('Deployment', namespace);
    const spec = { template: { spec: { containers: [{ name: 'web', image: 'busybox' }] } } };
    const edit = async () => {
      for (const { metadata } of await edited()) await behind.edit('Deployment', namespace, metadata.name, { spec });
      for (const { metadata } of (await behind.list('NetworkPolicy', namespace)).slice(0, 1))
        await behind.delete('NetworkPolicy', namespace, metadata.name);
    };
    if (step !== 'create') await edit();
    // What is being made is edited as soon as it is there.
    return {
      met: async () => (await edited()).length > 0 || step === 'delete',
      repair: step === 'create' ? edit : () => undefined,
    };
  },
  'a build that uses too much memory': (namespace) => {
    const { note, met } = counted();
    fates.set(`build ${namespace}`, { fate: 'out-of-memory', met: note });
    return { met, repair: () => void fates.delete(`build ${namespace}`) };
  },
};

beforeAll(async () => {
  rig = await createRig({
    on: 'chosen, told',
    // Those of a real cluster take longer.
    atOnce: isReal ? 16 : 8,
    // A real one may take its time.
    timeoutMs: isReal ? 10_000 : 1_000,
    listEveryMs: 100,
    api: {
      fate: ({ owner }) => {
        const told = fates.get(owner.kind === 'Job' ? `build ${owner.namespace}` : owner.namespace);
        told?.met();
        return told?.fate ?? (owner.kind === 'Job' ? 'succeeds' : 'runs');
      },
    },
  });
  rig.forge.config = BUILT_CONFIG;
  rig.startMonitor({ intervalMs: 200 });
  await rig.inventory().ready();
});
afterAll(async () => {
  // Nothing is left behind on a cluster that outlives the test.
  const { rows } = await rig.store.tenant(rig.organizationId, (tx) =>
    tx.query<{ name: string }>('SELECT name FROM preview WHERE repository_id = $1', [rig.repositoryId]),
  );
  for (const { name } of rows) await rig.cluster.delete({ kind: 'Namespace', name });
  await rig.end();
});

const isImage = (image: string, commit: string) => image.includes(commit.slice(0, 7));
/** Exactly what is wanted is there, as we wrote it. */
async function stands(number: number, commit: string): Promise<void> {
  const namespace = rig.nameOf(number);
  const { behind } = rig.chosen;
  const isAsWanted = async () => {
    const deployments = await behind.list('Deployment', namespace);
    const spec = deployments[0]?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined;
    const image = spec?.template.spec.containers[0]?.image ?? '';
    const policies = (await behind.list('NetworkPolicy', namespace)).length;
    return deployments.length === 1 && isImage(image, commit) && policies >= 5;
  };
  await eventually(
    async () => {
      // What is in memory is looked at first; the database has more to do.
      if (!(await isAsWanted())) return false;
      const row = await rig.row(number);
      const isSettled = row?.observed_version === row?.desired_version;
      return row?.phase === 'ready' && isSettled && row.observed_sha === commit && (await isAsWanted());
    },
    async () => ({
      row: await rig.row(number),
      deployments: (await behind.list('Deployment', namespace)).map(({ metadata }) => metadata.name),
    }),
  );
}

async function isGone(number: number): Promise<void> {
  const namespace = rig.nameOf(number);
  await rig.settled(number, 'gone');
  expect(await rig.chosen.behind.get('Namespace', undefined, namespace)).toBeUndefined();
  expect(await rig.chosen.behind.everything(namespace)).toEqual([]);
}

async function reach(step: Step, number: number, fault: FaultName): Promise<void> {
  const namespace = rig.nameOf(number);
  const isBuild = fault === 'a build that uses too much memory';
  // What does not go is met by what is made again under its name.
  const isHeld = fault === 'a namespace that does not go' && step !== 'delete';
  if (step !== 'create' || isHeld) {
    await rig.want(number, sha('a'));
    await stands(number, sha('a'));
  }
  const { met, repair } = await faults[fault](namespace, step);
  if (isHeld) await rig.close(number);
  if (step === 'delete' && !isBuild) await rig.close(number);
  else if (!isHeld) await rig.want(number, step === 'create' ? sha('a') : sha('b'));
  await eventually(
    async () => await met(),
    async () => ({ fault: 'was not met', row: await rig.row(number) }),
  );
  if (isHeld) await rig.want(number, sha('b'));
  // What a build did wrong is mended by another commit.
  if (isBuild) expect((await rig.phase(number, 'failed')).message).toContain('used more memory than it may');
  if (isBuild && step === 'delete') await rig.close(number);
  await repair();
  if (step === 'delete') return isGone(number);
  if (isBuild) await rig.want(number, sha('c'));
  await stands(number, isBuild ? sha('c') : step === 'create' && !isHeld ? sha('a') : sha('b'));
}

/** Answers what failed. */
async function inTurns(all: readonly (() => Promise<void>)[]): Promise<unknown[]> {
  const waiting = [...all];
  const failed: unknown[] = [];
  const one = async () => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift())
      await run().catch((error: unknown) => failed.push(error));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return failed;
}

describe('a cluster on which things go wrong', () => {
  it.each(steps)(
    'reaches the goal after each of fourteen faults: %s',
    async (step) => {
      const names = Object.keys(faults) as FaultName[];
      expect(names).toHaveLength(14);
      const cases = Array.from({ length: ROUNDS }, () => names).flat();
      const first = 1 + steps.indexOf(step) * cases.length;
      const failed = await inTurns(
        cases.map((fault, index) => async () => {
          await reach(step, first + index, fault).catch((error: unknown) => {
            throw new Error(`${fault}: ${String(error).slice(0, 1_500)}`);
          });
        }),
      );
      expect(failed).toEqual([]);
    },
    (isReal ? 600_000 : 120_000) * ROUNDS,
  );

  it('says of each whether a real API server was seen to say so', () => {
    expect(Object.keys(transcripts).sort()).toEqual(Object.keys(faults).sort());
    // Nothing is confirmed that nobody has seen: what is, stands in what a server of that version said.
    for (const { status, reason, message, confirmed } of Object.values(transcripts)) {
      if (confirmed === null) continue;
      const written = readFileSync(join(WRITTEN, `v${confirmed}.json`), 'utf8');
      const words = message.replace(/^.* is forbidden: (exceeded quota).*$/, '$1').replace(/\d+ \(\d+\)$/, 'N (N)');
      expect(written).toContain(JSON.stringify(words).slice(1, -1));
      expect(written).toContain(`"reason": "${reason}"`);
      if (status !== null && status !== 410) expect(written).toContain(`"status": ${status}`);
    }
  });

  it('waits while the whole API server is away, and goes on', async () => {
    const [standing, next] = [9_001, 9_002];
    await rig.want(standing, sha('a'));
    await stands(standing, sha('a'));
    rig.chosen.down = true;
    rig.chosen.endWatches();
    await rig.want(next, sha('a'));
    await rig.close(standing);
    const row = await rig.phase(next, 'building');
    await eventually(
      async () => (await rig.row(next))?.message?.includes('Tried again soon'),
      () => row,
    );
    rig.chosen.down = false;
    await stands(next, sha('a'));
    await isGone(standing);
  });
});
