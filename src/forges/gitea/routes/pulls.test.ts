import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { ForgewayError } from '../../../lib/errors.js';
import { pullMerge } from './pull-merge.js';
import { pulls } from './pulls.js';

const LIST = 'GET /repos/{owner}/{repo}/pulls';
const GET = 'GET /repos/{owner}/{repo}/pulls/{pull_number}';
const CREATE = 'POST /repos/{owner}/{repo}/pulls';
const UPDATE = 'PATCH /repos/{owner}/{repo}/pulls/{pull_number}';
const MERGE = '/repos/{owner}/{repo}/pulls/{pull_number}/merge';
const REVIEWERS = '/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers';
const OF_COMMIT = 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls';

describe('pull requests on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
  });
  afterAll(() => gitea.close());

  const push = (branch: string, files: Record<string, string | null>, message?: string) =>
    gitea.fake.push('acme', 'web', { branch, by: 'bob', files, ...(message && { message }) });
  const numbers = (data: Loose): number[] => data.map((pull: Loose) => pull.number);

  it('are created, and read with every number', async () => {
    await push('topic', { 'a.txt': 'one\ntwo\n' }, 'Add a\n');
    const sha = await push('topic', { 'src/app.ts': null, 'src/main.ts': 'export const one = 1;\n' }, 'Rename app\n');
    const made = await gitea.ask(CREATE, { title: 'A topic', head: 'topic', base: 'main', body: 'Please.' });
    expect(made.status).toBe(201);
    expect(gitea.rig.calls.at(-1)?.json).toEqual({ title: 'A topic', head: 'topic', base: 'main', body: 'Please.' });
    const read = await gitea.ask(GET, { pull_number: 1 });
    expect(read.data).toMatchObject({
      number: 1,
      state: 'open',
      draft: false,
      title: 'A topic',
      user: { login: 'forgeway-bot' },
      head: { ref: 'topic', sha, label: 'acme:topic', repo: { full_name: 'acme/web' } },
      base: { ref: 'main' },
      commits: 2,
      additions: 2,
      deletions: 0,
      changed_files: 2,
      mergeable: true,
      merged: false,
    });
    expect(gitea.told().at(-1)).toEqual(['pull_request', 'opened']);
  });

  it('are clean, and unstable while a status runs or has failed', async () => {
    const { head, mergeable_state: before } = (await gitea.ask(GET, { pull_number: 1 })).data;
    const states = [before];
    for (const [context, state] of [
      ['deploy/x', 'pending'],
      ['ci', 'pending'],
      ['ci', 'failure'],
      ['ci', 'success'],
    ] as const) {
      await gitea.ask('POST /repos/{owner}/{repo}/statuses/{sha}', { sha: head.sha, state, context });
      states.push((await gitea.ask(GET, { pull_number: 1 })).data.mergeable_state);
    }
    expect(states).toEqual(['clean', 'clean', 'unstable', 'unstable', 'clean']);
  });

  it('are refused twice, without branches, and without a title', async () => {
    const twice = await gitea.ask(CREATE, { title: 'Again', head: 'topic', base: 'main' });
    expect([twice.status, twice.data.errors[0].message]).toEqual([
      422,
      'A pull request already exists for acme:topic.',
    ]);
    const noHead = await gitea.ask(CREATE, { title: 'x', head: 'none', base: 'main' });
    expect([noHead.status, noHead.data.errors[0].field]).toEqual([422, 'head']);
    const noBase = await gitea.ask(CREATE, { title: 'x', head: 'topic', base: 'none' });
    expect([noBase.status, noBase.data.errors[0].field]).toEqual([422, 'base']);
    expect((await gitea.ask(CREATE, { title: '', head: 'topic', base: 'main' })).status).toBe(422);
    const same = await gitea.ask(CREATE, { title: 'x', head: 'main', base: 'main' });
    expect([same.status, same.data.message]).toEqual([422, 'Validation Failed']);
  });

  it('are read as a diff and as patches', async () => {
    const diff = await gitea.ask(GET, { pull_number: 1 }, { media: 'diff' });
    expect(diff.headers['content-type']).toBe('application/vnd.github.diff; charset=utf-8');
    expect(String(diff.data)).toMatch(/^diff --git a\/a\.txt b\/a\.txt/);
    const patch = await gitea.ask(GET, { pull_number: 1 }, { media: 'patch' });
    expect(String(patch.data)).toMatch(/Subject: \[PATCH 1\/2\] Add a/);
    expect((await gitea.ask(GET, { pull_number: 99 }, { media: 'diff' })).status).toBe(404);
    expect((await gitea.ask(GET, { pull_number: 'x' })).status).toBe(404);
  });

  it('list their commits oldest first, and their files with patches', async () => {
    const commits = await gitea.ask('GET /repos/{owner}/{repo}/pulls/{pull_number}/commits', { pull_number: 1 });
    expect(commits.data.map((one: Loose) => one.commit.message.trim())).toEqual(['Add a', 'Rename app']);
    const files = await gitea.ask('GET /repos/{owner}/{repo}/pulls/{pull_number}/files', { pull_number: 1 });
    expect(files.data).toMatchObject([
      {
        filename: 'a.txt',
        status: 'added',
        additions: 2,
        deletions: 0,
        changes: 2,
        patch: '@@ -0,0 +1,2 @@\n+one\n+two',
      },
      { filename: 'src/main.ts', status: 'renamed', previous_filename: 'src/app.ts', changes: 0 },
    ]);
    const blob = (content: string) => createHash('sha1').update(`blob ${content.length}\0${content}`).digest('hex');
    expect(files.data.map((one: Loose) => one.sha)).toEqual([blob('one\ntwo\n'), blob('export const one = 1;\n')]);
    const page = await gitea.ask('GET /repos/{owner}/{repo}/pulls/{pull_number}/files', {
      pull_number: 1,
      per_page: 1,
      page: 2,
    });
    expect([page.data[0].filename, page.pages]).toEqual(['src/main.ts', { next: false, last: 2 }]);
    const { api } = gitea.fake;
    const { handle } = api;
    api.handle = async (request) => {
      if (request.url.endsWith('.diff')) throw new ForgewayError('FORGEWAY_ANSWER_TOO_LARGE', 'It is too large.');
      return handle(request);
    };
    try {
      const large = await gitea.ask('GET /repos/{owner}/{repo}/pulls/{pull_number}/files', { pull_number: 1 });
      expect(large.data.map((one: Loose) => [one.filename, one.patch])).toEqual([
        ['a.txt', undefined],
        ['src/main.ts', undefined],
      ]);
    } finally {
      api.handle = handle;
    }
  });

  it('are drafts by their title, which a new title does not end', async () => {
    await push('draft', { 'b.txt': 'b\n' });
    const made = await gitea.ask(CREATE, { title: 'Half done', head: 'draft', base: 'main', draft: true });
    expect([made.data.draft, made.data.title]).toEqual([true, 'WIP: Half done']);
    const renamed = await gitea.ask(UPDATE, { pull_number: 2, title: 'Nearly done' });
    expect([renamed.data.draft, renamed.data.title]).toEqual([true, 'WIP: Nearly done']);
    const ready = await gitea.ask(UPDATE, { pull_number: 2, draft: false });
    expect([ready.data.draft, ready.data.title]).toEqual([false, 'Nearly done']);
    expect((await gitea.ask(UPDATE, { pull_number: 2, draft: true })).data.title).toBe('WIP: Nearly done');
    const refused = await gitea.ask(`PUT ${MERGE}`, { pull_number: 2 });
    expect([refused.status, refused.data.message]).toEqual([405, 'Pull Request is not mergeable']);
  });

  it('change their text, base and state', async () => {
    await push('stable', { 'c.txt': 'c\n' });
    const changed = await gitea.ask(UPDATE, { pull_number: 2, body: 'More', base: 'stable' });
    expect(changed.data).toMatchObject({ body: 'More', base: { ref: 'stable' } });
    expect((await gitea.ask(UPDATE, { pull_number: 2, state: 'closed' })).data.state).toBe('closed');
    const noBase = await gitea.ask(UPDATE, { pull_number: 2, base: 'nowhere' });
    expect([noBase.status, noBase.data.errors]).toEqual([422, [expect.objectContaining({ field: 'base' })]]);
    expect((await gitea.ask(UPDATE, { pull_number: 2, state: 'open', base: 'main' })).data).toMatchObject({
      state: 'open',
      base: { ref: 'main' },
    });
    expect((await gitea.ask(UPDATE, { pull_number: 2 })).data.number).toBe(2);
    expect((await gitea.ask(UPDATE, { pull_number: 99, body: 'x' })).status).toBe(404);
  });

  it('are listed by head, base, state and order', async () => {
    expect(numbers((await gitea.ask(LIST)).data)).toEqual([2, 1]);
    expect(numbers((await gitea.ask(LIST, { sort: 'created', direction: 'asc' })).data)).toEqual([1, 2]);
    expect(numbers((await gitea.ask(LIST, { head: 'acme:topic' })).data)).toEqual([1]);
    expect(numbers((await gitea.ask(LIST, { head: 'bob:topic' })).data)).toEqual([]);
    expect(numbers((await gitea.ask(LIST, { base: 'stable' })).data)).toEqual([]);
    expect(numbers((await gitea.ask(LIST, { state: 'closed' })).data)).toEqual([]);
    expect((await gitea.ask(LIST, { sort: 'luck' })).status).toBe(422);
    const page = await gitea.ask(LIST, { per_page: 1 });
    expect([numbers(page.data), page.pages]).toEqual([[2], { next: true, last: 2 }]);
  });

  it('ask people and teams for a review', async () => {
    const asked = await gitea.ask(`POST ${REVIEWERS}`, {
      pull_number: 1,
      reviewers: ['bob', 'alice'],
      team_reviewers: ['reviewers'],
    });
    expect(
      gitea.rig.calls.find((call) => call.method === 'POST' && call.path.endsWith('requested_reviewers'))?.json,
    ).toEqual({
      reviewers: ['bob', 'alice'],
      team_reviewers: ['Reviewers'],
    });
    expect([asked.status, asked.data.requested_reviewers.map((user: Loose) => user.login)]).toEqual([
      201,
      ['bob', 'alice'],
    ]);
    const removed = await gitea.ask(`DELETE ${REVIEWERS}`, { pull_number: 1, reviewers: ['bob'] });
    expect([removed.status, removed.data.requested_reviewers.length]).toEqual([200, 1]);
    const read = await gitea.ask(`GET ${REVIEWERS}`, { pull_number: 1 });
    expect(read.data.users.map((user: Loose) => user.login)).toEqual(['alice']);
    expect((await gitea.ask(`POST ${REVIEWERS}`, { pull_number: 1, reviewers: ['forgeway-bot'] })).status).toBe(422);
    expect((await gitea.ask(`POST ${REVIEWERS}`, { pull_number: 1, reviewers: ['nobody'] })).status).toBe(422);
    expect(gitea.told().at(-1)).toEqual(['pull_request_review_request', 'review_request_removed']);
  });

  it('are brought up to date with their base', async () => {
    await push('main', { 'd.txt': 'd\n' });
    const head = (await gitea.ask(GET, { pull_number: 1 })).data.head.sha;
    const route = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch';
    expect((await gitea.ask(route, { pull_number: 1, expected_head_sha: '0'.repeat(40) })).status).toBe(422);
    const done = await gitea.ask(route, { pull_number: 1, expected_head_sha: head });
    expect([done.status, done.data.message]).toEqual([202, 'Updating pull request branch.']);
    expect((await gitea.ask(GET, { pull_number: 1 })).data.head.sha).not.toBe(head);
    expect(gitea.told().at(-1)).toEqual(['pull_request_sync', 'synchronized']);
    const again = await gitea.ask(route, { pull_number: 1 });
    expect([again.status, again.data.message]).toEqual([422, 'There are no new commits on the base branch.']);
  });

  it('are merged once, from the head that was seen', async () => {
    const is = () => gitea.ask(`GET ${MERGE}`, { pull_number: 1 });
    expect((await is()).status).toBe(404);
    const stale = await gitea.ask(`PUT ${MERGE}`, { pull_number: 1, sha: '0'.repeat(40) });
    expect([stale.status, stale.data.message]).toEqual([
      409,
      'Head branch was modified. Review and try the merge again.',
    ]);
    expect((await gitea.ask(`PUT ${MERGE}`, { pull_number: 1, merge_method: 'luck' })).status).toBe(422);
    const merged = await gitea.ask(`PUT ${MERGE}`, {
      pull_number: 1,
      merge_method: 'squash',
      commit_title: 'All of it',
      commit_message: 'At once.',
    });
    expect(merged.data).toMatchObject({ merged: true, message: 'Pull Request successfully merged' });
    expect((await is()).status).toBe(204);
    const commit = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}', { ref: 'main' });
    expect([commit.data.sha, commit.data.commit.message.trim()]).toEqual([merged.data.sha, 'All of it\n\nAt once.']);
    expect((await gitea.ask(GET, { pull_number: 1 })).data).toMatchObject({
      merged: true,
      state: 'closed',
      merged_by: { login: 'forgeway-bot' },
    });
    expect((await gitea.ask(`PUT ${MERGE}`, { pull_number: 1 })).status).toBe(405);
    expect((await gitea.ask(OF_COMMIT, { commit_sha: merged.data.sha })).data.map((one: Loose) => one.number)).toEqual([
      1,
    ]);
    expect((await gitea.ask(OF_COMMIT, { commit_sha: 'f'.repeat(40) })).status).toBe(404);
  });

  it('that conflict are not merged', async () => {
    await gitea.fake.push('acme', 'web', { branch: 'left', by: 'bob', files: { 'x.txt': 'left\n' }, startAt: 'main' });
    await push('main', { 'x.txt': 'right\n' });
    const { data } = await gitea.ask(CREATE, { title: 'Conflict', head: 'left', base: 'main' });
    expect((await gitea.ask(GET, { pull_number: data.number })).data.mergeable).toBe(false);
    expect((await gitea.ask(`PUT ${MERGE}`, { pull_number: data.number })).status).toBe(405);
    const behind = await gitea.ask('PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch', {
      pull_number: data.number,
    });
    expect([behind.status, behind.data.message]).toEqual([422, 'merge conflict between base and head']);
  });

  it('come from forks', async () => {
    const forked = await gitea.as('carol').request('POST /repos/{owner}/{repo}/forks', { owner: 'acme', repo: 'web' });
    expect(forked.status).toBe(202);
    await gitea.fake.push('carol', 'web', { branch: 'fix', by: 'carol', files: { 'f.txt': 'f\n' } });
    const made = await gitea
      .as('carol')
      .request(CREATE, { owner: 'acme', repo: 'web', title: 'A fix', head: 'carol:fix', base: 'main' });
    expect(made.data).toMatchObject({
      head: { label: 'carol:fix', repo: { full_name: 'carol/web', fork: true } },
      user: { login: 'carol' },
    });
    expect(numbers((await gitea.ask(LIST, { head: 'carol:fix' })).data)).toEqual([(made.data as Loose).number]);
  });

  it('are not there in a repository that is not there', async () => {
    const more = { pull_number: 1, title: 'x', head: 'a', base: 'b', commit_sha: '0'.repeat(40), reviewers: ['bob'] };
    for (const table of [pulls, pullMerge]) await gitea.expectMissing(table, more);
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ pulls, pullMerge });
  });
});

