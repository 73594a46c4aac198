/** One job in one namespace: what is sent to a cluster, what its answers mean, and how its log is read. No cluster is asked. */
import { describe, expect, it } from '@jest/globals';
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { type JobFacts, lookAt } from '../../../src/effects/kubernetes/job/look.js';
import {
  type JobFrame,
  jobIdentity,
  jobManifests,
  jobNamespace,
  jobOfIdentity,
} from '../../../src/effects/kubernetes/job/manifests.js';
import { type PodLogPlace, readPodLog } from '../../../src/effects/kubernetes/job/pod-log.js';
import { LOG_BEGINS } from '../../../src/effects/kubernetes/job/scripts.js';
import { jobSettings } from '../../../src/effects/kubernetes/job/settings.js';
import { ForgewayError } from '../../../src/lib/errors.js';
import { containersOf, type Found, podOf, podSecurityProblems } from '../../preview/manifests/pod-security.js';
import { wireProblems } from '../../preview/manifests/wire-schema.js';

const ID = '0b2f6c1e-6f0d-4c39-9c1b-6f5d3f0a9b11';
const frameOf = (o: { work?: Partial<JobFrame['work']>; settings?: Partial<JobFrame['settings']> } = {}): JobFrame => ({
  record: { id: ID, organizationId: ID, kind: 'run', namespace: 'forgeway-run-0123456789abcdef' },
  work: {
    ...{ trusted: true, image: 'example.com/terraform:1.11.4', command: ['terraform', 'plan', '-target=$(x)'] },
    ...{
      directory: 'source',
      env: { A: '$(B)' },
      secrets: { KEY: 'a-model-key' },
      cpu: '1',
      memoryMb: 512,
      diskMb: 100,
    },
    ...{ seconds: 60, deadlineSeconds: 600, egress: ['0.0.0.0/0'], listens: 'no', interrupts: ['terraform'] },
    ...{ errors: 'with', brings: ['home/out'] },
    ...o.work,
  } as JobFrame['work'],
  links: { input: 'https://forgeway.example:8443/in', words: 'https://forgeway.example/w', output: 'https://x/out' },
  settings: {
    ...{
      dns: { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, addresses: [] },
      egress: { never: ['203.0.113.0/24'] },
    },
    ...{ userNamespaces: false, runtimeClass: 'runc', untrustedRuntimeClass: 'gvisor', jobs: jobSettings.parse({}) },
    ...o.settings,
  },
  registries: { 'example.com': { username: 'u', password: 'p' } },
  pauseSeconds: 2,
});
const all = (frame: JobFrame): Found[] => {
  const { walls, job } = jobManifests(frame);
  return [jobNamespace(frame), ...walls, job] as unknown as Found[];
};
const policies = (frame: JobFrame) =>
  Object.fromEntries(
    all(frame)
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .map(({ metadata, spec }) => [metadata.name, spec as { egress?: { to: unknown[]; ports?: unknown[] }[] }]),
  );

