/** Lists of what a repository and an owner have, which nobody changes by these routes. */
import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import { encodePath } from '../../kit/shapes/fields.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { apiOf, minimalRepository } from '../../kit/shapes/repository.js';
import { nativeCommit } from '../convert/commit.js';
import { type NativeProject, nativeProject, repositoryInput } from '../convert/project.js';
import { read } from '../convert/read.js';
import { groupPath } from '../references.js';
import { findUser } from './people.js';
import { page, param, placeOf } from './place.js';

const nativeTag = z.looseObject({ name: z.string(), commit: nativeCommit });

const tags: Route = {
  support: 'exact',
  retry: 'read',
  source: 'tags: GET /projects/:id/repository/tags',
  async run(request, context) {
    const place = placeOf(request);
    const { items, pages } = await page(request, context, `${place.api}/repository/tags`, nativeTag);
    const url = apiOf(context.base, place.owner, place.repo);
    const shown = items.map(({ name, commit }) => ({
      name,
      commit: { sha: commit.id, url: `${url}/commits/${commit.id}` },
      zipball_url: `${url}/zipball/refs/tags/${encodePath(name)}`,
      tarball_url: `${url}/tarball/refs/tags/${encodePath(name)}`,
      node_id: nodeId('Ref', `refs/tags/${name}`, `${place.owner}/${place.repo}`),
    }));
    return { data: shown, pages };
  },
};

const minimal = (context: RouteContext, projects: readonly NativeProject[]) =>
  projects.map((project) => minimalRepository(context.base, repositoryInput(project)));

const forks: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /projects/:id/forks',
  async run(request, context) {
    const { items, pages } = await page(request, context, `${placeOf(request).api}/forks`, nativeProject);
    return { data: minimal(context, items), pages };
  },
};

const ofUser: Route = {
  support: 'exact',
  retry: 'read',
  source: 'users: GET /users?username=; projects: GET /users/:user_id/projects; groups: GET /groups/:id/projects',
  async run(request, context) {
    const login = param(request, 'username');
    const user = await findUser(context, login);
    // GitHub lists those of an organization here too.
    const path = user === undefined ? `/groups/${segment(groupPath(login))}/projects` : `/users/${user.id}/projects`;
    const { items, pages } = await page(request, context, path, nativeProject);
    return { data: minimal(context, items), pages };
  },
};

const ofToken: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /projects with membership',
  async run(request, context) {
    const { items, pages } = await page(request, context, '/projects', nativeProject, { membership: true });
    return { data: minimal(context, items), pages };
  },
};

const languages: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'projects: GET /projects/:id/languages',
  note: 'GitLab tells shares and no sizes: one byte stands for a hundredth of a percent.',
  async run(request, context) {
    const shares = read(
      z.record(z.string(), z.number()),
      await context.native.get(`${placeOf(request).api}/languages`),
      'list of languages',
    );
    return { data: Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, Math.round(share * 100)])) };
  },
};

export const listings: RouteTable = {
  'GET /repos/{owner}/{repo}/tags': tags,
  'GET /repos/{owner}/{repo}/languages': languages,
  'GET /repos/{owner}/{repo}/forks': forks,
  'GET /users/{username}/repos': ofUser,
  'GET /user/repos': ofToken,
};
