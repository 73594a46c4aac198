/** Webhooks as apps see them: to be looked at, and tried where they are not our own. */
import type { JsonObject } from '../../forge.js';
import type { ReceivedDelivery } from '../../kit/inbox-port.js';
import { segment } from '../../kit/native-client.js';
import { refuseOwnHook } from '../../kit/own-hook.js';
import type { RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { type HookInput, hook } from '../../kit/shapes/hook.js';
import { jsonId } from '../../kit/shapes/node-id.js';
import { time } from '../convert/time.js';
import { flagIn, idOf, itemsOf, numberParam, objectOf, param, repoPath, textOf, textsOf } from './native.js';
import { pageOf } from './pages.js';
import { emulated } from './row.js';

const orgPath = (request: RouteRequest): string => `/orgs/${segment(param(request, 'org'))}`;

/** GitHub's names of what a hook hears, where the server tells more apart. */
const RENAMED: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^issue_comment$|^pull_request_comment$/, 'issue_comment'],
  [/^issue(?:s|_\w+)$/, 'issues'],
  [/^pull_request_review_(?:approved|rejected|comment)$|^pull_request_review$/, 'pull_request_review'],
  [/^pull_request(?:_\w+)?$/, 'pull_request'],
  [/^wiki$/, 'gollum'],
];

const eventName = (native: string): string => RENAMED.find(([pattern]) => pattern.test(native))?.[1] ?? native;

const CONTENT_TYPES: Readonly<Record<string, HookInput['contentType']>> = { form: 'form' };

/** Its secret and its header of authorization are left where they are, whatever a version shows of them. */
function asHook(context: RouteContext, place: string, value: unknown): JsonObject {
  const native = objectOf(value);
  const config = objectOf(native.config);
  return hook(context.base, place, {
    id: idOf(native),
    url: textOf(config, 'url'),
    active: flagIn(native, 'active') ?? false,
    events: textsOf(itemsOf(native.events)).map(eventName),
    contentType: CONTENT_TYPES[textOf(config, 'content_type')] ?? 'json',
    checksCertificate: true,
    createdAt: time(native.created_at),
    updatedAt: time(native.updated_at),
  });
}

const list = (pathOf: (request: RouteRequest) => string) => (request: RouteRequest, context: RouteContext) =>
  pageOf(request, context, `${pathOf(request)}/hooks`, {}, (native) => asHook(context, pathOf(request), native));

type PathOf = (request: RouteRequest) => string;

const hookPath = (request: RouteRequest, pathOf: PathOf = repoPath): string =>
  `${pathOf(request)}/hooks/${numberParam(request, 'hook_id')}`;

const get = (pathOf: PathOf) => async (request: RouteRequest, context: RouteContext) => ({
  data: asHook(context, pathOf(request), await context.native.get(hookPath(request, pathOf))),
});

/** As it was answered: whatever stands in our inbox was taken, and what was not taken is not there. */
const asDelivery = (one: ReceivedDelivery): JsonObject => ({
  id: Number(one.id),
  guid: one.key,
  delivered_at: one.receivedAt.toISOString(),
  redelivery: false,
  duration: 0,
  status: 'OK',
  status_code: 202,
  event: eventName(one.eventType),
  action: one.action,
  installation_id: null,
  repository_id: one.repositoryId === null ? null : jsonId(one.repositoryId.toString()),
  throttled_at: null,
});

const deliveries = (pathOf: PathOf) => async (request: RouteRequest, context: RouteContext) => {
  // Whoever may not see the webhook does not see what was sent to it.
  const native = objectOf(await context.native.get(hookPath(request, pathOf)));
  const { page, perPage } = request;
  const found = await context.inbox?.deliveriesOf(String(idOf(native)), { page, perPage });
  return { data: (found?.deliveries ?? []).map(asDelivery), pages: { next: found?.next ?? false } };
};

async function ping(request: RouteRequest, context: RouteContext) {
  const path = hookPath(request);
  const native = objectOf(await context.native.get(path));
  refuseOwnHook(context, textOf(objectOf(native.config), 'url'));
  await context.native.send('POST', `${path}/tests`);
  return { status: 204 };
}

const NOTE = 'Whether deliveries are signed, and how the last one went, is not told.';

const OURS = 'What arrived at Forgeway’s own webhook. The server tells of no others by its API: their list is empty.';

export const webhooks: RouteTable = {
  'GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/hooks/{id}',
    OURS,
    deliveries(repoPath),
  ),
  'GET /orgs/{org}/hooks/{hook_id}/deliveries': emulated(
    'read',
    'organization: GET /orgs/{org}/hooks/{id}',
    OURS,
    deliveries(orgPath),
  ),
  'GET /repos/{owner}/{repo}/hooks': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/hooks',
    NOTE,
    list(repoPath),
  ),
  'GET /orgs/{org}/hooks': emulated('read', 'organization: GET /orgs/{org}/hooks', NOTE, list(orgPath)),
  'GET /repos/{owner}/{repo}/hooks/{hook_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/hooks/{id}',
    NOTE,
    get(repoPath),
  ),
  'GET /orgs/{org}/hooks/{hook_id}': emulated('read', 'organization: GET /orgs/{org}/hooks/{id}', NOTE, get(orgPath)),
  'POST /repos/{owner}/{repo}/hooks/{hook_id}/pings': emulated(
    'unsafe',
    'repository: POST /repos/{owner}/{repo}/hooks/{id}/tests',
    'The server sends its own test, a push that changes nothing; Forgeway’s own webhook is refused (422).',
    ping,
  ),
};
