/** `/plan`, `/apply` and `/unlock`, and what becomes of runs that are old or whose workspace is gone. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Decision } from '../../src/accounts/access/decide.js';
import type { CommandRun } from '../../src/handlers/commands/command.js';
import { commands } from '../../src/handlers/commands/table.js';
import { approvalsGate } from '../../src/jobs/run/approvals.js';
import { reapOrphans } from '../../src/jobs/run/orphans.js';
import { tidyRuns } from '../../src/jobs/run/retention.js';
import { createRunRig, HttpError, type RunRig, shaOf } from './run-rig.js';

describe('what is asked of workspaces on a pull request', () => {
  let rig: RunRig;
  const pull = { state: 'open', merge: null as string | null, head: shaOf('c') };
  const approvals = { wanted: 0, file: undefined as string | undefined, reviews: [] as object[] };

  beforeEach(async () => {
    Object.assign(pull, { state: 'open', merge: null, head: shaOf('c') });
    Object.assign(approvals, { wanted: 0, file: undefined, reviews: [] });
    rig = await createRunRig({
      gate: (run, linked, signal) =>
        approvalsGate({
          store: rig.store,
          octokitOf: async () => octokit,
          permissions: {
            levelOf: async ({ user }) => ({ level: user.login === 'reader' ? 'read' : 'write', askedAt: new Date() }),
          },
        })(run, linked, signal),
    });
  });
  afterEach(() => rig.close());

  const octokit = {
    async request(route: string) {
      const answer = (data: unknown) => ({ status: 200, headers: {}, data });
      if (route.endsWith('/contents/{path}')) {
        if (approvals.file !== undefined) return answer(approvals.file);
        if (approvals.wanted === 0) throw new HttpError(404);
        return answer(`workspaces:\n  approvals: ${approvals.wanted}\n`);
      }
      if (route.endsWith('/reviews')) return answer(approvals.reviews);
      return answer({
        ...{ state: pull.state, title: 'change', merged: pull.merge !== null, merge_commit_sha: pull.merge },
        user: { id: 3, login: 'ada' },
        head: { sha: pull.head, ref: 'topic' },
        base: { ref: 'main', sha: shaOf('a'), repo: { id: 7, default_branch: 'main' } },
      });
    },
  };

  const say = async (name: string, args = '') => {
    const command = commands.get(name);
    if (command === undefined) throw new Error(`no command ${name}`);
    const given = {
      ...{ args, by: {} as CommandRun['by'], byName: 'grace', octokit },
      in: { owner: 'acme', repo: 'infra', number: 4, isPullRequest: true, remoteRepositoryId: 1n },
      ...{ key: 'one', at: new Date(), asked: { at: new Date(), toldAt: null }, isAgain: false },
      ...{ agents: undefined, all: commands },
      may: () => ({ allowed: true }) as Decision,
      inTransaction: async (run) => {
        await rig.tenant((tx) =>
          run({
            ...{ tx, log: pino({ level: 'silent' }), scope: {} as never },
            origin: {
              organizationId: rig.organizationId,
              forge: 'some-forge',
              host: 'forge.example',
              instanceUrl: null,
            },
            poke: () => undefined,
          }),
        );
      },
    } satisfies CommandRun;
    return command.run(given);
  };

  async function planned(name = 'infra') {
    const id = await rig.workspace({ name });
    rig.pull(4, shaOf('c'));
    await rig.look();
    await rig.drive();
    return id;
  }

  it('plans a head once more, as it was trusted before', async () => {
    const id = await planned();
    expect(await say('plan')).toEqual({ done: true });
    await rig.look();
    await rig.drive();
    const speculative = (await rig.runsOf(id)).filter(({ planOnly }) => planOnly);
    expect(
      speculative.map(({ repetition, status, source, createdBy }) => [repetition, status, source, createdBy]),
    ).toEqual([
      [0, 'planned_and_finished', 'vcs', 'Forgeway'],
      [1, 'planned_and_finished', 'comment', 'grace'],
    ]);
    expect(await say('plan', 'other')).toEqual({
      done: false,
      say: 'there is no workspace of that name here: `infra`.',
    });
    pull.state = 'closed';
    expect(await say('plan')).toMatchObject({ done: false });
  });

  it('never applies a pull request, and confirms the run of its merge', async () => {
    const id = await planned();
    expect(await say('apply')).toMatchObject({ done: false, say: expect.stringContaining('is never applied') });
    Object.assign(pull, { state: 'closed' });
    expect(await say('apply')).toMatchObject({ say: expect.stringContaining('without being merged') });
    pull.merge = shaOf('b');
    expect(await say('apply')).toMatchObject({ say: 'no run of bbbbbbb waits to be confirmed.' });
    rig.forge.branches.set('main', shaOf('b'));
    rig.forge.pulls.clear();
    await rig.look();
    await rig.drive();
    expect(await say('apply')).toEqual({ done: true });
    await rig.drive();
    expect((await rig.runsOf(id)).at(-1)).toMatchObject({
      status: 'applied',
      confirmedBy: 'grace',
      vcsCommitSha: shaOf('b'),
    });
  });

  it('asks which one, where several wait', async () => {
    await planned('one');
    await planned('two');
    Object.assign(pull, { state: 'closed', merge: shaOf('a') });
    expect(await say('apply')).toMatchObject({
      done: false,
      say: 'several workspaces wait, so say which: `/apply one`, `/apply two`.',
    });
    expect(await say('apply', 'two')).toEqual({ done: true });
  });

  it('gives free what is locked', async () => {
    const id = await planned();
    expect(await say('unlock')).toMatchObject({ say: 'nothing is locked here.' });
    await rig.rows(`UPDATE workspace SET locked_at = now(), locked_by = 'ada'`);
    expect(await say('unlock')).toEqual({ done: true });
    expect((await rig.row(id)).lockedAt).toBeNull();
    expect(await rig.rows(`SELECT actor, action FROM audit_entry WHERE action = 'workspace.unlocked'`)).toEqual([
      { actor: 'grace', action: 'workspace.unlocked' },
    ]);
  });

  async function merged() {
    await planned();
    await rig.rows(
      `INSERT INTO pull_request (organization_id, repository_id, forge, host, remote_repository_id, remote_id, remote_owner,
         remote_name, number, title, state, draft, head_branch, base_branch, head_sha, base_sha, merge_commit_sha, url, remote_updated_at)
       SELECT $1, id, forge, host, 7, 70, 'acme', 'infra', 4, 't', 'merged', false, 'topic', 'main', $2, $3, $3, 'u', now() FROM repository`,
      [rig.organizationId, shaOf('c'), shaOf('a')],
    );
    const [run] = (await rig.runsOf((await rig.rows<{ id: string }>('SELECT id FROM workspace'))[0]?.id ?? '')).filter(
      ({ planOnly }) => !planOnly,
    );
    return run?.id ?? '';
  }
  const by = (id: number, login: string, state = 'APPROVED') => ({ user: { id, login }, state });

  it.each([
    ['nobody', [], false],
    ['its author', [by(3, 'ada')], false],
    ['somebody who may only read', [by(5, 'reader')], false],
    ['somebody who took it back', [by(6, 'grace'), by(6, 'grace', 'CHANGES_REQUESTED')], false],
    ['somebody who only commented after it', [by(6, 'grace'), by(6, 'grace', 'COMMENTED')], true],
    ['somebody else', [by(6, 'grace')], true],
  ])('applies what was approved by %s only where that counts', async (_who, reviews, applies) => {
    Object.assign(approvals, { wanted: 1, reviews });
    const id = await merged();
    await rig.ask(id, 'confirm');
    await rig.drive();
    const run = await rig.run(id);
    expect(run.status).toBe(applies ? 'applied' : 'discarded');
    if (!applies) expect(run.statusReason).toMatch(/has 0 of the 1 approvals/);
  });

  it('applies nothing while it cannot be read what has to hold', async () => {
    approvals.file = 'workspaces: {approvals: many}';
    const id = await merged();
    await rig.ask(id, 'confirm');
    await rig.drive();
    expect(await rig.run(id)).toMatchObject({
      status: 'discarded',
      statusReason: expect.stringMatching(/cannot be read/),
    });
  });

  const KEPT = { days: 30, stateDays: 30, stateVersions: 2 };
  it('keeps of old runs what somebody may still need, and nothing else', async () => {
    const id = await planned();
    expect(await tidyRuns(rig.store, rig.organizationId, KEPT)).toEqual({
      logs: 0,
      plans: 0,
      configurations: 0,
      states: 0,
      blobs: 0,
    });
    await rig.rows(`UPDATE run SET finished_at = now() - interval '40 days' WHERE plan_only`);
    await rig.rows(`UPDATE configuration_version SET created_at = now() - interval '40 days'`);
    await rig.rows(`UPDATE blob SET created_at = now() - interval '40 days'`);
    expect(await tidyRuns(rig.store, rig.organizationId, KEPT)).toEqual({
      logs: 1,
      plans: 1,
      configurations: 1,
      states: 0,
      blobs: 2,
    });
    const [full] = await rig.runsOf(id);
    await rig.ask(full?.id ?? '', 'confirm');
    await rig.drive();
    // It waited all the time, and lacks nothing.
    expect((await rig.run(full?.id ?? '')).status).toBe('applied');
  });

  it('ends what executes a run that is not there any more, and nothing else', async () => {
    const id = await planned();
    const [run] = await rig.runsOf(id);
    const there = `${id}-${run?.id}-plan`;
    const gone = `${id}-00000000-0000-4000-8000-000000000000-apply`;
    for (const name of [there, gone, 'something-else'])
      rig.stub.works.set(name, { work: {} as never, running: true, lines: [], interrupts: 0 });
    const removed = await reapOrphans({
      store: rig.store,
      executor: async () => rig.stub,
      log: pino({ level: 'silent' }),
    });
    expect(removed).toEqual([gone]);
    expect([...rig.stub.works.keys()]).toEqual([there, 'something-else']);
  });
});
