/** What a forge shows becomes runs: none is lost, and none is there twice, whatever fails in between. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createRunRig, HttpError, type RunRig, shaOf } from './run-rig.js';

describe('a repository that is looked at for workspaces', () => {
  let rig: RunRig;
  beforeEach(async () => {
    rig = await createRunRig();
  });
  afterEach(() => rig.close());

  it('queues a full run for a push, and says that it has seen the commit', async () => {
    const id = await rig.workspace();
    await rig.look();
    await rig.look();
    const [run, ...more] = await rig.runsOf(id);
    expect(more).toEqual([]);
    expect(run).toMatchObject({
      ...{ status: 'pending', source: 'vcs', vcsCommitSha: shaOf('a'), vcsBranch: 'main', vcsPullRequestNumber: null },
      ...{ planOnly: false, autoApply: false },
    });
    expect(await rig.row(id)).toMatchObject({
      ...{
        vcsLastCommitSha: shaOf('a'),
        vcsLastError: null,
        remoteRepositoryId: 7n,
        vcsLastPolledAt: expect.any(Date),
      },
    });
    rig.forge.branches.set('main', shaOf('b'));
    await rig.look();
    expect((await rig.runsOf(id)).map(({ status, vcsCommitSha }) => [status, vcsCommitSha?.[0]])).toEqual([
      ['discarded', 'a'],
      ['pending', 'b'],
    ]);
  });

  it('plans every head of a pull request once, for each workspace, and gives up the one before', async () => {
    const [one, two] = [await rig.workspace(), await rig.workspace({ speculativeEnabled: false })];
    rig.pull(4, shaOf('c'));
    await rig.look();
    await rig.look();
    const speculative = async (id: string) => (await rig.runsOf(id)).filter(({ planOnly }) => planOnly);
    expect(await speculative(one)).toMatchObject([
      {
        ...{
          vcsPullRequestNumber: 4,
          vcsCommitSha: shaOf('c'),
          vcsBranch: 'topic',
          vcsBaseSha: shaOf('a'),
          trusted: true,
        },
        message: 'Speculative plan for PR #4: change 4',
      },
    ]);
    expect(await speculative(two)).toEqual([]);
    rig.pull(4, shaOf('d'));
    await rig.look();
    expect((await speculative(one)).map(({ status, vcsCommitSha }) => [status, vcsCommitSha?.[0]])).toEqual([
      ['discarded', 'c'],
      ['pending', 'd'],
    ]);
    rig.forge.pulls.clear();
    await rig.look();
    expect((await speculative(one)).map(({ status }) => status)).toEqual(['discarded', 'discarded']);
  });

  it('asks once for all workspaces of a repository, and nothing twice that has not changed', async () => {
    for (let n = 0; n < 5; n += 1) await rig.workspace();
    await rig.look();
    rig.forge.requests.length = 0;
    await rig.look();
    expect(rig.forge.requests).toEqual([
      'GET /repos/{owner}/{repo}/git/ref/{ref} heads/main',
      'GET /repos/{owner}/{repo}/pulls',
    ]);
  });

  it('plans what concerns the trigger prefixes, and lets the rest pass', async () => {
    const id = await rig.workspace({ triggerPrefixes: ['/envs/prod/', 'modules'], vcsLastCommitSha: shaOf('9') });
    rig.forge.files = ['docs/readme.md', 'envs/production/main.tf'];
    rig.pull(1, shaOf('c'));
    await rig.look();
    expect(await rig.runsOf(id)).toEqual([]);
    expect((await rig.row(id)).vcsLastCommitSha).toBe(shaOf('a'));
    rig.forge.files = ['envs/prod/main.tf'];
    rig.forge.branches.set('main', shaOf('b'));
    rig.pull(2, shaOf('d'));
    await rig.look();
    const runs = await rig.runsOf(id);
    expect(runs.map((run) => run.vcsPullRequestNumber)).toEqual([null, 2]);
    const asked = rig.forge.requests.filter((request) => request.includes('/files'));
    expect(asked).toHaveLength(2);
  });

  it('waits for somebody who may decide, for forks and for people who may not write', async () => {
    const id = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    const [repository] = await rig.rows<{ id: string }>('SELECT id FROM repository');
    const fork = { head: { sha: shaOf('c'), ref: 'topic', repo: { id: 8 } } };
    const gone = { head: { sha: shaOf('d'), ref: 'topic', repo: null } };
    rig.pull(1, shaOf('c'), fork);
    rig.pull(2, shaOf('d'), gone);
    await rig.look();
    expect(await rig.runsOf(id)).toEqual([]);
    expect(await rig.rows('SELECT sha, state, description FROM commit_status ORDER BY sha')).toEqual([
      { sha: shaOf('c'), state: 'pending', description: 'Waits for /ok-to-test' },
      { sha: shaOf('d'), state: 'pending', description: 'Waits for /ok-to-test' },
    ]);
    const approve = (number: number, sha: string) =>
      rig.rows(
        `INSERT INTO trusted_commit (organization_id, repository_id, number, sha, approved_by, approver_login)
         VALUES ($1, $2, $3, $4, 'ada', 'ada')`,
        [rig.organizationId, repository?.id, number, sha],
      );
    await approve(1, shaOf('c'));
    // An approval of another commit is none.
    await approve(2, shaOf('e'));
    await rig.rows(`UPDATE repository_watch SET seen = '{}'`);
    await rig.look();
    expect(await rig.runsOf(id)).toMatchObject([{ vcsPullRequestNumber: 1, trusted: false, planOnly: true }]);

    rig.forge.permission = 'read';
    rig.pull(3, shaOf('f'), { user: { id: 5, login: 'mally' } });
    await rig.look();
    expect(await rig.runsOf(id)).toHaveLength(1);
  });

  it('says what is wrong, and goes on by itself once it is mended', async () => {
    const id = await rig.workspace({ vcsBranch: 'trunk' });
    const other = await rig.workspace();
    const error = async () => (await rig.row(id)).vcsLastError;
    await rig.look();
    expect(await error()).toMatch(/There is no branch trunk in acme\/infra \(404\)/);
    // The branch of one keeps nobody from another.
    expect(await rig.runsOf(other)).toHaveLength(1);
    for (const [status, text] of [
      [401, /has expired or was revoked/],
      [403, /read_api and read_repository/],
      [404, /no repository acme\/infra/],
    ] as const) {
      await rig.rows(`UPDATE repository_watch SET seen = '{}', default_branch = NULL`);
      rig.forge.before = () => {
        throw new HttpError(status);
      };
      await rig.look();
      expect(await error()).toMatch(text);
    }
    await rig.rows(`UPDATE connection SET status = 'expired'`);
    await rig.look();
    expect(await error()).toMatch(/is expired, so nothing is run/);
    await rig.rows('DELETE FROM connection');
    await rig.look();
    expect(await error()).toMatch(/connection of this workspace is gone/);
    expect(await rig.runsOf(id)).toEqual([]);
  });

  it('follows a repository to its new name, and not another that takes the old one', async () => {
    const id = await rig.workspace();
    await rig.look();
    rig.forge.fullName = 'acme/platform';
    await rig.rows(`UPDATE repository SET remote_name = 'platform'`);
    await rig.rows(`UPDATE repository_watch SET seen = '{}'`);
    await rig.look();
    expect((await rig.row(id)).remotePath).toBe('acme/platform');
    rig.forge.id = 8;
    await rig.rows(`UPDATE repository_watch SET seen = '{}'`);
    rig.forge.branches.set('main', shaOf('b'));
    await rig.look();
    expect((await rig.row(id)).vcsLastError).toMatch(/another repository now/);
    expect(await rig.runsOf(id)).toHaveLength(1);
  });

  it('loses nothing and does nothing twice, whichever request or transaction fails', async () => {
    const id = await rig.workspace();
    rig.pull(4, shaOf('c'));
    const { store } = rig;
    const tenant = store.tenant.bind(store);
    let left = Number.POSITIVE_INFINITY;
    const count = () => {
      left -= 1;
      if (left === 0) throw new Error('killed here');
    };
    rig.forge.before = count;
    store.tenant = (async (organizationId: string, run: Parameters<typeof tenant>[1]) => {
      count();
      const result = await tenant(organizationId, run);
      // Committed, and nobody hears of it.
      count();
      return result;
    }) as typeof store.tenant;
    let steps = 0;
    for (let at = 1; at < 80; at += 1) {
      await tenant(rig.organizationId, async (tx) => {
        await tx.query('DELETE FROM run');
        await tx.query('DELETE FROM configuration_version');
        await tx.query('UPDATE workspace SET vcs_last_commit_sha = NULL');
        await tx.query(`UPDATE repository_watch SET seen = '{}', next_attempt_at = NULL, remote_id = NULL`);
      });
      left = at;
      await rig.look().catch(() => undefined);
      const reached = left <= 0;
      left = Number.POSITIVE_INFINITY;
      const row = await rig.row(id);
      // It has seen a commit only when the run for it is there.
      const runs = await rig.runsOf(id);
      expect(row.vcsLastCommitSha === null ? 0 : 1).toBe(runs.filter(({ planOnly }) => !planOnly).length);
      await rig.look();
      const after = await rig.runsOf(id);
      expect(after.map((run) => [run.planOnly, run.status])).toEqual([
        [false, 'pending'],
        [true, 'pending'],
      ]);
      if (!reached) break;
      steps = at;
    }
    expect(steps).toBeGreaterThan(15);
  }, 60_000);
});
