/** Repositories, files, commits, refs, statuses, checks, releases and people, each against the fake. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import type { RouteTable } from '../../kit/route.js';
import { actions } from './actions.js';
import { branchProtection } from './branch-protection.js';
import { branches } from './branches.js';
import { checkSuites } from './check-suites.js';
import { checks } from './checks.js';
import { collaborators } from './collaborators.js';
import { commits } from './commits.js';
import { contents } from './contents.js';
import { gitObjects } from './git-objects.js';
import { organizations } from './organizations.js';
import { refs } from './refs.js';
import { releaseAssets } from './release-assets.js';
import { releases } from './releases.js';
import { repos } from './repos.js';
import { statuses } from './statuses.js';
import { users } from './users.js';

const R = '/repos/{owner}/{repo}';

const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask: GitLabRig['ask'] = (...given) => at.gitlab.ask(...given);
const sent = (method: string) => at.gitlab.rig.calls.findLast((call) => call.method === method);
const head = async (ref = 'main') => (await at.gitlab.web.git.resolve(ref)) ?? '';

beforeAll(async () => {
  at.gitlab = await startGitLab({ git: true });
});
afterAll(() => at.gitlab.close());

describe('repositories', () => {
  it('are read with owner, visibility and what the token may do', async () => {
    expect((await ask(`GET ${R}`)).data).toMatchObject({
      name: 'web',
      full_name: 'acme~platform/web',
      private: true,
      default_branch: 'main',
      owner: { login: 'acme~platform', type: 'Organization' },
      permissions: { admin: false, maintain: true, push: true, pull: true },
      clone_url: expect.stringContaining('/acme/platform/web.git'),
    });
    expect(
      (await ask('GET /orgs/{org}/repos', { org: 'acme~platform' })).data.map((one: Loose) => one.full_name),
    ).toEqual(['acme~platform/web']);
    expect((await ask('GET /orgs/{org}/repos', { org: 'nobody' })).status).toBe(404);
  });

  it('are changed and archived', async () => {
    const changed = await ask(`PATCH ${R}`, {
      description: 'Pages',
      has_wiki: false,
      allow_merge_commit: false,
      delete_branch_on_merge: true,
    });
    expect(changed.data).toMatchObject({
      description: 'Pages',
      has_wiki: false,
      allow_merge_commit: false,
      delete_branch_on_merge: true,
    });
    expect(sent('PUT')?.json).toEqual({
      description: 'Pages',
      wiki_access_level: 'disabled',
      merge_method: 'ff',
      remove_source_branch_after_merge: true,
    });
    expect((await ask(`PATCH ${R}`, { archived: true })).data.archived).toBe(true);
    expect((await ask(`PATCH ${R}`, { archived: false, delete_branch_on_merge: false })).data.archived).toBe(false);
    expect((await ask(`PATCH ${R}`, { visibility: 'secret' })).status).toBe(422);
  });

  it('have topics', async () => {
    expect((await ask(`PUT ${R}/topics`, { names: ['bots', 'web'] })).data).toEqual({ names: ['bots', 'web'] });
    expect((await ask(`GET ${R}/topics`)).data).toEqual({ names: ['bots', 'web'] });
    expect((await ask(`PUT ${R}/topics`, {})).status).toBe(422);
  });
});

describe('contents', () => {
  const read = (path: string, more: object = {}, media?: 'raw' | 'object') =>
    ask(`GET ${R}/contents/{path}`, { path, ...more }, media && { media });

  it('are a file, a folder or bytes', async () => {
    const file = await read('src/app.ts');
    expect(file.data).toMatchObject({ type: 'file', path: 'src/app.ts', encoding: 'base64', size: 22 });
    expect(Buffer.from(file.data.content, 'base64').toString()).toBe('export const one = 1;\n');
    const raw = await read('src/app.ts', { ref: 'main' }, 'raw');
    expect([raw.headers['content-type'], String(raw.data)]).toEqual([
      'application/vnd.github.raw; charset=utf-8',
      'export const one = 1;\n',
    ]);
    expect((await read('')).data.map((one: Loose) => [one.type, one.name])).toEqual(
      expect.arrayContaining([
        ['dir', 'src'],
        ['file', 'README.md'],
      ]),
    );
    expect((await read('src', {}, 'object')).data).toMatchObject({ type: 'dir', entries: [{ name: 'app.ts' }] });
    // A folder has no size, on GitHub either.
    expect((await read('')).data.find((one: Loose) => one.name === 'src').size).toBe(0);
    const [listed] = (await read('src')).data;
    expect([listed.name, listed.size]).toEqual(['app.ts', (await read('src/app.ts')).data.size]);
    expect((await read('nothing')).status).toBe(404);
    expect((await read('src/app.ts', { ref: 'nowhere' })).status).toBe(404);
    expect((await ask(`GET ${R}/readme`)).data.path).toBe('README.md');
  });

  it('are never asked for by a path that leads out of the repository', async () => {
    const before = at.gitlab.rig.calls.length;
    for (const path of ['../../../user', 'src/../../x', './src', 'src/..']) expect((await read(path)).status).toBe(422);
    const write = { path: '../hooks', message: 'x', content: 'eA==' };
    expect((await ask(`PUT ${R}/contents/{path}`, write)).status).toBe(422);
    expect(at.gitlab.rig.calls).toHaveLength(before);
  });

  it('of configuration are also found below GitLab’s own folder', async () => {
    await at.gitlab.fake.push(at.gitlab.web, at.gitlab.people.alice, {
      branch: 'main',
      message: 'config',
      files: [{ path: '.gitlab/stale.yml', content: 'days: 3\n' }],
    });
    expect(String((await read('.github/bot.yml', {}, 'raw')).data)).toBe('greet: true\n');
    expect(String((await read('.github/stale.yml', {}, 'raw')).data)).toBe('days: 3\n');
    expect((await read('.github/stale.yml')).status).toBe(404);
  });

  it('leave out what is larger than a megabyte', async () => {
    await at.gitlab.fake.push(at.gitlab.web, at.gitlab.people.alice, {
      branch: 'large',
      from: 'main',
      message: 'large',
      files: [{ path: 'large.bin', content: Buffer.alloc(1024 * 1024 + 1) }],
    });
    expect((await read('large.bin', { ref: 'large' })).data).toMatchObject({
      size: 1_048_577,
      encoding: 'none',
      content: '',
    });
  });

  it('are written with the SHA of what they replace', async () => {
    const content = Buffer.from('one\n').toString('base64');
    const made = await ask(`PUT ${R}/contents/{path}`, {
      path: 'docs/a b.md',
      message: 'docs: see #1',
      content,
      branch: 'main',
    });
    expect([made.status, made.data.content.path, made.data.commit.message]).toEqual([
      201,
      'docs/a b.md',
      'docs: see #1',
    ]);
    expect(sent('POST')?.json).toMatchObject({
      branch: 'main',
      commit_message: 'docs: see !1',
      actions: [{ action: 'create', file_path: 'docs/a b.md', encoding: 'base64' }],
    });
    expect((await read('docs/a b.md')).data.sha).toBe(made.data.content.sha);
    expect((await ask(`PUT ${R}/contents/{path}`, { path: 'docs/a b.md', message: 'x', content })).status).toBe(422);
    expect(
      (await ask(`PUT ${R}/contents/{path}`, { path: 'docs/a b.md', message: 'x', content, sha: '1'.repeat(40) }))
        .status,
    ).toBe(409);
    const next = Buffer.from('two\n').toString('base64');
    const changed = await ask(`PUT ${R}/contents/{path}`, {
      path: 'docs/a b.md',
      message: 'x',
      content: next,
      sha: made.data.content.sha,
    });
    expect(changed.status).toBe(200);
    expect(
      (await ask(`DELETE ${R}/contents/{path}`, { path: 'docs/a b.md', message: 'gone', sha: made.data.content.sha }))
        .status,
    ).toBe(409);
    expect(
      (
        await ask(`DELETE ${R}/contents/{path}`, {
          path: 'docs/a b.md',
          message: 'gone',
          sha: changed.data.content.sha,
        })
      ).status,
    ).toBe(200);
    expect((await read('docs/a b.md')).status).toBe(404);
    expect(at.gitlab.fake.webhooks.sent.at(-1)).toMatchObject({
      event: 'Push Hook',
      payload: { ref: 'refs/heads/main', commits: [{ removed: ['docs/a b.md'] }] },
    });
  });
});

describe('commits and comparisons', () => {
  it('are listed, read with their files, and as diff, patch and SHA', async () => {
    const list = await ask(`GET ${R}/commits`, { sha: 'main', path: 'src/app.ts' });
    expect(list.data.map((one: Loose) => one.commit.message)).toEqual(['Initial commit']);
    const first = await ask(`GET ${R}/commits/{ref}`, { ref: list.data[0].sha });
    // GitLab itself says whose addresses these are, and is asked once.
    const people = (data: Loose[]) =>
      data.map((one) => [one.commit.author.email, one.author?.login, one.committer?.login]);
    const whole = await ask(`GET ${R}/commits`, { sha: 'main' });
    expect(people(whole.data)).toContainEqual(['alice@example.com', 'alice', 'alice']);
    expect(people(whole.data)).toContainEqual(['gitlab@example.com', undefined, undefined]);
    at.gitlab.rig.forget();
    expect(people((await ask(`GET ${R}/commits`, { sha: 'main' })).data)).toEqual(people(whole.data));
    expect(at.gitlab.rig.calls.map(({ path }) => path)).not.toContain('/../graphql');
    expect(first.data).toMatchObject({ sha: list.data[0].sha, stats: { additions: 3 } });
    expect(first.data.files.map((file: Loose) => [file.filename, file.status])).toContainEqual(['src/app.ts', 'added']);
    const shaAt = async (path: string, ref: string) =>
      (await ask(`GET ${R}/contents/{path}`, { path, ref })).data.sha as string;
    // The blob of what is there, and of what was removed the one that was there: an app that carries a change over reads both.
    for (const { filename, sha } of first.data.files) expect(sha).toBe(await shaAt(filename, first.data.sha));
    const last = await ask(`GET ${R}/commits/{ref}`, { ref: 'refs/heads/main' });
    const [gone] = last.data.files as Loose[];
    expect(gone).toMatchObject({ status: 'removed', sha: await shaAt(gone?.filename, last.data.parents[0].sha) });
    expect((await ask(`GET ${R}/commits/{ref}`, { ref: 'main' }, { media: 'sha' })).data).toBe(await head());
    expect((await ask(`GET ${R}/commits/{ref}`, { ref: 'main' }, { media: 'diff' })).data).toContain(
      'deleted file mode',
    );
    expect((await ask(`GET ${R}/commits/{ref}`, { ref: 'main' }, { media: 'patch' })).data).toContain(
      'Subject: [PATCH] gone',
    );
    expect((await ask(`GET ${R}/commits/{ref}`, { ref: '1'.repeat(40) })).status).toBe(422);
    expect((await ask(`GET ${R}/commits/{ref}`, { ref: 'nowhere' })).status).toBe(404);
  });

  it('count both ways', async () => {
    const { fake, web, people } = at.gitlab;
    await fake.push(web, people.alice, {
      branch: 'ahead/1',
      from: 'main',
      message: 'one',
      files: [{ path: '1.txt', content: '1\n' }],
    });
    await fake.push(web, people.alice, {
      branch: 'ahead/1',
      message: 'two',
      files: [{ path: '2.txt', content: '2\n' }],
    });
    const ahead = await ask(`GET ${R}/compare/{basehead}`, { basehead: 'main...ahead/1' });
    expect(ahead.data).toMatchObject({
      status: 'ahead',
      ahead_by: 2,
      behind_by: 0,
      total_commits: 2,
      merge_base_commit: { sha: await head() },
    });
    expect(ahead.data.commits.map((one: Loose) => one.commit.message)).toEqual(['one', 'two']);
    expect(ahead.data.files.map((one: Loose) => one.filename)).toEqual(['1.txt', '2.txt']);
    const { data: second } = await ask(`GET ${R}/contents/{path}`, { path: '2.txt', ref: 'ahead/1' });
    expect(ahead.data.files[1].sha).toBe(second.sha);
    await fake.push(web, people.alice, {
      branch: 'main',
      message: 'three',
      files: [{ path: '3.txt', content: '3\n' }],
    });
    expect((await ask(`GET ${R}/compare/{basehead}`, { basehead: 'main...acme~platform:ahead/1' })).data).toMatchObject(
      { status: 'diverged', ahead_by: 2, behind_by: 1 },
    );
    expect((await ask(`GET ${R}/compare/{basehead}`, { basehead: 'main...main' })).data.status).toBe('identical');
    expect(
      (await ask(`GET ${R}/compare/{basehead}`, { basehead: 'main...ahead/1' }, { media: 'diff' })).data,
    ).toContain('+++ b/2.txt');
    expect((await ask(`GET ${R}/compare/{basehead}`, { basehead: 'main' })).status).toBe(422);
    const fork = await fake.fork(web, people.carol);
    fork.members.set(people.bot.id, 20);
    await fake.push(fork, people.carol, {
      branch: 'f',
      from: 'main',
      message: 'forked',
      files: [{ path: 'f.txt', content: 'f\n' }],
    });
    const forked = async (basehead: string) => (await ask(`GET ${R}/compare/{basehead}`, { basehead })).data;
    const met = await head();
    const point = { merge_base_commit: { sha: met } };
    expect(await forked('main...carol:f')).toMatchObject({ status: 'ahead', ahead_by: 1, behind_by: 0, ...point });
    // What is new in the project is not in the fork, where nobody may ask for it.
    await fake.push(web, people.alice, { branch: 'main', message: 'on', files: [{ path: '4.txt', content: '4\n' }] });
    expect(await forked('main...carol:f')).toMatchObject({ status: 'diverged', ahead_by: 1, behind_by: 1, ...point });
    expect(await forked('main...carol:main')).toMatchObject({ status: 'behind', ahead_by: 0, behind_by: 1, ...point });
  });
});

describe('branches', () => {
  it('are listed and read', async () => {
    const names = (await ask(`GET ${R}/branches`)).data.map((one: Loose) => one.name);
    expect(names).toEqual(expect.arrayContaining(['main', 'ahead/1']));
    expect((await ask(`GET ${R}/branches/{branch}`, { branch: 'ahead/1' })).data).toMatchObject({
      name: 'ahead/1',
      protected: false,
      commit: { sha: await head('ahead/1') },
    });
    expect((await ask(`GET ${R}/branches/{branch}`, { branch: 'nowhere' })).status).toBe(404);
  });

  it('are protected, changed and set free', async () => {
    const path = `${R}/branches/{branch}/protection`;
    const wish = {
      branch: 'main',
      required_status_checks: { strict: true, contexts: ['ci'] },
      enforce_admins: true,
      required_pull_request_reviews: { required_approving_review_count: 2 },
      restrictions: null,
    };
    expect((await ask(`GET ${path}`, { branch: 'main' })).data).toEqual({ message: 'Branch not protected' });
    const put = await ask(`PUT ${path}`, wish);
    expect(put.data).toMatchObject({
      required_status_checks: { contexts: ['ci'] },
      enforce_admins: { enabled: true },
      required_pull_request_reviews: { required_approving_review_count: 2 },
    });
    expect(sent('POST')?.json).toEqual({
      name: 'main',
      push_access_level: 0,
      merge_access_level: 40,
      allow_force_push: false,
    });
    expect(
      (await ask(`PUT ${path}`, { ...wish, required_pull_request_reviews: null, allow_force_pushes: true })).data
        .allow_force_pushes,
    ).toEqual({ enabled: true });
    expect((await ask(`GET ${R}/branches/{branch}`, { branch: 'main' })).data.protected).toBe(true);
    expect((await ask(`GET ${path}`, { branch: 'main' })).data.required_pull_request_reviews).toBeUndefined();
    const checks = [{ context: 'lint', app_id: 7 }];
    const restrictions = { users: ['alice'], teams: ['core'], apps: [] };
    await ask(`PUT ${path}`, { ...wish, required_status_checks: { strict: false, checks }, restrictions });
    expect((await ask(`GET ${path}`, { branch: 'main' })).data).toMatchObject({
      required_status_checks: { strict: false, contexts: ['lint'], checks },
      restrictions: { users: [{ login: 'alice' }], teams: [{ slug: 'core' }], apps: [] },
    });
    expect((await ask(`DELETE ${path}`, { branch: 'main' })).status).toBe(204);
    expect((await ask(`DELETE ${path}`, { branch: 'main' })).status).toBe(404);
  });
});

describe('refs and git objects', () => {
  it('of branches and tags are made, found, matched and deleted', async () => {
    const sha = await head();
    const made = await ask(`POST ${R}/git/refs`, { ref: 'refs/heads/made/1', sha });
    expect([made.status, made.data.ref, made.data.object.sha]).toEqual([201, 'refs/heads/made/1', sha]);
    expect(at.gitlab.fake.webhooks.sent.at(-1)).toMatchObject({
      event: 'Push Hook',
      payload: { before: '0'.repeat(40), after: sha },
    });
    expect((await ask(`POST ${R}/git/refs`, { ref: 'refs/heads/made/1', sha })).data.message).toBe(
      'Reference already exists',
    );
    await ask(`POST ${R}/git/refs`, { ref: 'refs/tags/v1', sha });
    expect((await ask(`GET ${R}/git/ref/{ref}`, { ref: 'tags/v1' })).data.object).toMatchObject({
      sha,
      type: 'commit',
    });
    expect(
      (await ask(`GET ${R}/git/matching-refs/{ref}`, { ref: 'heads/made' })).data.map((one: Loose) => one.ref),
    ).toEqual(['refs/heads/made/1']);
    expect((await ask(`GET ${R}/git/matching-refs/{ref}`, { ref: 'tags/' })).data.map((one: Loose) => one.ref)).toEqual(
      ['refs/tags/v1'],
    );
    expect((await ask(`DELETE ${R}/git/refs/{ref}`, { ref: 'heads/made/1' })).status).toBe(204);
    expect((await ask(`DELETE ${R}/git/refs/{ref}`, { ref: 'heads/made/1' })).data.message).toBe(
      'Reference does not exist',
    );
    expect((await ask(`GET ${R}/git/ref/{ref}`, { ref: 'heads/made/1' })).status).toBe(404);
    expect((await ask(`GET ${R}/git/ref/{ref}`, { ref: 'notes/x' })).status).toBe(404);
  });

  it('make a commit from nothing but objects, and move a branch to it', async () => {
    const parent = await head('ahead/1');
    const before = await ask(`GET ${R}/git/commits/{commit_sha}`, { commit_sha: parent });
    const blob = await ask(`POST ${R}/git/blobs`, { content: 'aGk=', encoding: 'base64' });
    const tree = await ask(`POST ${R}/git/trees`, {
      base_tree: before.data.tree.sha,
      tree: [
        { path: 'hi.txt', mode: '100644', type: 'blob', sha: blob.data.sha },
        { path: '1.txt', mode: '100644', type: 'blob', sha: null },
      ],
    });
    const commit = await ask(`POST ${R}/git/commits`, {
      message: 'made by hand',
      tree: tree.data.sha,
      parents: [parent],
    });
    expect([blob.status, tree.status, commit.status, commit.data.parents[0].sha]).toEqual([201, 201, 201, parent]);
    expect(
      Buffer.from(
        (await ask(`GET ${R}/git/blobs/{file_sha}`, { file_sha: blob.data.sha })).data.content,
        'base64',
      ).toString(),
    ).toBe('hi');
    const moved = await ask(`PATCH ${R}/git/refs/{ref}`, { ref: 'heads/ahead/1', sha: commit.data.sha });
    expect([moved.status, await head('ahead/1')]).toEqual([200, commit.data.sha]);
    expect((await ask(`GET ${R}/contents/{path}`, { path: 'hi.txt', ref: 'ahead/1' })).data.sha).toBe(blob.data.sha);
    const listed = await ask(`GET ${R}/git/trees/{tree_sha}`, { tree_sha: 'ahead/1', recursive: '1' });
    expect([listed.data.sha, listed.data.tree.map((one: Loose) => one.path)]).toEqual([
      tree.data.sha,
      expect.arrayContaining(['hi.txt', 'src', 'src/app.ts']),
    ]);
    const back = await ask(`PATCH ${R}/git/refs/{ref}`, { ref: 'heads/ahead/1', sha: parent });
    expect([back.status, back.data.message]).toEqual([422, 'Update is not a fast forward']);
    expect((await ask(`PATCH ${R}/git/refs/{ref}`, { ref: 'heads/ahead/1', sha: parent, force: true })).status).toBe(
      200,
    );
    const fresh = await ask(`POST ${R}/git/refs`, { ref: 'refs/heads/fresh', sha: commit.data.sha });
    expect([fresh.status, await head('fresh')]).toEqual([201, commit.data.sha]);
    expect((await ask(`PATCH ${R}/git/refs/{ref}`, { ref: 'heads/nowhere', sha: parent })).status).toBe(422);
  });

  it('hold annotated tags', async () => {
    const sha = await head();
    const given = { tag: 'by-hand', message: 'Fixes #12', object: sha, type: 'commit' };
    const made = await ask(`POST ${R}/git/tags`, given);
    expect([made.status, made.data]).toMatchObject([
      201,
      { tag: 'by-hand', message: 'Fixes #12', object: { sha, type: 'commit' }, tagger: { name: expect.any(String) } },
    ]);
    const ref = await ask(`POST ${R}/git/refs`, { ref: 'refs/tags/by-hand', sha: made.data.sha });
    expect([ref.status, ref.data.object]).toMatchObject([201, { sha: made.data.sha, type: 'tag' }]);
    expect((await ask(`GET ${R}/git/ref/{ref}`, { ref: 'tags/by-hand' })).data.object).toEqual(ref.data.object);
    const read = await ask(`GET ${R}/git/tags/{tag_sha}`, { tag_sha: made.data.sha });
    expect(read.data).toEqual(made.data);
    expect((await ask(`GET ${R}/git/tags/{tag_sha}`, { tag_sha: sha })).status).toBe(404);
    expect((await ask(`POST ${R}/git/tags`, { ...given, tag: undefined })).status).toBe(422);
    expect((await ask(`DELETE ${R}/git/refs/{ref}`, { ref: 'tags/by-hand' })).status).toBe(204);
  });
});

describe('statuses', () => {
  it('are set, cut to what GitLab keeps, combined and listed', async () => {
    const sha = await head();
    const set = (state: string, more: object = {}) =>
      ask(`POST ${R}/statuses/{sha}`, { sha, state, context: 'ci', ...more });
    const made = await set('pending', {
      description: 'd'.repeat(300),
      target_url: `https://x.test/${'y'.repeat(300)}`,
    });
    expect([made.status, made.data.state, made.data.description.length, made.data.target_url]).toEqual([
      201,
      'pending',
      255,
      null,
    ]);
    expect((await set('pending')).status).toBe(201);
    expect((await ask(`GET ${R}/commits/{ref}/status`, { ref: 'main' })).data).toMatchObject({
      state: 'pending',
      total_count: 1,
      sha,
    });
    expect((await set('error')).data.state).toBe('error');
    await set('success', { context: 'lint' });
    expect((await ask(`GET ${R}/commits/{ref}/status`, { ref: sha })).data).toMatchObject({
      state: 'failure',
      total_count: 2,
    });
    expect((await set('success')).data.state).toBe('success');
    expect((await ask(`GET ${R}/commits/{ref}/status`, { ref: sha })).data.state).toBe('success');
    expect(
      (await ask(`GET ${R}/commits/{ref}/statuses`, { ref: sha })).data.map((one: Loose) => [one.context, one.state]),
    ).toEqual([
      ['ci', 'success'],
      ['lint', 'success'],
      ['ci', 'error'],
    ]);
    // A pending status that says something else now, twice: GitLab knows no such change.
    for (const description of ['waiting', 'building', 'still building']) {
      const said = await set('pending', { context: 'preview', description });
      expect([said.data.state, said.data.description]).toEqual(['pending', description]);
    }
    const combined = await ask(`GET ${R}/commits/{ref}/status`, { ref: sha });
    expect(combined.data.statuses).toContainEqual(
      expect.objectContaining({ context: 'preview', state: 'pending', description: 'still building' }),
    );
    expect((await set('done')).status).toBe(422);
    const nowhere = await ask(`POST ${R}/statuses/{sha}`, { sha: 'f'.repeat(40), state: 'success' });
    expect([nowhere.status, nowhere.data.message]).toEqual([422, `No commit found for SHA: ${'f'.repeat(40)}`]);
    expect((await ask(`GET ${R}/commits/{ref}/status`, { ref: '1'.repeat(40) })).status).toBe(404);
  });
});

describe('checks', () => {
  it('are kept, and shown as a commit status that leads to our page', async () => {
    const sha = await head();
    const made = await ask(`POST ${R}/check-runs`, {
      name: 'DCO',
      head_sha: sha,
      status: 'in_progress',
      output: {
        title: 'Looking',
        summary: '...',
        annotations: [{ path: 'a', start_line: 1, end_line: 1, annotation_level: 'notice', message: 'm' }],
      },
    });
    expect([made.status, made.data.status, made.data.name]).toEqual([201, 'in_progress', 'DCO']);
    expect(sent('POST')).toMatchObject({
      path: `/projects/acme%2Fplatform%2Fweb/statuses/${sha}`,
      json: {
        state: 'running',
        name: 'DCO',
        description: 'Looking',
        target_url: `https://forgeway.test/checks/${made.data.id}`,
      },
    });
    const id = made.data.id;
    const done = await ask(`PATCH ${R}/check-runs/{check_run_id}`, {
      check_run_id: id,
      conclusion: 'failure',
      output: {
        title: 'No',
        summary: 's',
        annotations: [{ path: 'b', start_line: 2, end_line: 2, annotation_level: 'failure', message: 'n' }],
      },
    });
    expect(done.data).toMatchObject({
      status: 'completed',
      conclusion: 'failure',
      completed_at: expect.any(String),
      output: { annotations_count: 2 },
    });
    expect(
      (await ask(`GET ${R}/check-runs/{check_run_id}/annotations`, { check_run_id: id })).data.map(
        (one: Loose) => one.path,
      ),
    ).toEqual(['a', 'b']);
    // It is no status to an app, whatever GitLab shows.
    expect(
      (await ask(`GET ${R}/commits/{ref}/status`, { ref: sha })).data.statuses.map((one: Loose) => one.context),
    ).not.toContain('DCO');
    expect(at.gitlab.web.statuses.at(-1)).toMatchObject({
      name: 'DCO',
      status: 'failed',
      targetUrl: `https://forgeway.test/checks/${id}`,
    });
    expect((await ask(`GET ${R}/check-runs/{check_run_id}`, { check_run_id: id })).data.output.title).toBe('No');
    expect((await ask(`POST ${R}/check-runs`, { name: 'DCO' })).status).toBe(422);
    expect((await ask(`POST ${R}/check-runs`, { name: 'DCO', head_sha: '1'.repeat(40) })).status).toBe(422);
    expect((await ask(`PATCH ${R}/check-runs/{check_run_id}`, { check_run_id: 5 })).status).toBe(404);
    const unconcluded = await ask(`POST ${R}/check-runs`, { name: 'DCO', head_sha: sha, status: 'completed' });
    expect([unconcluded.status, unconcluded.data.errors[0].field]).toEqual([422, 'conclusion']);
  });

  it.each(['check', 'status'])('stand beside a status of the same name; first came the %s', async (first) => {
    const name = 'both';
    const sha = await at.gitlab.fake.push(at.gitlab.web, at.gitlab.people.alice, {
      ...{ branch: `first-${first}`, from: 'main', message: first },
      files: [{ path: `${first}.txt`, content: 'x\n' }],
    });
    const status = (state: string) => ask(`POST ${R}/statuses/{sha}`, { sha, state, context: name });
    const check = () => ask(`POST ${R}/check-runs`, { name, head_sha: sha, status: 'in_progress' });
    const steps = first === 'check' ? [check, () => status('pending')] : [() => status('pending'), check];
    const made = [];
    for (const step of steps) made.push((await step()).data);
    await status('success');
    const { id } = made[first === 'check' ? 0 : 1];
    expect((await status('failure')).data.context).toBe(name);
    const seen = async () => {
      const all = (await ask(`GET ${R}/commits/{ref}/status`, { ref: sha })).data.statuses;
      const shown = at.gitlab.web.statuses.findLast((one) => one.targetUrl === `https://forgeway.test/checks/${id}`);
      return [all.filter((one: Loose) => one.context === name).map((one: Loose) => one.state), shown?.status];
    };
    expect(await seen()).toEqual([['failure'], 'running']);
    await ask(`PATCH ${R}/check-runs/{check_run_id}`, { check_run_id: id, conclusion: 'success' });
    expect(await seen()).toEqual([['failure'], 'success']);
  });

  it('are each kept, and listed by their newest; a suite of nothing but neutral ones is neutral', async () => {
    const sha = await at.gitlab.fake.push(at.gitlab.web, at.gitlab.people.alice, {
      branch: 'checked',
      from: 'main',
      message: 'Check me',
      files: [{ path: 'checked.txt', content: 'x\n' }],
    });
    const [first] = await Promise.all(
      ['lint', 'docs'].map((name) => ask(`POST ${R}/check-runs`, { name, head_sha: sha, conclusion: 'neutral' })),
    );
    const again = await ask(`POST ${R}/check-runs`, { name: 'lint', head_sha: sha, conclusion: 'neutral' });
    const idsOf = async (filter?: string) =>
      (await ask(`GET ${R}/commits/{ref}/check-runs`, { ref: sha, filter, check_name: 'lint' })).data.check_runs.map(
        (one: Loose) => one.id,
      );
    expect(await idsOf()).toEqual([again.data.id]);
    expect(await idsOf('all')).toEqual([first?.data.id, again.data.id]);
    const suites = await ask(`GET ${R}/commits/{ref}/check-suites`, { ref: sha });
    expect(suites.data.check_suites).toMatchObject([{ conclusion: 'neutral', latest_check_runs_count: 2 }]);
    // One that was kept and never arrived at GitLab is none of them.
    const { records } = at.gitlab.rig;
    const kept = (await records.list('check_run', '')).find(({ id }) => id === again.data.id);
    const died = { ...kept?.data, name: 'died', conclusion: 'failure', statuses: [], unshown: true };
    await records.put('check_run', String(kept?.key.replace('lint', 'died')), died);
    const [suite] = (await ask(`GET ${R}/commits/{ref}/check-suites`, { ref: sha })).data.check_suites;
    expect(suite).toMatchObject({ conclusion: 'neutral', latest_check_runs_count: 2 });
    const runs = await ask(`GET ${R}/check-suites/{check_suite_id}/check-runs`, { check_suite_id: suite.id });
    expect(runs.data.total_count).toBe(2);
    const begun = await ask(`POST ${R}/check-suites`, { head_sha: sha });
    expect([begun.status, begun.data.id]).toEqual([201, suites.data.check_suites[0].id]);
    expect((await ask(`POST ${R}/check-suites`, { head_sha: '0'.repeat(40) })).status).toBe(422);
    expect((await ask(`POST ${R}/check-suites`, {})).status).toBe(422);
  });

  it('stand beside the jobs of GitLab CI', async () => {
    const sha = await head();
    const pipeline = at.gitlab.fake.addPipeline(at.gitlab.web, {
      sha,
      ref: 'main',
      by: at.gitlab.people.alice,
      jobs: [
        { name: 'test', status: 'failed', trace: 'boom\n' },
        { name: 'build', status: 'success' },
        { name: 'downstream', status: 'success', bridge: true },
      ],
    });
    const contexts = (await ask(`GET ${R}/commits/{ref}/statuses`, { ref: sha })).data.map((one: Loose) => one.context);
    expect(contexts.filter((name: string) => ['test', 'build', 'downstream', 'DCO'].includes(name))).toEqual([]);
    expect(contexts).toContain('lint');
    const all = await ask(`GET ${R}/commits/{ref}/check-runs`, { ref: 'main' });
    expect(all.data).toMatchObject({ total_count: 4 });
    expect(all.data.check_runs.map((one: Loose) => [one.name, one.conclusion])).toEqual([
      ['DCO', 'failure'],
      ['test', 'failure'],
      ['build', 'success'],
      ['downstream', 'success'],
    ]);
    expect((await ask(`GET ${R}/commits/{ref}/check-runs`, { ref: 'main', check_name: 'test' })).data.total_count).toBe(
      1,
    );
    expect(
      (await ask(`GET ${R}/check-runs/{check_run_id}`, { check_run_id: pipeline.jobs[0]?.id })).data,
    ).toMatchObject({ name: 'test', app: { slug: 'gitlab-ci' } });
    const bridge = { check_run_id: pipeline.jobs[2]?.id };
    expect((await ask(`GET ${R}/check-runs/{check_run_id}`, bridge)).data).toMatchObject({ name: 'downstream' });
    expect((await ask(`GET ${R}/check-runs/{check_run_id}`, { check_run_id: 987_654 })).status).toBe(404);
    const suites = await ask(`GET ${R}/commits/{ref}/check-suites`, { ref: sha });
    expect(suites.data.check_suites.map((one: Loose) => one.conclusion)).toEqual(['failure', 'failure']);
    for (const { id } of suites.data.check_suites) {
      expect((await ask(`GET ${R}/check-suites/{check_suite_id}`, { check_suite_id: id })).data.head_sha).toBe(sha);
      expect(
        (await ask(`GET ${R}/check-suites/{check_suite_id}/check-runs`, { check_suite_id: id })).data.total_count,
      ).toBeGreaterThan(0);
    }
    const runs = await ask(`GET ${R}/actions/runs`, { head_sha: sha });
    expect(runs.data).toMatchObject({
      total_count: 1,
      workflow_runs: [{ id: pipeline.id, conclusion: 'failure', event: 'push' }],
    });
    const run = { run_id: pipeline.id };
    expect((await ask(`GET ${R}/actions/runs/{run_id}`, run)).data.head_sha).toBe(sha);
    const jobs = await ask(`GET ${R}/actions/runs/{run_id}/jobs`, run);
    expect(jobs.data.jobs.map((one: Loose) => [one.name, one.conclusion])).toEqual([
      ['test', 'failure'],
      ['build', 'success'],
    ]);
    const job = { job_id: jobs.data.jobs[0].id };
    expect((await ask(`GET ${R}/actions/jobs/{job_id}`, job)).data.run_id).toBe(pipeline.id);
    expect((await ask(`GET ${R}/actions/jobs/{job_id}/logs`, job)).data).toBe('boom\n');
    expect((await ask(`POST ${R}/actions/runs/{run_id}/rerun-failed-jobs`, run)).status).toBe(201);
    expect((await ask(`GET ${R}/actions/jobs/{job_id}`, job)).data.status).toBe('in_progress');
    expect((await ask(`POST ${R}/actions/runs/{run_id}/cancel`, run)).status).toBe(202);
    expect((await ask(`GET ${R}/actions/runs/{run_id}`, run)).data.conclusion).toBe('cancelled');
    expect((await ask(`POST ${R}/actions/runs/{run_id}/rerun`, run)).status).toBe(201);
  });
});

const FILE = { type: 'application/gzip', bytes: Buffer.from('packed') };

describe('releases', () => {
  it('keep files', async () => {
    const assets = `${R}/releases/{release_id}/assets`;
    const { data: release } = await ask(`POST ${R}/releases`, { tag_name: 'v1.5.0', name: 'Files' });
    const which = { release_id: release.id };
    const made = await ask(`POST ${assets}`, { ...which, name: 'app "1".tgz' }, { file: FILE });
    expect([made.status, made.data]).toMatchObject([
      201,
      { name: 'app "1".tgz', size: 6, content_type: 'application/gzip', state: 'uploaded' },
    ]);
    const url = made.data.browser_download_url;
    expect(url).toMatch(/\/-\/project\/\d+\/uploads\/[0-9a-f]{32}\//);
    const listed = (await ask(`GET ${assets}`, which)).data;
    expect(listed.map((one: Loose) => [one.id, one.name, one.browser_download_url])).toEqual([
      [made.data.id, 'app "1".tgz', url],
    ]);
    const twice = await ask(`POST ${assets}`, { ...which, name: 'app "1".tgz' }, { file: FILE });
    expect([twice.status, twice.data.errors[0].code]).toEqual([422, 'already_exists']);
    expect((await ask(`POST ${assets}`, which, { file: FILE })).status).toBe(422);
    const asset = `${R}/releases/assets/{asset_id}`;
    const one = { asset_id: made.data.id };
    expect((await ask(`GET ${asset}`, one)).data).toMatchObject({ name: 'app "1".tgz', browser_download_url: url });
    const bytes = await ask(`GET ${asset}`, one, { media: 'file' });
    expect([bytes.status, bytes.data]).toEqual([200, FILE.bytes]);
    // What a maintainer links to is asked for with no token of ours, and not at all.
    const release1 = at.gitlab.web.releases.find(({ tag }) => tag === 'v1.5.0');
    const link = (id: number, address: string) =>
      release1?.links.push({ id, name: address, url: address, link_type: 'other' });
    const { origin } = new URL(url);
    const foreign = [
      'http://169.254.169.254/latest/meta-data',
      `${origin}.example.org/-/project/1/uploads/${'a'.repeat(32)}/x`,
      `${origin}/api/v4/projects/1/repository/files/secret/raw?ref=main`,
      `${origin}/acme/other/-/raw/main/secret`,
      `${origin}/api/v4/projects/1/packages/..%2f..%2f2/repository/archive`,
      `${origin}/-/project/1/uploads/${'a'.repeat(32)}/..%2f..%2f..%2fmembers`,
    ];
    for (const [id, address] of foreign.entries()) {
      link(9_000 + id, address);
      at.gitlab.rig.forget();
      const sent = await ask(`GET ${asset}`, { asset_id: 9_000 + id }, { media: 'file' });
      expect([sent.status, sent.headers.location]).toEqual([302, address]);
      expect(at.gitlab.rig.calls.filter(({ path }) => !path.endsWith('/releases'))).toEqual([]);
    }
    release1?.links.splice(-foreign.length);
    const { data: other } = await ask(
      `POST ${assets}`,
      { ...which, name: 'b' },
      { file: { ...FILE, bytes: Buffer.from('b') } },
    );
    expect((await ask(`PATCH ${asset}`, { ...one, name: 'c' })).data).toMatchObject({ id: one.asset_id, name: 'c' });
    expect((await ask(`PATCH ${asset}`, { ...one, name: 'c' })).status).toBe(200);
    expect((await ask(`PATCH ${asset}`, { ...one, name: '' })).status).toBe(422);
    const taken = await ask(`PATCH ${asset}`, { ...one, name: 'b' });
    expect([taken.status, taken.data.errors[0].code]).toEqual([422, 'already_exists']);
    expect((await ask(`DELETE ${asset}`, { asset_id: other.id })).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await ask(`${method} ${asset}`, { asset_id: other.id })).status).toBe(404);
    const draft = await ask(`POST ${R}/releases`, { tag_name: 'v9', draft: true });
    const onDraft = { release_id: draft.data.id, name: 'a' };
    expect((await ask(`POST ${assets}`, onDraft, { file: FILE })).status).toBe(422);
    for (const release_id of [release.id, draft.data.id])
      expect((await ask(`DELETE ${R}/releases/{release_id}`, { release_id })).status).toBe(204);
  });

  it('wait as drafts, keep their number, and are published', async () => {
    const draft = await ask(`POST ${R}/releases`, { tag_name: 'v2.0.0', name: 'Two', body: 'Fixes #1', draft: true });
    expect([draft.status, draft.data.draft, draft.data.published_at]).toEqual([201, true, null]);
    const id = draft.data.id;
    expect((await ask(`GET ${R}/releases`)).data.map((one: Loose) => [one.id, one.draft])).toEqual([[id, true]]);
    expect((await ask(`GET ${R}/releases/latest`)).status).toBe(404);
    expect(
      (await ask(`PATCH ${R}/releases/{release_id}`, { release_id: id, tag_name: 'v2.0.1', body: 'Fixes #1 and more' }))
        .data,
    ).toMatchObject({ id, tag_name: 'v2.0.1', draft: true });
    const out = await ask(`PATCH ${R}/releases/{release_id}`, { release_id: id, draft: false });
    expect(out.data).toMatchObject({ id, draft: false, tag_name: 'v2.0.1', body: 'Fixes #1 and more' });
    expect(sent('POST')?.json).toMatchObject({ tag_name: 'v2.0.1', ref: 'main', description: 'Fixes !1 and more' });
    expect((await ask(`GET ${R}/git/ref/{ref}`, { ref: 'tags/v2.0.1' })).status).toBe(200);
    expect((await ask(`GET ${R}/releases/latest`)).data.id).toBe(id);
    expect((await ask(`GET ${R}/releases/tags/{tag}`, { tag: 'v2.0.1' })).data.id).toBe(id);
    expect(
      (await ask(`PATCH ${R}/releases/{release_id}`, { release_id: id, name: 'Two!', prerelease: true })).data,
    ).toMatchObject({ name: 'Two!', prerelease: true });
    expect((await ask(`GET ${R}/releases/{release_id}`, { release_id: id })).data.name).toBe('Two!');
    const twice = await ask(`POST ${R}/releases`, { tag_name: 'v2.0.1' });
    expect([twice.status, twice.data.errors[0].code]).toEqual([422, 'already_exists']);
    expect((await ask(`DELETE ${R}/releases/{release_id}`, { release_id: id })).status).toBe(204);
    expect((await ask(`GET ${R}/releases/{release_id}`, { release_id: id })).status).toBe(404);
    expect(at.gitlab.fake.webhooks.sent.at(-1)).toMatchObject({ event: 'Release Hook', payload: { action: 'delete' } });
  });
});

describe('people', () => {
  it('have permissions in GitHub’s words', async () => {
    const of = async (username: string) =>
      (await ask(`GET ${R}/collaborators/{username}/permission`, { username })).data;
    expect(await of('alice')).toMatchObject({ permission: 'admin', role_name: 'admin' });
    expect(await of('forgeway-bot')).toMatchObject({ permission: 'write', role_name: 'maintain' });
    expect(await of('bob')).toMatchObject({ permission: 'write', role_name: 'write' });
    expect(await of('carol')).toMatchObject({ permission: 'none', role_name: 'none' });
    expect((await ask(`GET ${R}/collaborators/{username}/permission`, { username: 'nobody' })).status).toBe(404);
  });

  it('join and leave a repository', async () => {
    const path = `${R}/collaborators/{username}`;
    expect((await ask(`GET ${path}`, { username: 'carol' })).status).toBe(404);
    expect((await ask(`PUT ${path}`, { username: 'carol', permission: 'triage' })).status).toBe(204);
    expect((await ask(`PUT ${path}`, { username: 'carol', permission: 'push' })).status).toBe(204);
    expect((await ask(`GET ${path}`, { username: 'carol' })).status).toBe(204);
    expect(
      (await ask(`GET ${R}/collaborators`, { affiliation: 'direct' })).data.map((one: Loose) => [
        one.login,
        one.role_name,
      ]),
    ).toEqual([
      ['bob', 'write'],
      ['carol', 'write'],
    ]);
    expect((await ask(`GET ${R}/collaborators`, { permission: 'admin' })).data.map((one: Loose) => one.login)).toEqual([
      'alice',
    ]);
    expect((await ask(`DELETE ${path}`, { username: 'carol' })).status).toBe(204);
    expect((await ask(`PUT ${path}`, { username: 'carol', permission: 'king' })).status).toBe(422);
  });

  it('are members of groups, whose subgroups are teams', async () => {
    const org = { org: 'acme~platform' };
    const team = { ...org, team_slug: 'reviewers' };
    expect((await ask('GET /orgs/{org}', org)).data).toMatchObject({ login: 'acme~platform' });
    expect((await ask('GET /orgs/{org}/members', org)).data.map((one: Loose) => one.login)).toEqual([
      'forgeway-bot',
      'alice',
    ]);
    expect((await ask('GET /orgs/{org}/members/{username}', { ...org, username: 'alice' })).status).toBe(204);
    expect((await ask('GET /orgs/{org}/members/{username}', { ...org, username: 'carol' })).status).toBe(404);
    expect((await ask('GET /orgs/{org}/memberships/{username}', { ...org, username: 'alice' })).data).toMatchObject({
      role: 'admin',
      state: 'active',
    });
    expect((await ask('GET /orgs/{org}/memberships/{username}', { ...org, username: 'carol' })).status).toBe(404);
    expect((await ask('GET /orgs/{org}/teams', org)).data.map((one: Loose) => one.slug)).toEqual(['reviewers']);
    expect((await ask('GET /orgs/{org}/teams/{team_slug}', team)).data).toMatchObject({ slug: 'reviewers' });
    expect(
      (await ask('GET /orgs/{org}/teams/{team_slug}/members', team)).data.map((one: Loose) => one.login),
    ).toContain('bob');
    expect(
      (await ask('GET /orgs/{org}/teams/{team_slug}/memberships/{username}', { ...team, username: 'bob' })).data,
    ).toMatchObject({ role: 'member' });
    for (const permission of ['push', 'maintain'])
      expect((await ask(`PUT /orgs/{org}/teams/{team_slug}${R}`, { ...team, permission })).status).toBe(204);
    expect((await ask(`GET ${R}/teams`)).data).toMatchObject([{ slug: 'reviewers', permission: 'maintain' }]);
    expect((await ask(`DELETE /orgs/{org}/teams/{team_slug}${R}`, team)).status).toBe(204);
    const nobody = { org: 'nobody', team_slug: 'x', username: 'bob' };
    for (const route of Object.keys(organizations).filter((one) => one.includes('{org}')))
      expect([route, (await ask(route, nobody)).status]).toEqual([route, 404]);
  });

  it('are looked up by login', async () => {
    expect((await ask('GET /users/{username}', { username: 'Alice' })).data).toMatchObject({
      login: 'alice',
      type: 'User',
      email: 'alice@example.com',
    });
    expect((await ask('GET /users/{username}', { username: 'nobody' })).status).toBe(404);
    expect((await ask('GET /user')).data.login).toBe('forgeway-bot');
    at.gitlab.fake.api.failNext('GET', /^\/user$/, { status: 401, json: { message: '401 Unauthorized' } });
    expect((await ask('GET /user')).status).toBe(401);
  });
});

it('every row here has an effect and an error case', async () => {
  const tables = {
    repos,
    contents,
    commits,
    branches,
    branchProtection,
    refs,
    gitObjects,
    statuses,
    checks,
    checkSuites,
    actions,
    releases,
    releaseAssets,
    collaborators,
  };
  const rows = Object.assign({}, ...Object.values(tables)) as RouteTable;
  const commit = `POST ${R}/git/commits`;
  const tag = `POST ${R}/git/tags`;
  const { 'GET /orgs/{org}/repos': _listed, [commit]: _made, [tag]: _tagged, ...inRepository } = rows;
  expect((await ask(tag, { repo: 'gone', tag: 'x', message: 'x', object: '1'.repeat(40) })).status).toBe(404);
  expect((await ask(commit, { repo: 'gone', message: 'x', tree: '1'.repeat(40) })).status).toBe(404);
  await at.gitlab.expectMissing(
    { ...inRepository, 'GET /repos/{owner}/{repo}/teams': organizations['GET /repos/{owner}/{repo}/teams'] as Loose },
    {
      path: 'x',
      ref: 'refs/heads/x',
      basehead: 'a...b',
      branch: 'x',
      file_sha: '1'.repeat(40),
      tree_sha: 'x',
      commit_sha: '1'.repeat(40),
      sha: 'f00f',
      check_run_id: 1,
      check_suite_id: 1,
      run_id: 1,
      job_id: 1,
      release_id: 1,
      asset_id: 1,
      tag_sha: 'f'.repeat(40),
      tag: 'x',
      username: 'bob',
      state: 'success',
      name: 'x',
      head_sha: 'x',
      tag_name: 'x',
      names: [],
      content: 'eA==',
      message: 'x',
      tree: [],
      description: 'x',
    },
  );
  at.gitlab.expectEveryRow({ ...tables, organizations, users });
});