describe('pull requests on newer servers', () => {
  it('tell their counts, and are found by the commit they brought', async () => {
    const gitea = await startGitea({ version: '1.23.1', flavour: 'forgejo' });
    await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'one\ntwo\n' } });
    await gitea.ask(CREATE, { title: 'A topic', head: 'topic', base: 'main' });
    gitea.rig.forget();
    expect((await gitea.ask(GET, { pull_number: 1 })).data).toMatchObject({
      additions: 2,
      changed_files: 1,
      commits: 1,
    });
    expect(gitea.rig.calls.map(({ path }) => path)).toEqual([
      '/repos/acme/web/pulls/1',
      expect.stringMatching(/^\/repos\/acme\/web\/commits\/[0-9a-f]{40}\/status$/),
      '/repos/acme/web/pulls/1/commits',
    ]);
    const merged = await gitea.ask(`PUT ${MERGE}`, { pull_number: 1 });
    expect((await gitea.ask(OF_COMMIT, { commit_sha: merged.data.sha })).data[0].number).toBe(1);
    expect(gitea.rig.calls.at(-1)?.path).toBe(`/repos/acme/web/commits/${merged.data.sha}/pull`);
    gitea.expectEveryRow({});
    await gitea.close();
  });

  it('whose head is being looked at are merged when that is done', async () => {
    const gitea = await startGitea();
    await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\n' } });
    const { data } = await gitea.ask(CREATE, { title: 'A topic', head: 'topic', base: 'main' });
    const native = { ...(await nativePull(gitea)), mergeable: false };
    gitea.fake.api.failNext('POST', /\/pulls\/1\/merge$/, { status: 405, json: { message: 'Please try again later' } });
    gitea.fake.api.failNext('GET', /\/pulls\/1$/, { json: native });
    gitea.fake.api.failNext('GET', /\/pulls\/1$/, { json: native });
    expect((await gitea.ask(`PUT ${MERGE}`, { pull_number: data.number })).data.merged).toBe(true);
    await gitea.close();
  });
});

async function nativePull({ fake }: GiteaRig): Promise<object> {
  const headers = { authorization: 'token token-of-forgeway-bot' };
  const answer = await fake.api.handle(new Request(`${fake.apiUrl}/repos/acme/web/pulls/1`, { headers }));
  return (await answer.json()) as object;
}
