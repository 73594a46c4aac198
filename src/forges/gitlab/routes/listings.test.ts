/** Lists of a repository and of an owner, against the fake. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { deployments } from './deployments.js';
import { listings } from './listings.js';
import { social } from './social.js';

const R = '/repos/{owner}/{repo}';
const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask: GitLabRig['ask'] = (...given) => at.gitlab.ask(...given);
const namesOf = (data: Loose) => data.map((one: Loose) => one.full_name);

beforeAll(async () => {
  at.gitlab = await startGitLab({ git: true });
});
afterAll(() => at.gitlab.close());

describe('lists', () => {
  it('of tags name their commit', async () => {
    const { web } = at.gitlab;
    const main = await web.git.resolve('main');
    await web.git.setRef('refs/tags/v1/a%b', main ?? '');
    const { data } = await ask(`GET ${R}/tags`);
    expect(data).toMatchObject([
      {
        name: 'v1/a%b',
        commit: { sha: main },
        zipball_url: expect.stringMatching(/\/zipball\/refs\/tags\/v1\/a%25b$/),
      },
    ]);
  });

  it('of languages keep their proportions', async () => {
    expect((await ask(`GET ${R}/languages`)).data).toEqual({ TypeScript: 6669, Shell: 3331 });
  });

  it('of forks name their owners', async () => {
    const { fake, web, people } = at.gitlab;
    await fake.fork(web, people.carol);
    expect(namesOf((await ask(`GET ${R}/forks`)).data)).toEqual(['carol/web']);
  });

  it('of an owner’s repositories are a person’s or a group’s', async () => {
    await at.gitlab.fake.addProject({ path: 'bob/site', visibility: 'public', members: {} });
    expect(namesOf((await ask('GET /users/{username}/repos', { username: 'Bob' })).data)).toEqual(['bob/site']);
    expect(namesOf((await ask('GET /users/{username}/repos', { username: 'acme~platform' })).data)).toEqual([
      'acme~platform/web',
    ]);
  });

  it('of what the token reaches are those it is a member of', async () => {
    expect(namesOf((await ask('GET /user/repos')).data)).toContain('acme~platform/web');
    expect(namesOf((await ask('GET /user/repos')).data)).not.toContain('bob/site');
  });

  it('of who follows and likes what', async () => {
    const { fake, web, people } = at.gitlab;
    fake.state.stars.push({ userId: people.bob.id, projectId: web.id });
    fake.state.follows.push({ userId: people.bob.id, ofId: people.alice.id });
    const logins = (data: Loose) => data.map((one: Loose) => one.login);
    expect(logins((await ask(`GET ${R}/stargazers`)).data)).toEqual(['bob']);
    const by = async (username: string, list: string) =>
      (await ask(`GET /users/{username}/${list}`, { username })).data;
    expect(logins(await by('alice', 'followers'))).toEqual(['bob']);
    expect(logins(await by('bob', 'following'))).toEqual(['alice']);
    expect(namesOf(await by('bob', 'starred'))).toEqual(['acme~platform/web']);
  });

  it('of a public group’s members, and of a team’s repositories', async () => {
    const members = (await ask('GET /orgs/{org}/public_members', { org: 'acme~platform' })).data;
    expect(members.map((one: Loose) => one.login)).toEqual(
      (await ask('GET /orgs/{org}/members', { org: 'acme~platform' })).data.map((one: Loose) => one.login),
    );
    const repos = await ask('GET /orgs/{org}/teams/{team_slug}/repos', { org: 'acme', team_slug: 'platform' });
    expect(namesOf(repos.data)).toEqual(['acme~platform/web']);
  });

  it('of deployments, with the state that each is in', async () => {
    const { fake, web, people } = at.gitlab;
    const sha = (await web.git.resolve('main')) ?? '';
    const one = { projectId: web.id, userId: people.bob.id, ref: 'main', sha, createdAt: '2026-01-02T03:04:05.000Z' };
    fake.state.deployments.push(
      { ...one, id: 801, status: 'success', environment: 'production' },
      { ...one, id: 802, status: 'running', environment: 'review', ref: 'topic' },
      { ...one, id: 803, status: 'skipped', environment: 'review' },
    );
    const ids = async (query: object) => (await ask(`GET ${R}/deployments`, query)).data.map((item: Loose) => item.id);
    expect(await ids({})).toEqual([803, 802, 801]);
    expect(await ids({ environment: 'production' })).toEqual([801]);
    expect(await ids({ ref: 'topic' })).toEqual([802]);
    expect(await ids({ sha: 'f'.repeat(40) })).toEqual([]);
    expect(await ids({ task: 'migrate' })).toEqual([]);
    const which = { deployment_id: 801 };
    expect((await ask(`GET ${R}/deployments/{deployment_id}`, which)).data).toMatchObject({
      ...{ id: 801, sha, ref: 'main', environment: 'production', production_environment: true },
      ...{ creator: { login: 'bob' }, created_at: '2026-01-02T03:04:05Z' },
    });
    const { data } = await ask(`GET ${R}/deployments/{deployment_id}/statuses`, which);
    expect(data).toMatchObject([{ state: 'success', environment_url: 'https://shop.example.org' }]);
    const status = `GET ${R}/deployments/{deployment_id}/statuses/{status_id}`;
    expect((await ask(status, { ...which, status_id: data[0].id })).data).toEqual(data[0]);
    expect((await ask(status, { ...which, status_id: 1 })).status).toBe(404);
    expect((await ask(`GET ${R}/deployments/{deployment_id}/statuses`, { deployment_id: 803 })).data).toEqual([]);
    await at.gitlab.expectMissing(deployments, { deployment_id: 801, status_id: 801 });
  });

  it('of deployments hold what apps made, and what they said of it', async () => {
    const { web } = at.gitlab;
    const sha = (await web.git.resolve('main')) ?? '';
    const wish = {
      ref: 'main',
      environment: 'staging',
      task: 'deploy:web',
      payload: { build: 7 },
      description: 'Nightly',
    };
    const create = `POST ${R}/deployments`;
    const failing = { sha, state: 'failure', context: 'ci' };
    await ask(`POST ${R}/statuses/{sha}`, failing);
    const early = await ask(create, wish);
    expect(early).toMatchObject({ status: 409, data: { message: expect.stringContaining('checks failed for main') } });
    expect((await ask(create, { ...wish, required_contexts: ['nightly'] })).status).toBe(409);
    expect((await ask(create, { ...wish, ref: 'nowhere' })).data.message).toBe('No ref found for: nowhere');
    expect((await ask(create, { ...wish, ref: undefined })).data.errors).toMatchObject([{ field: 'ref' }]);
    await ask(`POST ${R}/statuses/{sha}`, { ...failing, state: 'success' });
    const made = await ask(create, wish);
    const shown = { ...wish, sha, creator: { login: 'forgeway-bot' }, production_environment: false };
    expect(made).toMatchObject({ status: 201, data: shown });
    expect((await ask(`GET ${R}/deployments`, { environment: 'staging' })).data).toEqual([made.data]);

    const which = { deployment_id: made.data.id };
    const list = `GET ${R}/deployments/{deployment_id}/statuses`;
    expect((await ask(list, which)).data).toEqual([]);
    const say = (state: string, more = {}) =>
      ask(`POST ${R}/deployments/{deployment_id}/statuses`, { ...which, state, ...more });
    await say('queued');
    const log = 'https://ci.example.org/7';
    const done = await say('success', {
      log_url: log,
      description: 'Up',
      environment_url: 'https://staging.example.org',
    });
    expect(done).toMatchObject({
      status: 201,
      data: { state: 'success', log_url: log, target_url: log, description: 'Up' },
    });
    expect(done.data.id).not.toBe(made.data.id);
    expect((await ask(list, which)).data.map((one: Loose) => one.state)).toEqual(['success', 'queued']);
    const one = { ...which, status_id: done.data.id };
    expect((await ask(`GET ${R}/deployments/{deployment_id}/statuses/{status_id}`, one)).data).toEqual(done.data);
    expect((await say('great')).data.errors).toMatchObject([{ resource: 'DeploymentStatus', field: 'state' }]);
    expect(at.gitlab.fake.state.deployments.at(-1)).toMatchObject({ status: 'success', environment: 'staging' });

    // The next one that succeeds ends it, and what GitLab says later counts too.
    const next = await ask(create, { ...wish, ref: sha });
    await ask(`POST ${R}/deployments/{deployment_id}/statuses`, { deployment_id: next.data.id, state: 'success' });
    expect((await ask(list, which)).data[0]).toMatchObject({ state: 'inactive' });
    const native = at.gitlab.fake.state.deployments.find(({ id }) => id === made.data.id);
    if (native) native.status = 'failed';
    expect((await ask(list, which)).data[0]).toMatchObject({ state: 'failure', id: made.data.id });

    const remove = (deployment_id: number) => ask(`DELETE ${R}/deployments/{deployment_id}`, { deployment_id });
    const active = await remove(next.data.id);
    expect([active.status, active.data.message]).toEqual([422, expect.stringContaining('active deployment')]);
    expect([(await remove(made.data.id)).status, (await remove(made.data.id)).status]).toEqual([204, 404]);
    // Alone in its environment GitHub would let it go, and GitLab does not.
    expect(await remove(next.data.id)).toMatchObject({
      status: 422,
      data: { forge_message: 'Deployment currently deployed to environment' },
    });
    expect((await ask(`GET ${R}/deployments`, { environment: 'staging' })).data).toMatchObject([{ id: next.data.id }]);
  });

  it('of deployments: a branch that lacks the default branch gets it first', async () => {
    const { fake, web, people } = at.gitlab;
    const commit = (branch: string, path: string, from?: string) =>
      fake.push(web, people.alice, { branch, from, message: path, files: [{ path, content: 'x\n' }] });
    await commit('feature', 'feature.txt', 'main');
    await commit('main', 'ahead.txt');
    const wish = { ref: 'feature', environment: 'review', required_contexts: [] };
    const merged = await ask(`POST ${R}/deployments`, wish);
    expect(merged).toMatchObject({ status: 202, data: { message: 'Auto-merged main into feature on deployment.' } });
    expect((await ask(`POST ${R}/deployments`, { ...wish, ref: 'refs/heads/feature' })).status).toBe(201);
  });

  it('of deploy keys', async () => {
    const { fake, web } = at.gitlab;
    const key = { id: 77, title: 'ci', key: 'ssh-ed25519 AAAA' };
    fake.state.deployKeys.push({ ...key, projectId: web.id, canPush: false, createdAt: '2026-01-02T03:04:05.000Z' });
    const shown = { ...key, read_only: true, created_at: '2026-01-02T03:04:05Z' };
    expect((await ask(`GET ${R}/keys`)).data).toMatchObject([shown]);
    expect((await ask(`GET ${R}/keys/{key_id}`, { key_id: 77 })).data).toMatchObject(shown);
  });

  it('are missing with what they would list', async () => {
    for (const list of ['tags', 'languages', 'forks', 'stargazers', 'keys'])
      expect((await ask(`GET ${R}/${list}`, { repo: 'gone' })).status).toBe(404);
    expect((await ask(`GET ${R}/keys/{key_id}`, { key_id: 78 })).status).toBe(404);
    for (const list of ['repos', 'followers', 'following', 'starred'])
      expect((await ask(`GET /users/{username}/${list}`, { username: 'nobody' })).status).toBe(404);
    for (const list of ['public_members', 'teams/{team_slug}/repos'])
      expect((await ask(`GET /orgs/{org}/${list}`, { org: 'nobodys', team_slug: 'x' })).status).toBe(404);
    at.gitlab.expectEveryRow({ listings, social, deployments }, { withoutFailure: ['GET /user/repos'] });
  });
});
