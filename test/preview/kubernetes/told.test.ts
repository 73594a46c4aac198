/** What people are told of a preview on a cluster, and what they may read and ask for: by the comment, the status and the API. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClusterLogs } from '../../../src/jobs/preview/kubernetes/logs.js';
import { listPreviews } from '../../../src/jobs/preview/list.js';
import { createPreviewLogs, type PreviewLogRequest } from '../../../src/jobs/preview/logs.js';
import { resourceOf, StatusError } from '../../support/kubernetes-api/objects.js';
import type { Fate } from '../../support/kubernetes-api/pod-life.js';
import { createRig, eventually, IMAGE_CONFIG, type KubernetesRow, type Rig } from './rig.js';

const BUILT_CONFIG = IMAGE_CONFIG.replace('image: registry.example.com/web:{sha}', 'build: {dockerfile: Dockerfile}');

let rig: Rig;
/** By namespace; of its builds by `build` before it. */
const fates = new Map<string, Fate>();
const prints = new Map<string, string>();
beforeAll(async () => {
  rig = await createRig({
    readyTimeoutSeconds: 1,
    // How many may run on this machine says nothing of a cluster.
    limit: 1,
    api: {
      fate: ({ owner }) =>
        fates.get(owner.kind === 'Job' ? `build ${owner.namespace}` : owner.namespace) ??
        (owner.kind === 'Job' ? 'succeeds' : 'runs'),
      log: ({ owner }) => prints.get(owner.namespace) ?? `hello from ${owner.kind}\n`,
    },
  });
});
afterAll(() => rig.end());

const failing: readonly [string, Fate, RegExp][] = [
  [
    'an image that is not there',
    'no-image',
    /^The image registry\.example\.com\/web:1a0{38} cannot be pulled: Failed to pull image .*: not found$/,
  ],
  ['memory', 'out-of-memory', /^The preview used more memory than it may \(512Mi\): last words$/],
  ['an end of its own', 'crashes', /^The preview ended with code 2: last words$/],
  [
    'readiness that is never true',
    'never-ready',
    /^The preview was not ready after 1 s: Readiness probe failed: HTTP probe failed with statuscode: 500: last words$/,
  ],
  [
    'no room on any node',
    'no-node',
    /^The preview was not ready after 1 s: no node takes it: 0\/1 nodes are available: 1 Insufficient memory/,
  ],
  [
    'a volume that is not there',
    'volume-pending',
    /^The preview was not ready after 1 s: no node takes it: .*unbound immediate PersistentVolumeClaims/,
  ],
];

/** A commit of one pull request alone: a status is the commit's, and would be told of whichever pull request was told of last. */
const head = (number: number, which = 'a'): string => `${number}${which}`.padEnd(40, '0');

