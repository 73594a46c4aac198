import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { absent } from './absent.js';
import { actions } from './actions.js';
import { releaseAssets } from './release-assets.js';
import { releases } from './releases.js';
import { repositories } from './repositories.js';

const REPO = '/repos/{owner}/{repo}';
const RELEASES = `${REPO}/releases`;
const RELEASE = `${RELEASES}/{release_id}`;
const RUN = `${REPO}/actions/runs/{run_id}`;

describe('repositories on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
  });
  afterAll(() => gitea.close());

  it('are read by name and by number', async () => {
    const { data } = await gitea.ask(`GET ${REPO}`);
    expect(data).toMatchObject({
      full_name: 'acme/web',
      private: false,
      default_branch: 'main',
      permissions: { admin: true },
    });
    expect(data.url).toBe('https://gitea.test/api/v3/repos/acme/web');
    expect((await gitea.ask('GET /repositories/{repository_id}', { repository_id: data.id })).data).toEqual(data);
    expect((await gitea.ask('GET /repositories/{repository_id}', { repository_id: 4711 })).status).toBe(404);
  });

  it('change their settings', async () => {
    const changed = await gitea.ask(`PATCH ${REPO}`, {
      description: 'The web',
      homepage: 'https://acme.test',
      has_wiki: false,
      allow_squash_merge: false,
      visibility: 'private',
    });
    expect(gitea.rig.calls.at(-1)?.json).toEqual({
      description: 'The web',
      website: 'https://acme.test',
      has_wiki: false,
      allow_squash_merge: false,
      private: true,
    });
    expect(changed.data).toMatchObject({
      description: 'The web',
      homepage: 'https://acme.test',
      has_wiki: false,
      allow_squash_merge: false,
      private: true,
    });
    expect((await gitea.ask(`GET ${REPO}`)).data.private).toBe(true);
    expect((await gitea.as('carol').request(`GET ${REPO}`, { owner: 'acme', repo: 'web' })).status).toBe(404);
    await gitea.ask(`PATCH ${REPO}`, { private: false });
    expect(
      (await gitea.as('bob').request(`PATCH ${REPO}`, { owner: 'acme', repo: 'web', description: 'x' })).status,
    ).toBe(403);
  });

  it('have topics and languages', async () => {
    expect((await gitea.ask(`PUT ${REPO}/topics`, { names: ['One', 'two'] })).data).toEqual({ names: ['one', 'two'] });
    expect((await gitea.ask(`GET ${REPO}/topics`)).data).toEqual({ names: ['one', 'two'] });
    expect((await gitea.ask(`GET ${REPO}`)).data.topics).toEqual(['one', 'two']);
    expect((await gitea.ask(`PUT ${REPO}/topics`, { names: ['not one'] })).status).toBe(422);
    expect((await gitea.ask(`PUT ${REPO}/topics`, {})).status).toBe(422);
    expect((await gitea.ask(`GET ${REPO}/languages`)).data).toEqual({ TypeScript: 1200 });
  });

  it('are made, forked and deleted', async () => {
    const own = await gitea.ask('POST /user/repos', { name: 'mine', private: true });
    expect([own.status, own.data.full_name, own.data.private]).toEqual([201, 'forgeway-bot/mine', true]);
    expect((await gitea.ask('POST /user/repos', { name: 'mine' })).status).toBe(409);
    const shared = await gitea.ask('POST /orgs/{org}/repos', { org: 'acme', name: 'shared', description: 'ours' });
    expect(shared.data).toMatchObject({ full_name: 'acme/shared', description: 'ours' });
    expect((await gitea.ask('POST /orgs/{org}/repos', { org: 'none', name: 'x' })).status).toBe(404);
    expect((await gitea.ask('POST /user/repos', {})).status).toBe(422);
    const forked = await gitea.ask(`POST ${REPO}/forks`, { name: 'web-fork' });
    expect([forked.status, forked.data.full_name, forked.data.fork]).toEqual([202, 'forgeway-bot/web-fork', true]);
    const parents = [forked, await gitea.ask(`GET ${REPO}`, { owner: 'forgeway-bot', repo: 'web-fork' })].map(
      ({ data }) => [data.parent.full_name, data.source.full_name],
    );
    expect(parents).toEqual([
      ['acme/web', 'acme/web'],
      ['acme/web', 'acme/web'],
    ]);
    expect((await gitea.ask(`GET ${REPO}`)).data).not.toHaveProperty('parent');
    expect((await gitea.ask(`GET ${REPO}/forks`)).data.map((one: Loose) => one.full_name)).toEqual([
      'forgeway-bot/web-fork',
    ]);
    const gone = { owner: 'forgeway-bot', repo: 'web-fork' };
    expect((await gitea.ask(`DELETE ${REPO}`, gone)).status).toBe(204);
    expect((await gitea.ask(`GET ${REPO}`, gone)).status).toBe(404);
    expect(gitea.told().filter(([type]) => type === 'repository')).toEqual([
      ['repository', 'created'],
      ['repository', 'created'],
      ['repository', 'deleted'],
    ]);
  });

  it('are looked at for what a community needs', async () => {
    await gitea.fake.push('acme', 'web', {
      branch: 'main',
      by: 'alice',
      files: { '.github/CODE_OF_CONDUCT.md': 'Be kind.\n' },
    });
    const { data } = await gitea.ask(`GET ${REPO}/community/profile`);
    expect(data).toMatchObject({ health_percentage: 40, files: { license: null } });
    expect(data.files.readme.url).toMatch(/contents\/README\.md$/);
    expect(data.files.code_of_conduct_file.url).toMatch(/contents\/\.github\/CODE_OF_CONDUCT\.md$/);
  });

  it('have releases, drafts among them', async () => {
    const draft = await gitea.ask(`POST ${RELEASES}`, { tag_name: 'v1.0.0', body: 'Notes', draft: true });
    expect([draft.status, draft.data.draft, draft.data.published_at]).toEqual([201, true, null]);
    expect(gitea.rig.calls.at(-1)?.json).toEqual({ tag_name: 'v1.0.0', name: 'v1.0.0', body: 'Notes', draft: true });
    expect((await gitea.ask(`GET ${RELEASES}/latest`)).status).toBe(404);
    const published = await gitea.ask(`PATCH ${RELEASE}`, { release_id: draft.data.id, draft: false, name: 'One' });
    expect(published.data).toMatchObject({ id: draft.data.id, draft: false, name: 'One', tag_name: 'v1.0.0' });
    expect((await gitea.ask(`GET ${RELEASES}/latest`)).data).toEqual(published.data);
    expect((await gitea.ask(`GET ${RELEASES}/tags/{tag}`, { tag: 'v1.0.0' })).data).toEqual(published.data);
    expect((await gitea.ask(`GET ${RELEASE}`, { release_id: draft.data.id })).data).toEqual(published.data);
    expect((await gitea.ask(`GET ${REPO}/git/ref/{ref}`, { ref: 'tags/v1.0.0' })).status).toBe(200);
    const twice = await gitea.ask(`POST ${RELEASES}`, { tag_name: 'v1.0.0' });
    expect([twice.status, twice.data.errors[0].code]).toEqual([422, 'already_exists']);
    expect((await gitea.ask(`POST ${RELEASES}`, {})).status).toBe(422);
    await gitea.ask(`POST ${RELEASES}`, { tag_name: 'v1.1.0-rc', prerelease: true, target_commitish: 'main' });
    expect((await gitea.ask(RELEASES.replace(/^/, 'GET '))).data.map((one: Loose) => one.tag_name)).toEqual([
      'v1.1.0-rc',
      'v1.0.0',
    ]);
    expect(gitea.told().filter(([type]) => type === 'release')).toEqual([
      ['release', 'published'],
      ['release', 'published'],
    ]);
    const tagged = await gitea.ask(`DELETE ${REPO}/git/refs/{ref}`, { ref: 'tags/v1.0.0' });
    expect(tagged.status).toBe(422);
  });

  it('have releases that take files', async () => {
    const [release] = (await gitea.ask(`GET ${RELEASES}`)).data;
    const which = { release_id: release.id };
    const assets = `${RELEASES}/{release_id}/assets`;
    const file = { type: 'application/gzip', bytes: Buffer.from('packed') };
    const made = await gitea.ask(`POST ${assets}`, { ...which, name: 'app "1".tgz' }, { file });
    expect([made.status, made.data]).toMatchObject([
      201,
      { name: 'app "1".tgz', size: 6, content_type: 'application/gzip', state: 'uploaded' },
    ]);
    const listed = (await gitea.ask(`GET ${assets}`, which)).data;
    expect(listed.map((one: Loose) => [one.id, one.name, one.size])).toContainEqual([made.data.id, 'app "1".tgz', 6]);
    const twice = await gitea.ask(`POST ${assets}`, { ...which, name: 'app "1".tgz' }, { file });
    expect([twice.status, twice.data.errors[0].code]).toEqual([422, 'already_exists']);
    expect((await gitea.ask(`POST ${assets}`, which, { file })).status).toBe(422);
    const empty = { ...file, bytes: Buffer.alloc(0) };
    expect((await gitea.ask(`POST ${assets}`, { ...which, name: 'x' }, { file: empty })).status).toBe(400);
  });

  it('have files that are found by their number alone, renamed and deleted', async () => {
    const [newest, oldest] = (await gitea.ask(`GET ${RELEASES}`)).data;
    const file = { type: 'text/plain', bytes: Buffer.from('x') };
    const upload = async (release: Loose, name: string) =>
      (await gitea.ask(`POST ${RELEASES}/{release_id}/assets`, { release_id: release.id, name }, { file })).data;
    const [one, two] = [await upload(oldest, 'one.txt'), await upload(newest, 'two.txt')];
    await upload(newest, 'three.txt');
    const asset = `${RELEASES}/assets/{asset_id}`;
    for (const { id, name } of [one, two])
      expect((await gitea.ask(`GET ${asset}`, { asset_id: id })).data).toMatchObject({ id, name, size: 1 });
    const bytes = await gitea.ask(`GET ${asset}`, { asset_id: one.id }, { media: 'file' });
    expect([bytes.status, bytes.data]).toEqual([200, file.bytes]);
    const which = { asset_id: two.id };
    expect((await gitea.ask(`PATCH ${asset}`, { ...which, name: 'four.txt' })).data.name).toBe('four.txt');
    expect((await gitea.ask(`PATCH ${asset}`, { ...which, name: 'four.txt' })).status).toBe(200);
    expect((await gitea.ask(`PATCH ${asset}`, { ...which, name: '' })).status).toBe(422);
    const taken = await gitea.ask(`PATCH ${asset}`, { ...which, name: 'three.txt' });
    expect([taken.status, taken.data.errors[0].code]).toEqual([422, 'already_exists']);
    for (const { id } of [one, two]) expect((await gitea.ask(`DELETE ${asset}`, { asset_id: id })).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await gitea.ask(`${method} ${asset}`, which)).status).toBe(404);
  });

  it('have releases with assets, that are deleted', async () => {
    const [release] = gitea.fake.state.repositories.find((one) => one.name === 'web')?.releases ?? [];
    release?.assets.push({ id: 77, name: 'app.zip', size: 5 });
    const where = { release_id: release?.id };
    expect((await gitea.ask(`GET ${RELEASE}/assets`, where)).data).toMatchObject([
      { id: 77, name: 'app.zip', size: 5 },
    ]);
    expect((await gitea.ask(`DELETE ${RELEASE}`, where)).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await gitea.ask(`${method} ${RELEASE}`, where)).status).toBe(404);
    expect((await gitea.ask(`GET ${RELEASE}/assets`, where)).status).toBe(404);
  });

  it('have no comments on commits, and say so', async () => {
    expect((await gitea.ask(`GET ${REPO}/comments`)).data).toEqual([]);
    const comments = `GET ${REPO}/commits/{commit_sha}/comments`;
    expect((await gitea.ask(comments, { commit_sha: 'main' })).data).toEqual([]);
    expect((await gitea.ask(comments, { commit_sha: 'f'.repeat(40) })).status).toBe(404);
    const gists = 'GET /users/{username}/gists';
    const { [gists]: _ofUser, ...ofRepository } = absent;
    await gitea.expectMissing(ofRepository, { commit_sha: 'main' });
    expect((await gitea.ask(gists, { username: 'bob' })).data).toEqual([]);
    expect((await gitea.ask(gists, { username: 'nobody' })).status).toBe(404);
  });

  it('are not there when they are not there', async () => {
    const {
      'GET /repositories/{repository_id}': _id,
      'POST /user/repos': _user,
      'POST /orgs/{org}/repos': _org,
      ...rest
    } = repositories;
    for (const table of [rest, releases, releaseAssets, actions])
      await gitea.expectMissing(table, {
        names: [],
        release_id: 1,
        asset_id: 1,
        tag: 'x',
        tag_name: 'x',
        run_id: 1,
      });
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ absent, repositories, releases, releaseAssets });
  });
});

