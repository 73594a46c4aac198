/** Plans and applies as jobs on a cluster: real processes in pretended pods, and everything that can become of them. */

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { loadConfig } from '../../src/config/config.js';
import { jobIdentity } from '../../src/effects/kubernetes/job/manifests.js';
import { createClusterExecutor } from '../../src/effects/terraform/cluster-executor.js';
import type { TerraformExecutor } from '../../src/effects/terraform/executor.js';
import { lazyClusterJobs } from '../../src/entry/cluster-jobs.js';
import { findJobOrphans, forgetJobs } from '../../src/jobs/cluster-job/orphans.js';
import type { Store } from '../../src/store/database.js';
import { containersOf, podOf, podSecurityProblems } from '../preview/manifests/pod-security.js';
import { archiveOf } from '../support/archives.js';
import { type ClusterForJobs, openClusterForJobs } from '../support/cluster-jobs.js';
import { TEST_KEYS } from '../support/database.js';
import { type ApiObject, resourceOf } from '../support/kubernetes-api/objects.js';
import { loopback } from '../support/loopback.js';
import { PATIENCE_MS } from '../support/patience.js';
import { type FakeTerraform, fakeTerraform, realTerraform } from '../support/terraform.js';
import { createRunRig, type RunRig, shaOf } from './run-rig.js';

const binary = await realTerraform();
if (binary === undefined)
  process.stderr.write('a test with the real Terraform is skipped: there is none in /usr/bin or /usr/local/bin\n');
const { skip } = it;
const withTerraform = binary === undefined ? skip : it;

const LIMITS = { compressedBytes: 1_000_000, bytes: 5_000_000, entries: 100 };

