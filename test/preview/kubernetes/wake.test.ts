/** Visitors, sleep and removal at the same time: whoever comes is never the loser, and nobody brings back what is over. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createPreviewRoutes } from '../../../src/jobs/preview/routes.js';
import type { Store } from '../../../src/store/database.js';
import { resourceOf } from '../../support/kubernetes-api/objects.js';
import { createRig, eventually, type Rig, sha } from './rig.js';

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const ONCE_MS = 3_600_000;

let rig: Rig;
beforeEach(async () => {
  rig = await createRig();
});
afterEach(() => rig.end());

/** A listener that has told of nobody yet; another one each time, since one tells of a visit once a minute. */
const listener = () => createPreviewRoutes({ store: rig.store, queue: rig.queue });
async function routeOf(number: number) {
  const name = (await rig.row(number))?.name ?? '';
  const route = await listener().find(name);
  if (route === undefined) throw new Error(`no route to ${name}`);
  return route;
}
/** A request that was led to what ran a moment ago. */
const visit = async (number: number) => listener().opened(await routeOf(number));

const unusedFor = (number: number, ms: number) =>
  rig.store.tenant(rig.organizationId, (tx) =>
    tx.query(
      `UPDATE preview SET ready_at = now() - $2 * interval '1 millisecond', last_opened_at = now() - $2 * interval '1 millisecond',
         requested_at = now() - $2 * interval '1 millisecond' WHERE name = $1`,
      [rig.nameOf(number), ms],
    ),
  );

/** Rows as a monitor reads them, and then, before it does anything for what it saw, `meanwhile`. */
function overtakenBy(meanwhile: () => Promise<unknown>): Store {
  let isDone = false;
  const tenant: Store['tenant'] = async (organizationId, run) => {
    const read = await rig.store.tenant(organizationId, run);
    if (!isDone) {
      isDone = true;
      await meanwhile();
    }
    return read;
  };
  return new Proxy(rig.store, { get: (store, key) => (key === 'tenant' ? tenant : Reflect.get(store, key)) });
}
const wanted = async (number: number) => {
  const { rows } = await rig.store.tenant(rig.organizationId, (tx) =>
    tx.query<{ desired_state: string; desired_sha: string }>(
      'SELECT desired_state, desired_sha FROM preview WHERE name = $1',
      [rig.nameOf(number)],
    ),
  );
  return rows[0];
};
/** One look of a monitor that is overtaken. */
async function look(o: { sleepAfterMs?: number; removeAfterMs?: number }, meanwhile: () => Promise<unknown>) {
  const monitor = rig.startMonitor({ ...o, intervalMs: ONCE_MS, store: overtakenBy(meanwhile) });
  // It begins with a look, which is waited for.
  await monitor.stop();
}

async function ready(number: number, commit = sha('a')): Promise<void> {
  await rig.want(number, commit);
  await rig.settled(number, 'ready');
}
async function sleeping(number: number): Promise<void> {
  await ready(number);
  await rig.ask(number, 'sleep');
  await rig.settled(number, 'sleeping');
}
const up = async (number: number, commit: string) => {
  const row = await eventually(
    async () => {
      const found = await rig.settled(number, 'ready');
      return found.observed_sha === commit ? found : undefined;
    },
    () => rig.row(number),
  );
  expect(rig.api.store.list('Deployment', row.name).map(({ spec }) => spec?.replicas)).toEqual([1]);
};

