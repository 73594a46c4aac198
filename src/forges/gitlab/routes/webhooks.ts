/** Webhooks as apps see them: to be looked at, and tried where they are not our own. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { refuseOwnHook } from '../../kit/own-hook.js';
import { type Route, type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { hook } from '../../kit/shapes/hook.js';
import { jsonId } from '../../kit/shapes/node-id.js';
import { id, read, readAll, time } from '../convert/read.js';
import { groupPath } from '../references.js';
import { idParam, page, pagesOf, param, placeOf, refused } from './place.js';

const nativeHook = z.looseObject({
  id,
  url: z.string(),
  created_at: z.string().nullish(),
  enable_ssl_verification: z.boolean().nullish(),
  token_present: z.boolean().nullish(),
  signing_token_present: z.boolean().nullish(),
  alert_status: z.string().nullish(),
});
type NativeHook = z.output<typeof nativeHook>;

/** GitHub's events for each of the flags of a hook; what GitHub has no event for is left out. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  push_events: ['push'],
  tag_push_events: ['create', 'delete'],
  merge_requests_events: ['pull_request', 'pull_request_review'],
  issues_events: ['issues'],
  note_events: ['issue_comment', 'pull_request_review_comment', 'commit_comment'],
  pipeline_events: ['check_suite', 'workflow_run'],
  job_events: ['check_run', 'workflow_job'],
  releases_events: ['release'],
  deployment_events: ['deployment', 'deployment_status'],
  milestone_events: ['milestone'],
  wiki_page_events: ['gollum'],
  member_events: ['membership'],
  project_events: ['repository'],
};

/** Its tokens, headers and masked parts of its address are left where they are, whatever a version shows of them. */
function shown(context: RouteContext, place: string, native: NativeHook): JsonObject {
  const { alert_status: alert } = native;
  return hook(context.base, place, {
    id: native.id,
    url: native.url,
    active: alert !== 'disabled' && alert !== 'temporarily_disabled',
    events: Object.entries(EVENTS).flatMap(([flag, names]) => (native[flag] === true ? names : [])),
    contentType: 'json',
    checksCertificate: native.enable_ssl_verification !== false,
    isSigned: native.signing_token_present === true || native.token_present === true,
    createdAt: time(native.created_at),
  });
}

const ofRepository = (request: RouteRequest) => {
  const { owner, repo, api } = placeOf(request);
  return { native: `${api}/hooks`, place: `/repos/${segment(owner)}/${segment(repo)}` };
};
const ofOrganization = (request: RouteRequest) => {
  const org = param(request, 'org');
  return { native: `/groups/${segment(groupPath(org))}/hooks`, place: `/orgs/${segment(org)}` };
};

const NOTE = 'How the last delivery went stands among the deliveries.';

const list = (source: string, at: At): Route => ({
  support: 'emulated',
  retry: 'read',
  source,
  note: NOTE,
  async run(request, context) {
    const { native, place } = at(request);
    const { items, pages } = await page(request, context, native, nativeHook);
    return { data: items.map((one) => shown(context, place, one)), pages };
  },
});

type At = typeof ofRepository;

const hookApi = (request: RouteRequest, at: At): string => `${at(request).native}/${idParam(request, 'hook_id')}`;
const hookAt = async (request: RouteRequest, context: RouteContext, at: At): Promise<NativeHook> =>
  read(nativeHook, await context.native.get(hookApi(request, at)), 'webhook');

const get = (source: string, at: At): Route => ({
  support: 'emulated',
  retry: 'read',
  source,
  note: NOTE,
  run: async (request, context) => ({ data: shown(context, at(request).place, await hookAt(request, context, at)) }),
});

const nativeDelivery = z.looseObject({
  id,
  trigger: z.string().nullish(),
  request_headers: z.record(z.string(), z.unknown()).nullish(),
  response_status: z.union([z.string(), z.number()]).nullish(),
  execution_duration: z.number().nullish(),
  created_at: z.string().nullish(),
});

/** Each holds the payload that was sent; GitLab refuses to list more. */
const MOST_DELIVERIES = 20;

/** What was sent and answered is left out: it may hold what the payload's readers alone may know. */
function shownDelivery(native: z.output<typeof nativeDelivery>): JsonObject {
  const headers = Object.entries(native.request_headers ?? {});
  const guid = headers.find(([name]) => /^(?:idempotency-key|webhook-id)$/i.test(name))?.[1];
  const [event] = EVENTS[(native.trigger ?? '').replace(/_hooks$/, '_events')] ?? [];
  const code = Number(native.response_status);
  const answered = Number.isInteger(code) && code > 0;
  return {
    id: jsonId(native.id),
    guid: typeof guid === 'string' ? guid : String(native.id),
    delivered_at: time(native.created_at),
    redelivery: false,
    duration: native.execution_duration ?? 0,
    status: answered ? (code < 400 ? 'OK' : `Invalid HTTP Response: ${code}`) : 'failed to connect to host',
    status_code: answered ? code : 0,
    event: event ?? native.trigger ?? '',
    action: null,
    installation_id: null,
    repository_id: null,
    throttled_at: null,
  };
}

const deliveries = (source: string, at: At): Route => ({
  support: 'emulated',
  retry: 'read',
  source,
  note: 'Of the last seven days, at most 20 a page, from GitLab 17.3 on; older servers answer 501.',
  async run(request, context) {
    const query = { page: request.page, per_page: Math.min(request.perPage, MOST_DELIVERIES) };
    const answer = await refused(
      () => context.native.send('GET', `${hookApi(request, at)}/events`, { query }),
      [404],
      async () => {
        // The webhook is there, so it is the call that is not.
        await hookAt(request, context, at);
        throw new RouteFailure(501, 'This server does not list deliveries of webhooks: GitLab 17.3 does.');
      },
    );
    return { data: readAll(nativeDelivery, answer.data, 'deliveries').map(shownDelivery), pages: pagesOf(answer) };
  },
});

const ping: Route = {
  support: 'emulated',
  retry: 'unsafe',
  source: 'project_webhooks: POST /projects/:id/hooks/:hook_id/test/:trigger',
  note: 'GitLab sends its last push once more as a test; Forgeway’s own webhook is refused (422).',
  async run(request, context) {
    refuseOwnHook(context, (await hookAt(request, context, ofRepository)).url);
    await context.native.send('POST', `${hookApi(request, ofRepository)}/test/push_events`);
    return { status: 204 };
  },
};

const PROJECT = 'project_webhooks: GET /projects/:id/hooks';
const GROUP = 'group_webhooks: GET /groups/:id/hooks';

export const webhooks: RouteTable = {
  'GET /repos/{owner}/{repo}/hooks': list(PROJECT, ofRepository),
  'GET /repos/{owner}/{repo}/hooks/{hook_id}': get(`${PROJECT}/:hook_id`, ofRepository),
  'GET /repos/{owner}/{repo}/hooks/{hook_id}/deliveries': deliveries(`${PROJECT}/:hook_id/events`, ofRepository),
  'POST /repos/{owner}/{repo}/hooks/{hook_id}/pings': ping,
  'GET /orgs/{org}/hooks': list(GROUP, ofOrganization),
  'GET /orgs/{org}/hooks/{hook_id}': get(`${GROUP}/:hook_id`, ofOrganization),
  'GET /orgs/{org}/hooks/{hook_id}/deliveries': deliveries(`${GROUP}/:hook_id/events`, ofOrganization),
};
