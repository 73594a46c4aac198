/** Deployments. The server has none: they are kept by Forgeway, and shown on their commit as a status. */
import type { JsonObject } from '../../forge.js';
import {
  beforeDeploying,
  checkDeletable,
  endOlder,
  keepStatus,
  keptOf,
  keptStatuses,
  STATUS,
  shownStatus,
  statusWishOf,
  UNSHOWN,
} from '../../kit/deployments.js';
import { tellAbout } from '../../kit/inbox-port.js';
import type { ForgeRecord } from '../../kit/records.js';
import { notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { deployment } from '../../kit/shapes/deployment.js';
import type { AccountInput, CommitStatusInput, Id } from '../../kit/shapes/inputs.js';
import { statusInput } from '../convert/status.js';
import { accountInput } from '../convert/user.js';
import { repositoryId } from './check-records.js';
import {
  contextOf,
  DEPLOYMENT,
  keepDeployment,
  NATIVE,
  noteShown,
  recordsOf,
  shownAmong,
} from './deployment-records.js';
import { idOf, numberParam, objectOf, param, repoPath, textIn, textOf, wishes } from './native.js';
import { pageIn } from './pages.js';
import { emulated } from './row.js';
import { statusesOf as nativeStatusesOf } from './statuses.js';

/** Of a record: nobody is shown it any more. */
const DELETED = 'deleted';
const isDeleted = ({ data }: ForgeRecord): boolean => data[DELETED] === true;

const seconds = (at: Date): string => at.toISOString().replace(/\.\d+Z$/, 'Z');

const creatorOf = async (context: RouteContext): Promise<AccountInput> =>
  accountInput(await context.native.get('/user'));

function asDeployment(request: RouteRequest, context: RouteContext, { id, data, ...of }: ForgeRecord): JsonObject {
  return deployment(context.base, param(request, 'owner'), param(request, 'repo'), {
    id,
    sha: textOf(data, 'sha'),
    ref: textOf(data, 'ref'),
    environment: textOf(data, 'environment'),
    production: data.production === true,
    description: textIn(data, 'description') ?? null,
    creator: data.creator as AccountInput,
    createdAt: seconds(of.createdAt),
    updatedAt: seconds(of.updatedAt),
    task: textOf(data, 'task'),
    payload: data.payload,
    transient: data.transient === true,
  });
}

/** What GitHub tells of one that was made, or of a state that one entered. The server knows of neither. */
async function toldOf(request: RouteRequest, context: RouteContext, record: ForgeRecord) {
  const parent = record.kind === STATUS ? record.key.slice(0, record.key.lastIndexOf(':')) : record.key;
  const of = parent === record.key ? record : await context.records.get(DEPLOYMENT, parent);
  if (of === undefined) throw notFound();
  const deployment = asDeployment(request, context, of);
  return record === of
    ? { action: 'created', deployment, workflow: null, workflow_run: null }
    : { action: 'created', deployment_status: shownStatus(context, deployment, record), deployment };
}

/**
 * The commit shows it, by this status. Apps are told first: whoever finds it there after a crash, before it was noted, tells
 * them again, which changes nothing.
 */
async function settle(request: RouteRequest, context: RouteContext, record: ForgeRecord, status: Id) {
  const { owner, repo } = request.params;
  const { kind: name, id } = record;
  await tellAbout(
    context,
    { owner, repo },
    { name, key: `${name}:${id}`, fields: await toldOf(request, context, record) },
  );
  return noteShown(context, record, status);
}

/** Those that are shown on their commit, or were. */
async function arrived(
  request: RouteRequest,
  context: RouteContext,
  repository: Id,
  records: readonly ForgeRecord[],
): Promise<ForgeRecord[]> {
  const waiting = records.filter(({ data }) => data[UNSHOWN] === true);
  const seen = new Map<string, Id>();
  for (const sha of new Set(waiting.map(({ key }) => key.split(':')[1] ?? ''))) {
    const on = (await nativeStatusesOf(request, context, sha)).map((native) => statusInput(native, sha));
    for (const [key, { id }] of shownAmong(await recordsOf(context, repository, sha), on).by) seen.set(key, id);
  }
  for (const record of waiting) {
    const status = seen.get(record.key);
    if (status !== undefined) await settle(request, context, record, status);
  }
  return records.filter(({ key, data }) => data[UNSHOWN] !== true || seen.has(key));
}

/** Shows it on its commit, unless an earlier attempt did. */
async function show(
  request: RouteRequest,
  context: RouteContext,
  record: ForgeRecord,
  on: { repository: Id; sha: string; description: string; again: boolean },
): Promise<ForgeRecord> {
  if (on.again) {
    const all = (await nativeStatusesOf(request, context, on.sha)).map((native) => statusInput(native, on.sha));
    const there = shownAmong(await recordsOf(context, on.repository, on.sha), all).by.get(record.key);
    if (there !== undefined) return settle(request, context, record, there.id);
  }
  const json = wishes({
    state: record.data.native as CommitStatusInput['state'],
    context: textOf(record.data, 'context'),
    description: on.description.slice(0, 255),
    target_url: textIn(record.data, 'logUrl'),
  });
  const { data } = await context.native.send('POST', `${repoPath(request)}/statuses/${on.sha}`, { json });
  return settle(request, context, record, idOf(objectOf(data)));
}

async function create(request: RouteRequest, context: RouteContext) {
  const ready = await beforeDeploying(request, context);
  if (!('wished' in ready)) return ready;
  const { wished, sha, ref, repositoryId: repository } = ready;
  const creator = await creatorOf(context);
  const kept = { ...keptOf(wished), ref, creator: { ...creator, id: String(creator.id) } };
  const { record, again } = await keepDeployment(context, { repository, sha }, kept);
  const description = wished.description ?? `Deployment of ${ref}`;
  const made = await show(request, context, record, { repository, sha, description, again });
  return { status: 201, data: asDeployment(request, context, made) };
}

/** The deployment with the number in the path. @throws RouteFailure 404 also for one of another repository */
async function found(request: RouteRequest, context: RouteContext): Promise<ForgeRecord> {
  const record = await context.records.byId(DEPLOYMENT, numberParam(request, 'deployment_id'));
  const repository = await repositoryId(request, context);
  if (record === undefined || String(record.data.repository) !== String(repository) || isDeleted(record))
    throw notFound();
  return record;
}

async function list(request: RouteRequest, context: RouteContext) {
  const { environment, sha, ref, task } = request.query;
  const repository = await repositoryId(request, context);
  const records = await arrived(request, context, repository, await context.records.list(DEPLOYMENT, `${repository}:`));
  const all = records
    .toReversed()
    .filter((record) => !isDeleted(record))
    .map((record) => asDeployment(request, context, record));
  const isWanted = (one: JsonObject) =>
    Object.entries({ environment, sha, ref, task }).every(
      ([name, value]) => value === undefined || one[name] === value,
    );
  return pageIn(request, all.filter(isWanted));
}

async function createStatus(request: RouteRequest, context: RouteContext) {
  const of = await found(request, context);
  const wished = statusWishOf(request);
  const native = NATIVE[wished.state];
  const [newest] = await keptStatuses(context, of.key);
  const [repository, sha] = [textOf(of.data, 'repository'), textOf(of.data, 'sha')];
  const creator = await creatorOf(context);
  const environment = wished.environment ?? textOf(of.data, 'environment');
  const shows = { native, context: contextOf(environment), [UNSHOWN]: true };
  const unchanged = { native: newest?.data.native ?? 'pending' };
  const { record, again } = await keepStatus(context, of.key, wished, {
    creator,
    native: native === undefined ? unchanged : shows,
  });
  const description =
    wished.description || `Deployment of ${textOf(of.data, 'ref')}: ${wished.state.replaceAll('_', ' ')}`;
  const made =
    native === undefined ? record : await show(request, context, record, { repository, sha, description, again });
  if (wished.state === 'success' && wished.auto_inactive)
    await endOlder(context, await context.records.list(DEPLOYMENT, `${repository}:`), of, creator);
  return { status: 201, data: shownStatus(context, asDeployment(request, context, of), made) };
}

/** Its statuses stay on the commit, where nothing can be taken back: the record stays too, so that no app takes them for others. */
async function remove(request: RouteRequest, context: RouteContext) {
  const of = await found(request, context);
  await checkDeletable(request, context, asDeployment(request, context, of));
  await context.records.put(DEPLOYMENT, of.key, { ...of.data, [DELETED]: true });
  return { status: 204 };
}

async function statusesOf(request: RouteRequest, context: RouteContext): Promise<JsonObject[]> {
  const of = await found(request, context);
  const kept = await arrived(request, context, textOf(of.data, 'repository'), await keptStatuses(context, of.key));
  return kept.map((record) => shownStatus(context, asDeployment(request, context, of), record));
}

const KEPT = 'Kept by Forgeway, and shown as a commit status `deploy/ENVIRONMENT`.';
const SOURCE = 'repository: POST /repos/{owner}/{repo}/statuses/{sha}';
const READ = 'repository: GET /repos/{owner}/{repo}';

export const deployments: RouteTable = {
  'GET /repos/{owner}/{repo}/deployments': emulated('read', READ, KEPT, list),
  'POST /repos/{owner}/{repo}/deployments': emulated('findable', SOURCE, KEPT, create),
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}': emulated('read', READ, KEPT, async (request, context) => ({
    data: asDeployment(request, context, await found(request, context)),
  })),
  'DELETE /repos/{owner}/{repo}/deployments/{deployment_id}': emulated(
    'idempotent',
    READ,
    `${KEPT} What stands on the commit stays there.`,
    remove,
  ),
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': emulated(
    'read',
    READ,
    KEPT,
    async (request, context) => pageIn(request, await statusesOf(request, context)),
  ),
  'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': emulated('findable', SOURCE, KEPT, createStatus),
  'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses/{status_id}': emulated(
    'read',
    READ,
    KEPT,
    async (request, context) => {
      const number = String(numberParam(request, 'status_id'));
      const one = (await statusesOf(request, context)).find(({ id }) => String(id) === number);
      if (one === undefined) throw notFound();
      return { data: one };
    },
  ),
};