describe('runs of workflows', () => {
  it.each([
    { version: '1.24.0', flavour: 'gitea' as const, jobs: 1_000_000 },
    { version: '1.22.0', flavour: 'forgejo' as const, jobs: 0 },
  ])('are read from %o', async ({ version, flavour, jobs }) => {
    const gitea = await startGitea({ version, flavour });
    const sha = await gitea.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'a\n' } });
    const repository = gitea.fake.state.repositories.find((one) => one.name === 'web');
    const run = {
      name: 'Build',
      workflow: 'build.yml',
      branch: 'topic',
      sha,
      event: 'push',
      created: '2026-01-01T00:00:00Z',
    };
    repository?.runs.push(
      { ...run, id: 1, status: 'completed', conclusion: 'failure' },
      { ...run, id: 2, status: 'in_progress', conclusion: '' },
    );
    const listed = await gitea.ask(`GET ${REPO}/actions/runs`);
    expect(listed.data.workflow_runs.map((one: Loose) => [one.id, one.status, one.conclusion])).toEqual([
      [2, 'in_progress', null],
      [1, 'completed', 'failure'],
    ]);
    expect(
      (await gitea.ask(`GET ${REPO}/actions/runs`, { status: 'failure', branch: 'topic', head_sha: sha })).data
        .total_count,
    ).toBe(1);
    expect((await gitea.ask(`GET ${REPO}/actions/runs`, { event: 'release' })).data.total_count).toBe(0);
    const one = await gitea.ask(`GET ${RUN}`, { run_id: 1 });
    expect(one.data).toMatchObject({ id: 1, head_sha: sha, path: 'build.yml', event: 'push', conclusion: 'failure' });
    expect((await gitea.ask(`GET ${RUN}/jobs`, { run_id: 1 })).data).toMatchObject({
      total_count: 1,
      jobs: [{ id: jobs + 1, run_id: 1, conclusion: 'failure' }],
    });
    for (const route of [`GET ${RUN}`, `GET ${RUN}/jobs`])
      expect((await gitea.ask(route, { run_id: 99 })).status).toBe(404);
    expect((await gitea.ask(`GET ${REPO}/actions/runs`, { repo: 'gone' })).status).toBe(404);
    if (flavour === 'gitea') gitea.expectEveryRow({ actions });
    else gitea.expectEveryRow({ 'actions.forgejo': actions });
    await gitea.close();
  });
});
