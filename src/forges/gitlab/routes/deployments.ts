/** Deployments. GitLab keeps the state that one is in, and not those before, nor what an app wants to know of it later. */
import {
  beforeDeploying,
  checkDeletable,
  type DeploymentState,
  endOlder,
  keepStatus,
  keptOf,
  keptStatuses,
  STATUS,
  shownStatus,
  statusWishOf,
  UNSHOWN,
} from '../../kit/deployments.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/deployment.js';
import { type NativeDeployment, nativeDeployment, stateOf } from '../convert/deployment.js';
import { read } from '../convert/read.js';
import { account, nativeUser } from '../convert/user.js';
import { adopt, forget, keepWish, keptBefore, keptDeployment, keptOrMade, shown } from './deployment-records.js';
import { everything, idParam, type Place, page, placeOf, slice } from './place.js';

/** Looked through where GitHub filters by what GitLab cannot; 100 a page. */
const MOST_PAGES = 5;

async function found(request: RouteRequest, context: RouteContext, place: Place): Promise<NativeDeployment> {
  const path = `${place.api}/deployments/${idParam(request, 'deployment_id')}`;
  return read(nativeDeployment, await context.native.get(path), 'deployment');
}

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'deployments: GET /projects/:id/deployments',
  note: 'By commit or ref, among the newest 500.',
  async run(request, context) {
    const place = placeOf(request);
    const { environment, sha, ref, task = 'deploy' } = request.query;
    if (task !== 'deploy') return { data: [], pages: { next: false } };
    const path = `${place.api}/deployments`;
    const query = { order_by: 'id', sort: 'desc', ...(environment && { environment }) };
    if (sha === undefined && ref === undefined) {
      const { items, pages } = await page(request, context, path, nativeDeployment, query);
      return { data: await Promise.all(items.map((one) => shown(context, place, one))), pages };
    }
    const all = await everything(context, path, nativeDeployment, query, MOST_PAGES);
    const wanted = all.filter((one) => (sha ?? one.sha) === one.sha && (ref ?? one.ref) === one.ref);
    const { items, pages } = slice(request, wanted);
    return { data: await Promise.all(items.map((one) => shown(context, place, one))), pages };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'deployments: GET /projects/:id/deployments/:deployment_id',
  async run(request, context) {
    const place = placeOf(request);
    return { data: await shown(context, place, await found(request, context, place)) };
  },
};

/** GitLab's word for what an app says of it; undefined for what GitLab has no word for, and stays as it is. */
const NATIVE: Readonly<Record<DeploymentState, string | undefined>> = {
  queued: 'running',
  pending: 'running',
  in_progress: 'running',
  success: 'success',
  failure: 'failed',
  error: 'canceled',
  inactive: undefined,
};

/** The state in which one is made. */
const FIRST = 'running';

const create: Route = {
  support: 'emulated',
  retry: 'findable',
  source: 'deployments: POST /projects/:id/deployments',
  note: 'It runs on GitLab from the beginning. Task, payload and description are kept by Forgeway.',
  async run(request, context) {
    const place = placeOf(request);
    const ready = await beforeDeploying(request, context);
    if (!('wished' in ready)) return ready;
    const { wished, sha, ref, repositoryId } = ready;
    // Kept before it is there, so that one whose answer was lost is known again.
    const kept = await keepWish(context, repositoryId, sha, keptOf(wished));
    const isTag =
      ref !== sha && (await context.native.find(`${place.api}/repository/tags/${segment(ref)}`)) !== undefined;
    const json = { environment: wished.environment, sha, ref, tag: isTag, status: FIRST };
    const { data } = await context.native.send('POST', `${place.api}/deployments`, { json });
    const native = read(nativeDeployment, data, 'deployment');
    await adopt(context, kept, native);
    return { status: 201, data: await shown(context, place, native) };
  },
};

/** What an app said of it; before that, and where GitLab's own state is another by now, that one. */
async function statusesOf(request: RouteRequest, context: RouteContext) {
  const place = placeOf(request);
  const of = await found(request, context, place);
  const deployment = await shown(context, place, of);
  const all = await keptStatuses(context, String(of.id));
  // What was said, and never seen to arrive, arrived where GitLab is in that state.
  const kept = all.filter(({ data }) => data[UNSHOWN] !== true || data.native === of.status);
  const ours = kept.map((record) => shownStatus(context, deployment, record));
  const state = stateOf(of.status);
  const fromUs = kept[0]?.data.native ?? ((await keptDeployment(context, of)) && FIRST);
  if (state === undefined || fromUs === of.status) return ours;
  const native = shape.deploymentStatus(context.base, deployment, {
    id: of.id,
    state,
    description: of.status,
    environmentUrl: of.environment?.external_url ?? undefined,
    logUrl: of.deployable?.web_url ?? undefined,
  });
  return [native, ...ours];
}

const createStatus: Route = {
  support: 'emulated',
  retry: 'findable',
  source: 'deployments: PUT /projects/:id/deployments/:deployment_id',
  note: 'What is queued or pending runs on GitLab, and what is inactive stays as it was there. Descriptions and addresses are kept by Forgeway.',
  async run(request, context) {
    const place = placeOf(request);
    const before = await found(request, context, place);
    const wished = statusWishOf(request);
    const status = NATIVE[wished.state] ?? before.status;
    const moves = status !== before.status;
    const path = `${place.api}/deployments/${before.id}`;
    const creator = account(read(nativeUser, await context.native.get('/user'), 'user'));
    const native = { native: status, ...(moves && { [UNSHOWN]: true }) };
    const { record: made } = await keepStatus(context, String(before.id), wished, { creator, native });
    if (moves) {
      await context.native.send('PUT', path, { json: { status } });
      await context.records.put(STATUS, made.key, { ...made.data, [UNSHOWN]: false });
    }
    if (wished.state === 'success' && wished.auto_inactive)
      await endOlder(context, await keptBefore(context, place, before), await keptOrMade(context, before), creator);
    return { status: 201, data: shownStatus(context, await shown(context, place, before), made) };
  },
};

const STATE = 'What apps said of it, and the state that it is in on GitLab, whose number is that of the deployment.';

const statuses: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'deployments: GET /projects/:id/deployments/:deployment_id',
  note: STATE,
  async run(request, context) {
    const { items, pages } = slice(request, await statusesOf(request, context));
    return { data: items, pages };
  },
};

const status: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'deployments: GET /projects/:id/deployments/:deployment_id',
  note: STATE,
  async run(request, context) {
    const number = idParam(request, 'status_id');
    const one = (await statusesOf(request, context)).find(({ id }) => String(id) === number);
    if (one === undefined) throw notFound();
    return { data: one };
  },
};

const remove: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'deployments: DELETE /projects/:id/deployments/:deployment_id',
  note: 'GitLab keeps the one that an environment runs, and one that runs itself (422).',
  async run(request, context) {
    const place = placeOf(request);
    const of = await found(request, context, place);
    await checkDeletable(request, context, await shown(context, place, of));
    await context.native.send('DELETE', `${place.api}/deployments/${of.id}`);
    await forget(context, of);
    return { status: 204 };
  },
};

export const deployments: RouteTable = {
  'GET /repos/{owner}/{repo}/deployments': list,
  'POST /repos/{owner}/{repo}/deployments': create,
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}': get,
  'DELETE /repos/{owner}/{repo}/deployments/{deployment_id}': remove,
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': statuses,
  'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': createStatus,
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses/{status_id}': status,
};
