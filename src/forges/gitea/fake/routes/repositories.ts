/** Repositories, their settings, topics, forks, teams and collaborators. */
import { z } from 'zod';
import { git } from '../../../kit/fake/git-process.js';
import type { FakeRoute } from '../../../kit/fake/routing.js';
import { created, doer, notFound, nothing, ok, paged, paging, pagingQuery, refuse, repositoryFor } from '../answers.js';
import { tellRepository } from '../happenings.js';
import { repositoryJson, teamJson, userJson } from '../objects.js';
import {
  accountNamed,
  atLeast,
  levelOf,
  type Organization,
  organizationNamed,
  repositoryById,
  repositoryNamed,
} from '../state.js';
import type { World } from '../world.js';

const text = z.string().optional();
const flag = z.boolean().optional();

const SETTINGS = z.object({
  has_issues: flag,
  has_wiki: flag,
  has_projects: flag,
  template: flag,
  allow_merge_commits: flag,
  allow_squash_merge: flag,
  allow_rebase: flag,
  default_delete_branch_after_merge: flag,
});

const EDIT = SETTINGS.extend({
  name: text,
  description: text,
  website: text,
  private: flag,
  archived: flag,
  default_branch: text,
});

const CREATE = z.object({ name: z.string(), description: text, private: flag, auto_init: flag, default_branch: text });

