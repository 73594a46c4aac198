/** Lists of a repository and of an owner, against the fake. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { listings } from './listings.js';

const R = '/repos/{owner}/{repo}';
const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask: GitLabRig['ask'] = (...given) => at.gitlab.ask(...given);
const namesOf = (data: Loose) => data.map((one: Loose) => one.full_name);

beforeAll(async () => {
  at.gitlab = await startGitLab();
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

  it('are missing with what they would list', async () => {
    for (const list of ['tags', 'languages', 'forks'])
      expect((await ask(`GET ${R}/${list}`, { repo: 'gone' })).status).toBe(404);
    expect((await ask('GET /users/{username}/repos', { username: 'nobody' })).status).toBe(404);
    at.gitlab.expectEveryRow({ listings }, { withoutFailure: ['GET /user/repos'] });
  });
});
