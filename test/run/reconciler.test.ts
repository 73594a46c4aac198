/** Runs from their turn to their end, with an executor that does what each test says. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setRunVariables } from '../../src/accounts/workspace-secrets.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { insertConfigurationVersion, noteUploaded } from '../../src/store/workspace/configuration-versions.js';
import { insertRun, type RunRow } from '../../src/store/workspace/runs.js';
import { archiveOf } from '../support/archives.js';
import { createRunRig, HttpError, type RunRig, shaOf } from './run-rig.js';
import { planned, stateOf } from './stub-executor.js';

describe('a run', () => {
  let rig: RunRig;
  beforeEach(async () => {
    rig = await createRunRig();
  });
  afterEach(() => rig.close());

  /** A push that has been planned. */
  async function pushed(more: Parameters<RunRig['workspace']>[0] = {}) {
    const workspace = await rig.workspace(more);
    await rig.look();
    await rig.drive();
    const [run] = await rig.runsOf(workspace);
    if (run === undefined) throw new Error('no run');
    return { workspace, run };
  }
  const status = async (id: string) => (await rig.run(id)).status;

  async function uploaded(workspaceId: string): Promise<string> {
    const blob = await rig.blobs.write(rig.organizationId, 'configuration', [rig.forge.archive], { limit: 1_000_000 });
    return rig.store.tenant(rig.organizationId, async (tx) => {
      const from = { workspaceId, source: 'api', createdBy: 'ada' } as const;
      const id = await insertConfigurationVersion(tx, rig.organizationId, from);
      await noteUploaded(tx, id, blob);
      return id;
    });
  }

  async function byApi(
    workspaceId: string,
    configurationVersionId: string,
    sha?: string,
    more: { savePlan?: boolean } = {},
  ): Promise<string> {
    const id = await rig.store.tenant(rig.organizationId, (tx) =>
      insertRun(tx, rig.organizationId, {
        ...{ workspaceId, configurationVersionId, source: 'api', message: 'again', createdBy: 'ada' },
        ...(sha !== undefined && { vcsCommitSha: sha, vcsBranch: 'main' }),
        ...more,
      }),
    );
    if (id === undefined) throw new Error('there is such a run already');
    return id;
  }

  it('plans, waits to be confirmed, applies exactly that plan, and keeps the state', async () => {
    const { workspace, run } = await pushed();
    expect(run).toMatchObject({ status: 'planned', statusReason: null });
    expect(await rig.log(run.id, 'plan')).toBe('plan begun\n');
    expect(rig.stub.works.size).toBe(0);
    await rig.ask(run.id, 'confirm', 'grace');
    rig.stub.ends.plan = planned(99);
    await rig.drive();
    expect(await rig.run(run.id)).toMatchObject({
      status: 'applied',
      confirmedBy: 'grace',
      finishedAt: expect.any(Date),
    });
    const [plan, apply] = rig.stub.begun;
    expect(plan?.do.phase).toBe('plan');
    expect(apply?.do).toMatchObject({ phase: 'apply', lockFile: 'lock' });
    if (apply?.do.phase !== 'apply') throw new Error('unreachable');
    expect(Buffer.from(apply.do.plan).toString()).toBe('a plan');
    // A plan is applied by what has made it, whatever was wished for.
    expect([plan?.version, apply.version]).toEqual([null, '1.11.4']);
    expect(await rig.rows('SELECT serial, run_id FROM state_version')).toEqual([{ serial: 1n, run_id: run.id }]);
    expect((await rig.row(workspace)).currentStateVersionId).not.toBeNull();
    expect(rig.stub.works.size).toBe(0);
    expect(await rig.rows('SELECT phase, status, log_closed FROM run_phase ORDER BY phase')).toEqual([
      { phase: 'apply', status: 'finished', log_closed: true },
      { phase: 'plan', status: 'finished', log_closed: true },
    ]);
  });

  it('lets what is on the branch give its providers to others, and no pull request', async () => {
    const id = await rig.workspace();
    rig.pull(1, shaOf('c'));
    await rig.look();
    await rig.drive();
    const [push, head] = await rig.runsOf(id);
    expect([push?.status, head?.status]).toEqual(['planned', 'planned_and_finished']);
    const gave = (run: RunRow | undefined) => rig.stub.giving.has(`${id}-${run?.id}-plan`);
    expect([gave(push), gave(head)]).toEqual([true, false]);
  });

  it('holds a run of the API to the rules of the branch where it is of a commit', async () => {
    const { workspace, run } = await pushed();
    await rig.ask(run.id, 'discard');
    const id = await byApi(workspace, run.configurationVersionId, shaOf('a'));
    await rig.drive();
    expect(await status(id)).toBe('planned');
    rig.forge.branches.set('main', shaOf('b'));
    await rig.ask(id, 'confirm');
    await rig.drive();
    await rig.look();
    await rig.rows('UPDATE run SET next_attempt_at = NULL');
    await rig.drive();
    expect(await status(id)).not.toBe('applied');
    expect(rig.stub.begun.filter((work) => work.do.phase === 'apply')).toEqual([]);
    // The branch has moved on, and the run was made after that.
    await rig.ask((await rig.runsOf(workspace)).at(-1)?.id ?? '', 'discard');
    const late = await byApi(workspace, run.configurationVersionId, shaOf('a'));
    await rig.drive();
    await rig.ask(late, 'confirm');
    await rig.drive();
    expect(await rig.run(late)).toMatchObject({
      status: 'discarded',
      statusReason: 'A newer commit of main is planned in its place.',
    });
  });

  it('is not applied where it was uploaded before its workspace was linked', async () => {
    const workspace = await rig.workspace({ vcsRepoUrl: null, remotePath: null });
    const configuration = await uploaded(workspace);
    const id = await byApi(workspace, configuration);
    await rig.drive();
    expect(await status(id)).toBe('planned');
    await rig.rows(
      `UPDATE workspace SET vcs_repo_url = 'https://forge.example/acme/infra', remote_path = 'acme/infra'`,
    );
    await rig.ask(id, 'confirm');
    await rig.drive();
    expect(await rig.run(id)).toMatchObject({
      status: 'discarded',
      statusReason: expect.stringMatching(/^The workspace was linked to a repository since/),
    });
    expect(rig.stub.begun.map((work) => work.do.phase)).toEqual(['plan']);
  });

  it('applies by itself where that was chosen, and not where nothing changed', async () => {
    const { run } = await pushed({ autoApply: true });
    expect(run.status).toBe('applied');
    rig.stub.ends.plan = planned(0);
    const { run: nothing } = await pushed({ autoApply: true });
    expect(nothing.status).toBe('planned_and_finished');
    expect(rig.stub.begun.filter((work) => work.do.phase === 'apply')).toHaveLength(1);
  });

  it('tells the commit and the pull request', async () => {
    const { workspace } = await pushed();
    const [repository] = await rig.rows<{ id: string }>('SELECT id FROM repository');
    await rig.rows(
      `INSERT INTO pull_request (organization_id, repository_id, forge, host, remote_repository_id, remote_id, remote_owner,
         remote_name, number, title, state, draft, head_branch, base_branch, head_sha, base_sha, url, remote_updated_at)
       VALUES ($1, $2, 'some-forge', 'forge.example', 7, 70, 'acme', 'infra', 4, 't', 'open', false, 'topic', 'main', $3, $4, 'u', now())`,
      [rig.organizationId, repository?.id, shaOf('c'), shaOf('a')],
    );
    rig.pull(4, shaOf('c'));
    await rig.look();
    await rig.drive();
    const { name } = await rig.row(workspace);
    expect(await rig.rows('SELECT sha, context, state, description FROM commit_status ORDER BY sha')).toEqual([
      {
        sha: shaOf('a'),
        context: `forgeway/${name}`,
        state: 'pending',
        description: 'Waits to be confirmed: 1 to add, 0 to change, 0 to destroy',
      },
      {
        sha: shaOf('c'),
        context: `forgeway/${name}`,
        state: 'success',
        description: 'Planned: 1 to add, 0 to change, 0 to destroy',
      },
    ]);
    const [comment] = await rig.rows<{ sections: object }>('SELECT sections FROM sticky_comment');
    expect(Object.values(comment?.sections ?? {})).toMatchObject([
      {
        component: `plan/${name}`,
        status: 'Planned: 1 to add, 0 to change, 0 to destroy',
        details: { text: expect.stringContaining('1 to add') },
      },
    ]);
  });

  it('keeps the order of a workspace, shows who holds it, and lets plans of pull requests pass', async () => {
    const { workspace, run } = await pushed();
    await byApi(workspace, run.configurationVersionId, shaOf('a'));
    rig.pull(4, shaOf('c'));
    await rig.look();
    await rig.drive();
    const [, second, speculative] = await rig.runsOf(workspace);
    expect(second).toMatchObject({ status: 'pending', statusReason: `Waits for run-${run.id} to end.` });
    expect(speculative).toMatchObject({ status: 'planned_and_finished', planOnly: true });
    expect((await rig.row(workspace)).activeRunId).toBe(run.id);
    await rig.rows(`UPDATE workspace SET locked_at = now(), locked_by = 'grace', lock_reason = 'maintenance'`);
    await rig.ask(run.id, 'discard');
    await rig.drive();
    expect(await rig.run(second?.id ?? '')).toMatchObject({
      status: 'pending',
      statusReason: 'Waits for the workspace, which grace has locked (maintenance).',
    });
    await rig.rows('UPDATE workspace SET locked_at = NULL, locked_by = NULL');
    await rig.rows('UPDATE run SET next_attempt_at = NULL');
    await rig.drive();
    expect(await status(second?.id ?? '')).toBe('planned');
  });

  it('does not apply a plan whose branch has moved on', async () => {
    const { workspace, run } = await pushed();
    rig.forge.branches.set('main', shaOf('b'));
    await rig.ask(run.id, 'confirm');
    await rig.drive();
    // Nobody has looked at the new commit yet: it is looked at first.
    expect(await rig.run(run.id)).toMatchObject({
      status: 'confirmed',
      statusReason: expect.stringMatching(/main has moved on to bbbbbbb/),
    });
    expect(rig.poked.filter(({ queue }) => queue === 'watch')).not.toEqual([]);
    await rig.look();
    await rig.rows('UPDATE run SET next_attempt_at = NULL');
    await rig.drive();
    expect(await rig.run(run.id)).toMatchObject({
      status: 'discarded',
      statusReason: 'A newer commit of main is planned in its place.',
    });
    expect((await rig.runsOf(workspace)).map((one) => one.status)).toEqual(['discarded', 'planned']);
    expect(rig.stub.begun.map((work) => work.do.phase)).toEqual(['plan', 'plan']);
  });

  it('fetches again what failed to come, and gives up what never will', async () => {
    const workspace = await rig.workspace();
    await rig.look();
    let failures = 3;
    rig.forge.breaks = 2;
    rig.forge.before = (request) => {
      if (request.includes('tarball') && failures-- > 0) throw new HttpError(502);
    };
    for (let n = 0; n < 10; n += 1) {
      await rig.rows('UPDATE run SET next_attempt_at = NULL');
      await rig.drive();
    }
    const [run] = await rig.runsOf(workspace);
    expect(run?.status).toBe('planned');
    expect(rig.forge.requests.filter((request) => request.includes('tarball'))).toHaveLength(6);
    // Of what came only in part nothing is left.
    expect(await rig.rows(`SELECT kind FROM blob WHERE sha256 IS NULL`)).toEqual([]);

    rig.forge.before = () => undefined;
    rig.forge.archive = await archiveOf({ '../evil': 'x' }, 'acme-infra');
    const { run: refused } = await pushed();
    expect(refused).toMatchObject({
      status: 'errored',
      statusReason: expect.stringMatching(/leads out of the archive/),
    });
    expect(
      await rig.rows(`SELECT status, error FROM configuration_version WHERE id = $1`, [refused.configurationVersionId]),
    ).toEqual([{ status: 'errored', error: 'FORGEWAY_ARCHIVE_REFUSED' }]);
    rig.forge.before = (request) => {
      if (request.includes('tarball')) throw new HttpError(404);
    };
    const { run: gone } = await pushed();
    expect(gone).toMatchObject({
      status: 'errored',
      statusReason: expect.stringMatching(/has no commit aaaaaaa any more/),
    });
  });

  it('does not fetch from another repository that has taken the name while it waited', async () => {
    const workspace = await rig.workspace();
    await rig.look();
    rig.forge.id = 8;
    await rig.drive();
    expect(await rig.runsOf(workspace)).toMatchObject([
      { status: 'errored', statusReason: expect.stringMatching(/another repository now/) },
    ]);
  });

  it('follows a repository that was renamed while it waited', async () => {
    const workspace = await rig.workspace();
    await rig.look();
    rig.forge.fullName = 'acme/platform';
    await rig.drive();
    expect(await rig.runsOf(workspace)).toMatchObject([{ status: 'planned' }]);
  });

  it('says what a plan failed of, and what is missing to execute one', async () => {
    rig.stub.ends.plan = { kind: 'failed', reason: 'terraform plan ended with code 1; the log says why.', state: null };
    const { run } = await pushed();
    expect(run).toMatchObject({
      status: 'errored',
      statusReason: 'terraform plan ended with code 1; the log says why.',
    });
    rig.stub.refuses = new ForgewayError('FORGEWAY_TERRAFORM_MISSING', 'There is no terraform here.');
    const { run: missing } = await pushed();
    expect(missing).toMatchObject({ status: 'errored', statusReason: 'There is no terraform here.' });
  });

  it('keeps what an apply that failed has made', async () => {
    rig.stub.ends.apply = {
      kind: 'failed',
      reason: 'terraform apply ended with code 1; the log says why.',
      state: stateOf(3),
    };
    const { workspace, run } = await pushed({ autoApply: true });
    expect(run.status).toBe('errored');
    expect(await rig.rows('SELECT serial FROM state_version')).toEqual([{ serial: 3n }]);
    expect((await rig.row(workspace)).lockedByRunId).toBeNull();
  });

  it('is applied where it was planned, whatever its workspace says since', async () => {
    const { workspace, run } = await pushed({ workingDirectory: 'envs/prod' });
    await rig.rows(`UPDATE workspace SET working_directory = 'elsewhere' WHERE id = $1`, [workspace]);
    await rig.ask(run.id, 'confirm');
    await rig.drive();
    expect(rig.stub.begun.map(({ do: { phase }, configuration }) => [phase, configuration.workingDirectory])).toEqual([
      ['plan', 'envs/prod'],
      ['apply', 'envs/prod'],
    ]);
  });

  it('applies a plan that was saved once no other run has the workspace', async () => {
    const workspace = await rig.workspace({ vcsRepoUrl: null, remotePath: null });
    const configuration = await uploaded(workspace);
    const saved = await byApi(workspace, configuration, undefined, { savePlan: true });
    await rig.drive();
    const other = await byApi(workspace, configuration);
    await rig.drive();
    expect([await status(saved), await status(other)]).toEqual(['planned', 'planned']);
    expect(await rig.ask(saved, 'confirm')).toMatchObject({
      outcome: { refused: expect.stringContaining(`run-${other} is under way in the workspace`) },
    });
    await rig.ask(other, 'discard');
    await rig.ask(saved, 'confirm');
    await rig.drive();
    expect(await status(saved)).toBe('applied');
  });

  it('is not told as applied when its plan had changes and the state is the one from before', async () => {
    const { workspace, run } = await pushed({ autoApply: true });
    expect(run.status).toBe('applied');
    rig.forge.branches.set('main', shaOf('b'));
    await rig.look();
    await rig.drive();
    const second = (await rig.runsOf(workspace))[1];
    expect(second).toMatchObject({
      status: 'errored',
      statusReason: expect.stringMatching(/left the state as it was/),
    });
    expect((await rig.row(workspace)).lockedByRunId).toBe(second?.id);
  });

  it('is canceled at any time: before, while and after it is executed', async () => {
    rig.stub.holds = true;
    const workspace = await rig.workspace();
    await rig.look();
    const [run] = await rig.runsOf(workspace);
    const driving = rig.drive();
    while (![...rig.stub.works.values()].some(({ running }) => running))
      await new Promise((done) => setTimeout(done, 10));
    await rig.ask(run?.id ?? '', 'cancel', 'grace');
    rig.stub.ends.plan = { kind: 'failed', reason: 'interrupted', state: null };
    await driving;
    await rig.drive();
    expect(await rig.run(run?.id ?? '')).toMatchObject({
      status: 'canceled',
      statusReason: 'It was canceled by grace.',
    });
    expect(rig.stub.works.size).toBe(0);
  });

  it('is canceled by force, with what it made kept and the workspace locked behind it', async () => {
    const { workspace, run } = await pushed();
    rig.stub.holds = true;
    await rig.ask(run.id, 'confirm');
    const driving = rig.drive();
    while (![...rig.stub.works.values()].some(({ running }) => running))
      await new Promise((done) => setTimeout(done, 10));
    expect(await rig.ask(run.id, 'force-cancel')).toMatchObject({
      outcome: { refused: expect.stringMatching(/cancel it first/) },
    });
    rig.stub.interrupt = async () => undefined;
    await rig.ask(run.id, 'cancel');
    await rig.ask(run.id, 'force-cancel');
    rig.stub.ends.apply = { kind: 'vanished', state: stateOf(5) };
    await driving;
    await rig.drive();
    expect(await status(run.id)).toBe('canceled');
    expect(await rig.rows('SELECT serial FROM state_version')).toEqual([{ serial: 5n }]);
    expect((await rig.row(workspace)).lockedByRunId).toBe(run.id);
    rig.forge.branches.set('main', shaOf('b'));
    await rig.look();
    await rig.drive();
    expect((await rig.runsOf(workspace)).at(-1)).toMatchObject({
      status: 'pending',
      statusReason: expect.stringMatching(/has left locked/),
    });
  });

  it('fails visibly when what executed it is gone', async () => {
    for (const phase of ['plan', 'apply'] as const) {
      const { workspace, run } = phase === 'plan' ? await begun() : await begunApply();
      rig.stub.works.clear();
      await rig.drive();
      expect(await rig.run(run)).toMatchObject({
        status: 'errored',
        statusReason: expect.stringMatching(/is gone before it ended/),
      });
      expect((await rig.row(workspace)).lockedByRunId).toBe(phase === 'apply' ? run : null);
    }
  });

  async function stopWhileRunning(): Promise<void> {
    const stop = new AbortController();
    const driving = rig.drive(stop.signal);
    while (![...rig.stub.works.values()].some(({ running }) => running))
      await new Promise((done) => setTimeout(done, 10));
    await new Promise((done) => setTimeout(done, 60));
    stop.abort();
    await driving;
  }
  async function begun() {
    rig.stub.holds = true;
    const workspace = await rig.workspace();
    await rig.look();
    await stopWhileRunning();
    const [run] = await rig.runsOf(workspace);
    return { workspace, run: run?.id ?? '' };
  }
  async function begunApply() {
    rig.stub.holds = false;
    const { workspace, run } = await pushed();
    rig.stub.holds = true;
    await rig.ask(run.id, 'confirm');
    await stopWhileRunning();
    return { workspace, run: run.id };
  }

  it('goes on where it was after a restart, with every line of its log once', async () => {
    const { run } = await begun();
    const [work] = rig.stub.works.values();
    if (work === undefined) throw new Error('nothing runs');
    work.lines.push('second line');
    work.running = false;
    await rig.drive();
    expect(await status(run)).toBe('planned');
    expect(await rig.log(run, 'plan')).toBe('plan begun\nsecond line\n');
    expect(rig.stub.begun).toHaveLength(1);
  });

  it('is left alone by other machines while its own is alive, and told to have vanished after', async () => {
    const { workspace, run } = await begun();
    await rig.rows(`UPDATE run SET executor_state = executor_state || '{"host": "elsewhere"}'`);
    await rig.drive();
    expect(await status(run)).toBe('planning');
    await rig.rows(`UPDATE run SET lease_until = now() - interval '1 second', next_attempt_at = NULL`);
    await rig.drive();
    expect(await rig.run(run)).toMatchObject({ status: 'errored', statusReason: expect.stringMatching(/is gone/) });
    expect((await rig.row(workspace)).lockedByRunId).toBeNull();
  });

  it('gives strangers neither secrets nor the state, and hides secrets of everybody in the log', async () => {
    const workspace = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    await rig.rows(
      `INSERT INTO workspace_variable (organization_id, workspace_id, key, category, value) VALUES
         ($1, $2, 'region', 'terraform', 'north'), ($1, $2, 'TOKEN', 'env', 'env-value')`,
      [rig.organizationId, workspace],
    );
    const [repository] = await rig.rows<{ id: string }>('SELECT id FROM repository');
    await rig.rows(
      `INSERT INTO trusted_commit (organization_id, repository_id, number, sha, approved_by, approver_login)
       VALUES ($1, $2, 4, $3, 'ada', 'ada')`,
      [rig.organizationId, repository?.id, shaOf('c')],
    );
    rig.pull(4, shaOf('c'), { head: { sha: shaOf('c'), ref: 't', repo: { id: 8 } } });
    await rig.look();
    await rig.drive();
    expect(rig.stub.begun).toMatchObject([
      { untrusted: true, state: null, variables: [{ key: 'region', value: 'north' }] },
    ]);
  });

  it('hides in the log what is sensitive, and not every value that a run is given', async () => {
    const workspace = await rig.workspace();
    const id = await rig.store.tenant(rig.organizationId, async (tx) => {
      await tx.query(
        `INSERT INTO workspace_variable (organization_id, workspace_id, key, category, value, sensitive)
         VALUES ($1, $2, 'password', 'terraform', NULL, true)`,
        [rig.organizationId, workspace],
      );
      const configurationVersionId = await insertConfigurationVersion(tx, rig.organizationId, {
        ...{ workspaceId: workspace, source: 'vcs', createdBy: 'ada', vcsCommitSha: shaOf('a') },
      });
      const run = { workspaceId: workspace, configurationVersionId, message: '', createdBy: 'ada' };
      const made = await insertRun(tx, rig.organizationId, { ...run, source: 'api' });
      if (made === undefined) throw new Error('there is such a run already');
      await setRunVariables(tx, rig.vault, { organizationId: rig.organizationId, runId: made }, [
        { key: 'region', value: '"north"' },
        { key: 'password', value: '"correct horse"' },
      ]);
      return made;
    });
    rig.stub.prints = ['north of correct horse'];
    await rig.drive();
    expect(await rig.log(id, 'plan')).toBe('plan begun\nnorth of (sensitive value)\n');
  });
});
