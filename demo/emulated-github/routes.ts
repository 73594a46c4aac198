/** The routes that the front answers itself or corrects; everything else goes to the emulator as it is. */
import type { Archives } from './archives.js';
import type { CommitStatuses } from './commit-statuses.js';
import type { Completion } from './completion.js';
import type { Emulator } from './emulator.js';
import { type ApiAnswer, ApiProblem, type ApiRequest, jsonBody, pageOf } from './exchange.js';
import type { Installation } from './installation.js';
import { isObject, type JsonObject, objectAt, textAt } from './json.js';
import { assertMayPush } from './push-permission.js';
import { assertInstallationMay, type Holder, type Tokens } from './tokens.js';

export interface RouteContext {
  emulator: Emulator;
  tokens: Tokens;
  completion: Completion;
  archives: Archives;
  statuses: CommitStatuses;
  installation: Installation;
  /** Login of the App's bot user. */
  bot: string;
  /** Sends the request on and completes the answer; requests that move branches are mirrored into git. */
  forward(request: ApiRequest, holder: Holder): Promise<ApiAnswer>;
}

type Handle = (request: ApiRequest, params: string[], context: RouteContext) => Promise<ApiAnswer>;

interface Route {
  method: string;
  path: RegExp;
  handle: Handle;
}

const repository = '/repos/([^/]+)/([^/]+)';
const route = (method: string, path: string, handle: Handle): Route => ({
  method,
  path: new RegExp(`^${path}$`),
  handle,
});

function loginOf(holder: Holder, context: RouteContext): string {
  return holder.kind === 'person' ? holder.login : context.bot;
}

/** GitHub shows App installations only to the App; this emulator shows them before they exist. */
const installationOnly: Handle = async (request, _params, context) => {
  if (!context.installation.exists) throw new ApiProblem(404, 'Not Found');
  return context.forward(request, { kind: 'app' });
};

function requirePerson(request: ApiRequest, context: RouteContext): string {
  const holder = context.tokens.holderOf(request.token);
  if (holder.kind !== 'person') throw new ApiProblem(403, 'Resource not accessible by integration');
  return holder.login;
}

/** The emulator's word for each role, in the words of the permission route. */
const permissions: Readonly<Record<string, string>> = {
  admin: 'admin',
  maintain: 'write',
  push: 'write',
  triage: 'read',
  pull: 'read',
};

const collaboratorPermission: Handle = async (request, [, , login = ''], context) => {
  const holder = context.tokens.holderOf(request.token);
  assertInstallationMay(holder, 'metadata', 'read');
  const answer = await context.forward(request, holder);
  if (answer.status === 200 && isObject(answer.json)) {
    const permission = permissions[textAt(answer.json, 'permission')] ?? 'none';
    return { ...answer, json: { ...answer.json, permission } };
  }
  // Anyone who exists may read a public repository, and GitHub says so.
  const user = await context.emulator.call(`/users/${login}`, { token: context.emulator.administratorToken });
  if (user.status !== 200) throw new ApiProblem(404, 'Not Found');
  const shown: unknown = JSON.parse(user.body.toString('utf8'));
  await context.completion.complete(shown);
  return { status: 200, json: { permission: 'read', role_name: 'read', user: shown } };
};

async function pullOr404(
  number: string,
  context: RouteContext,
): Promise<{ pull: JsonObject; base: string; head: string }> {
  const pull = await context.completion.pull(Number(number));
  if (pull === undefined) throw new ApiProblem(404, 'Not Found');
  return { pull, base: textAt(objectAt(pull, 'base'), 'sha'), head: textAt(objectAt(pull, 'head'), 'sha') };
}

/** The emulator keeps the head a pull request was opened with, so these come from the comparison of the real commits. */
const pullList =
  (kind: 'commits' | 'files'): Handle =>
  async (request, [, , number = ''], context) => {
    assertInstallationMay(context.tokens.holderOf(request.token), 'pull_requests', 'read');
    const { base, head } = await pullOr404(number, context);
    return { status: 200, json: pageOf((await context.completion.comparison(base, head))[kind], request.query) };
  };

/** The emulator would merge the commit the pull request was opened with. */
const mergeOrUpdate: Handle = async (request, [, , number = ''], context) => {
  const holder = context.tokens.holderOf(request.token);
  const { head } = await pullOr404(number, context);
  const answer = await context.emulator.json(request.path.replace(/\/[^/]+$/, ''), {
    token: context.emulator.administratorToken,
  });
  const known = isObject(answer) ? textAt(objectAt(answer, 'head'), 'sha') : '';
  if (known !== head)
    throw new ApiProblem(
      405,
      'The emulated GitHub cannot merge a pull request whose branch moved after it was opened.',
    );
  return context.forward(request, holder);
};

