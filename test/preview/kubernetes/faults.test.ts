/**
 * What can go wrong at a cluster, while a preview is made, replaced or removed (reliability.md, D): as soon as it is put
 * right, the goal is reached, by looking again and nothing else. All cases run at once, each in its own namespace.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Asked } from '../../support/kubernetes-api/faults.js';
import { failures } from '../../support/kubernetes-api/faults.js';
import { resourceOf } from '../../support/kubernetes-api/objects.js';
import type { Fate } from '../../support/kubernetes-api/pod-life.js';
import { createRig, eventually, IMAGE_CONFIG, type Rig, sha } from './rig.js';

const BUILT_CONFIG = IMAGE_CONFIG.replace('image: registry.example.com/web:{sha}', 'build: {dockerfile: Dockerfile}');
type Step = 'create' | 'update' | 'delete';
const steps: readonly Step[] = ['create', 'update', 'delete'];

let rig: Rig;
const fates = new Map<string, Fate>();

/** Breaks it for one namespace, and answers what puts it right. */
type Break = (namespace: string, step: Step) => () => void;

const isWrite = ({ verb }: Asked) => ['create', 'apply', 'update', 'patch', 'delete'].includes(verb);
const within = (namespace: string) => (asked: Asked) =>
  asked.namespace === namespace || (asked.kind === 'Namespace' && asked.name === namespace);
const refusing =
  (failure: Parameters<Rig['api']['faults']['add']>[0], which: (asked: Asked) => boolean = isWrite): Break =>
  (namespace) =>
    rig.api.faults.add(failure, { when: (asked) => within(namespace)(asked) && which(asked) });
/** Pods that are there are taken away, as those of a node that is gone; new ones fare as they are told. */
const faring =
  (fate: Fate): Break =>
  (namespace) => {
    const renew = () => {
      for (const pod of rig.api.store.list('Pod', namespace))
        rig.api.store.delete(resourceOf('Pod'), namespace, pod.metadata.name);
    };
    fates.set(namespace, fate);
    renew();
    return () => {
      fates.delete(namespace);
      renew();
    };
  };

const faults: Readonly<Record<string, Break>> = {
  'a conflict': refusing(failures.conflict()),
  'a watch that expired': () => {
    rig.api.store.compact();
    return () => undefined;
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
  'a namespace that does not go': (namespace, step) => {
    if (step === 'create') return () => undefined;
    const held = resourceOf('ConfigMap');
    const metadata = { name: 'held', namespace, finalizers: ['example.com/never'] };
    rig.api.store.create(held, namespace, { apiVersion: 'v1', kind: 'ConfigMap', metadata } as never, 'somebody');
    return () =>
      rig.api.store.change('ConfigMap', namespace, 'held', (object) => {
        object.metadata.finalizers = [];
      });
  },
  'an object that somebody edits': (namespace) => {
    for (const { metadata } of rig.api.store.list('Deployment', namespace))
      rig.api.store.edit('Deployment', namespace, metadata.name, 'kubectl-edit', ({ spec }) => {
        (spec as { template: { spec: { containers: { image: string }[] } } }).template.spec.containers[0] = {
          image: 'busybox',
          ...{ name: 'web' },
        };
      });
    for (const { metadata } of rig.api.store.list('NetworkPolicy', namespace).slice(0, 1))
      rig.api.store.delete(resourceOf('NetworkPolicy'), namespace, metadata.name);
    return () => undefined;
  },
  'a build that uses too much memory': (namespace) => {
    fates.set(`build ${namespace}`, 'out-of-memory');
    return () => fates.delete(`build ${namespace}`);
  },
};

beforeAll(async () => {
  rig = await createRig({
    timeoutMs: 1_000,
    api: {
      fate: ({ owner }) => {
        const fate = fates.get(owner.kind === 'Job' ? `build ${owner.namespace}` : owner.namespace);
        return fate ?? (owner.kind === 'Job' ? 'succeeds' : 'runs');
      },
    },
  });
  rig.forge.config = BUILT_CONFIG;
  rig.startMonitor();
});
afterAll(() => rig.end());

const isImage = (image: string, commit: string) => image.includes(commit.slice(0, 7));
/** Exactly what is wanted is there, as we wrote it. */
async function stands(number: number, commit: string): Promise<void> {
  const namespace = rig.nameOf(number);
  await eventually(
    async () => {
      const row = await rig.row(number);
      const deployments = rig.api.store.list('Deployment', namespace);
      const spec = deployments[0]?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined;
      const image = spec?.template.spec.containers[0]?.image ?? '';
      const policies = rig.api.store.list('NetworkPolicy', namespace).length;
      const isSettled = row?.observed_version === row?.desired_version;
      return (
        row?.phase === 'ready' &&
        isSettled &&
        row.observed_sha === commit &&
        deployments.length === 1 &&
        isImage(image, commit) &&
        policies >= 5
      );
    },
    async () => ({
      row: await rig.row(number),
      deployments: rig.api.store.list('Deployment', namespace).map(({ metadata }) => metadata.name),
    }),
  );
}

async function reach(step: Step, number: number, breaks: Break): Promise<void> {
  const namespace = rig.nameOf(number);
  if (step !== 'create') {
    await rig.want(number, sha('a'));
    await stands(number, sha('a'));
  }
  const repair = breaks(namespace, step);
  if (step === 'delete') await rig.close(number);
  else await rig.want(number, step === 'create' ? sha('a') : sha('b'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  repair();
  if (step === 'delete') {
    await rig.settled(number, 'gone');
    expect(rig.api.store.get('Namespace', undefined, namespace)).toBeUndefined();
    expect(rig.api.store.inNamespace(namespace)).toEqual([]);
    return;
  }
  // What a build did wrong is mended by another commit.
  const isBuild = breaks === faults['a build that uses too much memory'];
  if (isBuild) {
    const row = await rig.phase(number, 'failed');
    expect(row.message).toContain('used more memory than it may');
    await rig.want(number, sha('c'));
  }
  await stands(number, isBuild ? sha('c') : step === 'create' ? sha('a') : sha('b'));
}

describe('a cluster on which things go wrong', () => {
  it.each(steps)(
    'reaches the goal after each of fourteen faults: %s',
    async (step) => {
      const cases = Object.entries(faults);
      expect(cases).toHaveLength(14);
      const first = 1 + steps.indexOf(step) * cases.length;
      const results = await Promise.allSettled(cases.map(([, breaks], index) => reach(step, first + index, breaks)));
      const failed = results.flatMap((result, index) =>
        result.status === 'rejected' ? [`${cases[index]?.[0]}: ${String(result.reason).slice(0, 1500)}`] : [],
      );
      expect(failed).toEqual([]);
    },
    120_000,
  );

  it('waits while the whole API server is away, and goes on', async () => {
    await rig.want(101, sha('a'));
    await stands(101, sha('a'));
    rig.api.down = true;
    rig.api.endWatches();
    await rig.want(102, sha('a'));
    await rig.close(101);
    const row = await rig.phase(102, 'building');
    await eventually(
      async () => (await rig.row(102))?.message?.includes('Tried again soon'),
      () => row,
    );
    rig.api.down = false;
    await stands(102, sha('a'));
    await rig.settled(101, 'gone');
  }, 60_000);
});
