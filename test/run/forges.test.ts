/** The whole way on every forge: a push is applied, a pull request shows its plan, and its merge applies that. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createBlobs } from '../../src/accounts/blobs.js';
import { createPermissions } from '../../src/accounts/permissions.js';
import { createVault } from '../../src/accounts/vault.js';
import { openSandboxes } from '../../src/effects/process/sandbox.js';
import { createProcessExecutor } from '../../src/effects/terraform/process-executor.js';
import type { Reconciler } from '../../src/jobs/reconcile.js';
import { createKeyLocks, type KeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createCommentReconciler } from '../../src/jobs/report/comment.js';
import { createStatusReconciler } from '../../src/jobs/report/status.js';
import { createRunReconciler } from '../../src/jobs/run/reconciler.js';
import { createWatchReconciler } from '../../src/jobs/run/watch.js';
import { systemClock } from '../../src/lib/clock.js';
import { getRun, type RunRow } from '../../src/store/workspace/runs.js';
import { insertWorkspace } from '../../src/store/workspace/workspaces.js';
import { type ConnectionRig, type DoubleForge, doubles, startConnectionRig } from '../connections/connection-rig.js';
import { TEST_KEYS } from '../support/database.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { fakeTerraform, realTerraform } from '../support/terraform.js';

const probe = await findSandboxProbe();
const real = await realTerraform();
if (probe === undefined)
  process.stderr.write('runs on forges are skipped: run as root, or `apt-get install bubblewrap`\n');
const { skip } = describe;
const isolated = probe === undefined ? skip : describe;

const LIMITS = { compressedBytes: 5_000_000, bytes: 50_000_000, entries: 1_000 };
const resource = (...names: string[]) => names.map((name) => `resource "terraform_data" "${name}" {}\n`).join('');

isolated.each(Object.entries(doubles))('a workspace on %s', (_label, start) => {
  let rig: ConnectionRig;
  let double: DoubleForge;
  let directory: string;
  let reconcilers: Reconciler[];
  let connectionId: string;
  let workspaceId: string;
  let locks: KeyLocks;
  const state = { sha: '', number: 0 };

  beforeAll(async () => {
    if (probe === undefined) throw new Error('unreachable');
    rig = await startConnectionRig();
    double = await start(rig);
    directory = await mkdtemp(join(tmpdir(), 'forgeway-workspaces-'));
    await chmod(directory, 0o711);
    const { test, log, metrics, bridge } = rig;
    const store = test.store('worker');
    const vault = createVault(TEST_KEYS.versions);
    const limits = { memoryMb: 1_024, processes: 256, diskMb: 300 };
    const sandboxes = await openSandboxes({ directory, probe, limits, usersDirectory: join(directory, 'users') });
    const executor = createProcessExecutor({
      ...{ sandboxes, directory, place: 'here', limits: LIMITS, planSeconds: 60, applySeconds: 60, network: 'none' },
      binaries: [real ?? (await fakeTerraform(join(directory, 'program')))],
    });
    const queue = (name: string) => ({ name, poke: async () => undefined });
    const pokes = {
      ...{
        preview: queue('preview'),
        sync: queue('sync'),
        report: queue('report'),
        run: queue('run'),
        watch: queue('watch'),
        agent: queue('agent'),
      },
    };
    locks = createKeyLocks({ store, log });
    const common = { store, log, metrics, locks, pokes };
    const report = { ...common, queue: pokes.report, octokitFor: bridge.octokitFor };
    reconcilers = [
      createWatchReconciler({
        ...{ ...common, octokitOf: bridge.octokitOf, intervalMs: 60_000 },
        permissions: createPermissions({ clock: systemClock }),
      }),
      createRunReconciler({
        ...{ ...common, vault, blobs: createBlobs({ store, vault }), executor: async () => executor, limits: LIMITS },
        ...{
          octokitOf: bridge.octokitOf,
          pollMs: 30,
          pageOf: (_: string, run: string) => `https://forgeway.example/runs/${run}`,
        },
      }),
      createCommentReconciler({ ...report, markerKey: Buffer.alloc(32, 1), debounceMs: 0 }),
      createStatusReconciler(report),
    ];
    const connected = await rig.connect({
      forge: double.forge,
      url: double.url,
      token: double.token,
      repositories: ['acme/web'],
    });
    connectionId = connected.id;
    await rig.quiet();
    const id = await store.tenant(test.organizationId, (tx) =>
      insertWorkspace(tx, test.organizationId, {
        ...{
          name: `infra-${randomUUID().slice(0, 6)}`,
          createdBy: 'ada',
          autoApply: true,
          workingDirectory: 'envs/prod',
        },
        ...{ forge: double.forge.id, host: new URL(double.url).host, vcsConnectionId: connected.id },
        ...{ vcsRepoUrl: `${double.url}/acme/web.git`, remotePath: 'acme/web' },
      }),
    );
    if (id === undefined) throw new Error('no workspace');
    workspaceId = id;
  });
  afterAll(async () => {
    expect(double.violations()).toEqual([]);
    await locks.close();
    await rig.close();
    await rm(directory, { recursive: true, force: true });
  });

  const octokit = () => rig.bridge.octokitOf(rig.test.organizationId, connectionId);
  const at = { owner: 'acme', repo: 'web' };

  /** What webhooks asked for, and what follows from it. Nothing is looked at that nobody asked for. */
  async function settle(): Promise<void> {
    const { organizationId } = rig.test;
    for (let round = 0; round < 40; round += 1) {
      let worked = 0;
      for (const { table, run } of reconcilers) {
        const due = await rig.rows<{ id: string }>(
          `SELECT "${table.key}"::text AS id FROM "${table.name}" WHERE observed_version <> desired_version
             AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())`,
        );
        for (const { id } of due) await run({ organizationId, id }, new AbortController().signal);
        worked += due.length;
      }
      if (worked === 0) return;
    }
  }

  const runs = async (): Promise<RunRow[]> => {
    const ids = await rig.rows<{ id: string }>('SELECT id FROM run ORDER BY number');
    const store = rig.test.store('worker');
    const all = await Promise.all(ids.map(({ id }) => store.tenant(rig.test.organizationId, (tx) => getRun(tx, id))));
    return all.filter((run) => run !== undefined);
  };

  async function write(path: string, text: string, branch: string): Promise<string> {
    const client = await octokit();
    const before = await client.request('GET /repos/{owner}/{repo}/contents/{path}', { ...at, path, ref: branch }).then(
      ({ data }) => (data as { sha: string }).sha,
      () => undefined,
    );
    const { data } = await client.request('PUT /repos/{owner}/{repo}/contents/{path}', {
      ...{ ...at, path, branch, message: `Write ${path}`, content: Buffer.from(text).toString('base64') },
      ...(before === undefined ? {} : { sha: before }),
    });
    return (data as { commit: { sha: string } }).commit.sha;
  }

  it('says that there is no such directory, then applies the push that brings it', async () => {
    await settle();
    const [first] = await runs();
    expect(first).toMatchObject({
      status: 'errored',
      statusReason: expect.stringMatching(/no directory "envs\/prod"/),
    });
    state.sha = await write('envs/prod/main.tf', resource('one'), 'main');
    await rig.quiet();
    await settle();
    const pushed = (await runs()).at(-1);
    expect(pushed).toMatchObject({ vcsCommitSha: state.sha, status: 'applied', planOnly: false });
    expect(await rig.rows('SELECT count(*)::int FROM state_version')).toEqual([{ count: 1 }]);
  });

  it('shows the plan of a pull request in a status and in the comment, and plans no head twice', async () => {
    const client = await octokit();
    await client.request('POST /repos/{owner}/{repo}/git/refs', { ...at, ref: 'refs/heads/topic', sha: state.sha });
    const head = await write('envs/prod/main.tf', resource('one', 'two', 'three'), 'topic');
    const { data } = await client.request('POST /repos/{owner}/{repo}/pulls', {
      ...at,
      title: 'Two more',
      head: 'topic',
      base: 'main',
    });
    state.number = data.number;
    await rig.quiet();
    await settle();
    await rig.rows('UPDATE repository_watch SET next_attempt_at = NULL');
    await settle();
    const speculative = (await runs()).filter(({ planOnly }) => planOnly);
    expect(speculative).toMatchObject([
      { status: 'planned_and_finished', vcsCommitSha: head, vcsPullRequestNumber: state.number, trusted: true },
    ]);
    const { data: statuses } = await client.request('GET /repos/{owner}/{repo}/commits/{ref}/statuses', {
      ...at,
      ref: head,
    });
    const counts = real === undefined ? '2 to add, 0 to change, 1 to destroy' : '2 to add, 0 to change, 0 to destroy';
    expect(statuses[0]).toMatchObject({
      state: 'success',
      description: `Planned: ${counts}`,
      context: expect.stringMatching(/^forgeway\/infra-/),
    });
    const { data: comments } = await client.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...at,
      issue_number: state.number,
    });
    expect(comments).toHaveLength(1);
    expect(comments[0]?.body).toContain(counts);
    expect(comments[0]?.body).toMatch(/<details><summary>Plan of plan\/infra-/);
  });

  it('applies the merge', async () => {
    const client = await octokit();
    await client.request('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', { ...at, pull_number: state.number });
    await rig.quiet();
    await settle();
    const merged = (await runs()).at(-1);
    expect(merged).toMatchObject({ status: 'applied', planOnly: false, vcsPullRequestNumber: null });
    const [current] = await rig.rows<{ serial: string }>(
      'SELECT s.serial::text FROM state_version s JOIN workspace w ON w.current_state_version_id = s.id WHERE w.id = $1',
      [workspaceId],
    );
    expect(Number(current?.serial)).toBeGreaterThan(1);
    const { data: comments } = await client.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...at,
      issue_number: state.number,
    });
    expect(comments).toHaveLength(1);
  });

  it('says that the token is no good any more', async () => {
    double.revoke();
    await rig.rows('UPDATE repository_watch SET next_attempt_at = NULL');
    await settle();
    const [{ vcs_last_error: error } = { vcs_last_error: null }] = await rig.rows<{ vcs_last_error: string | null }>(
      'SELECT vcs_last_error FROM workspace',
    );
    expect(error).toMatch(/token|connect/i);
  });
});
