/** Who follows and likes what, and the keys of a project. GitLab tells nobody who watches a project. */
import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { deployKey } from '../../kit/shapes/deploy-key.js';
import { minimalRepository } from '../../kit/shapes/repository.js';
import { nativeGroup, nativeMember } from '../convert/group.js';
import { nativeProject, repositoryInput } from '../convert/project.js';
import { id, read, time } from '../convert/read.js';
import { account, nativeUser } from '../convert/user.js';
import { groupPath } from '../references.js';
import { findUser } from './people.js';
import { idParam, type Place, page, param, placeOf } from './place.js';

const starrer = z.looseObject({ user: nativeUser });

const stargazers: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /projects/:id/starrers',
  async run(request, context) {
    const { items, pages } = await page(request, context, `${placeOf(request).api}/starrers`, starrer);
    return { data: items.map(({ user }) => shape.user(context.base, account(user))), pages };
  },
};

async function pathOfUser(request: RouteRequest, context: RouteContext): Promise<string> {
  const user = await findUser(context, param(request, 'username'));
  if (user === undefined) throw notFound();
  return `/users/${user.id}`;
}

const people = (name: 'followers' | 'following'): Route => ({
  support: 'exact',
  retry: 'read',
  source: `users: GET /users?username=, GET /users/:id/${name}`,
  async run(request, context) {
    const path = `${await pathOfUser(request, context)}/${name}`;
    const { items, pages } = await page(request, context, path, nativeUser);
    return { data: items.map((user) => shape.user(context.base, account(user))), pages };
  },
});

const starred: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /users/:user_id/starred_projects',
  async run(request, context) {
    const path = `${await pathOfUser(request, context)}/starred_projects`;
    const { items, pages } = await page(request, context, path, nativeProject);
    return { data: items.map((project) => minimalRepository(context.base, repositoryInput(project))), pages };
  },
};

const publicMembers: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'members: GET /groups/:id/members/all',
  note: 'Everybody sees the members of a public group, and nobody those of another.',
  async run(request, context) {
    const path = `/groups/${segment(groupPath(param(request, 'org')))}`;
    const group = read(nativeGroup, await context.native.get(path), 'group');
    if (group.visibility !== 'public') return { data: [], pages: { next: false } };
    const { items, pages } = await page(request, context, `${path}/members/all`, nativeMember);
    return { data: items.map((member) => shape.user(context.base, account(member))), pages };
  },
};

const nativeKey = z.looseObject({
  id,
  title: z.string(),
  key: z.string(),
  created_at: z.string().nullish(),
  can_push: z.boolean().nullish(),
});

const shownKey = (context: RouteContext, place: Place, key: z.output<typeof nativeKey>) =>
  deployKey(context.base, place.owner, place.repo, {
    id: key.id,
    title: key.title,
    key: key.key,
    readOnly: key.can_push !== true,
    createdAt: time(key.created_at),
  });

const keys: Route = {
  support: 'exact',
  retry: 'read',
  source: 'deploy_keys: GET /projects/:id/deploy_keys',
  async run(request, context) {
    const place = placeOf(request);
    const { items, pages } = await page(request, context, `${place.api}/deploy_keys`, nativeKey);
    return { data: items.map((key) => shownKey(context, place, key)), pages };
  },
};

const oneKey: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'deploy_keys: GET /projects/:id/deploy_keys/:key_id',
  note: 'Who added it and when it was used last is not told.',
  async run(request, context) {
    const place = placeOf(request);
    const data = await context.native.get(`${place.api}/deploy_keys/${idParam(request, 'key_id')}`);
    return { data: shownKey(context, place, read(nativeKey, data, 'deploy key')) };
  },
};

const teamRepositories: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'groups: GET /groups/:id/projects',
  note: 'A team is a subgroup: its own projects, and those that are shared with it.',
  async run(request, context) {
    const path = `/groups/${segment(`${groupPath(param(request, 'org'))}/${param(request, 'team_slug')}`)}/projects`;
    const { items, pages } = await page(request, context, path, nativeProject);
    return { data: items.map((project) => minimalRepository(context.base, repositoryInput(project))), pages };
  },
};

export const social: RouteTable = {
  'GET /repos/{owner}/{repo}/stargazers': stargazers,
  'GET /users/{username}/followers': people('followers'),
  'GET /users/{username}/following': people('following'),
  'GET /users/{username}/starred': starred,
  'GET /orgs/{org}/public_members': publicMembers,
  'GET /orgs/{org}/teams/{team_slug}/repos': teamRepositories,
  'GET /repos/{owner}/{repo}/keys': keys,
  'GET /repos/{owner}/{repo}/keys/{key_id}': oneKey,
};
