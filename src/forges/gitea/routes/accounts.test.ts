import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { collaborators } from './collaborators.js';
import { organizations } from './organizations.js';
import { social } from './social.js';
import { teams } from './teams.js';
import { users } from './users.js';

const REPO = '/repos/{owner}/{repo}';
const ofRepository = Object.fromEntries(Object.entries(social).filter(([route]) => route.includes('{repo}')));

const COLLABORATORS = '/repos/{owner}/{repo}/collaborators';
const TEAM = '/orgs/{org}/teams/{team_slug}';

describe('accounts on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
  });
  afterAll(() => gitea.close());

  const logins = (data: Loose): string[] => data.map((user: Loose) => user.login);
  const org = (route: string, more: object = {}) => gitea.ask(route, { org: 'acme', ...more });
  const team = (route: string, more: object = {}) => org(route, { team_slug: 'reviewers', ...more });

  it('are read: oneself and others', async () => {
    expect((await gitea.ask('GET /user')).data).toMatchObject({ login: 'forgeway-bot', type: 'Bot' });
    expect((await gitea.ask('GET /users/{username}', { username: 'bob' })).data).toMatchObject({
      login: 'bob',
      followers: 0,
    });
    expect((await gitea.ask('GET /users/{username}', { username: 'gitea-actions' })).data.type).toBe('Bot');
    expect((await gitea.ask('GET /users/{username}', { username: 'nobody' })).status).toBe(404);
    expect(
      (await gitea.ask('GET /users/{username}/repos', { username: 'alice' })).data.map((one: Loose) => one.full_name),
    ).toEqual(['alice/tool']);
    expect((await gitea.ask('GET /users/{username}/repos', { username: 'nobody' })).status).toBe(404);
    expect((await gitea.ask('GET /user/repos', { per_page: 1 })).pages).toEqual({ next: true, last: 2 });
  });

  it('have levels in a repository, by themselves and through teams', async () => {
    const level = async (username: string) =>
      (await gitea.ask(`GET ${COLLABORATORS}/{username}/permission`, { username })).data.permission;
    expect([await level('alice'), await level('bob'), await level('carol'), await level('forgeway-bot')]).toEqual([
      'admin',
      'write',
      'read',
      'admin',
    ]);
    expect((await gitea.ask(`GET ${COLLABORATORS}/{username}/permission`, { username: 'nobody' })).status).toBe(404);
    expect(
      (
        await gitea
          .as('carol')
          .request(`GET ${COLLABORATORS}/{username}/permission`, { owner: 'acme', repo: 'web', username: 'bob' })
      ).status,
    ).toBe(403);
  });

  it('become collaborators and are no longer', async () => {
    expect(
      (await gitea.ask(`PUT ${COLLABORATORS}/{username}`, { username: 'carol', permission: 'maintain' })).status,
    ).toBe(204);
    expect(gitea.rig.calls.at(-1)?.json).toEqual({ permission: 'write' });
    const listed = await gitea.ask(`GET ${COLLABORATORS}`);
    expect(listed.data.map((one: Loose) => [one.login, one.role_name, one.permissions.push])).toEqual([
      ['bob', 'write', true],
      ['carol', 'write', true],
    ]);
    expect((await gitea.ask(`GET ${COLLABORATORS}/{username}`, { username: 'carol' })).status).toBe(204);
    expect((await gitea.ask(`DELETE ${COLLABORATORS}/{username}`, { username: 'carol' })).status).toBe(204);
    expect((await gitea.ask(`GET ${COLLABORATORS}/{username}`, { username: 'carol' })).status).toBe(404);
    for (const method of ['GET', 'DELETE'])
      expect((await gitea.ask(`${method} ${COLLABORATORS}/{username}`, { username: 'nobody' })).status).toBe(404);
    expect((await gitea.ask(`PUT ${COLLABORATORS}/{username}`, { username: 'carol', permission: 'king' })).status).toBe(
      422,
    );
    expect((await gitea.ask(`PUT ${COLLABORATORS}/{username}`, { username: 'nobody' })).status).toBe(404);
    const own = await gitea.ask(`GET ${COLLABORATORS}`, { owner: 'alice', repo: 'tool', permission: 'admin' });
    expect(logins(own.data)).toEqual(['alice', 'forgeway-bot']);
  });

  it('belong to organizations', async () => {
    expect((await org('GET /orgs/{org}')).data).toMatchObject({ login: 'acme', type: 'Organization' });
    expect((await org('GET /orgs/{org}/members')).data.map((one: Loose) => one.login)).toEqual([
      'alice',
      'forgeway-bot',
      'bob',
    ]);
    expect((await org('GET /orgs/{org}/members/{username}', { username: 'bob' })).status).toBe(204);
    expect((await org('GET /orgs/{org}/members/{username}', { username: 'carol' })).status).toBe(404);
    // Not a member, and so sent on to the public ones.
    const asked = await gitea
      .as('carol')
      .request('GET /orgs/{org}/members/{username}', { org: 'acme', username: 'bob' });
    expect(asked.status).toBe(404);
    expect((await org('GET /orgs/{org}/memberships/{username}', { username: 'alice' })).data).toMatchObject({
      role: 'admin',
      state: 'active',
    });
    expect((await org('GET /orgs/{org}/memberships/{username}', { username: 'bob' })).data.role).toBe('member');
    expect((await org('GET /orgs/{org}/repos')).data.map((one: Loose) => one.name)).toEqual(['web']);
    for (const route of Object.keys(organizations))
      expect((await gitea.ask(route, { org: 'none', username: 'bob' })).status).toBe(404);
  });

  it('belong to teams, which are found by slug', async () => {
    expect((await org('GET /orgs/{org}/teams')).data.map((one: Loose) => one.slug)).toEqual(['owners', 'reviewers']);
    expect((await team(`GET ${TEAM}`)).data).toMatchObject({
      name: 'Reviewers',
      slug: 'reviewers',
      permission: 'push',
    });
    expect(logins((await team(`GET ${TEAM}/members`)).data)).toEqual(['bob']);
    const membership = `${TEAM}/memberships/{username}`;
    expect((await team(`GET ${membership}`, { username: 'carol' })).status).toBe(404);
    expect((await team(`PUT ${membership}`, { username: 'carol' })).data).toMatchObject({
      state: 'active',
      role: 'member',
    });
    expect((await team(`GET ${membership}`, { username: 'carol' })).data.state).toBe('active');
    expect((await team(`DELETE ${membership}`, { username: 'carol' })).status).toBe(204);
    expect(logins((await team(`GET ${TEAM}/members`)).data)).toEqual(['bob']);
  });

  it('and their teams reach repositories', async () => {
    const made = await org('POST /orgs/{org}/teams', { name: 'Builders', permission: 'push' });
    expect([made.status, made.data.slug]).toEqual([201, 'builders']);
    expect((await org('POST /orgs/{org}/teams', { name: 'Builders' })).status).toBe(422);
    expect((await org('POST /orgs/{org}/teams', {})).status).toBe(422);
    const where = { team_slug: 'builders' };
    const path = `${TEAM}/repos/{owner}/{repo}`;
    expect((await org(`PUT ${path}`, where)).status).toBe(204);
    expect((await org(`GET ${TEAM}/repos`, where)).data.map((one: Loose) => one.full_name)).toEqual(['acme/web']);
    expect((await gitea.ask('GET /repos/{owner}/{repo}/teams')).data.map((one: Loose) => one.slug)).toEqual([
      'owners',
      'builders',
    ]);
    expect((await gitea.ask('GET /repos/{owner}/{repo}/teams', { owner: 'alice', repo: 'tool' })).data).toEqual([]);
    expect((await org(`DELETE ${path}`, where)).status).toBe(204);
    expect((await org(`GET ${TEAM}/repos`, where)).data).toEqual([]);
    expect((await org(`DELETE ${TEAM}`, where)).status).toBe(204);
    const none = { team_slug: 'none', username: 'bob' };
    for (const route of Object.keys(teams).filter((one) => one.includes('{team_slug}')))
      expect([route, (await org(route, none)).status]).toEqual([route, 404]);
    expect((await gitea.ask('GET /orgs/{org}/teams', { org: 'none' })).status).toBe(404);
  });

  it('follow, watch and like', async () => {
    const { state } = gitea.fake;
    const web = state.repositories.find(({ name }) => name === 'web')?.id ?? 0;
    state.stars.push({ login: 'bob', repository: web });
    state.watches.push({ login: 'alice', repository: web }, { login: 'forgeway-bot', repository: web });
    state.follows.push({ login: 'bob', of: 'alice' });
    expect(logins((await gitea.ask(`GET ${REPO}/stargazers`)).data)).toEqual(['bob']);
    expect(logins((await gitea.ask(`GET ${REPO}/subscribers`)).data)).toEqual(['alice', 'forgeway-bot']);
    expect((await gitea.ask(`GET ${REPO}/subscription`)).data).toMatchObject({
      subscribed: true,
      repository_url: expect.stringMatching(/\/api\/v3\/repos\/acme\/web$/),
    });
    const by = async (username: string, list: string) =>
      (await gitea.ask(`GET /users/{username}/${list}`, { username })).data as Loose;
    expect(logins(await by('alice', 'followers'))).toEqual(['bob']);
    expect(logins(await by('bob', 'following'))).toEqual(['alice']);
    expect((await by('bob', 'starred')).map((one: Loose) => one.full_name)).toEqual(['acme/web']);
    expect((await by('alice', 'subscriptions')).map((one: Loose) => one.full_name)).toEqual(['acme/web']);
    expect(logins(await by('bob', 'orgs'))).toEqual(['acme']);
    expect((await gitea.ask('GET /orgs/{org}/public_members', { org: 'acme' })).data).toEqual([]);
  });

  it('and machines have keys', async () => {
    const { state } = gitea.fake;
    const web = state.repositories.find(({ name }) => name === 'web')?.id ?? 0;
    const created = '2026-01-02T03:04:05Z';
    state.deployKeys.push({ id: 55, repository: web, title: 'ci', key: 'ssh-ed25519 AAAA', readOnly: true, created });
    const key = { id: 55, title: 'ci', key: 'ssh-ed25519 AAAA', read_only: true, created_at: created };
    expect((await gitea.ask(`GET ${REPO}/keys`)).data).toMatchObject([key]);
    expect((await gitea.ask(`GET ${REPO}/keys/{key_id}`, { key_id: 55 })).data).toMatchObject(key);
    expect((await gitea.ask(`GET ${REPO}/keys/{key_id}`, { key_id: 56 })).status).toBe(404);
  });

  it('are not there in a repository that is not there', async () => {
    await gitea.expectMissing(ofRepository, { key_id: 1 });
    for (const route of Object.keys(social).filter((one) => !Object.hasOwn(ofRepository, one)))
      expect((await gitea.ask(route, { username: 'nobody', org: 'nobody' })).status).toBe(404);
    await gitea.expectMissing(collaborators, { username: 'bob' });
    expect((await gitea.ask('GET /repos/{owner}/{repo}/teams', { repo: 'gone' })).status).toBe(404);
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ collaborators, organizations, social, teams });
    gitea.expectEveryRow({ users }, { withoutFailure: ['GET /user', 'GET /user/repos'] });
  });
});
