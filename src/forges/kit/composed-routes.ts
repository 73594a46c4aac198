/** Questions that other forges have no call for, and that other rows answer together. The same on every forge. */
import { z } from 'zod';
import type { JsonObject } from '../forge.js';
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from './route.js';
import type { Id } from './shapes/inputs.js';
import { nodeId } from './shapes/node-id.js';

const REPO = '/repos/{owner}/{repo}';
const PER_PAGE = 100;
/** Lists are looked through that far. */
const MOST_PAGES = 20;

const objects = z.array(z.record(z.string(), z.unknown()));

/** A list of another row, page by page; `within`: where in the answer it stands. */
async function everything(
  context: RouteContext,
  route: string,
  parameters: JsonObject,
  { within, mostPages = MOST_PAGES }: { within?: string; mostPages?: number } = {},
): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for (let page = 1; page <= mostPages; page += 1) {
    const answer = await context.github(route, { ...parameters, page, per_page: PER_PAGE });
    const list = objects.parse(within === undefined ? answer : Object(answer)[within]);
    all.push(...list);
    if (list.length < PER_PAGE) break;
  }
  return all;
}

function sliced(request: RouteRequest, all: readonly JsonObject[]) {
  const from = (request.page - 1) * request.perPage;
  const last = Math.max(1, Math.ceil(all.length / request.perPage));
  return { items: all.slice(from, from + request.perPage), pages: { next: request.page < last, last } };
}

const at = ({ params: { owner, repo } }: RouteRequest) => ({ owner, repo });

const composed = (of: string, note: string, run: Route['run']): Route => ({
  support: 'emulated',
  retry: 'read',
  source: `Forgeway: ${of}`,
  note,
  run,
});

const branchesAtHead = composed(`GET ${REPO}/branches`, 'Among the first 2,000 branches.', async (request, context) => {
  const { commit_sha: sha } = request.params;
  await context.github(`GET ${REPO}/commits/{ref}`, { ...at(request), ref: sha });
  const branches = await everything(context, `GET ${REPO}/branches`, at(request));
  return { data: branches.filter(({ commit }) => Object(commit).sha === sha) };
});

/** A run names its workflow by number; the file is what a caller may name as well. */
const runsOfWorkflow = composed(
  `GET ${REPO}/actions/runs`,
  'Of the runs that the list of all of them tells, the newest 200.',
  async (request, context) => {
    const { workflow_id, ...params } = request.params;
    const workflow = (await context.github(`GET ${REPO}/actions/workflows/{workflow_id}`, {
      ...params,
      workflow_id,
    })) as JsonObject;
    const { page: _page, per_page: _size, ...filters } = request.query;
    const runs = await everything(
      context,
      `GET ${REPO}/actions/runs`,
      { ...params, ...filters },
      {
        within: 'workflow_runs',
        mostPages: 2,
      },
    );
    const own = runs.filter((run) => String(run.workflow_id) === String(workflow.id));
    const { items, pages } = sliced(request, own);
    return { data: { total_count: own.length, workflow_runs: items }, pages };
  },
);

const TEAM_REPOS = 'GET /orgs/{org}/teams/{team_slug}/repos';

const teamReaches = composed(
  TEAM_REPOS,
  'Answered 204, and with the repository where the media type for it is asked for.',
  async (request, context) => {
    const { org, team_slug, owner = '', repo = '' } = request.params;
    const wanted = `${owner}/${repo}`.toLowerCase();
    const all = await everything(context, TEAM_REPOS, { org, team_slug });
    const found = all.find(({ full_name: name }) => String(name).toLowerCase() === wanted);
    if (found === undefined) throw notFound();
    return request.media === 'repository' ? { data: found } : { status: 204 };
  },
);

const invitations = composed(
  `GET ${REPO}/collaborators`,
  'Always empty: nobody is asked first, whoever is added is a collaborator at once.',
  async (request, context) => {
    await context.github(`GET ${REPO}`, at(request));
    return { data: [], pages: { next: false } };
  },
);

/** Deployments are looked through that far for their environments. */
const DEPLOYMENT_PAGES = 5;
const OF_DEPLOYMENTS = 'Those that the newest 500 deployments are of; none has rules.';

/** The newest deployment to each, in the order of their names. */
async function environmentsOf(request: RouteRequest, context: RouteContext): Promise<JsonObject[]> {
  const newest = new Map<string, JsonObject>();
  const oldest = new Map<string, JsonObject>();
  const route = `GET ${REPO}/deployments`;
  for (const deployment of await everything(context, route, at(request), { mostPages: DEPLOYMENT_PAGES })) {
    const name = String(deployment.environment);
    if (!newest.has(name)) newest.set(name, deployment);
    oldest.set(name, deployment);
  }
  const repository = (await context.github(`GET ${REPO}`, at(request))) as JsonObject;
  return [...newest]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, { updated_at }]) => ({
      // GitHub counts them; here the first deployment to one gives it its number.
      id: oldest.get(name)?.id,
      node_id: nodeId('Environment', oldest.get(name)?.id as Id),
      name,
      url: `${repository.url}/environments/${encodeURIComponent(name)}`,
      html_url: repository.html_url,
      created_at: oldest.get(name)?.created_at,
      updated_at,
      protection_rules: [],
      deployment_branch_policy: null,
    }));
}

const environments = composed(`GET ${REPO}/deployments`, OF_DEPLOYMENTS, async (request, context) => {
  const all = await environmentsOf(request, context);
  const { items, pages } = sliced(request, all);
  return { data: { total_count: all.length, environments: items }, pages };
});

const environment = composed(`GET ${REPO}/deployments`, OF_DEPLOYMENTS, async (request, context) => {
  const { environment_name: name } = request.params;
  const found = (await environmentsOf(request, context)).find((one) => one.name === name);
  if (found === undefined) throw notFound();
  return { data: found };
});

export const composedRoutes: RouteTable = {
  [`GET ${REPO}/commits/{commit_sha}/branches-where-head`]: branchesAtHead,
  [`GET ${REPO}/actions/workflows/{workflow_id}/runs`]: runsOfWorkflow,
  'GET /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': teamReaches,
  [`GET ${REPO}/invitations`]: invitations,
  [`GET ${REPO}/environments`]: environments,
  [`GET ${REPO}/environments/{environment_name}`]: environment,
};