describe('runs on a cluster', () => {
  let cluster: ClusterForJobs;
  let rig: RunRig;
  let programs: string;
  /** Of the workspace that was made last. */
  let branch: string;
  /** Of the process that is at work now. */
  let current: TerraformExecutor;
  const open = (store: Store): TerraformExecutor =>
    createClusterExecutor({
      ...{ jobs: cluster.jobsOn(store), images: ['registry.example.com/terraform:1.11.4'], program: 'terraform' },
      ...{ limits: LIMITS, memoryMb: 256, diskMb: 64, planSeconds: 30, applySeconds: 30, pollMs: 30 },
    });

  beforeAll(async () => {
    programs = await mkdtemp(join(tmpdir(), 'forgeway-programs-'));
    cluster = await openClusterForJobs();
    rig = await createRunRig({
      executorOf({ store }) {
        current = open(store);
        return new Proxy(current, { get: (_, key) => Reflect.get(current, key) });
      },
    });
    await cluster.serve(rig.test.store('api'));
  });
  afterEach(async () => {
    cluster.api.setFate(({ owner }) => (owner.kind === 'Job' ? 'succeeds' : 'runs'));
    cluster.api.faults.clear();
    cluster.api.kubelet.unreachable.clear();
    cluster.down = false;
  });
  afterAll(async () => {
    await cluster.close();
    await rig.close();
    await rm(programs, { recursive: true, force: true });
  });

  /** What `terraform` is in the image from now on. */
  const faking = async (what: FakeTerraform) => {
    const { path } = await fakeTerraform(join(programs, randomUUID()), what);
    cluster.api.kubelet.programs = dirname(path);
  };
  async function workspace(o: { autoApply?: boolean; files?: Record<string, string> } = {}): Promise<string> {
    rig.forge.archive = await archiveOf(o.files ?? { 'main.tf': `# ${randomUUID()}\n` }, 'acme-infra');
    // A branch of its own: a push to it is nobody else's.
    branch = `branch-${randomUUID().slice(0, 8)}`;
    rig.forge.branches.set(branch, shaOf('a'));
    return rig.workspace({ autoApply: o.autoApply ?? false, vcsBranch: branch });
  }
  async function begun(id: string): Promise<string> {
    await rig.look();
    const [run] = await rig.runsOf(id);
    if (run === undefined) throw new Error('no run');
    return run.id;
  }
  const ofNamespace = (kind: string): ApiObject[] =>
    cluster.namespaces().flatMap((name) => cluster.api.store.list(kind, name));
  async function until<T>(what: () => T | Promise<T>): Promise<NonNullable<T>> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const found = await what();
      if (found) return found as NonNullable<T>;
      await sleep(20);
    }
    throw new Error(`did not come about: ${what.toString()}`);
  }
  const said = (run: string, text: string, phase: 'plan' | 'apply' = 'plan') =>
    until(async () => (await rig.log(run, phase)).includes(text));

  withTerraform('plans and applies exactly what was planned, in walls, and leaves nothing', async () => {
    cluster.api.kubelet.programs = dirname(binary?.path ?? '');
    const main = 'variable "token" {\n  sensitive = true\n}\nresource "terraform_data" "a" {\n  input = var.token\n}\n';
    const id = await workspace({ files: { 'main.tf': main } });
    await rig.rows(
      `INSERT INTO workspace_variable (organization_id, workspace_id, key, category, value)
       VALUES ($1, $2, 'token', 'terraform', 'hush-hush')`,
      [rig.organizationId, id],
    );
    const run = await begun(id);
    const objects: ApiObject[] = [];
    const unsubscribe = cluster.api.store.subscribe(() => {
      const [name = ''] = cluster.namespaces();
      if (objects.length === 0 && cluster.api.store.list('Job', name).length > 0)
        objects.push(...cluster.api.store.inNamespace(name));
    });
    await rig.drive();
    unsubscribe();
    expect(await rig.run(run)).toMatchObject({ status: 'planned', statusReason: null });
    expect(await rig.log(run, 'plan')).toContain('Plan: 1 to add');
    expect(cluster.namespaces()).toEqual([]);

    expect(objects.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['ResourceQuota', 'LimitRange', 'NetworkPolicy', 'ServiceAccount', 'Secret', 'Job']),
    );
    const job = objects.find(({ kind }) => kind === 'Job');
    const pod = podOf(job as never);
    if (pod === undefined) throw new Error('no pod');
    expect(podSecurityProblems(pod)).toEqual([]);
    expect(pod).toMatchObject({ automountServiceAccountToken: false, restartPolicy: 'Never' });
    expect(job?.spec).toMatchObject({ backoffLimit: 0 });
    expect(JSON.stringify(objects)).not.toContain('hush-hush');
    const work = containersOf(pod).find(({ name }) => name === 'work');
    expect(JSON.stringify(work)).not.toContain('secretKeyRef');
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
    expect(policies.map(({ metadata }) => metadata.name).sort()).toEqual(['abroad', 'default-deny', 'dns', 'forgeway']);
    expect(JSON.stringify(policies.find(({ metadata }) => metadata.name === 'abroad')?.spec)).toContain(
      '169.254.0.0/16',
    );

    await rig.ask(run, 'confirm');
    await rig.drive();
    expect(await rig.run(run)).toMatchObject({ status: 'applied' });
    expect(await rig.log(run, 'apply')).toContain('Apply complete! Resources: 1 added');
    const [state] = await rig.rows<{ serial: bigint }>('SELECT serial FROM state_version WHERE workspace_id = $1', [
      id,
    ]);
    expect(state).toBeDefined();
    expect(cluster.namespaces()).toEqual([]);
  });

  it('is what an operator configures', async () => {
    await faking({});
    const config = loadConfig({
      ...{ RUN_EXECUTOR: 'kubernetes', RUN_IMAGE: 'registry.example.com/terraform:1.11.4' },
      ...{ KUBECONFIG: cluster.kubeconfig, PUBLIC_URL: cluster.url },
    });
    const log = pino({ level: 'silent' });
    const configured = lazyClusterJobs({ config, outbound: loopback, keys: TEST_KEYS, store: rig.store, log });
    const before = current;
    current = createClusterExecutor({
      ...{ jobs: configured.open(), images: config.runImage ?? [], program: 'terraform', limits: LIMITS },
      ...{ memoryMb: config.runMemoryMb, diskMb: 64, planSeconds: 30, applySeconds: 30, pollMs: 100 },
    });
    const run = await begun(await workspace());
    await rig.drive();
    expect(await rig.run(run)).toMatchObject({ status: 'planned', terraformVersion: '1.11.4' });
    current = before;
    await configured.close();
  });

  it('goes on where another process left off: each line once, and what ended meanwhile is not lost', async () => {
    const gate = join(programs, randomUUID());
    await faking({
      plan: `i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; done; while [ ! -e ${gate} ]; do sleep 0.1; done
        echo "after the restart"; echo p >"$out"; exit 2`,
    });
    const id = await workspace();
    const run = await begun(id);
    const first = new AbortController();
    const driving = rig.drive(first.signal).catch(() => undefined);
    await said(run, 'line 40');
    first.abort();
    await driving;
    // It ends while nobody of ours answers.
    cluster.down = true;
    await writeFile(gate, '');
    await until(() => ofNamespace('Pod').some((pod) => JSON.stringify(pod.status).includes('exitCode')));
    cluster.down = false;
    current = open(rig.store);
    await rig.rows('UPDATE run SET next_attempt_at = NULL');
    await rig.drive();
    expect(await rig.run(run)).toMatchObject({ status: 'planned' });
    const lines = (await rig.log(run, 'plan')).split('\n').filter((line) => /^line|^after/.test(line));
    expect(lines).toEqual([...Array.from({ length: 40 }, (_, n) => `line ${n + 1}`), 'after the restart']);
    expect(cluster.namespaces()).toEqual([]);
  });

  it('gives what it begins with to one pod alone, and nothing once it is over', async () => {
    await faking({ plan: 'echo begun; sleep 60' });
    const run = await begun(await workspace());
    const stop = new AbortController();
    const driving = rig.drive(stop.signal).catch(() => undefined);
    await said(run, 'begun');
    const links = ofNamespace('Secret').find(({ metadata }) => metadata.name === 'links')?.data as Record<
      string,
      string
    >;
    const input = Buffer.from(links.input ?? '', 'base64').toString();
    const status = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;
    expect(await status(`${input}?pod=another-pod`)).toBe(409);
    expect(await status(`${input.slice(0, -1)}?pod=x`)).toBe(404);
    expect(await status(input.replace('job-input', 'job-output'), { method: 'PUT', body: 'x' })).toBe(404);
    const [pod] = ofNamespace('Pod');
    expect(await status(`${input}?pod=${pod?.metadata.uid}`)).toBe(200);
    await rig.ask(run, 'cancel');
    await rig.rows('UPDATE run SET next_attempt_at = NULL');
    stop.abort();
    await driving;
    await rig.drive();
    expect(await rig.run(run)).toMatchObject({ status: 'canceled', statusReason: 'It was canceled by ada.' });
    expect(cluster.namespaces()).toEqual([]);
    expect(await status(`${input}?pod=${pod?.metadata.uid}`)).toBe(404);
  });

  it('tells what became of it', async () => {
    const reasonOf = async (break_: () => void | Promise<void>, plan = 'echo begun; sleep 60') => {
      await faking({ plan });
      const run = await begun(await workspace());
      const driving = rig.drive();
      await break_();
      await driving;
      const { status, statusReason } = await rig.run(run);
      expect([status, cluster.namespaces()]).toEqual(['errored', []]);
      return statusReason;
    };
    const running = () => until(() => ofNamespace('Pod').some(({ status }) => status?.phase === 'Running'));
    cluster.api.setFate(() => 'no-image');
    expect(await reasonOf(() => undefined)).toMatch(
      /^The image registry\.example\.com\/terraform:1\.11\.4 cannot be pulled/,
    );
    cluster.api.setFate(() => 'succeeds');
    expect(
      await reasonOf(async () => {
        await running();
        const message = 'The node was low on resource: ephemeral-storage.';
        cluster.api.kubelet.evict(cluster.namespaces()[0] ?? '', { reason: 'Evicted', message });
      }),
    ).toBe('The plan was ended by its node: The node was low on resource: ephemeral-storage.');
    expect(
      await reasonOf(async () => {
        await running();
        cluster.api.store.delete(resourceOf('Namespace'), undefined, cluster.namespaces()[0] ?? '');
      }),
    ).toMatch(
      /^The (namespace forgeway-run-[0-9a-f]{16} of the plan was deleted|job of the plan was deleted|pod of the plan is gone)/,
    );
    expect(
      await reasonOf(async () => {
        await running();
        await until(() => cluster.api.kubelet.processes(cluster.namespaces()[0] ?? '').length === 2);
        cluster.api.kubelet.outOfMemory(cluster.namespaces()[0] ?? '', 'work');
      }),
    ).toMatch(/^(The run|terraform (init|plan)) used more memory than it may and was stopped\.$/);
  });

  it('keeps what an apply has left that was ended from outside, and the workspace locked behind it', async () => {
    await faking({
      apply: `echo begun; echo '{"version":4,"terraform_version":"1.11.4","serial":7,"lineage":"fake","outputs":{},"resources":[]}' \
        >"$HOME/state/terraform.tfstate"; sleep 60`,
    });
    const id = await workspace({ autoApply: true });
    const run = await begun(id);
    const driving = rig.drive();
    await said(run, 'begun', 'apply');
    cluster.api.kubelet.outOfMemory(cluster.namespaces()[0] ?? '', 'work');
    await driving;
    expect(await rig.run(run)).toMatchObject({
      status: 'errored',
      statusReason:
        'terraform apply used more memory than it may and was stopped. Look at what it has made, then unlock the workspace.',
    });
    expect(await rig.row(id)).toMatchObject({ lockedByRunId: run });
    expect(await rig.rows('SELECT serial FROM state_version WHERE workspace_id = $1', [id])).toEqual([{ serial: 7n }]);

    const gone = await workspace({ autoApply: true });
    const another = await begun(gone);
    const again = rig.drive();
    await said(another, 'begun', 'apply');
    cluster.api.kubelet.evict(cluster.namespaces()[0] ?? '', {
      reason: 'NodeLost',
      message: 'Node n1 does not answer',
    });
    await again;
    expect(await rig.run(another)).toMatchObject({
      status: 'errored',
      statusReason:
        'The apply was ended by its node: Node n1 does not answer. Look at what it has made, then unlock the workspace.',
    });
    expect(await rig.row(gone)).toMatchObject({ lockedByRunId: another });
  });

  it('goes on with an apply although its cluster did not answer for long', async () => {
    const gate = join(programs, randomUUID());
    const state = { version: 4, terraform_version: '1.11.4', serial: 3, lineage: 'fake', outputs: {}, resources: [] };
    await faking({
      apply: `echo begun; while [ ! -e ${gate} ]; do sleep 0.1; done; echo '${JSON.stringify(state)}' >"$HOME/state/terraform.tfstate"`,
    });
    const run = await begun(await workspace({ autoApply: true }));
    const driving = rig.drive();
    await said(run, 'begun', 'apply');
    cluster.api.down = true;
    const attempts = async () =>
      (await rig.rows<{ attempts: number }>('SELECT attempts FROM run WHERE id = $1', [run]))[0];
    await until(async () => ((await attempts())?.attempts ?? 0) > 0);
    await rig.rows('UPDATE run SET attempts = 30 WHERE id = $1', [run]);
    await until(async () => ((await attempts())?.attempts ?? 0) > 30);
    expect(await rig.run(run)).toMatchObject({
      status: 'applying',
      statusReason: expect.stringContaining('Tried again'),
    });
    cluster.api.down = false;
    await writeFile(gate, '');
    await driving;
    await rig.rows('UPDATE run SET next_attempt_at = NULL WHERE id = $1', [run]);
    await rig.drive();
    expect(await rig.run(run)).toMatchObject({ status: 'applied' });
  });

  it('begins nothing beside an apply that may still run, whoever has given it up', async () => {
    await faking({ apply: 'echo begun; sleep 60' });
    const id = await workspace({ autoApply: true });
    const run = await begun(id);
    const stop = new AbortController();
    const driving = rig.drive(stop.signal).catch(() => undefined);
    await said(run, 'begun', 'apply');
    stop.abort();
    await driving;
    const [name = ''] = cluster.namespaces();
    cluster.api.kubelet.unreachable.add(name);
    await rig.ask(run, 'cancel');
    await rig.ask(run, 'force-cancel');
    rig.forge.branches.set(branch, shaOf('b'));
    await rig.look();
    const enough = new AbortController();
    const trying = rig.drive(enough.signal).catch(() => undefined);
    const next = await until(async () => (await rig.runsOf(id))[1]);
    await rig.runs.run({ organizationId: rig.organizationId, id: next.id }, enough.signal);
    enough.abort();
    await trying;
    const { status, statusReason } = await rig.run(next.id);
    expect(await rig.run(run)).toMatchObject({ status: 'canceled' });
    expect(status).toBe('pending');
    expect(statusReason).toMatch(/^Waits (until nothing of run-|for the workspace)/);
    expect(cluster.api.kubelet.processes(name).length).toBeGreaterThan(0);

    cluster.api.kubelet.unreachable.clear();
    cluster.api.store.change('Pod', name, ofNamespace('Pod')[0]?.metadata.name ?? '', ({ metadata }) => {
      metadata.annotations = { answers: 'again' };
    });
    await until(() => cluster.namespaces().length === 0);
    await rig.rows('UPDATE run SET next_attempt_at = NULL WHERE id = $1', [run]);
    await rig.runs.run({ organizationId: rig.organizationId, id: run }, new AbortController().signal);
    // What it left is unknown, so nobody goes on before somebody has looked.
    expect(await rig.row(id)).toMatchObject({ lockedByRunId: run });
    await rig.rows('UPDATE workspace SET locked_by_run_id = NULL WHERE id = $1', [id]);
    await rig.rows('UPDATE run SET next_attempt_at = NULL WHERE id = $1', [next.id]);
    const rest = rig.drive();
    await said(next.id, 'begun', 'apply');
    await rig.ask(next.id, 'cancel');
    await rest;
  });

  it('gives strangers neither secrets nor the state, and removes what was left behind', async () => {
    await faking({ plan: 'echo "token=$TOKEN state=$(ls "$HOME/state")"; env; echo p >"$out"; exit 2' });
    const id = await workspace();
    await rig.rows(
      `INSERT INTO workspace_variable (organization_id, workspace_id, key, category, value)
       VALUES ($1, $2, 'TOKEN', 'env', 'for-friends')`,
      [rig.organizationId, id],
    );
    rig.pull(31, shaOf('c'), {
      head: { sha: shaOf('c'), ref: 'topic', repo: { id: 99 } },
      base: { ref: branch, repo: { id: 7 } },
    });
    await rig.rows(
      `INSERT INTO trusted_commit (organization_id, repository_id, number, sha, approved_by, approver_login)
       SELECT organization_id, id, 31, $1, 'ada', 'ada' FROM repository`,
      [shaOf('c')],
    );
    await rig.look();
    await rig.drive();
    const [push, stranger] = await rig.runsOf(id);
    expect(await rig.log(push?.id ?? '', 'plan')).toContain('token=for-friends');
    expect(await rig.log(stranger?.id ?? '', 'plan')).toContain('token= state=\n');
    expect(await rig.log(stranger?.id ?? '', 'plan')).not.toMatch(/job-(input|output|words)/);

    // Told to be over, and its namespace is there: whoever was to remove it did not get to it.
    const [row] = await rig.rows<{ id: string; namespace: string; kind: 'run' }>(
      'SELECT id, namespace, kind FROM cluster_job ORDER BY created_at LIMIT 1',
    );
    if (row === undefined) throw new Error('no job');
    const annotations = { 'forgeway.dev/identity': jobIdentity({ organizationId: rig.organizationId, ...row }) };
    const labels = { 'app.kubernetes.io/managed-by': 'forgeway' };
    const make = (name: string, more: object = {}) =>
      cluster.api.store.create(
        resourceOf('Namespace'),
        undefined,
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, annotations, ...more } } as never,
        'test',
      );
    make(row.namespace);
    make('somebody-elses');
    const found = async (now: Date) => {
      const namespaces = cluster.api.store.list('Namespace') as never;
      const home = { cluster: { name: 'test' } } as never;
      return (await findJobOrphans({ store: rig.store, home, namespaces, now })).map(({ namespace }) => namespace);
    };
    expect(await found(new Date())).toEqual([]);
    expect(await found(new Date(Date.now() + 3_600_000))).toEqual([row.namespace]);
    expect(await forgetJobs(rig.store)).toBe(0);
    await rig.rows("UPDATE cluster_job SET removed_at = now() - interval '31 days' WHERE id = $1", [row.id]);
    expect(await forgetJobs(rig.store)).toBe(1);
    expect(await found(new Date(Date.now() + 3_600_000))).toEqual([]);
    for (const name of [row.namespace, 'somebody-elses'])
      cluster.api.store.delete(resourceOf('Namespace'), undefined, name);
  });
});
