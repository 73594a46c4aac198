import { createHash } from 'node:crypto';
/** Pull requests with their merges, reviewers, reviews and line comments, each against the fake. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import type { RouteTable } from '../../kit/route.js';
import { merges } from './merges.js';
import { pulls } from './pulls.js';
import { reviewComments } from './review-comments.js';
import { reviewers } from './reviewers.js';
import { reviews } from './reviews.js';

const R = '/repos/{owner}/{repo}';
const PULL = `${R}/pulls/{pull_number}`;

const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask: GitLabRig['ask'] = (...given) => at.gitlab.ask(...given);
const sent = (method: string) => at.gitlab.rig.calls.findLast((call) => call.method === method);

const messageOf = async (ref: string) => {
  const { git } = at.gitlab.web;
  return (await git.readCommit((await git.resolve(ref)) ?? ''))?.message;
};

beforeAll(async () => {
  at.gitlab = await startGitLab({ git: true });
});
afterAll(() => at.gitlab.close());

describe('pull requests', () => {
  it('are opened, as drafts too, once per branch', async () => {
    const { fake, web, people } = at.gitlab;
    await fake.push(web, people.alice, {
      branch: 'topic',
      from: 'main',
      message: 'feat: two\n\nCloses #1',
      files: [{ path: 'src/two.ts', content: 'export const two = 2;\n' }],
    });
    const opened = await ask(`POST ${R}/pulls`, {
      title: 'feat: two',
      head: 'topic',
      base: 'main',
      body: 'See #1',
      draft: true,
    });
    expect(opened.status).toBe(201);
    expect(opened.data).toMatchObject({
      number: 1,
      draft: true,
      state: 'open',
      user: { login: 'forgeway-bot' },
      head: { ref: 'topic', repo: { full_name: 'acme~platform/web' } },
      base: { ref: 'main' },
    });
    expect(sent('POST')).toMatchObject({
      path: '/projects/acme%2Fplatform%2Fweb/merge_requests',
      json: { title: 'Draft: feat: two', description: 'See !1', source_branch: 'topic', target_branch: 'main' },
    });
    const twice = await ask(`POST ${R}/pulls`, { title: 'again', head: 'acme~platform:topic', base: 'main' });
    expect([twice.status, twice.data.errors[0].message]).toEqual([
      422,
      'A pull request already exists for acme~platform:topic.',
    ]);
    const nowhere = await ask(`POST ${R}/pulls`, { title: 'x', head: 'nowhere', base: 'main' });
    expect([nowhere.status, nowhere.data.message, nowhere.data.errors.length]).toEqual([422, 'Validation Failed', 1]);
    expect(nowhere.data.errors[0].message).not.toMatch(/[{["]/);
    const same = await ask(`POST ${R}/pulls`, { title: 'x', head: 'main', base: 'main' });
    expect([same.status, same.data.message]).toEqual([422, 'Validation Failed']);
    expect((await ask(`POST ${R}/pulls`, { title: 'x', head: 'nobody:topic', base: 'main' })).status).toBe(422);
  });

  it('are read with their counts, commits on both sides and mergeability', async () => {
    const { data } = await ask(`GET ${PULL}`, { pull_number: 1 });
    expect(data).toMatchObject({
      additions: 1,
      deletions: 0,
      changed_files: 1,
      commits: 1,
      mergeable: true,
      mergeable_state: 'draft',
      merged: false,
      base: { sha: await at.gitlab.web.git.resolve('main') },
    });
    at.gitlab.rig.forget();
    await ask(`GET ${PULL}`, { pull_number: 1, counts: '0' });
    expect(at.gitlab.rig.calls.map(({ path }) => path.replace('/projects/acme%2Fplatform%2Fweb', ''))).toEqual([
      '/merge_requests/1',
      '',
    ]);
    expect((await ask(`GET ${PULL}`, { pull_number: 1_000_000_001 })).status).toBe(404);
    expect((await ask(`GET ${PULL}`, { pull_number: 9 })).status).toBe(404);
  });

  it('answer diffs and patches', async () => {
    const diff = await ask(`GET ${PULL}`, { pull_number: 1 }, { media: 'diff' });
    expect([diff.headers['content-type'], diff.data]).toEqual([
      'application/vnd.github.diff; charset=utf-8',
      expect.stringContaining('diff --git a/src/two.ts b/src/two.ts\nnew file mode 100644'),
    ]);
    const patch = await ask(`GET ${PULL}`, { pull_number: 1 }, { media: 'patch' });
    expect(patch.data).toMatch(
      /^From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\nFrom: alice <alice@example\.com>\n[\s\S]*Subject: \[PATCH\] feat: two\n[\s\S]*\+export const two = 2;/,
    );
  });

  it('are changed, and stay drafts when only the title is', async () => {
    expect((await ask(`PATCH ${PULL}`, { pull_number: 1, title: 'feat: 2' })).data).toMatchObject({
      title: 'Draft: feat: 2',
      draft: true,
    });
    expect((await ask(`PATCH ${PULL}`, { pull_number: 1, state: 'closed' })).data.state).toBe('closed');
    expect((await ask(`PATCH ${PULL}`, { pull_number: 1, state: 'open', body: 'New' })).data).toMatchObject({
      state: 'open',
      body: 'New',
    });
    expect((await ask(`PATCH ${PULL}`, { pull_number: 1, base: 'nowhere' })).status).toBe(422);
    await at.gitlab.as('alice').request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
      owner: 'acme~platform',
      repo: 'web',
      pull_number: 1,
      title: 'Draft: feat: two',
    });
    expect(at.gitlab.fake.webhooks.sent.at(-1)).toMatchObject({
      event: 'Merge Request Hook',
      payload: {
        user: { username: 'alice' },
        object_attributes: { action: 'update' },
        changes: { title: { previous: 'Draft: feat: 2', current: 'Draft: feat: two' } },
      },
    });
  });

  it('are listed by state, side and page', async () => {
    const second = await at.gitlab.openMergeRequest('second');
    const list = async (more: object) => (await ask(`GET ${R}/pulls`, more)).data.map((one: Loose) => one.number);
    expect(await list({})).toEqual([second, 1]);
    expect(await list({ head: 'acme~platform:topic' })).toEqual([1]);
    expect(await list({ head: 'carol:topic' })).toEqual([]);
    expect(await list({ base: 'other' })).toEqual([]);
    await ask(`PATCH ${PULL}`, { pull_number: second, state: 'closed' });
    expect(await list({ state: 'closed' })).toEqual([second]);
    expect(await list({ state: 'all', direction: 'asc', per_page: 1 })).toEqual([1]);
    expect((await ask(`GET ${R}/pulls`, { state: 'merged' })).status).toBe(422);
    const [one] = (await ask(`GET ${R}/pulls`, {})).data;
    expect(one.base.sha).toBe(await at.gitlab.web.git.resolve('main'));
  });

  it('count the lines of files whose diff GitLab leaves out', async () => {
    const { fake } = at.gitlab;
    const lines = Array.from({ length: 9_000 }, (_, line) => `generated line ${line}\n`).join('');
    const number = await at.gitlab.openMergeRequest('generated', { 'dist/big.js': lines, 'small.txt': 'x\n' });
    const counts = async () => {
      const { data } = await ask(`GET ${PULL}/files`, { pull_number: number });
      return data.map((file: Loose) => [file.filename, file.additions, file.deletions, file.patch !== undefined]);
    };
    expect(await counts()).toEqual([
      ['dist/big.js', 9_000, 0, false],
      ['small.txt', 1, 0, true],
    ]);
    expect((await ask(`GET ${PULL}`, { pull_number: number })).data.additions).toBe(9_001);
    // Before GitLab 17.9 nothing tells.
    fake.api.failNext('GET', /raw_diffs/, { status: 404, json: { error: '404 Not Found' } });
    expect(await counts()).toEqual([
      ['dist/big.js', 0, 0, false],
      ['small.txt', 1, 0, true],
    ]);
    await ask(`PATCH ${PULL}`, { pull_number: number, state: 'closed' });
  });

  it('tell their files and commits, oldest first', async () => {
    const { fake, web, people } = at.gitlab;
    await fake.push(web, people.alice, {
      branch: 'topic',
      message: 'fix: more',
      files: [{ path: 'README.md', content: '# web\n\nmore\n' }],
    });
    expect(fake.webhooks.sent.at(-1)).toMatchObject({
      payload: { object_attributes: { action: 'update', oldrev: expect.stringMatching(/^[0-9a-f]{40}$/) } },
    });
    const files = await ask(`GET ${PULL}/files`, { pull_number: 1, per_page: 1 });
    expect([files.data[0].filename, files.data[0].status, files.data[0].additions, files.pages]).toEqual([
      'README.md',
      'modified',
      2,
      { next: true, last: 2 },
    ]);
    const readme = '# web\n\nmore\n';
    expect(files.data[0].sha).toBe(createHash('sha1').update(`blob ${readme.length}\0${readme}`).digest('hex'));
    const commits = await ask(`GET ${PULL}/commits`, { pull_number: 1 });
    expect(commits.data.map((one: Loose) => one.commit.message)).toEqual([
      'feat: two\n\nCloses #1000000001',
      'fix: more',
    ]);
    const ofCommit = await ask(`GET ${R}/commits/{commit_sha}/pulls`, { commit_sha: commits.data[1].sha });
    expect(ofCommit.data.map((one: Loose) => one.number)).toEqual([1]);
  });

  it('come from forks', async () => {
    const { fake, web, people } = at.gitlab;
    const fork = await fake.fork(web, people.carol);
    await fake.push(fork, people.carol, {
      branch: 'patch-1',
      from: 'main',
      message: 'docs: fork',
      files: [{ path: 'FORK.md', content: 'x\n' }],
    });
    const carol = at.gitlab.as('carol');
    web.members.set(people.carol.id, 10);
    fork.members.set(people.bot.id, 10);
    const opened = await carol.request(`POST ${R}/pulls`, {
      owner: 'acme~platform',
      repo: 'web',
      title: 'From a fork',
      head: 'carol:patch-1',
      base: 'main',
    });
    expect(opened.data).toMatchObject({
      head: { label: 'carol:patch-1', repo: { full_name: 'carol/web', fork: true } },
      base: { repo: { full_name: 'acme~platform/web' } },
    });
    const number = (opened.data as Loose).number;
    expect((await ask(`GET ${R}/pulls`, { head: 'carol:patch-1' })).data.map((one: Loose) => one.number)).toEqual([
      number,
    ]);
    fake.state.projects.splice(fake.state.projects.indexOf(fork), 1, {
      ...fork,
      visibility: 'private',
      members: new Map(),
    });
    expect((await ask(`GET ${PULL}`, { pull_number: number })).data.head.repo).toBeNull();
  });
});

describe('merging', () => {
  it('refuses drafts, other heads and what is merged', async () => {
    const draft = await ask(`PUT ${PULL}/merge`, { pull_number: 1 });
    expect([draft.status, draft.data.message]).toEqual([405, 'Pull Request is not mergeable']);
    const number = await at.gitlab.openMergeRequest('merge-me', { 'm.txt': 'm\n' });
    expect((await ask(`GET ${PULL}/merge`, { pull_number: number })).status).toBe(404);
    const other = await ask(`PUT ${PULL}/merge`, { pull_number: number, sha: '1'.repeat(40) });
    expect([other.status, other.data.message]).toEqual([
      409,
      'Head branch was modified. Review and try the merge again.',
    ]);
    const { data: pull } = await ask(`GET ${PULL}`, { pull_number: number });
    const merged = await ask(`PUT ${PULL}/merge`, {
      pull_number: number,
      sha: pull.head.sha,
      commit_title: 'Merged',
      commit_message: 'Why #1',
    });
    expect(merged.data).toMatchObject({ merged: true, sha: await at.gitlab.web.git.resolve('main') });
    expect(await messageOf('main')).toBe('Merged\n\nWhy !1');
    expect((await ask(`GET ${PULL}/merge`, { pull_number: number })).status).toBe(204);
    expect((await ask(`GET ${PULL}`, { pull_number: number })).data).toMatchObject({
      merged: true,
      state: 'closed',
      merged_by: { login: 'forgeway-bot' },
      merge_commit_sha: merged.data.sha,
    });
    expect((await ask(`PUT ${PULL}/merge`, { pull_number: number })).status).toBe(405);
    expect(
      at.gitlab.fake.webhooks.sent
        .map(({ event, payload }) => [event, (payload as Loose).object_attributes?.action])
        .slice(-2),
    ).toEqual([
      ['Merge Request Hook', 'merge'],
      ['Push Hook', undefined],
    ]);
  });

  it('squashes and rebases', async () => {
    const squashed = await at.gitlab.openMergeRequest('squash-me', { 's.txt': 's\n' });
    expect(
      (await ask(`PUT ${PULL}/merge`, { pull_number: squashed, merge_method: 'squash', commit_title: 'One' })).data
        .merged,
    ).toBe(true);
    expect(await messageOf('main')).toBe('One');
    const rebased = await at.gitlab.openMergeRequest('rebase-me', { 'r.txt': 'r\n' });
    expect((await ask(`PUT ${PULL}/merge`, { pull_number: rebased, merge_method: 'rebase' })).data.merged).toBe(true);
    expect(await at.gitlab.web.git.readFile('main', 'r.txt')).toBeDefined();
    expect(sent('PUT')?.json).toMatchObject({ sha: await at.gitlab.web.git.resolve('rebase-me') });
  });

  it('waits for GitLab to see the head that it rebased, and for no other', async () => {
    const { fake, web, people } = at.gitlab;
    const number = await at.gitlab.openMergeRequest('seen-late', { 'late.txt': 'l\n' });
    const url = `${fake.apiUrl()}/projects/${web.id}/merge_requests/${number}`;
    const seen = await fake.api.handle(new Request(url, { headers: { authorization: 'Bearer glpat-forgeway-bot' } }));
    const stale = { json: await seen.json() };
    await fake.push(web, people.alice, { branch: 'main', message: 'on', files: [{ path: 'on.txt', content: 'o\n' }] });
    for (const _look of ['before', 'after']) fake.api.failNext('GET', /\/merge_requests\/\d+$/, stale);
    at.gitlab.rig.forget();
    expect((await ask(`PUT ${PULL}/merge`, { pull_number: number, merge_method: 'rebase' })).data.merged).toBe(true);
    const merges = at.gitlab.rig.calls.filter(({ path }) => path.endsWith('/merge'));
    expect(merges.map(({ json, status }) => [(json as Loose).sha, status])).toEqual([
      [(stale.json as Loose).sha, 409],
      [await web.git.resolve('seen-late'), 200],
    ]);
    const other = await at.gitlab.openMergeRequest('moved', { 'moved.txt': 'm\n' });
    fake.api.failNext('PUT', /\/merge$/, { status: 409, json: { message: '409 SHA does not match HEAD' } });
    expect((await ask(`PUT ${PULL}/merge`, { pull_number: other, merge_method: 'rebase' })).status).toBe(409);
    await ask(`PATCH ${PULL}`, { pull_number: other, state: 'closed' });
  });

  it('answers 405 to a conflict and 403 to those who may not', async () => {
    const { fake, web, people } = at.gitlab;
    const number = await at.gitlab.openMergeRequest('conflict', { 'README.md': 'theirs\n' });
    await fake.push(web, people.alice, {
      branch: 'main',
      message: 'ours',
      files: [{ path: 'README.md', content: 'ours\n' }],
    });
    expect((await ask(`GET ${PULL}`, { pull_number: number })).data).toMatchObject({
      mergeable: false,
      mergeable_state: 'dirty',
    });
    expect((await ask(`PUT ${PULL}/merge`, { pull_number: number })).status).toBe(405);
    const carol = await at.gitlab
      .as('carol')
      .request(`PUT ${PULL}/merge`, { owner: 'acme~platform', repo: 'web', pull_number: number });
    expect(carol.status).toBe(403);
  });

  it('updates a branch by a rebase', async () => {
    const number = await at.gitlab.openMergeRequest('behind', { 'b.txt': 'b\n' });
    const level = await ask(`PUT ${PULL}/update-branch`, { pull_number: number });
    expect([level.status, level.data.message]).toEqual([422, 'There are no new commits on the base branch.']);
    await at.gitlab.fake.push(at.gitlab.web, at.gitlab.people.alice, {
      branch: 'main',
      message: 'onwards',
      files: [{ path: 'o.txt', content: 'o\n' }],
    });
    expect(
      (await ask(`PUT ${PULL}/update-branch`, { pull_number: number, expected_head_sha: '0'.repeat(40) })).status,
    ).toBe(422);
    expect((await ask(`PUT ${PULL}/update-branch`, { pull_number: number })).status).toBe(202);
    expect(await at.gitlab.web.git.isAncestor('main', 'behind')).toBe(true);
  });

  it('merges branches without a pull request, by git', async () => {
    const { fake, web, people } = at.gitlab;
    await fake.push(web, people.alice, {
      branch: 'side',
      from: 'main',
      message: 'side',
      files: [{ path: 'side.txt', content: '1\n' }],
    });
    const merged = await ask(`POST ${R}/merges`, { base: 'main', head: 'side', commit_message: 'Take side' });
    expect([merged.status, merged.data.commit.message, merged.data.parents.length]).toEqual([201, 'Take side', 2]);
    expect(await web.git.resolve('main')).toBe(merged.data.sha);
    expect((await ask(`POST ${R}/merges`, { base: 'main', head: 'side' })).status).toBe(204);
    expect((await ask(`POST ${R}/merges`, { base: 'main', head: 'conflict' })).status).toBe(409);
    expect((await ask(`POST ${R}/merges`, { base: 'nowhere', head: 'side' })).status).toBe(404);
  });
});

describe('reviewers', () => {
  it('are asked by login and taken away again', async () => {
    const added = await ask(`POST ${PULL}/requested_reviewers`, { pull_number: 1, reviewers: ['bob', 'alice'] });
    expect([added.status, added.data.requested_reviewers.map((one: Loose) => one.login)]).toEqual([
      201,
      ['bob', 'alice'],
    ]);
    expect(sent('PUT')?.json).toEqual({ reviewer_ids: [at.gitlab.people.bob.id, at.gitlab.people.alice.id] });
    expect((await ask(`GET ${PULL}/requested_reviewers`, { pull_number: 1 })).data.users).toHaveLength(2);
    expect(
      (await ask(`DELETE ${PULL}/requested_reviewers`, { pull_number: 1, reviewers: ['alice'] })).data
        .requested_reviewers,
    ).toHaveLength(1);
    expect(
      (await ask(`POST ${PULL}/requested_reviewers`, { pull_number: 1, team_reviewers: ['reviewers'] })).status,
    ).toBe(422);
    expect((await ask(`POST ${PULL}/requested_reviewers`, { pull_number: 1, reviewers: ['nobody'] })).status).toBe(422);
    const author = await ask(`POST ${PULL}/requested_reviewers`, { pull_number: 1, reviewers: ['forgeway-bot'] });
    expect([author.status, author.data.message]).toEqual([422, 'Review cannot be requested from pull request author.']);
  });
});

describe('reviews', () => {
  const list = async (number: number) => (await ask(`GET ${PULL}/reviews`, { pull_number: number })).data;

  it('approve once, and are dismissed by whoever gave them', async () => {
    const number = await at.gitlab.openMergeRequest('approve-me', { 'a.txt': 'a\n' });
    const approved = await ask(`POST ${PULL}/reviews`, { pull_number: number, event: 'APPROVE', body: 'Good' });
    expect(approved.data).toMatchObject({ state: 'APPROVED', body: 'Good', user: { login: 'forgeway-bot' } });
    expect((await ask(`POST ${PULL}/reviews`, { pull_number: number, event: 'APPROVE' })).status).toBe(200);
    await at.gitlab
      .as('bob')
      .request(`POST ${PULL}/reviews`, { owner: 'acme~platform', repo: 'web', pull_number: number, event: 'APPROVE' });
    const states = (await list(number)).map((one: Loose) => [one.user.login, one.state]);
    expect(states).toEqual(
      expect.arrayContaining([
        ['forgeway-bot', 'APPROVED'],
        ['bob', 'APPROVED'],
      ]),
    );
    const bobs = (await list(number)).find((one: Loose) => one.user.login === 'bob');
    expect(
      (
        await ask(`PUT ${PULL}/reviews/{review_id}/dismissals`, {
          pull_number: number,
          review_id: bobs.id,
          message: 'no',
        })
      ).status,
    ).toBe(403);
    const gone = await ask(`PUT ${PULL}/reviews/{review_id}/dismissals`, {
      pull_number: number,
      review_id: approved.data.id,
      message: 'Changed my mind',
    });
    expect(gone.data.state).toBe('DISMISSED');
    expect((await list(number)).find((one: Loose) => one.id === approved.data.id).state).toBe('DISMISSED');
    expect((await ask(`GET ${PULL}/reviews/{review_id}`, { pull_number: number, review_id: bobs.id })).data.state).toBe(
      'APPROVED',
    );
  });

  it('carry comments on lines, which are found by the review', async () => {
    const number = await at.gitlab.openMergeRequest('comment-me', {
      'src/app.ts': 'export const one = 1;\nexport const three = 3;\n',
    });
    const made = await ask(`POST ${PULL}/reviews`, {
      pull_number: number,
      event: 'REQUEST_CHANGES',
      body: 'Please',
      comments: [{ path: 'src/app.ts', line: 2, body: 'Why?' }],
    });
    expect(made.data.state).toBe('CHANGES_REQUESTED');
    const comments = await ask(`GET ${PULL}/reviews/{review_id}/comments`, {
      pull_number: number,
      review_id: made.data.id,
    });
    const ofReview = { pull_request_review_id: made.data.id };
    expect(comments.data).toMatchObject([{ body: 'Why?', path: 'src/app.ts', line: 2, side: 'RIGHT', ...ofReview }]);
    // Also after they were listed, which tells their places anew.
    for (let round = 0; round < 2; round += 1)
      expect((await ask(`GET ${PULL}/comments`, { pull_number: number })).data).toMatchObject([ofReview]);
    const again = { pull_number: number, review_id: made.data.id };
    expect((await ask(`GET ${PULL}/reviews/{review_id}/comments`, again)).data).toEqual(comments.data);
    expect((await list(number))[0]).toMatchObject({ state: 'CHANGES_REQUESTED', body: 'Please' });
    expect((await ask(`POST ${PULL}/reviews`, { pull_number: number, event: 'COMMENT' })).status).toBe(422);
    const off = await ask(`POST ${PULL}/reviews`, {
      pull_number: number,
      event: 'COMMENT',
      comments: [{ path: 'src/app.ts', line: 99, body: 'x' }],
    });
    expect(off.status).toBe(422);
  });

  it('wait until they are submitted', async () => {
    const pending = await ask(`POST ${PULL}/reviews`, {
      pull_number: 1,
      comments: [{ path: 'src/two.ts', line: 1, body: 'Later' }],
    });
    expect(pending.data.state).toBe('PENDING');
    expect((await ask(`GET ${PULL}/comments`, { pull_number: 1 })).data).toEqual([]);
    const done = await ask(`POST ${PULL}/reviews/{review_id}/events`, {
      pull_number: 1,
      review_id: pending.data.id,
      event: 'COMMENT',
      body: 'Now',
    });
    expect([done.data.id, done.data.state]).toEqual([pending.data.id, 'COMMENTED']);
    expect((await ask(`GET ${PULL}/comments`, { pull_number: 1 })).data).toHaveLength(1);
    expect(
      (
        await ask(`POST ${PULL}/reviews/{review_id}/events`, {
          pull_number: 1,
          review_id: pending.data.id,
          event: 'COMMENT',
          body: 'x',
        })
      ).status,
    ).toBe(422);
  });

  it('show what reviewers said on GitLab’s own page', async () => {
    const { fake, web, people } = at.gitlab;
    const mr = web.mergeRequests.find(({ iid }) => iid === 1);
    fake.state.reviewStates.set(`${mr?.id}:${people.bob.id}`, 'requested_changes');
    expect((await list(1)).map((one: Loose) => [one.user.login, one.state])).toContainEqual([
      'bob',
      'CHANGES_REQUESTED',
    ]);
    fake.state.reviewStates.clear();
    expect((await list(1)).map((one: Loose) => [one.user.login, one.state])).toContainEqual(['bob', 'DISMISSED']);
  });
});

describe('comments on lines', () => {
  it('stand where GitLab wants both numbers, are answered, changed and deleted', async () => {
    const number = await at.gitlab.openMergeRequest('lines', {
      'src/app.ts': 'export const one = 1;\nexport const four = 4;\n',
    });
    const made = await ask(`POST ${PULL}/comments`, {
      pull_number: number,
      body: 'On what was there',
      path: 'src/app.ts',
      line: 1,
      commit_id: 'x',
    });
    expect(sent('POST')?.json).toMatchObject({
      position: { position_type: 'text', old_path: 'src/app.ts', new_path: 'src/app.ts', old_line: 1, new_line: 1 },
    });
    const older = await ask(`POST ${PULL}/comments`, {
      pull_number: number,
      body: 'By position',
      path: 'src/app.ts',
      position: 2,
    });
    expect(older.data.line).toBe(2);
    const answer = await ask(`POST ${PULL}/comments/{comment_id}/replies`, {
      pull_number: number,
      comment_id: made.data.id,
      body: 'Indeed',
    });
    expect(answer.data).toMatchObject({ in_reply_to_id: made.data.id, path: 'src/app.ts', line: 1 });
    const other = await ask(`POST ${PULL}/comments`, { pull_number: number, body: 'Also', in_reply_to: made.data.id });
    expect(other.data.in_reply_to_id).toBe(made.data.id);
    expect((await ask(`GET ${PULL}/comments`, { pull_number: number })).data.map((one: Loose) => one.body)).toEqual([
      'On what was there',
      'By position',
      'Indeed',
      'Also',
    ]);
    expect(
      (await ask(`PATCH ${R}/pulls/comments/{comment_id}`, { comment_id: answer.data.id, body: 'Changed' })).data.body,
    ).toBe('Changed');
    expect((await ask(`GET ${R}/pulls/comments/{comment_id}`, { comment_id: answer.data.id })).data).toMatchObject({
      body: 'Changed',
      in_reply_to_id: made.data.id,
    });
    expect((await ask(`DELETE ${R}/pulls/comments/{comment_id}`, { comment_id: answer.data.id })).status).toBe(204);
    expect((await ask(`GET ${R}/pulls/comments/{comment_id}`, { comment_id: answer.data.id })).status).toBe(404);
    expect(
      (await ask(`POST ${PULL}/comments`, { pull_number: number, body: 'x', path: 'nowhere.ts', line: 1 })).status,
    ).toBe(422);
  });
});

it('comments on several lines are read as they were written', async () => {
  const pull_number = await at.gitlab.openMergeRequest('several-lines', {
    'src/app.ts': 'export const zero = 0;\nexport const four = 4;\nexport const five = 5;\n',
  });
  const place = { path: 'src/app.ts', start_line: 1, line: 3 };
  const made = await ask(`POST ${PULL}/comments`, { pull_number, body: 'All of it', commit_id: 'x', ...place });
  const range = { start_line: 1, original_start_line: 1, start_side: 'RIGHT', line: 3, side: 'RIGHT' };
  expect(made.data).toMatchObject(range);
  const from = { path: 'src/app.ts', start_line: 1, start_side: 'LEFT', line: 2, side: 'RIGHT' };
  const across = await ask(`POST ${PULL}/comments`, { pull_number, body: 'What went, too', commit_id: 'x', ...from });
  const { path: _, ...sides } = from;
  expect(across.data).toMatchObject(sides);
  const listed = await ask(`GET ${PULL}/comments`, { pull_number });
  expect(listed.data).toMatchObject([range, sides]);
});

it('a suggestion on several lines replaces all of them, and is read as it was written', async () => {
  const pull_number = await at.gitlab.openMergeRequest('suggested', {
    'src/app.ts': 'export const zero = 0;\nexport const four = 4;\nexport const five = 5;\n',
  });
  const body = 'Shorter:\n```suggestion\nexport const nine = 9;\n```';
  const place = { path: 'src/app.ts', start_line: 2, line: 3 };
  const made = await ask(`POST ${PULL}/comments`, { pull_number, body, commit_id: 'x', ...place });
  const sent = () => JSON.stringify(at.gitlab.rig.calls.at(-1)?.json);
  expect(sent()).toContain('```suggestion:-1+0\\nexport const nine');
  expect(made.data).toMatchObject({ body, start_line: 2, line: 3 });
  const review = { event: 'COMMENT', comments: [{ ...place, side: 'RIGHT', body }] };
  await ask(`POST ${PULL}/reviews`, { pull_number, ...review });
  const comment_id = made.data.id;
  expect((await ask(`PATCH ${R}/pulls/comments/{comment_id}`, { comment_id, body: `${body} ` })).data.body).toBe(
    `${body} `,
  );
  expect(sent()).toContain('suggestion:-1+0');
  const answered = await ask(`POST ${PULL}/comments/{comment_id}/replies`, { pull_number, comment_id, body });
  expect(answered.data.body).toBe(body);
  expect(sent()).toContain('suggestion:-1+0');
  const listed = await ask(`GET ${PULL}/comments`, { pull_number });
  expect(listed.data.map((one: { body: string }) => one.body.trim())).toEqual([body, body, body]);
});

it('every row here has an effect and an error case', async () => {
  const tables = { pulls, merges, reviewers, reviews, reviewComments };
  const rows = Object.assign({}, ...Object.values(tables)) as RouteTable;
  await at.gitlab.expectMissing(rows, {
    pull_number: 1,
    comment_id: 4,
    review_id: 3,
    commit_sha: 'main',
    title: 'x',
    body: 'x',
    head: 'a',
    base: 'b',
    path: 'x',
    line: 1,
    event: 'COMMENT',
    message: 'x',
    reviewers: [],
  });
  at.gitlab.expectEveryRow(tables);
});