const reactions = ['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes'];

/** Kept for nobody: the demo does not look at faces. Whether GitHub would have taken it is checked. */
const react: Handle = async (request, [owner, name, id = ''], context) => {
  const holder = context.tokens.holderOf(request.token);
  assertInstallationMay(holder, 'issues', 'write');
  const token = context.emulator.administratorToken;
  const comment = await context.emulator.call(`/repos/${owner}/${name}/issues/comments/${id}`, { token });
  if (comment.status !== 200) throw new ApiProblem(404, 'Not Found');
  const { content } = jsonBody(request);
  if (typeof content !== 'string' || !reactions.includes(content)) throw new ApiProblem(422, 'Validation Failed');
  return { status: 201, json: { id: Number(id), content, user: { login: loginOf(holder, context) } } };
};

export const routes: readonly Route[] = [
  route('POST', `${repository}/statuses/([^/]+)`, async (request, [owner, name, sha = ''], context) => {
    const holder = context.tokens.holderOf(request.token);
    await assertMayPush(holder, 'statuses', context.emulator, `${owner}/${name}`);
    return context.statuses.create(request, sha, loginOf(holder, context));
  }),
  route('GET', `${repository}/(?:statuses/(.+)|commits/(.+)/statuses)`, async (request, [, , a, b], context) => {
    assertInstallationMay(context.tokens.holderOf(request.token), 'statuses', 'read');
    return context.statuses.list(a ?? b ?? '', request.query);
  }),
  route('GET', `${repository}/commits/(.+)/status`, async (request, [, , ref = ''], context) => {
    assertInstallationMay(context.tokens.holderOf(request.token), 'statuses', 'read');
    return context.statuses.combined(ref);
  }),
  route('POST', `${repository}/issues/comments/(\\d+)/reactions`, react),
  route('GET', `${repository}/collaborators/([^/]+)/permission`, collaboratorPermission),
  route('GET', `${repository}/pulls/(\\d+)/commits`, pullList('commits')),
  route('GET', `${repository}/pulls/(\\d+)/files`, pullList('files')),
  route('PUT', `${repository}/pulls/(\\d+)/(?:merge|update-branch)`, mergeOrUpdate),
  route('GET', `${repository}/tarball/(.+)`, async (request, [, , ref = ''], context) => {
    assertInstallationMay(context.tokens.holderOf(request.token), 'contents', 'read');
    return context.archives.address(decodeURIComponent(ref));
  }),
  route('GET', '/_codeload/[^/]+/[^/]+/legacy.tar.gz/([0-9a-f]{40})', (request, [sha = ''], context) =>
    context.archives.read(sha, request.query.get('token')),
  ),
  route('GET', '/installation/repositories', (request, _params, context) => context.installation.repositories(request)),
  route('POST', '/apps/[^/]+/installations', (request, _params, context) =>
    context.installation.install(requirePerson(request, context)),
  ),
  route('DELETE', '/app/installations/\\d+', (request, _params, context) =>
    context.installation.remove(request, context.bot),
  ),
  route('PUT', '/app/installations/\\d+/suspended', (request, _params, context) =>
    context.installation.suspend(request, true, context.bot),
  ),
  route('DELETE', '/app/installations/\\d+/suspended', (request, _params, context) =>
    context.installation.suspend(request, false, context.bot),
  ),
  route('POST', '/app/installations/\\d+/access_tokens', (request, _params, context) =>
    context.installation.createToken(request),
  ),
  route('GET', '/app/installations', async (request, _params, context) => {
    await context.installation.assertApp(request);
    return context.installation.exists ? context.forward(request, { kind: 'app' }) : { status: 200, json: [] };
  }),
  route('GET', '/app/installations/\\d+', installationOnly),
  route('GET', '/(?:repos/[^/]+|orgs|users)/[^/]+/installation', installationOnly),
  route('GET', '/app/hook/deliveries', (request, _params, context) => context.installation.deliveries(request)),
  route('POST', '/app/hook/deliveries/(\\d+)/attempts', (request, [id = ''], context) =>
    context.installation.redeliver(request, Number(id)),
  ),
];
