/** Shelves, their lines, files, commits, marks and people. */
import { z } from 'zod';
import {
  invalid,
  notFound,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../../../src/forges/kit/route.js';
import { user } from '../../../../src/forges/kit/shapes/account.js';
import { commit as commitShape } from '../../../../src/forges/kit/shapes/commit.js';
import { apiOf, repository } from '../../../../src/forges/kit/shapes/repository.js';
import { combinedStatus, commitStatus } from '../../../../src/forges/kit/shapes/status.js';
import * as convert from '../convert.js';
import { permissionOf } from '../roles.js';
import {
  type NativeShelf,
  nativeCommit,
  nativeFile,
  nativeLine,
  nativeMark,
  nativePerson,
  nativeShelf,
} from '../schema.js';
import { ask, exact, pageOf, shelfOf } from './wire.js';

const ownerAndName = ({ params }: RouteRequest) => [params.owner ?? '', params.repo ?? ''] as const;
const asRepository = ({ base }: RouteContext, native: NativeShelf) => repository(base, convert.shelf(base, native));

function asBranch(request: RouteRequest, { base }: RouteContext, { line, tip }: z.infer<typeof nativeLine>) {
  const api = apiOf(base, ...ownerAndName(request));
  return { name: line, commit: { sha: tip, url: `${api}/commits/${tip}` }, protected: false };
}

const asStatus =
  (request: RouteRequest, { base }: RouteContext) =>
  (native: z.infer<typeof nativeMark>) =>
    commitStatus(base, ...ownerAndName(request), convert.mark(native));

async function readFile(request: RouteRequest, context: RouteContext) {
  const { path = '' } = request.params;
  const file = await ask(request, context, 'file.show', nativeFile, { path, at: request.query.ref });
  if (request.media === 'raw')
    return {
      body: { contentType: 'application/vnd.github.raw; charset=utf-8', bytes: Buffer.from(file.content, 'base64') },
    };
  const url = `${apiOf(context.base, ...ownerAndName(request))}/contents/${path}`;
  const { blob: sha, content } = file;
  const size = Buffer.from(content, 'base64').length;
  return { data: { type: 'file', encoding: 'base64', name: path.split('/').at(-1), path, size, sha, content, url } };
}

export const repositories: RouteTable = {
  'GET /repos/{owner}/{repo}': exact('read', 'shelf.show', async (request, context) => ({
    data: asRepository(context, await shelfOf(request, context)),
  })),
  'PATCH /repos/{owner}/{repo}': {
    support: 'partial',
    note: 'The toy knows a description and nothing else.',
    retry: 'idempotent',
    source: 'toy: shelf.edit',
    async run(request, context) {
      const about = request.body.description;
      return { data: asRepository(context, await ask(request, context, 'shelf.edit', nativeShelf, { about })) };
    },
  },
  'GET /repos/{owner}/{repo}/topics': exact('read', 'shelf.show', async (request, context) => ({
    data: { names: (await shelfOf(request, context)).subjects },
  })),
  'PUT /repos/{owner}/{repo}/topics': exact('idempotent', 'shelf.edit', async (request, context) => {
    const { names: subjects } = request.body;
    if (!Array.isArray(subjects)) throw invalid('Repository', 'names', 'missing_field');
    return { data: { names: (await ask(request, context, 'shelf.edit', nativeShelf, { subjects })).subjects } };
  }),
  'GET /repos/{owner}/{repo}/branches': exact('read', 'line.list', (request, context) =>
    pageOf(request, context, 'line.list', nativeLine, (one) => asBranch(request, context, one)),
  ),
  'GET /repos/{owner}/{repo}/branches/{branch}': exact('read', 'line.show', async (request, context) => {
    const line = await ask(request, context, 'line.show', nativeLine, { line: request.params.branch });
    return { data: asBranch(request, context, line) };
  }),
  'GET /repos/{owner}/{repo}/contents/{path}': exact('read', 'file.show', readFile),
  'PUT /repos/{owner}/{repo}/contents/{path}': exact('findable', 'file.write', async (request, context) => {
    const { branch: line, message: says, content, sha } = request.body;
    const { path = '' } = request.params;
    const known =
      sha === undefined ? undefined : await ask(request, context, 'file.show', nativeFile, { path, at: line });
    if (known?.blob !== sha) throw invalid('File', 'sha', 'invalid');
    const native = await ask(request, context, 'file.write', nativeCommit, { path, line, says, content });
    return { status: 201, data: { content: { path }, commit: { sha: native.sha, message: native.says } } };
  }),
  'GET /repos/{owner}/{repo}/commits': exact('read', 'commit.list', async (request, context) => {
    const shelf = await shelfOf(request, context);
    const shape = (one: z.infer<typeof nativeCommit>) =>
      commitShape(context.base, ...ownerAndName(request), convert.commit(context.base, one, shelf));
    return pageOf(request, context, 'commit.list', nativeCommit, shape, { at: request.query.sha });
  }),
  'GET /repos/{owner}/{repo}/commits/{ref}': exact('read', 'commit.show', async (request, context) => {
    const shelf = await shelfOf(request, context);
    const native = await ask(request, context, 'commit.show', nativeCommit, { at: request.params.ref });
    const { base } = context;
    return { data: commitShape(base, ...ownerAndName(request), convert.commit(base, native, shelf)) };
  }),
  'POST /repos/{owner}/{repo}/statuses/{sha}': exact('findable', 'mark.set', async (request, context) => {
    const { state, context: label = 'default', description: say } = request.body;
    const args = { tip: request.params.sha, light: convert.lightOf(state), label, say };
    const native = await ask(request, context, 'mark.set', nativeMark, args);
    return { status: 201, data: asStatus(request, context)(native) };
  }),
  'GET /repos/{owner}/{repo}/commits/{ref}/statuses': exact('read', 'mark.list', (request, context) =>
    pageOf(request, context, 'mark.list', nativeMark, asStatus(request, context), { at: request.params.ref }),
  ),
  'GET /repos/{owner}/{repo}/commits/{ref}/status': exact('read', 'mark.list', async (request, context) => {
    const { sha } = await ask(request, context, 'commit.show', nativeCommit, { at: request.params.ref });
    const whole = { ...request, page: 1, perPage: 100 };
    const { data } = await pageOf(whole, context, 'mark.list', nativeMark, asStatus(request, context), { at: sha });
    const of = asRepository(context, await shelfOf(request, context));
    return { data: combinedStatus(context.base, of, sha, data as ReturnType<typeof commitStatus>[]) };
  }),
  'GET /repos/{owner}/{repo}/collaborators/{username}/permission': exact(
    'read',
    'role.show',
    async (request, context) => {
      const shape = z.object({ role: z.string(), person: nativePerson });
      const native = await ask(request, context, 'role.show', shape, { handle: request.params.username });
      const permission = permissionOf(native.role);
      if (permission === 'none') throw notFound();
      return { data: { permission, role_name: permission, user: user(context.base, convert.account(native.person)) } };
    },
  ),
  'GET /user': exact('read', 'person.me', async (request, context) => ({
    data: user(context.base, convert.account(await ask(request, context, 'person.me', nativePerson))),
  })),
  'GET /users/{username}': exact('read', 'person.show', async (request, context) => {
    const native = await ask(request, context, 'person.show', nativePerson, { handle: request.params.username });
    return { data: user(context.base, convert.account(native)) };
  }),
};
