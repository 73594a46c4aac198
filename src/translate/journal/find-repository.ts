/** What a repository or an organization has once under a name. */
import type { JsonObject } from '../../forges/forge.js';
import { among, byId, made, noEffect, objectIn, textIn } from './candidates.js';
import type { Candidate, Finder, Finders, Sought } from './find.js';
import type { Look } from './look.js';

const REPOSITORY = '/repos/{owner}/{repo}';

const lower = (value: unknown): string => String(value ?? '').toLowerCase();
const asMade = (item: JsonObject | undefined): readonly Candidate[] => (item === undefined ? [] : [made(item)]);

/** One of a list, by a field that tells it from the others. */
const named = (kind: string, list: string, field: string, parameters: JsonObject = {}): Finder => ({
  effect: byId(kind),
  async find({ params, sent }, look) {
    const items = await look.list(`GET ${list}`, { ...params, ...parameters });
    return items.filter((item) => lower(item[field]) === lower(sent[field])).map(made);
  },
});

/** A repository that was not there before. */
async function newRepository(owner: string, name: unknown, look: Look): Promise<JsonObject | undefined> {
  const found = await look.get(`GET ${REPOSITORY}`, { owner, repo: String(name ?? '') });
  return found !== undefined && look.isSince(found.created_at) ? found : undefined;
}

async function fork({ params, sent }: Sought, look: Look): Promise<readonly Candidate[]> {
  const owner = textIn(sent, 'organization') || (await look.ownLogin());
  const found = await newRepository(owner, textIn(sent, 'name') || params.repo, look);
  const origin = objectIn(found, 'parent').full_name ?? objectIn(found, 'source').full_name;
  const isIt = found?.fork === true && lower(origin) === lower(`${params.owner}/${params.repo}`);
  return isIt ? [{ status: 202, data: found }] : [];
}

/** The newest of a context counts; when it says the same already, nothing is missing. */
async function status({ params, sent }: Sought, look: Look): Promise<readonly Candidate[]> {
  const context = textIn(sent, 'context') || 'default';
  const isOne = (item: JsonObject) => item.context === context;
  const list = `GET ${REPOSITORY}/commits/{ref}/statuses`;
  const { owner, repo, sha } = params;
  const newest = (await look.list(list, { owner, repo, ref: sha }, { enough: isOne })).find(isOne);
  const same = (key: string) => String(newest?.[key] ?? '') === String(sent[key] ?? '');
  return newest !== undefined && same('state') && same('description') && same('target_url') ? [made(newest)] : [];
}

async function checkRun({ params, sent }: Sought, look: Look): Promise<readonly Candidate[]> {
  const { owner, repo } = params;
  const items = await look.list(
    `GET ${REPOSITORY}/commits/{ref}/check-runs`,
    { owner, repo, ref: sent.head_sha, check_name: sent.name, filter: 'all' },
    { under: 'check_runs' },
  );
  const same = (item: JsonObject, key: string) =>
    sent[key] === undefined || String(item[key] ?? '') === String(sent[key] ?? '');
  return items
    .filter((item) => ['name', 'external_id', 'status', 'conclusion'].every((key) => same(item, key)))
    .map(made);
}

const byUs = (item: JsonObject, look: Look) => look.isOurs({ user: item.creator });

/** Of one ref, for one purpose. */
async function deployment({ params, sent }: Sought, look: Look): Promise<readonly Candidate[]> {
  const { owner, repo } = params;
  const { environment = 'production', task = 'deploy' } = sent;
  const ref = textIn(sent, 'ref').replace(/^refs\/(?:heads|tags)\//, '');
  const list = { owner, repo, environment };
  const enough = (item: JsonObject) => !look.isSince(item.created_at);
  const items = await look.list(`GET ${REPOSITORY}/deployments`, list, { enough });
  const found = await among(
    items,
    (item) => look.isSince(item.created_at) && item.task === task && (item.sha === ref || item.ref === ref),
    (item) => JSON.stringify(item.payload ?? {}) === JSON.stringify(sent.payload ?? {}),
    (item) => byUs(item, look),
  );
  return found.map(made);
}

async function deploymentStatus({ params, sent }: Sought, look: Look): Promise<readonly Candidate[]> {
  const items = await look.list(`GET ${REPOSITORY}/deployments/{deployment_id}/statuses`, params);
  const found = await among(
    items,
    (item) => look.isSince(item.created_at) && item.state === sent.state,
    (item) => item.description === (sent.description ?? ''),
    (item) => item.target_url === (sent.log_url ?? sent.target_url ?? ''),
    (item) => byUs(item, look),
  );
  return found.map(made);
}

async function release({ params, sent }: Sought, look: Look): Promise<readonly Candidate[]> {
  const isOne = (item: JsonObject) =>
    item.tag_name === sent.tag_name && (item.draft === true) === (sent.draft === true);
  const items = await look.list(`GET ${REPOSITORY}/releases`, params, { enough: isOne });
  return items.filter(isOne).map(made);
}

export const repositoryFinders: Finders = {
  'POST /orgs/{org}/repos': {
    effect: byId('repository'),
    find: async ({ params, sent }, look) => asMade(await newRepository(params.org ?? '', sent.name, look)),
  },
  'POST /user/repos': {
    effect: byId('repository'),
    find: async ({ sent }, look) => asMade(await newRepository(await look.ownLogin(), sent.name, look)),
  },
  'POST /orgs/{org}/teams': named('team', '/orgs/{org}/teams', 'name'),
  [`POST ${REPOSITORY}/forks`]: { effect: byId('repository'), find: fork },
  [`POST ${REPOSITORY}/labels`]: {
    effect: byId('label'),
    find: async ({ params, sent }, look) =>
      asMade(await look.get(`GET ${REPOSITORY}/labels/{name}`, { ...params, name: sent.name })),
  },
  [`POST ${REPOSITORY}/milestones`]: named('milestone', `${REPOSITORY}/milestones`, 'title', { state: 'all' }),
  [`POST ${REPOSITORY}/statuses/{sha}`]: { effect: noEffect, find: status },
  [`POST ${REPOSITORY}/check-runs`]: { effect: byId('check_run'), find: checkRun },
  [`POST ${REPOSITORY}/deployments`]: { effect: byId('deployment'), find: deployment },
  [`POST ${REPOSITORY}/deployments/{deployment_id}/statuses`]: {
    effect: byId('deployment_status'),
    find: deploymentStatus,
  },
  [`POST ${REPOSITORY}/releases`]: { effect: byId('release'), find: release },
  [`POST ${REPOSITORY}/releases/{release_id}/assets`]: {
    effect: byId('asset'),
    async find({ params, query }, look) {
      const items = await look.list(`GET ${REPOSITORY}/releases/{release_id}/assets`, params);
      return items.filter((item) => item.name === query.get('name') && item.state === 'uploaded').map(made);
    },
  },
};
