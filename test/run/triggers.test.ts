/** What a forge shows becomes runs: none is lost, and none is there twice, whatever fails in between. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { insertRun, isTrusted, type RunRow } from '../../src/store/workspace/runs.js';
import { createRunRig, HttpError, INTERVAL_MS, type RunRig, shaOf } from './run-rig.js';

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

  it('gives up runs of the API in the same way, and leaves a plan that somebody asked for', async () => {
    const id = await rig.workspace();
    rig.pull(4, shaOf('c'));
    await rig.look();
    const [push, head] = await rig.runsOf(id);
    if (push === undefined || head === undefined) throw new Error('not queued');
    const again = (of: RunRow, planOnly: boolean) =>
      rig.store.tenant(rig.organizationId, (tx) =>
        insertRun(tx, rig.organizationId, {
          ...{ workspaceId: id, configurationVersionId: of.configurationVersionId, source: 'api', planOnly },
          ...{ message: 'again', createdBy: 'ada', vcsCommitSha: of.vcsCommitSha ?? '', vcsBranch: of.vcsBranch ?? '' },
        }),
      );
    const [applies, plans, ofHead] = [await again(push, false), await again(push, true), await again(head, true)];
    const status = async (run: string | undefined) => (await rig.run(run ?? '')).status;
    await rig.look();
    expect([await status(applies), await status(plans), await status(ofHead)]).toEqual(Array(3).fill('pending'));
    rig.forge.branches.set('main', shaOf('b'));
    rig.pull(4, shaOf('d'));
    await rig.look();
    expect([await status(applies), await status(plans), await status(ofHead)]).toEqual([
      'discarded',
      'pending',
      'discarded',
    ]);
    expect(await rig.run(applies ?? '')).toMatchObject({ statusReason: 'bbbbbbb was pushed to main after it.' });
    const last = await again((await rig.runsOf(id)).find((run) => run.vcsCommitSha === shaOf('d')) ?? head, true);
    rig.forge.pulls.clear();
    await rig.look();
    expect(await rig.run(last ?? '')).toMatchObject({
      status: 'discarded',
      statusReason: expect.stringMatching(/not open/),
    });
  });

  it('gives up no plan of a pull request that may be open behind those that were listed', async () => {
    const id = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    // Every page is full, so that the list is never known to have ended.
    for (let number = 1; number <= 101; number += 1) rig.pull(number, number.toString(16).padStart(40, '0'));
    await rig.look();
    rig.forge.pulls.delete(1);
    await rig.look();
    const first = (await rig.runsOf(id)).find((run) => run.vcsPullRequestNumber === 1);
    expect(first?.status).toBe('pending');
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

  it('says in its log that it looks, once for each round over all repositories', async () => {
    await rig.workspace();
    await rig.workspace({ remotePath: 'acme/gone', vcsRepoUrl: 'https://forge.example/acme/gone' });
    const said = (msg: string) => rig.logged.filter((line) => line.msg === msg);
    expect(said('VCS poller started')).toHaveLength(1);
    await rig.look();
    expect(said('VCS poll cycle')).toEqual([]);
    let now = new Date();
    await rig.restart(undefined, { now: () => now });
    await rig.look();
    expect(said('VCS poll cycle')).toEqual([]);
    now = new Date(now.getTime() + INTERVAL_MS);
    await rig.look();
    // The first look of the new round ends the one before.
    expect(said('VCS poll cycle')).toMatchObject([{ looked: 3, failed: 0, ms: INTERVAL_MS }]);
  });

  it('plans what is open for a workspace that is linked while its repository is looked at', async () => {
    const first = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    rig.pull(1, shaOf('c'));
    const others: string[] = [];
    rig.forge.before = async (request) => {
      if (request.includes('/pulls') && others.length === 0) others.push(await rig.workspace());
    };
    await rig.look();
    rig.forge.before = () => undefined;
    await rig.look();
    const numbersOf = async (id: string) => (await rig.runsOf(id)).map((run) => run.vcsPullRequestNumber);
    expect([await numbersOf(first), await numbersOf(others[0] ?? '')]).toEqual([[1], [null, 1]]);
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
    // One whose files nobody can list concerns everybody, and holds up none behind it.
    rig.forge.before = (request) => {
      if (request.includes('/files')) throw new HttpError(422);
    };
    rig.pull(3, shaOf('e'));
    rig.pull(4, shaOf('f'));
    await rig.look();
    expect((await rig.runsOf(id)).map((run) => run.vcsPullRequestNumber)).toEqual([null, 2, 3, 4]);
    rig.forge.before = () => undefined;
  });

  it('runs what a forge cannot compare once it has had its time, and says why it waits until then', async () => {
    const id = await rig.workspace({ triggerPrefixes: ['envs'], vcsLastCommitSha: shaOf('9') });
    rig.forge.before = (request) => {
      if (request.includes('/compare') || request.includes('/files')) throw new HttpError(500);
    };
    try {
      await rig.look();
      // Another process goes on with it.
      await rig.restart();
      await rig.look();
      expect(await rig.runsOf(id)).toEqual([]);
      expect(await rig.row(id)).toMatchObject({
        vcsLastCommitSha: shaOf('9'),
        vcsLastError:
          'The push of aaaaaaa could not be looked at: HTTP 500. It is tried again, and after ten minutes it is run all the same.',
      });
      const later = () =>
        rig.rows(`UPDATE repository_watch SET unanswered =
          (SELECT coalesce(jsonb_object_agg(key, value::bigint - 601000), '{}') FROM jsonb_each(unanswered))`);
      await later();
      rig.pull(1, shaOf('c'));
      await rig.look();
      expect(await rig.row(id)).toMatchObject({ vcsLastCommitSha: shaOf('a') });
      expect((await rig.runsOf(id)).map((run) => run.vcsCommitSha)).toEqual([shaOf('a')]);
      expect((await rig.row(id)).vcsLastError).toMatch(/^Pull request #1 could not be looked at: HTTP 500/);
      await later();
      await rig.look();
      expect((await rig.runsOf(id)).map((run) => run.vcsPullRequestNumber)).toEqual([null, 1]);
      // What nobody asks about any more is forgotten with time.
      await rig.rows(`UPDATE repository_watch SET unanswered = '{"old": 1}'`);
      rig.forge.branches.set('main', shaOf('b'));
      await rig.look();
      const [watch] = await rig.rows<{ unanswered: object }>('SELECT unanswered FROM repository_watch');
      expect(Object.keys(watch?.unanswered ?? {})).toEqual([`${id} ${shaOf('a')}...${shaOf('b')}`]);
    } finally {
      rig.forge.before = () => undefined;
    }
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
    const [approved] = await rig.runsOf(id);
    expect(approved).toMatchObject({ vcsPullRequestNumber: 1, trusted: false, planOnly: true });
    // Nor is it when somebody runs what they wrote once more.
    expect(await rig.tenant((tx) => isTrusted(tx, approved?.configurationVersionId ?? ''))).toBe(false);

    rig.forge.permission = 'read';
    rig.pull(3, shaOf('f'), { user: { id: 5, login: 'mally' } });
    await rig.look();
    expect(await rig.runsOf(id)).toHaveLength(1);
  });

  it('waits where somebody else has pushed the head than who opened the pull request, and may not write', async () => {
    const id = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    await rig.rows(
      `INSERT INTO seen_head (organization_id, repository_id, number, sha, pusher_id, pusher_login)
       SELECT organization_id, id, 1, $1, 6, 'mallory' FROM repository`,
      [shaOf('c')],
    );
    rig.forge.before = (request) => {
      if (request.endsWith('permission mallory')) throw new HttpError(404);
    };
    rig.pull(1, shaOf('c'), { user: { id: 5, login: 'grace' } });
    await rig.look();
    expect(await rig.runsOf(id)).toEqual([]);
    rig.pull(1, shaOf('d'), { user: { id: 5, login: 'grace' } });
    await rig.look();
    expect(await rig.runsOf(id)).toMatchObject([{ vcsCommitSha: shaOf('d'), trusted: true }]);
  });

  it('goes on with the others where the forge does not say who somebody is, and asks again', async () => {
    const id = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    const by = (login: string) => ({ user: { id: login.length, login } });
    rig.pull(1, shaOf('c'), by('grace'));
    rig.pull(2, shaOf('d'), by('gone'));
    rig.pull(3, shaOf('e'));
    const failing = (status: number, ...logins: string[]) => {
      rig.forge.before = (request) => {
        if (logins.some((login) => request.endsWith(`permission ${login}`))) throw new HttpError(status);
        if (request.endsWith('permission gone')) throw new HttpError(404);
      };
    };
    failing(502, 'grace');
    await rig.look();
    const planned = async () => (await rig.runsOf(id)).map((run) => run.vcsPullRequestNumber);
    expect(await planned()).toEqual([3]);
    expect(await rig.row(id)).toMatchObject({
      vcsLastError: 'Pull request #1 could not be looked at: HTTP 502. It is tried again.',
      vcsLastPolledAt: expect.any(Date),
    });
    // Who is not there has no rights; that is an answer.
    expect(await rig.rows('SELECT sha, description FROM commit_status')).toEqual([
      { sha: shaOf('d'), description: 'Waits for /ok-to-test' },
    ]);
    failing(502);
    await rig.look();
    expect(await planned()).toEqual([3, 1]);
    expect((await rig.row(id)).vcsLastError).toBeNull();

    // What concerns everybody is no matter of one pull request: the forge is left alone.
    for (const [number, letter] of [
      [4, '1'],
      [5, '2'],
      [6, '3'],
      [7, '4'],
    ] as const)
      rig.pull(number, shaOf(letter), by('somebody'));
    failing(502, 'somebody');
    rig.forge.requests.length = 0;
    await rig.look();
    expect(rig.forge.requests.filter((request) => request.endsWith('somebody'))).toHaveLength(3);
    expect((await rig.row(id)).vcsLastError).toMatch(
      /^Pull request #\d could not be looked at: HTTP 502\. It is tried again\.$/,
    );
  });

  it('waits for somebody who has looked at what an agent made, whoever opened the pull request', async () => {
    const id = await rig.workspace({ vcsLastCommitSha: shaOf('a') });
    const [repository] = await rig.rows<{ id: string }>('SELECT id FROM repository');
    const session = (branch: string, isAtWork: boolean, sha: string | null) =>
      rig.rows(
        `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
           command_key, requested_by, agent, triggered_at, limit_seconds, branch, lease_held, result_sha, fence)
         SELECT organization_id, id, forge, host, remote_id, 3, false, $1, 'test', 'scripted', now(), 60, $1, $2, $3,
           (SELECT count(*) + 1 FROM agent_session)
         FROM repository`,
        [branch, isAtWork, sha],
      );
    await session('forgeway/1', false, shaOf('c'));
    // What it has pushed a moment ago is not written down yet.
    await session('forgeway/2', true, null);
    await session('forgeway/3', false, null);
    for (const [number, letter] of [
      [1, 'c'],
      [2, 'd'],
      [3, 'e'],
    ] as const)
      rig.pull(number, shaOf(letter), { head: { sha: shaOf(letter), ref: `forgeway/${number}`, repo: { id: 7 } } });
    await rig.look();
    expect(await rig.runsOf(id)).toMatchObject([{ vcsPullRequestNumber: 3, trusted: true }]);
    await rig.rows(
      `INSERT INTO trusted_commit (organization_id, repository_id, number, sha, approved_by, approver_login)
       VALUES ($1, $2, 1, $3, 'ada', 'ada')`,
      [rig.organizationId, repository?.id, shaOf('c')],
    );
    await rig.rows(`UPDATE repository_watch SET seen = '{}'`);
    await rig.look();
    expect(await rig.runsOf(id)).toMatchObject([
      { vcsPullRequestNumber: 3 },
      { vcsPullRequestNumber: 1, trusted: true, planOnly: true },
    ]);
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
  });
});