describe('what is sent to a cluster', () => {
  it('is what an API server takes, restricted, and in a walled-in namespace of its own', () => {
    const frame = frameOf();
    for (const one of all(frame)) expect([one.kind, wireProblems(one)]).toEqual([one.kind, []]);
    const [namespace, ...others] = all(frame);
    expect(namespace?.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    expect(others.every(({ metadata }) => metadata.namespace === frame.record.namespace)).toBe(true);
    expect(others.at(-1)?.kind).toBe('Job');
    const pod = podOf(others.at(-1) as Found);
    if (pod === undefined) throw new Error('no pod');
    expect(podSecurityProblems(pod)).toEqual([]);
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    expect(jobOfIdentity(jobIdentity(frame.record))).toEqual({ organizationId: ID, kind: 'run', id: ID });
  });

  it('gives the command no address of ours, keeps keys in a Secret, and expands nothing', () => {
    const frame = frameOf();
    const job = all(frame).at(-1) as Found;
    expect(JSON.stringify(job)).not.toContain('a-model-key');
    const [work, ...others] = [...containersOf(podOf(job) ?? {})].sort((a) => (a.name === 'work' ? -1 : 1));
    expect(JSON.stringify(work)).not.toMatch(/FORGEWAY_(INPUT|WORDS|OUTPUT)|"links"/);
    expect(JSON.stringify(others)).toMatch(/"links"/);
    expect(JSON.stringify(work?.command)).toContain('"-target=$$(x)"');
    expect(work?.env).toContainEqual({ name: 'A', value: '$$(B)' });
  });

  it('lets out to names, to Forgeway and to what the operator has named', () => {
    expect(Object.keys(policies(frameOf())).sort()).toEqual(['abroad', 'default-deny', 'dns', 'forgeway']);
    const abroad = JSON.stringify(policies(frameOf()).abroad);
    for (const never of ['169.254.0.0/16', '10.0.0.0/8', '203.0.113.0/24']) expect(abroad).toContain(never);
    const proxy = { address: 'http://squid.proxy.svc:3128', to: { namespace: 'proxy', labels: { app: 'squid' } } };
    const behind = policies(frameOf({ work: { egress: [], proxy } }));
    expect(Object.keys(behind).sort()).toEqual(['default-deny', 'dns', 'forgeway', 'proxy']);
    const jobs = jobSettings.parse({ reach: { networks: ['198.51.100.7/32'] } });
    expect(policies(frameOf({ settings: { jobs } })).forgeway?.egress).toEqual([
      { to: [{ ipBlock: { cidr: '198.51.100.7/32' } }], ports: [{ protocol: 'TCP', port: 8443 }] },
    ]);
  });

  it('keeps strangers in their own kind of sandbox', () => {
    const [trusted, untrusted] = [true, false].map((one) => all(frameOf({ work: { trusted: one } })));
    expect(podOf(trusted?.at(-1) as Found)).toMatchObject({ runtimeClassName: 'runc' });
    expect(podOf(untrusted?.at(-1) as Found)).toMatchObject({ runtimeClassName: 'gvisor' });
    expect(untrusted?.[0]?.metadata.labels).toMatchObject({ 'forgeway.dev/trust': 'untrusted' });
  });
});

describe('what a cluster says of a job', () => {
  const now = new Date('2026-03-04T12:00:00Z');
  const minutesAgo = (minutes: number) => new Date(now.getTime() - minutes * 60_000);
  const job = (conditions: object[] = []) =>
    ({ metadata: { name: 'job' }, status: { conditions } }) as unknown as V1Job;
  const ended = (exitCode: number, more: object = {}) => ({
    terminated: { exitCode, finishedAt: minutesAgo(1), ...more },
  });
  const pod = (o: { fetch?: object; work?: object; courier?: object; status?: object; leaving?: Date }): V1Pod =>
    ({
      metadata: { name: 'job-x', uid: 'u1', ...(o.leaving && { deletionTimestamp: o.leaving }) },
      status: {
        phase: 'Running',
        initContainerStatuses: [{ name: 'fetch', state: o.fetch ?? ended(0) }],
        containerStatuses: [
          { name: 'work', image: 'i', state: o.work ?? { running: {} } },
          { name: 'courier', image: 'c', state: o.courier ?? { running: {} } },
        ],
        ...o.status,
      },
    }) as unknown as V1Pod;
  const look = (pods: V1Pod[], more: Partial<JobFacts> = {}) =>
    lookAt({
      ...{ what: 'The plan', job: job(), pods, events: [], claimedBy: 'u1', begunAt: minutesAgo(2), now },
      ...more,
    });
  const disrupted = { type: 'DisruptionTarget', status: 'True', message: 'Eviction API: evicting' };
  const failed = (why: string | RegExp, began: boolean) => ({
    ...{ state: 'failed', began },
    why: typeof why === 'string' ? why : expect.stringMatching(why),
  });

  it.each<[string, ReturnType<typeof look>, object]>([
    ['runs', look([pod({})]), { state: 'running', pod: 'job-x' }],
    [
      'waits for its input',
      look([pod({ fetch: { running: {} }, work: { waiting: {} } })], { claimedBy: null }),
      { state: 'waiting' },
    ],
    [
      'has ended, and the courier may not know',
      look([pod({ work: ended(137, { reason: 'OOMKilled' }) })]),
      { state: 'silent' },
    ],
    [
      'ended by itself',
      look([pod({ work: ended(0, { message: '2 exit' }), courier: ended(0) })]),
      { state: 'ended', code: 2, reason: 'exit' },
    ],
    [
      'took too long',
      look([pod({ work: ended(0, { message: '143 time' }), courier: ended(0) })]),
      { state: 'ended', reason: 'time' },
    ],
    [
      'was killed for its memory',
      look([pod({ work: ended(137, { reason: 'OOMKilled' }), courier: ended(0) })]),
      { state: 'ended', reason: 'memory', code: 137 },
    ],
    [
      'got nothing to begin with',
      look(
        [pod({ fetch: ended(66, { message: 'Forgeway does not give this pod what it begins with (HTTP 409).' }) })],
        { claimedBy: null },
      ),
      failed('Forgeway does not give this pod what it begins with (HTTP 409)', false),
    ],
    [
      'left what nobody took',
      look([pod({ work: ended(0), courier: ended(76, { message: 'HTTP 413' }) })]),
      failed('What the plan has left could not be brought back: HTTP 413', true),
    ],
    [
      'was evicted',
      look([pod({ status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' } })]),
      failed('The plan was ended by its node: low on memory', true),
    ],
    [
      'was evicted, and its courier brought home what there was',
      look([
        pod({
          ...{ work: ended(137, { reason: 'Error' }), courier: ended(0) },
          status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
        }),
      ]),
      { state: 'ended', code: 137, why: 'The plan was ended by its node: The node was low on resource: memory' },
    ],
    [
      'is being evicted while its courier lives',
      look([pod({ work: ended(137, { reason: 'Error' }), status: { conditions: [disrupted] } })]),
      { state: 'silent' },
    ],
    [
      'was drained from its node before its phase is told',
      look([pod({ work: ended(137, { reason: 'Error' }), courier: ended(0), status: { conditions: [disrupted] } })]),
      { state: 'ended', why: 'The plan was ended by its node: Eviction API: evicting' },
    ],
    [
      'was killed, and why is not told yet',
      look([pod({ work: ended(137), courier: { terminated: { exitCode: 0, finishedAt: now } } })]),
      { state: 'running' },
    ],
    [
      'was killed, and nobody tells why',
      look([pod({ work: ended(137), courier: ended(0), status: { phase: 'Failed' } })]),
      { state: 'ended', code: 137, why: 'The plan was killed from outside' },
    ],
    [
      'had ended by itself before its pod was evicted',
      look([
        pod({
          ...{ work: ended(0, { message: '3 exit' }), courier: ended(0) },
          status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' },
        }),
      ]),
      { state: 'ended', code: 3, reason: 'exit' },
    ],
    [
      'was evicted with its courier',
      look([
        pod({
          ...{ work: ended(137), courier: ended(137) },
          status: { conditions: [{ type: 'DisruptionTarget', status: 'True', message: 'low on memory' }] },
        }),
      ]),
      failed('The plan was ended by its node: low on memory', true),
    ],
    [
      'has a node that does not answer',
      look([pod({ leaving: minutesAgo(3) })]),
      failed(/its node does not answer/, true),
    ],
    [
      'lost its pod',
      look([], { job: job([{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'm' }]) }),
      failed(/is gone: m/, true),
    ],
    [
      'took longer than a job may',
      look([], { job: job([{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }]) }),
      failed(/longer than a job may/, true),
    ],
    ['was deleted', look([], { job: undefined }), failed('The job of the plan was deleted', true)],
    ['is refused for a moment', refused(0.5), { state: 'waiting' }],
    ['is refused', refused(2), failed(/does not let the plan start: exceeded quota/, false)],
    ['finds no node', unplaced(2), { state: 'waiting', why: 'no memory' }],
    [
      'finds no node for long',
      unplaced(16),
      failed('The plan had not begun after 900 s: no node takes it: no memory', false),
    ],
    [
      'has a second pod',
      look([pod({}), { metadata: { name: 'job-y', uid: 'u2' } } as V1Pod]),
      { state: 'running', pod: 'job-x' },
    ],
  ])('%s', (_what, found, wanted) => {
    expect(found).toMatchObject(wanted);
  });

  function refused(minutes: number) {
    const event = { reason: 'FailedCreate', message: 'exceeded quota', involvedObject: { name: 'job' }, metadata: {} };
    return look([], { claimedBy: null, events: [event as never], begunAt: minutesAgo(minutes) });
  }
  function unplaced(minutes: number) {
    const conditions = [{ type: 'PodScheduled', status: 'False', message: 'no memory' }];
    const waiting = { waiting: { reason: 'PodInitializing' } };
    const one = pod({ fetch: waiting, work: waiting, courier: waiting, status: { phase: 'Pending', conditions } });
    return look([one], { claimedBy: null, begunAt: minutesAgo(minutes) });
  }
});

describe('the log of a pod', () => {
  const of = { namespace: 'n', pod: 'p', container: 'work' };
  /** Of a log that its node has turned over: only the newest file of it is answered. */
  const rotated = (lines: readonly { time: string; text: string }[]) => ({
    asked: 0,
    async logs({ sinceTime = '', mostBytes = 0 }: { sinceTime?: string; mostBytes?: number }) {
      this.asked += 1;
      const since = Date.parse(sinceTime || '1970-01-01T00:00:00Z');
      const text = lines.filter(({ time }) => Date.parse(time) >= since).map((line) => `${line.time} ${line.text}\n`);
      return Buffer.from(text.join('')).subarray(0, mostBytes).toString();
    },
  });
  /** As the API answers: whole seconds, and no more bytes than are asked for. */
  const cluster = (lines: readonly { time: string; text: string }[]) =>
    rotated([{ time: lines[0]?.time ?? second(0), text: LOG_BEGINS }, ...lines]);
  const second = (n: number, ms = 0) =>
    new Date(Date.UTC(2026, 0, 1, 0, 0, n, ms)).toISOString().replace('Z', '000001Z');

  it('gives each line once, also those of one moment, page by page', async () => {
    const lines = Array.from({ length: 50 }, (_, n) => ({ time: second(Math.floor(n / 20), 500), text: `line ${n}` }));
    const seen: string[] = [];
    let place: PodLogPlace | undefined;
    for (let round = 0; round < 30; round += 1) {
      const page = await readPodLog(cluster(lines), of, { place, isWhole: true, mostLines: 3 });
      seen.push(...page.lines);
      expect(page.gap).toBe(false);
      ({ place } = page);
    }
    expect(seen).toEqual(lines.map(({ text }) => text));
  });

  it('gets through a second in which more was printed than is asked for at once', async () => {
    const lines = Array.from({ length: 9_000 }, (_, n) => ({ time: second(1, 7), text: `${n} ${'x'.repeat(80)}` }));
    const seen: string[] = [];
    let place: PodLogPlace | undefined;
    for (;;) {
      const page = await readPodLog(cluster(lines), of, { place, isWhole: true, mostLines: 5_000 });
      if (page.lines.length === 0) break;
      seen.push(...page.lines);
      ({ place } = page);
    }
    expect(seen).toHaveLength(9_000);
    expect(new Set(seen).size).toBe(9_000);
  });

  it('says that lines are missing where the log was rotated, and has none of a pod that is gone', async () => {
    const place = { time: second(1), nth: 1 };
    const left = rotated([{ time: second(5), text: 'later' }]);
    // Also of one that nobody has read before.
    for (const from of [place, undefined]) {
      const page = await readPodLog(left, of, { place: from, isWhole: true, mostLines: 9 });
      expect(page).toMatchObject({ lines: ['later'], gap: true, place: { time: second(5), nth: 1 } });
    }
    for (const nothing of [rotated([]), cluster([])]) {
      const page = await readPodLog(nothing, of, { place: undefined, isWhole: true, mostLines: 9 });
      expect(page).toEqual({ lines: [], place: undefined, more: false, gap: false });
    }
    const gone = {
      async logs(): Promise<string> {
        throw new ForgewayError('FORGEWAY_CLUSTER_INVALID', 'not found', { details: { answered: 404 } });
      },
    };
    expect(await readPodLog(gone, of, { place, isWhole: true, mostLines: 9 })).toEqual({
      lines: [],
      place,
      more: false,
      gap: false,
    });
  });
});
