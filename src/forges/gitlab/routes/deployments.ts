/** Deployments, which are read and not made here. GitLab keeps the state that one is in, and not those before. */
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/deployment.js';
import { deploymentInput, type NativeDeployment, nativeDeployment, stateOf } from '../convert/deployment.js';
import { read } from '../convert/read.js';
import { everything, idParam, type Place, page, placeOf, slice } from './place.js';

/** Looked through where GitHub filters by what GitLab cannot; 100 a page. */
const MOST_PAGES = 5;

const shown = (context: RouteContext, place: Place, of: NativeDeployment) =>
  shape.deployment(context.base, place.owner, place.repo, deploymentInput(of));

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
      return { data: items.map((one) => shown(context, place, one)), pages };
    }
    const all = await everything(context, path, nativeDeployment, query, MOST_PAGES);
    const wanted = all.filter((one) => (sha ?? one.sha) === one.sha && (ref ?? one.ref) === one.ref);
    const { items, pages } = slice(request, wanted);
    return { data: items.map((one) => shown(context, place, one)), pages };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'deployments: GET /projects/:id/deployments/:deployment_id',
  async run(request, context) {
    const place = placeOf(request);
    return { data: shown(context, place, await found(request, context, place)) };
  },
};

/** The one that it is in; none where GitHub has no word for it. */
async function statusesOf(request: RouteRequest, context: RouteContext) {
  const place = placeOf(request);
  const of = await found(request, context, place);
  const state = stateOf(of.status);
  if (state === undefined) return [];
  return [
    shape.deploymentStatus(shown(context, place, of), {
      id: of.id,
      state,
      description: of.status,
      environmentUrl: of.environment?.external_url ?? undefined,
      logUrl: of.deployable?.web_url ?? undefined,
    }),
  ];
}

const STATE = 'The state that it is in; its number is that of the deployment.';

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
    const [only] = await statusesOf(request, context);
    if (only === undefined || String(only.id) !== idParam(request, 'status_id')) throw notFound();
    return { data: only };
  },
};

export const deployments: RouteTable = {
  'GET /repos/{owner}/{repo}/deployments': list,
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}': get,
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': statuses,
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses/{status_id}': status,
};