describe('the reason of a failure', () => {
  it.each(failing.map((row, index) => [...row, index + 1] as const))('says %s', async (_, fate, message, number) => {
    fates.set(rig.nameOf(number), fate);
    prints.set(rig.nameOf(number), 'begun\nlast words\n');
    await rig.want(number, head(number));
    const row = await rig.settled(number, 'failed');
    expect(row.message).toMatch(message);
    const [comment, status] = [await rig.comment(number), await rig.status(number)];
    expect(comment).toMatchObject({ status: 'Failed', note: row.message });
    expect(comment?.links).toEqual([{ label: 'Log', url: `https://forgeway.example/preview-logs/${row.id}` }]);
    expect(status).toMatchObject({ sha: head(number), state: 'failure', target_url: comment?.links[0]?.url });
    expect(status?.description).toContain(row.message?.slice(0, 30));
    if (!message.source.includes('last words')) return;
    expect(row.log_tail).toContain('begun\nlast words');
    expect(comment?.details).toMatchObject({ text: row.log_tail, url: comment?.links[0]?.url });
  });

  const QUOTA =
    'pods "web" is forbidden: exceeded quota: preview, requested: limits.memory=512Mi, used: limits.memory=1Gi, limited: limits.memory=1Gi';
  const POLICY = 'admission webhook "policies.example.com" denied the request: no images of registry.example.com today';
  const AGAIN = /\. Tried again by itself at \d\d:\d\d:\d\d UTC, and at once by `\/preview rebuild`\.$/;
  const refusals = [
    [
      'a quota that the pods of a preview exceed',
      20,
      IMAGE_CONFIG,
      'Pod',
      QUOTA,
      /^The cluster does not let The preview start: .*exceeded quota/,
    ],
    [
      'a policy that refuses the pods of a build',
      23,
      BUILT_CONFIG,
      'Pod',
      POLICY,
      /^The cluster does not let The build start: .*no images of/,
    ],
    [
      'a policy that refuses the namespace',
      24,
      IMAGE_CONFIG,
      'Namespace',
      POLICY,
      /^Cluster test: create Namespace .*no images of/,
    ],
    [
      'a right that is missing',
      28,
      IMAGE_CONFIG,
      'Deployment',
      'deployments.apps is forbidden: User "x" cannot patch',
      /^Cluster test: apply Deployment .*cannot patch/,
    ],
  ] as const;
  it.each(refusals)(
    'says %s and when it is tried again, and goes on by itself once the cause is gone',
    async (_what, number, config, kind, refusal, told) => {
      const refused = { is: true, times: 0 };
      rig.forge.config = config;
      rig.api.store.admissions.push((verb, { kind: of, metadata }) => {
        const isOurs = [metadata.namespace, metadata.name].includes(rig.nameOf(number));
        if (!refused.is || verb !== 'create' || of !== kind || !isOurs) return;
        refused.times += 1;
        throw new StatusError(403, 'Forbidden', refusal);
      });
      await rig.want(number, head(number));
      const row = await rig.phase(number, 'failed');
      expect(row.message).toMatch(told);
      expect(row.message).toMatch(AGAIN);
      expect(row.observed_version).not.toBe(row.desired_version);
      expect(await rig.comment(number)).toMatchObject({ status: 'Failed', note: expect.stringMatching(AGAIN) });
      expect(await rig.status(number)).toMatchObject({ state: 'failure' });
      const before = refused.times;
      await eventually(async () => refused.times > before + 2);
      refused.is = false;
      // Nobody looks again, in the cluster or here, but those pauses.
      await rig.settled(number, 'ready');
      expect(await rig.comment(number)).toMatchObject({ status: 'Ready' });
      rig.forge.config = IMAGE_CONFIG;
    },
  );

  it('does not try for ever what is refused, and removes it like any other that nobody opens', async () => {
    const number = 31;
    rig.api.store.admissions.push((verb, { kind, metadata }) => {
      if (verb === 'create' && kind === 'Deployment' && metadata.namespace === rig.nameOf(number))
        throw new StatusError(403, 'Forbidden', POLICY);
    });
    await rig.want(number, head(number));
    const { id } = await rig.phase(number, 'failed');
    await rig.store.tenant(rig.organizationId, (tx) =>
      tx.query(`UPDATE preview SET requested_at = now() - interval '8 days' WHERE id = $1`, [id]),
    );
    const monitor = rig.startMonitor({ intervalMs: 50 });
    await rig.settled(number, 'gone');
    await monitor.stop();
    expect(await rig.comment(number)).toMatchObject({
      status: 'Removed',
      note: expect.stringContaining('Nobody opened it for 7 days'),
    });
  });

  it('says a removal that is refused, and removes it once it may', async () => {
    const number = 29;
    await rig.want(number, head(number));
    await rig.settled(number, 'ready');
    const refused = { is: true };
    rig.api.store.admissions.push((verb, { metadata }) => {
      if (refused.is && verb === 'delete' && metadata.name === rig.nameOf(number))
        throw new StatusError(403, 'Forbidden', 'namespaces is forbidden: User "x" cannot delete resource');
    });
    await rig.close(number);
    const row = await rig.phase(number, 'removing');
    expect(row.message).toMatch(/cannot delete resource/);
    expect(row.message).toMatch(AGAIN);
    expect(await rig.comment(number)).toMatchObject({ status: 'Removing', note: row.message });
    refused.is = false;
    await rig.settled(number, 'gone');
  });

  it('says that it is rolled out, between the build and the first answer', async () => {
    const number = 22;
    fates.set(rig.nameOf(number), 'stays-pending');
    await rig.want(number, head(number));
    const row = await rig.phase(number, 'starting');
    const page = `https://forgeway.example/preview-logs/${row.id}`;
    expect(await rig.comment(number)).toMatchObject({ status: 'Rolling out', links: [{ label: 'Log', url: page }] });
    expect(await rig.status(number)).toMatchObject({
      ...{ state: 'pending', description: 'The preview is rolled out', target_url: page },
    });
    const listed = async (all?: boolean) =>
      (await listPreviews(rig.store, rig.organizationId, { all })).find(({ id }) => id === row.id);
    expect(await listed()).toMatchObject({ name: row.name, of: expect.stringMatching(/^acme\w+\/web#22$/) });
    await rig.close(number);
    await rig.settled(number, 'gone');
    expect(await listed()).toBeUndefined();
    expect(await listed(true)).toMatchObject({ phase: 'gone' });
  });

  it('says a build that ran out of memory, with its last lines', async () => {
    const number = 21;
    rig.forge.config = BUILT_CONFIG;
    fates.set(`build ${rig.nameOf(number)}`, 'out-of-memory');
    prints.set(rig.nameOf(number), 'compiling\nlinking\n');
    await rig.want(number, head(number));
    const row = await rig.settled(number, 'failed');
    expect(row.message).toBe('The build used more memory than it may (2Gi): linking');
    expect(row.log_tail).toBe('compiling\nlinking');
    rig.forge.config = IMAGE_CONFIG;
  });
});

describe('its end', () => {
  const hold = (namespace: string, finalizers: string[]) => {
    const metadata = { name: 'held', namespace, finalizers };
    const held = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
    rig.api.store.create(resourceOf('ConfigMap'), namespace, held as never, 'somebody');
  };
  const free = (namespace: string) =>
    rig.api.store.change('ConfigMap', namespace, 'held', (object) => {
      object.metadata.finalizers = [];
    });

  it('is told as long as it takes, with what holds it, and nothing is ready meanwhile', async () => {
    const number = 26;
    await rig.want(number, head(number));
    const { name } = await rig.settled(number, 'ready');
    hold(name, ['example.com/never']);
    await rig.close(number);
    const row = await rig.phase(number, 'removing');
    expect([row.url, row.message]).toEqual([null, expect.stringContaining('example.com/never')]);
    expect(await rig.comment(number)).toMatchObject({ status: 'Removing', note: row.message, links: [] });
    // What was ready stays a success of its commit.
    expect(await rig.status(number)).toMatchObject({ state: 'success' });
    free(name);
    await rig.settled(number, 'gone');
    expect(await rig.comment(number)).toMatchObject({ status: 'Removed' });
  });

  it('ends the status of a build under way, also where it takes long', async () => {
    const number = 27;
    fates.set(rig.nameOf(number), 'stays-pending');
    await rig.want(number, head(number));
    const { name } = await rig.phase(number, 'starting');
    hold(name, ['example.com/never']);
    await rig.close(number);
    await rig.phase(number, 'removing');
    const ended = { state: 'error', description: 'Closed before the preview was ready' };
    expect(await rig.status(number)).toMatchObject(ended);
    // Brought back before that: it waits for what was before it to go.
    await rig.want(number, head(number, 'b'));
    const waits = /^Waits: The namespace .* is still being removed: .*example\.com\/never/;
    await eventually(
      async () => waits.test((await rig.phase(number, 'building')).message ?? ''),
      () => rig.row(number),
    );
    fates.delete(rig.nameOf(number));
    free(name);
    await rig.settled(number, 'ready');
    await rig.close(number);
    await rig.settled(number, 'gone');
  });
});

describe('the way into a private one', () => {
  it('is told anew before the link that was told runs out, and as soon as the repository is made private or public', async () => {
    const number = 25;
    await rig.want(number, head(number));
    const { id } = await rig.settled(number, 'ready');
    const tell = async (days: number) => {
      await rig.drained();
      await rig.store.tenant(rig.organizationId, (tx) =>
        tx.query(`UPDATE preview SET updated_at = now() - make_interval(days => $2) WHERE id = $1`, [id, days]),
      );
      const before = (await rig.row(number))?.desired_version;
      const monitor = rig.startMonitor({ intervalMs: 60_000 });
      await monitor.look();
      await monitor.stop();
      const after = (await rig.row(number))?.desired_version;
      return before !== after;
    };
    expect(await tell(16)).toBe(false);
    await rig.setPrivate(true);
    expect(await tell(0)).toBe(true);
    expect((await rig.settled(number, 'ready')).url).toMatch(/signed$/);
    expect((await rig.comment(number))?.links[0]?.url).toMatch(/signed$/);
    expect(await tell(14)).toBe(false);
    expect(await tell(16)).toBe(true);
    await rig.settled(number, 'ready');
    await rig.ask(number, 'sleep');
    await rig.settled(number, 'sleeping');
    expect(await tell(16)).toBe(true);
    await rig.settled(number, 'sleeping');
    await rig.setPrivate(false);
    expect(await tell(0)).toBe(true);
    expect((await rig.settled(number, 'sleeping')).url).not.toMatch(/signed$/);
    await rig.close(number);
    await rig.settled(number, 'gone');
  });
});

describe('asking for it by the API', () => {
  it('sleeps, wakes, builds again, removes and brings back', async () => {
    const number = 30;
    await rig.want(number, head(number));
    const first = await rig.settled(number, 'ready');
    const namespace = first.name;
    const pods = () => rig.api.store.list('Pod', namespace).length;
    expect(await rig.askByHand(number, 'sleep')).toMatchObject({ found: true });
    await rig.settled(number, 'sleeping');
    expect([pods(), await rig.comment(number)]).toMatchObject([0, { status: 'Sleeping', links: [{ label: 'Visit' }] }]);
    // So already: nothing is asked for.
    expect(await rig.askByHand(number, 'sleep')).toEqual({ found: true, wanted: null });
    await rig.askByHand(number, 'wake');
    await rig.settled(number, 'ready');
    expect(pods()).toBe(1);

    await rig.askByHand(number, 'rebuild');
    const again = await rig.settled(number, 'ready');
    expect(again.driver_state.serving?.id).not.toBe(first.driver_state.serving?.id);
    expect(rig.api.store.list('Deployment', namespace)).toHaveLength(1);

    await rig.askByHand(number, 'delete');
    await rig.settled(number, 'gone');
    expect(rig.api.store.get('Namespace', undefined, namespace)).toBeUndefined();
    expect(await rig.comment(number)).toMatchObject({
      status: 'Removed',
      note: 'Somebody asked for that by the API; `/preview` brings it back',
    });
    expect(await rig.askByHand(number, 'wake')).toMatchObject({
      found: true,
      why: expect.stringContaining('no preview'),
    });
    await rig.askByHand(number, 'rebuild');
    await rig.settled(number, 'ready');

    await rig.close(number);
    await rig.settled(number, 'gone');
    await rig.store.tenant(rig.organizationId, (tx) =>
      tx.query(`UPDATE pull_request SET state = 'closed' WHERE number = $1`, [number]),
    );
    expect(await rig.askByHand(number, 'rebuild')).toMatchObject({ why: expect.stringContaining('is closed') });
  });
});

describe('its logs', () => {
  const read = createPreviewLogs({ dataDir: '/nowhere', ofCluster: createClusterLogs(() => rig.clusters) });
  const logsOf = (row: KubernetesRow, request: Partial<PreviewLogRequest> = {}) =>
    read({
      preview: {
        organizationId: rig.organizationId,
        repositoryId: rig.repositoryId,
        name: row.name,
        cluster: 'default',
      },
      ...{ driverState: row.driver_state, lines: 100, ...request },
    });
  const podOf = (namespace: string, part: string) => {
    const pod = rig.api.store
      .list('Pod', namespace)
      .find(({ metadata }) => metadata.labels?.['forgeway.dev/part'] === part);
    if (pod === undefined) throw new Error(`no pod of ${part}`);
    return pod.metadata.name;
  };
  const keyOf = (namespace: string, part: string) => `${namespace}/${podOf(namespace, part)}`;
  const print = (key: string, text: string) =>
    rig.api.controllers.logs.set(key, `${rig.api.controllers.logs.get(key) ?? ''}${text}`);

  it('are those of the build while it builds, then of what runs, each followed line by line', async () => {
    const number = 40;
    const namespace = rig.nameOf(number);
    rig.forge.config = BUILT_CONFIG;
    fates.set(`build ${namespace}`, 'never-ready');
    prints.set(namespace, 'one\ntwo\n');
    await rig.want(number, head(number));
    await eventually(async () => rig.api.store.list('Pod', namespace).length === 1);
    const building = await rig.phase(number, 'building');
    const page = `https://forgeway.example/preview-logs/${building.id}`;
    expect((await rig.comment(number))?.links).toEqual([{ label: 'Build log', url: page }]);
    expect(await rig.status(number)).toMatchObject({ state: 'pending', target_url: page });
    const build = keyOf(namespace, 'build');
    print(`${build}/fetch`, 'fetched\n');

    const first = await logsOf(building);
    expect(first).toMatchObject({
      stage: 'build',
      sha: head(number),
      lines: ['fetched', 'one', 'two'],
      ended: false,
      gap: false,
    });
    print(build, 'three\nfour\nfive\n');
    const second = await logsOf(building, { after: first.next ?? undefined, lines: 2 });
    expect(second).toMatchObject({ lines: ['three', 'four'], more: true, gap: false });
    const third = await logsOf(building, { after: second.next ?? undefined });
    expect(third).toMatchObject({ lines: ['five'], more: false });
    expect((await logsOf(building, { after: third.next ?? undefined })).lines).toEqual([]);

    prints.set(namespace, 'listening\nAuthorization: Bearer abcdefghijklmnop\n');
    rig.api.store.change('Pod', namespace, podOf(namespace, 'build'), (pod) => {
      const ended = { terminated: { exitCode: 0, reason: 'Completed' } };
      const { containerStatuses = [] } = pod.status as { containerStatuses?: object[] };
      pod.status = {
        ...pod.status,
        phase: 'Succeeded',
        containerStatuses: containerStatuses.map((one) => ({ ...one, state: ended })),
      };
    });
    const ready = await rig.settled(number, 'ready');
    expect((await rig.comment(number))?.links).toEqual([
      { label: 'Visit', url: ready.url },
      { label: 'Log', url: page },
    ]);
    const run = await logsOf(ready);
    expect(run).toMatchObject({ stage: 'run', ended: false });
    expect(run.lines[0]).toBe('listening');
    expect(run.lines.join('\n')).not.toContain('abcdefghijklmnop');
    expect(await logsOf(ready, { stage: 'build', lines: 1 })).toMatchObject({ lines: ['five'], ended: true });
    rig.forge.config = IMAGE_CONFIG;
  });

  it('tell each line once however many were printed in one moment, mask a key over pages, and say what was missed', async () => {
    const number = 41;
    await rig.want(number, head(number));
    const row = await rig.settled(number, 'ready');
    const key = keyOf(row.name, 'service');
    let { next, lines } = await logsOf(row);
    expect(lines).toEqual(['hello from Deployment']);
    const all = Array.from({ length: 3_000 }, (_, at) => `line ${at}`);
    print(key, `${all.join('\n')}\n`);
    const seen: string[] = [];
    for (let more = true; more; ) {
      const page = await logsOf(row, { after: next ?? undefined, lines: 700 });
      ({ next, more, lines } = page);
      seen.push(...lines);
    }
    expect(seen).toEqual(all);
    expect((await logsOf(row, { lines: 2 })).lines).toEqual(all.slice(-2));
    expect((await logsOf(row, { since: new Date(Date.now() + 60_000) })).lines).toEqual([]);
    expect((await logsOf(row, { since: new Date(Date.now() - 60_000), lines: 2 })).lines).toEqual([
      'hello from Deployment',
      'line 0',
    ]);

    const material = Array.from({ length: 20 }, (_, at) => `key-material-${at}`);
    print(
      key,
      `${['-----BEGIN RSA PRIVATE KEY-----', ...material, '-----END RSA PRIVATE KEY-----', 'after'].join('\n')}\n`,
    );
    const shown: string[] = [];
    for (let more = true; more; ) {
      const page = await logsOf(row, { after: next ?? undefined, lines: 5 });
      ({ next, more, lines } = page);
      shown.push(...lines);
    }
    expect(shown.at(-1)).toBe('after');
    expect(shown.join('\n')).not.toContain('key-material');

    // Started again: another log, and nobody is told that it is the same.
    rig.api.store.change('Pod', row.name, podOf(row.name, 'service'), (pod) => {
      const { containerStatuses = [] } = pod.status as { containerStatuses?: object[] };
      pod.status = { ...pod.status, containerStatuses: containerStatuses.map((one) => ({ ...one, restartCount: 1 })) };
    });
    expect(await logsOf(row, { after: next ?? undefined, lines: 1 })).toMatchObject({
      gap: true,
      lines: ['hello from Deployment'],
    });
  });

  it('are none of what sleeps, and a cluster that does not answer is said', async () => {
    const number = 42;
    await rig.want(number, head(number));
    await rig.settled(number, 'ready');
    await rig.askByHand(number, 'sleep');
    const row = await rig.settled(number, 'sleeping');
    expect(await logsOf(row)).toMatchObject({ stage: 'run', lines: [], ended: true });
    rig.api.down = true;
    await expect(logsOf(row)).rejects.toMatchObject({ code: 'FORGEWAY_CLUSTER_UNREACHABLE' });
    rig.api.down = false;
  });
});
