/** Who may do what in a repository. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { failedWith, objectOf, param, repoPath, textInput, textOf } from './native.js';
import { asUser } from './objects.js';
import { everything, pageIn } from './pages.js';
import { emulated, exact } from './row.js';

const collaboratorPath = (request: RouteRequest, login = param(request, 'username')): string =>
  `${repoPath(request)}/collaborators/${segment(login)}`;

/** Where GitHub has no such collaborator, the forge has no such user, and finds that the request is wrong. */
async function ofCollaborator(method: 'GET' | 'DELETE', request: RouteRequest, context: RouteContext) {
  try {
    await context.native.send(method, collaboratorPath(request));
  } catch (error) {
    throw error instanceof RouteFailure && error.status === 422 ? notFound() : error;
  }
  return { status: 204 };
}

type Level = 'admin' | 'write' | 'read' | 'none';

const LEVELS: Readonly<Record<string, Level>> = { owner: 'admin', admin: 'admin', write: 'write', read: 'read' };

const levelOf = (native: JsonObject): Level => {
  const word = textOf(native, 'permission');
  return (Object.hasOwn(LEVELS, word) ? LEVELS[word] : undefined) ?? 'none';
};

/** GitHub's words for levels, wider than the forge's three. */
const WISHES: Readonly<Record<string, string>> = {
  pull: 'read',
  read: 'read',
  triage: 'read',
  push: 'write',
  write: 'write',
  maintain: 'write',
  admin: 'admin',
};

const flags = (level: Level) => ({
  pull: level !== 'none',
  triage: level === 'admin' || level === 'write',
  push: level === 'admin' || level === 'write',
  maintain: level === 'admin',
  admin: level === 'admin',
});

async function permissionOf(request: RouteRequest, context: RouteContext, login: string): Promise<JsonObject> {
  return objectOf(await context.native.get(`${collaboratorPath(request, login)}/permission`));
}

async function permission(request: RouteRequest, context: RouteContext) {
  const native = await permissionOf(request, context, param(request, 'username'));
  const level = levelOf(native);
  const user = asUser(context, native.user);
  return {
    data: {
      permission: level,
      role_name: level,
      user: { ...user, permissions: flags(level), role_name: level },
    },
  };
}

async function list(request: RouteRequest, context: RouteContext) {
  const owner = objectOf(objectOf(await context.native.get(repoPath(request))).owner);
  const others = (await everything(context, `${repoPath(request)}/collaborators`)).map(objectOf);
  // GitHub counts the owner; an organization is none.
  const isPerson = (await context.native.find(`/orgs/${segment(textOf(owner, 'login'))}`)) === undefined;
  const all = isPerson ? [owner, ...others.filter((one) => one.id !== owner.id)] : others;
  const answer = pageIn(request, all);
  const data: JsonObject[] = [];
  for (const native of answer.data as JsonObject[]) {
    const level = levelOf(await permissionOf(request, context, textOf(native, 'login')));
    data.push({ ...asUser(context, native), permissions: flags(level), role_name: level });
  }
  const wish = request.query.permission;
  const wanted = wish === undefined ? undefined : (wish as keyof ReturnType<typeof flags>);
  return {
    ...answer,
    data: wanted === undefined ? data : data.filter((one) => objectOf(one.permissions)[wanted] === true),
  };
}

async function add(request: RouteRequest, context: RouteContext) {
  const wish = textInput(request, 'permission') ?? 'push';
  const level = Object.hasOwn(WISHES, wish) ? WISHES[wish] : undefined;
  if (level === undefined) throw invalid('Collaborator', 'permission', 'invalid');
  try {
    await context.native.send('PUT', collaboratorPath(request), { json: { permission: level } });
  } catch (error) {
    const isPerson = async () =>
      (await context.native.find(`/users/${segment(param(request, 'username'))}`)) !== undefined;
    throw failedWith(error, 422) && !(await isPerson()) ? notFound() : error;
  }
  return { status: 204 };
}

export const collaborators: RouteTable = {
  'GET /repos/{owner}/{repo}/collaborators': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/collaborators, …/collaborators/{collaborator}/permission',
    'The owner is added; every level is asked for.',
    list,
  ),
  'GET /repos/{owner}/{repo}/collaborators/{username}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/collaborators/{collaborator}',
    (request, context) => ofCollaborator('GET', request, context),
  ),
  'PUT /repos/{owner}/{repo}/collaborators/{username}': emulated(
    'idempotent',
    'repository: PUT /repos/{owner}/{repo}/collaborators/{collaborator}',
    'At once, without an invitation; triage is read, maintain is write.',
    add,
  ),
  'DELETE /repos/{owner}/{repo}/collaborators/{username}': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/collaborators/{collaborator}',
    (request, context) => ofCollaborator('DELETE', request, context),
  ),
  'GET /repos/{owner}/{repo}/collaborators/{username}/permission': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/collaborators/{collaborator}/permission',
    permission,
  ),
};
