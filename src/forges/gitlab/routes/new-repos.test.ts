/** Repositories that are made through GitHub's routes, against the fake. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { newRepos } from './new-repos.js';

const R = '/repos/{owner}/{repo}';
const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask = (route: string, parameters?: object): Promise<Loose> => at.gitlab.ask(route, parameters as never);
const sent = () => at.gitlab.rig.calls.findLast(({ method }) => method === 'POST')?.json;
beforeAll(async () => {
  at.gitlab = await startGitLab();
});
afterAll(() => at.gitlab.close());

it('a fork has another owner, and the same branches', async () => {
  const { data, status } = await ask(`POST ${R}/forks`);
  expect([status, data.full_name, data.fork, data.owner.type]).toEqual([202, 'forgeway-bot/web', true, 'User']);
  expect(sent()).toEqual({});
  expect([data.parent.full_name, data.source.full_name]).toEqual(['acme~platform/web', 'acme~platform/web']);
  const main = `GET ${R}/git/ref/{ref}`;
  const heads = [
    await ask(main, { ref: 'heads/main' }),
    await ask(main, { owner: 'forgeway-bot', repo: 'web', ref: 'heads/main' }),
  ];
  expect(heads[1].data.object.sha).toBe(heads[0].data.object.sha);
});

it('a fork goes into a group under a name of its own, with one branch alone', async () => {
  at.gitlab.fake.addGroup('acme/forks').members.set(at.gitlab.people.bot.id, 40);
  const given = { organization: 'acme~forks', name: 'shop', default_branch_only: true };
  expect((await ask(`POST ${R}/forks`, given)).data.full_name).toBe('acme~forks/shop');
  expect(sent()).toEqual({ namespace_path: 'acme/forks', name: 'shop', path: 'shop', branches: 'main' });
  const taken = await ask(`POST ${R}/forks`, given);
  expect([taken.status, JSON.stringify(taken.data)]).toEqual([409, expect.stringContaining('already been taken')]);
  expect((await ask(`POST ${R}/forks`, { organization: 'nobodys' })).status).toBe(404);
});

it('a repository of one’s own is public unless it is said to be private, and empty unless it is begun', async () => {
  const { status, data } = await ask('POST /user/repos', { name: 'notes', description: 'Mine' });
  expect([status, data.full_name, data.visibility, data.description]).toEqual([
    201,
    'forgeway-bot/notes',
    'public',
    'Mine',
  ]);
  const begun = await ask('POST /user/repos', { name: 'begun', private: true, auto_init: true, has_wiki: false });
  expect(begun.data).toMatchObject({ private: true, full_name: 'forgeway-bot/begun' });
  expect(sent()).toEqual({
    ...{ name: 'begun', path: 'begun', visibility: 'private', wiki_access_level: 'disabled' },
    initialize_with_readme: true,
  });
  const where = { owner: 'forgeway-bot', repo: 'begun', path: 'README.md' };
  expect((await ask(`GET ${R}/contents/{path}`, where)).status).toBe(200);
  expect((await ask('POST /user/repos', { name: '' })).data.errors).toMatchObject([{ field: 'name' }]);
  expect((await ask('POST /user/repos', { name: 'notes' })).status).toBe(422);
});

it('a repository of a group is made in it', async () => {
  const { fake, people } = at.gitlab;
  fake.addGroup('acme/platform').members.set(people.bot.id, 40);
  const { status, data } = await ask('POST /orgs/{org}/repos', { org: 'acme~platform', name: 'tools' });
  expect([status, data.full_name, data.owner.type]).toEqual([201, 'acme~platform/tools', 'Organization']);
  expect((await ask('POST /orgs/{org}/repos', { org: 'nobodys', name: 'x' })).status).toBe(404);
});

it('every row is covered', () => at.gitlab.expectEveryRow({ newRepos }));