describe('a visitor who comes', () => {
  it('after it was seen that nobody did keeps it awake', async () => {
    await ready(1);
    await unusedFor(1, 2 * HOUR_MS);
    await look({ sleepAfterMs: HOUR_MS }, () => visit(1));
    expect(await wanted(1)).toMatchObject({ desired_state: 'running' });
    // And without one it does sleep.
    await unusedFor(1, 2 * HOUR_MS);
    await look({ sleepAfterMs: HOUR_MS }, async () => undefined);
    await rig.settled(1, 'sleeping');
  }, 60_000);

  it('in the week’s last moment keeps it', async () => {
    await ready(1);
    await unusedFor(1, WEEK_MS + 1_000);
    await look({ removeAfterMs: WEEK_MS, sleepAfterMs: 2 * WEEK_MS }, () => visit(1));
    expect(await wanted(1)).toMatchObject({ desired_state: 'running' });
    await unusedFor(1, WEEK_MS + 1_000);
    await look({ removeAfterMs: WEEK_MS, sleepAfterMs: 2 * WEEK_MS }, async () => undefined);
    await rig.settled(1, 'gone');
  }, 60_000);

  it('while it falls asleep wakes it', async () => {
    await ready(1);
    const route = await routeOf(1);
    let isVisited = false;
    // Its pods are just being taken away.
    rig.api.store.admissions.push((verb, object) => {
      if (isVisited || verb !== 'update' || object.kind !== 'Deployment' || object.spec?.replicas !== 0) return;
      isVisited = true;
      void listener().opened(route);
    });
    await rig.ask(1, 'sleep');
    await eventually(async () => isVisited);
    await eventually(async () => (await wanted(1))?.desired_state === 'running');
    await up(1, sha('a'));
  }, 60_000);

  it('is one of many, and wakes it once', async () => {
    await sleeping(1);
    const before = await rig.row(1);
    const route = await routeOf(1);
    await Promise.all(Array.from({ length: 8 }, () => listener().wake(route)));
    await up(1, sha('a'));
    const after = await rig.row(1);
    expect(Number(after?.desired_version) - Number(before?.desired_version)).toBe(1);
  }, 60_000);

  it('finds the newest commit; one of which nobody told while it slept only when it is known who pushed it', async () => {
    await sleeping(1);
    rig.forge.pullRequests.set(1, { state: 'open', sha: sha('b'), headRepositoryId: 7 });
    await listener().wake(await routeOf(1));
    const row = await rig.settled(1, 'waiting');
    // Meanwhile the one before it.
    expect(row.driver_state.serving?.sha).toBe(sha('a'));
    expect(rig.api.store.list('Deployment', row.name).map(({ spec }) => spec?.replicas)).toEqual([1]);
    await rig.event(1, sha('b'));
    await up(1, sha('b'));
  }, 60_000);

  it('finds nothing where the pull request was closed while it slept', async () => {
    await sleeping(1);
    rig.forge.pullRequests.set(1, { state: 'closed', sha: sha('a'), headRepositoryId: 7 });
    await listener().wake(await routeOf(1));
    const row = await rig.settled(1, 'gone');
    expect(rig.api.store.get('Namespace', undefined, row.name)).toBeUndefined();
  }, 60_000);

  it('while the cluster is down is served when it is up', async () => {
    await sleeping(1);
    rig.api.down = true;
    await listener().wake(await routeOf(1));
    const [first] = [await rig.row(1)];
    await eventually(async () => Number(((await rig.row(1)) as { attempts?: number } | undefined)?.attempts) > 1);
    expect(first?.phase).not.toBe('failed');
    rig.api.down = false;
    await up(1, sha('a'));
  }, 60_000);

  it('while it is being removed does not bring it back, and not its namespace either', async () => {
    await ready(1);
    const { name } = (await rig.row(1)) ?? { name: '' };
    const held = {
      ...{ apiVersion: 'v1', kind: 'ConfigMap' },
      metadata: { name: 'held', namespace: name, finalizers: ['example.com/never'] },
    };
    rig.api.store.create(resourceOf('ConfigMap'), name, held as never, 'somebody');
    const route = await routeOf(1);
    await rig.close(1);
    await rig.phase(1, 'removing');
    await listener().wake(route);
    await listener().opened(route);
    expect(await wanted(1)).toMatchObject({ desired_state: 'absent' });
    rig.api.store.change('ConfigMap', name, 'held', (object) => {
      object.metadata.finalizers = [];
    });
    await rig.settled(1, 'gone');
    expect(rig.api.store.get('Namespace', undefined, name)).toBeUndefined();
    await listener().wake(route);
    await rig.drained();
    expect(rig.api.store.get('Namespace', undefined, name)).toBeUndefined();
  }, 60_000);
});

it('a push that comes after it was seen that nobody did is built, and not put to sleep', async () => {
  await ready(1);
  await unusedFor(1, 2 * HOUR_MS);
  await look({ sleepAfterMs: HOUR_MS }, () => rig.want(1, sha('b')));
  expect(await wanted(1)).toMatchObject({ desired_state: 'running', desired_sha: sha('b') });
  await up(1, sha('b'));
}, 60_000);