export function repositoryRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const visible = (login: string) => state.repositories.filter((one) => atLeast(levelOf(state, one, login), 'read'));

  async function create(owner: string, body: z.infer<typeof CREATE>, sender: string) {
    if (repositoryNamed(state, owner, body.name)) refuse(409, 'The repository with the same name already exists.');
    const repository = await world.createRepository(owner, body.name, {
      description: body.description ?? '',
      private: body.private ?? false,
    });
    tellRepository(world, repository, sender, 'created');
    return created(repositoryJson(world, repository, sender));
  }

  const teamOf = (owner: string, name: string) => {
    const organization = organizationNamed(state, owner);
    if (organization === undefined) return refuse(405, 'repo is not owned by an organization');
    const team = organization.teams.find((one) => one.name === name) ?? notFound();
    return { organization, team };
  };

  return [
    {
      method: 'GET',
      path: '/repos/:owner/:repo',
      source: 'repository: GET /repos/{owner}/{repo}',
      run: (request) => ok(repositoryJson(world, repositoryFor(world, request), doer(request).login)),
    },
    {
      method: 'GET',
      path: '/repositories/:id',
      source: 'repository: GET /repositories/{id}',
      run: (request) => {
        const found = repositoryById(state, Number(request.params.id));
        if (!found || !atLeast(levelOf(state, found, doer(request).login), 'read')) return notFound();
        return ok(repositoryJson(world, found, doer(request).login));
      },
    },
    {
      method: 'PATCH',
      path: '/repos/:owner/:repo',
      source: 'repository: PATCH /repos/{owner}/{repo}',
      body: EDIT,
      run: (request) => {
        const repository = repositoryFor(world, request, 'admin');
        const { name, description, website, default_branch, archived, ...rest } = request.body as z.infer<typeof EDIT>;
        const taken = name === undefined ? undefined : repositoryNamed(state, repository.owner, name);
        // Its own name, which whoever edits it may send along.
        if (taken !== undefined && taken !== repository) refuse(422, 'repo name is already taken');
        const { private: isPrivate, ...settings } = rest;
        repository.name = name ?? repository.name;
        repository.description = description ?? repository.description;
        repository.website = website ?? repository.website;
        repository.defaultBranch = default_branch ?? repository.defaultBranch;
        repository.archived = archived ?? repository.archived;
        repository.private = isPrivate ?? repository.private;
        for (const [key, value] of Object.entries(settings)) if (value !== undefined) repository.settings[key] = value;
        repository.updated = state.now();
        return ok(repositoryJson(world, repository, doer(request).login));
      },
    },
    {
      method: 'DELETE',
      path: '/repos/:owner/:repo',
      source: 'repository: DELETE /repos/{owner}/{repo}',
      run: (request) => {
        const repository = repositoryFor(world, request, 'owner');
        tellRepository(world, repository, doer(request).login, 'deleted');
        state.repositories.splice(state.repositories.indexOf(repository), 1);
        return nothing();
      },
    },
    {
      method: 'POST',
      path: '/user/repos',
      source: 'repository: POST /user/repos',
      body: CREATE,
      run: (request) => create(doer(request).login, request.body as z.infer<typeof CREATE>, doer(request).login),
    },
    {
      method: 'POST',
      path: '/orgs/:org/repos',
      source: 'organization: POST /orgs/{org}/repos',
      body: CREATE,
      run: (request) => {
        const organization = organizationNamed(state, request.params.org ?? '') ?? notFound();
        return create(organization.login, request.body as z.infer<typeof CREATE>, doer(request).login);
      },
    },
    {
      method: 'GET',
      path: '/user/repos',
      source: 'user: GET /user/repos',
      query: pagingQuery,
      run: (request) => {
        const { login } = doer(request);
        const mine = visible(login).filter(
          (one) => one.owner === login || one.collaborators.has(login) || atLeast(levelOf(state, one, login), 'write'),
        );
        return paged(world, request, mine, (one) => repositoryJson(world, one, login));
      },
    },
    {
      method: 'GET',
      path: '/repos/search',
      source: 'repository: GET /repos/search',
      query: z.object({ ...paging, q: text, uid: text, sort: text, order: text }),
      run: async (request) => {
        const { login } = doer(request);
        const word = (request.query.get('q') ?? '').toLowerCase();
        const found = visible(login).filter((one) => one.name.toLowerCase().includes(word));
        const answer = await paged(world, request, found, (one) => repositoryJson(world, one, login));
        return { ...answer, json: { ok: true, data: answer.json } };
      },
    },
    ...['users', 'orgs'].map(
      (kind): FakeRoute => ({
        method: 'GET',
        path: `/${kind}/:name/repos`,
        source: `${kind}: GET /${kind}/{name}/repos`,
        query: pagingQuery,
        run: (request) => {
          const account = accountNamed(state, request.params.name ?? '') ?? notFound();
          const { login } = doer(request);
          const owned = visible(login).filter((one) => one.owner === account.login);
          return paged(world, request, owned, (one) => repositoryJson(world, one, login));
        },
      }),
    ),
    {
      method: 'GET',
      path: '/repos/:owner/:repo/topics',
      source: 'repository: GET /repos/{owner}/{repo}/topics',
      query: pagingQuery,
      run: (request) => ok({ topics: repositoryFor(world, request).topics }),
    },
    {
      method: 'PUT',
      path: '/repos/:owner/:repo/topics',
      source: 'repository: PUT /repos/{owner}/{repo}/topics',
      body: z.object({ topics: z.array(z.string()) }),
      run: (request) => {
        const repository = repositoryFor(world, request, 'admin');
        const { topics } = request.body as { topics: string[] };
        const invalidTopics = topics.filter((one) => !/^[a-z0-9][-.a-z0-9]{0,34}$/.test(one));
        if (invalidTopics.length > 0) return ok({ invalidTopics, message: 'Topic names are invalid' }, 422);
        repository.topics = topics;
        return nothing();
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/languages',
      source: 'repository: GET /repos/{owner}/{repo}/languages',
      run: (request) => {
        repositoryFor(world, request);
        return ok({ TypeScript: 1200 });
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/forks',
      source: 'repository: GET /repos/{owner}/{repo}/forks',
      query: pagingQuery,
      run: (request) => {
        const repository = repositoryFor(world, request);
        const forks = state.repositories.filter((one) => one.parent === repository.id);
        return paged(world, request, forks, (one) => repositoryJson(world, one, doer(request).login));
      },
    },
    {
      method: 'POST',
      path: '/repos/:owner/:repo/forks',
      source: 'repository: POST /repos/{owner}/{repo}/forks',
      body: z.object({ organization: text, name: text }),
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const { organization, name = repository.name } = request.body as { organization?: string; name?: string };
        const owner = organization ?? doer(request).login;
        if (repositoryNamed(state, owner, name)) refuse(409, 'repository is already forked by user');
        const fork = await world.createRepository(owner, name, {
          description: repository.description,
          private: repository.private,
          parent: repository.id,
          defaultBranch: repository.defaultBranch,
        });
        await git(fork.git.directory, [
          'fetch',
          '--quiet',
          repository.git.directory,
          '+refs/heads/*:refs/heads/*',
          '+refs/tags/*:refs/tags/*',
        ]);
        world.emit(repository, 'fork', {
          forkee: repositoryJson(world, repository, owner),
          repository: repositoryJson(world, fork, owner),
          sender: userJson(world, doer(request).login),
        });
        return ok(repositoryJson(world, fork, doer(request).login), 202);
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/teams',
      source: 'repository: GET /repos/{owner}/{repo}/teams',
      run: (request) => {
        const repository = repositoryFor(world, request);
        const organization = organizationNamed(state, repository.owner) as Organization | undefined;
        if (organization === undefined) return refuse(405, 'repo is not owned by an organization');
        const teams = organization.teams.filter(
          (one) => one.includesAllRepositories || one.repositories.has(repository.id),
        );
        return ok(teams.map((team) => teamJson(world, organization, team)));
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/teams/:team',
      source: 'repository: GET /repos/{owner}/{repo}/teams/{team}',
      run: (request) => {
        const repository = repositoryFor(world, request);
        const { organization, team } = teamOf(repository.owner, request.params.team ?? '');
        return team.repositories.has(repository.id) ? ok(teamJson(world, organization, team)) : notFound();
      },
    },
  ];
}
