import { z } from 'zod';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { type NativeMember, nativeMember } from '../convert/group.js';
import { read } from '../convert/read.js';
import { account, type NativeUser } from '../convert/user.js';
import { type PermissionWord, permissionOf } from '../roles.js';
import { findUser } from './people.js';
import { accept, type Place, page, param, placeOf, refused } from './place.js';

const order: readonly PermissionWord[] = ['none', 'read', 'triage', 'write', 'maintain', 'admin'];

/** GitHub's word in `permission`, which knows neither triage nor maintain. */
const legacy = (word: PermissionWord): string => (word === 'triage' ? 'read' : word === 'maintain' ? 'write' : word);

const permissionsOf = (word: PermissionWord) => {
  const at = order.indexOf(word);
  return { pull: at >= 1, triage: at >= 2, push: at >= 3, maintain: at >= 4, admin: at >= 5 };
};

const shownMember = (context: RouteContext, member: NativeMember) => {
  const word = permissionOf(member.access_level);
  return { ...shape.user(context.base, account(member)), permissions: permissionsOf(word), role_name: word };
};

async function membership(context: RouteContext, place: Place, user: NativeUser): Promise<NativeMember | undefined> {
  const data = await context.native.find(`${place.api}/members/all/${user.id}`);
  return data === undefined ? undefined : read(nativeMember, data, 'member');
}

const wanted: Readonly<Record<string, PermissionWord>> = {
  pull: 'read',
  triage: 'triage',
  push: 'write',
  maintain: 'maintain',
  admin: 'admin',
};

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /projects/:id/members/all, GET /projects/:id/members',
  async run(request, context) {
    // Direct members are those that are not members by a group.
    const path = `${placeOf(request).api}/members${request.query.affiliation === 'direct' ? '' : '/all'}`;
    const { items, pages } = await page(request, context, path, nativeMember);
    const least = order.indexOf(wanted[request.query.permission ?? 'pull'] ?? 'read');
    const kept = items.filter((member) => order.indexOf(permissionOf(member.access_level)) >= least);
    return { data: kept.map((member) => shownMember(context, member)), pages };
  },
};

/** @throws RouteFailure 404 when nobody has this login */
async function userAt(request: RouteRequest, context: RouteContext): Promise<NativeUser> {
  const user = await findUser(context, param(request, 'username'));
  if (user === undefined) throw notFound();
  return user;
}

const check: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /projects/:id/members/all/:user_id',
  async run(request, context) {
    if ((await membership(context, placeOf(request), await userAt(request, context))) === undefined) throw notFound();
    return { status: 204 };
  },
};

const permission: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /projects/:id/members/all/:user_id',
  async run(request, context) {
    const place = placeOf(request);
    const user = await userAt(request, context);
    const member = await membership(context, place, user);
    const word: PermissionWord =
      member === undefined ? await withoutMembership(context, place) : permissionOf(member.access_level);
    const shown = { ...shape.user(context.base, account(user)), permissions: permissionsOf(word), role_name: word };
    return { data: { permission: legacy(word), role_name: word, user: shown } };
  },
};

/** Everybody reads what is public. */
async function withoutMembership(context: RouteContext, place: Place): Promise<PermissionWord> {
  const project = read(
    z.looseObject({ visibility: z.string().optional() }),
    await context.native.get(place.api),
    'project',
  );
  return project.visibility === 'public' ? 'read' : 'none';
}

const levels: Readonly<Record<string, number>> = {
  pull: 10,
  read: 10,
  triage: 20,
  push: 30,
  write: 30,
  maintain: 40,
  admin: 40,
};

const add: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'members: POST /projects/:id/members, PUT /projects/:id/members/:user_id',
  note: 'Nobody is asked first: GitLab adds the member at once. `admin` becomes Maintainer.',
  async run(request, context) {
    const place = placeOf(request);
    const { permission: word = 'push' } = accept(
      'Collaborator',
      z.looseObject({ permission: z.string().optional() }),
      request.body,
    );
    const level = Object.hasOwn(levels, word) ? levels[word] : undefined;
    if (level === undefined) throw invalid('Collaborator', 'permission', 'invalid');
    const user = await userAt(request, context);
    const path = `${place.api}/members`;
    await refused(
      () => context.native.send('POST', path, { json: { user_id: user.id, access_level: level } }),
      [409],
      () => context.native.send('PUT', `${path}/${user.id}`, { json: { access_level: level } }),
    );
    return { status: 204 };
  },
};

const remove: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'members: DELETE /projects/:id/members/:user_id',
  async run(request, context) {
    const user = await userAt(request, context);
    await context.native.send('DELETE', `${placeOf(request).api}/members/${user.id}`);
    return { status: 204 };
  },
};

export const collaborators: RouteTable = {
  'GET /repos/{owner}/{repo}/collaborators': list,
  'GET /repos/{owner}/{repo}/collaborators/{username}': check,
  'PUT /repos/{owner}/{repo}/collaborators/{username}': add,
  'DELETE /repos/{owner}/{repo}/collaborators/{username}': remove,
  'GET /repos/{owner}/{repo}/collaborators/{username}/permission': permission,
};
