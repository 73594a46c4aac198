/** Commit statuses. */
import { segment } from '../../kit/native-client.js';
import { invalid, type RouteContext, type RouteRequest, type RouteTable, unprocessable } from '../../kit/route.js';
import { combinedStatus, commitStatus } from '../../kit/shapes/status.js';
import { statusName } from '../../kit/status-name.js';
import { statusInput } from '../convert/status.js';
import { type OnCommit, repositoryId, sortedOut } from './check-records.js';
import { findCommit, shaOf } from './commit-objects.js';
import { failedWith, idOf, objectOf, param, repoPath, textInput, wishes } from './native.js';
import { asRepository } from './objects.js';
import { everything, pageIn } from './pages.js';
import { exact } from './row.js';

const STATES: ReadonlySet<string> = new Set(['error', 'failure', 'pending', 'success']);

export const asStatus = (request: RouteRequest, context: RouteContext, native: unknown, sha: string) =>
  commitStatus(context.base, param(request, 'owner'), param(request, 'repo'), statusInput(native, sha));

async function create(request: RouteRequest, context: RouteContext) {
  const sha = param(request, 'sha');
  const state = textInput(request, 'state') ?? '';
  if (!STATES.has(state)) throw invalid('Status', 'state', state === '' ? 'missing_field' : 'invalid');
  const json = wishes({
    state,
    context: await statusName(context, 'status', sha, textInput(request, 'context') || 'default'),
    description: textInput(request, 'description'),
    target_url: textInput(request, 'target_url'),
  });
  try {
    const { data } = await context.native.send('POST', `${repoPath(request)}/statuses/${segment(sha)}`, { json });
    return { status: 201, data: asStatus(request, context, data, sha) };
  } catch (error) {
    // The server takes a commit that is not there for its own fault.
    if (!failedWith(error, 404, 422, 500)) throw error;
    await context.native.get(repoPath(request));
    if ((await findCommit(request, context, sha)) !== undefined) throw error;
    throw unprocessable(`No commit found for SHA: ${sha}`);
  }
}

const listPath = (request: RouteRequest, sha: string): string => `${repoPath(request)}/commits/${sha}/statuses`;

/** Every status of a commit, the newest first. */
export const statusesOf = async (request: RouteRequest, context: RouteContext, sha: string) =>
  everything(context, listPath(request, sha), { sort: 'highestindex' });

type Inputs = OnCommit['statuses'];

const inputsOf = async (request: RouteRequest, context: RouteContext, sha: string): Promise<Inputs> =>
  (await statusesOf(request, context, sha)).map((native) => statusInput(native, sha));

const shown = (request: RouteRequest, context: RouteContext, all: Inputs) =>
  all.map((status) => commitStatus(context.base, param(request, 'owner'), param(request, 'repo'), status));

async function list(request: RouteRequest, context: RouteContext) {
  const sha = await shaOf(request, context, param(request, 'ref'));
  const all = await inputsOf(request, context, sha);
  if (all.length === 0) return pageIn(request, []);
  const { statuses } = await sortedOut(context, await repositoryId(request, context), sha, all);
  return pageIn(request, shown(request, context, statuses));
}

async function combined(request: RouteRequest, context: RouteContext) {
  const sha = await shaOf(request, context, param(request, 'ref'));
  const native = await context.native.get(repoPath(request));
  // The forge's own sum knows no page, calls a commit without a status by another word, and adds check runs and jobs.
  const all = await inputsOf(request, context, sha);
  const { statuses: ofApps } = await sortedOut(context, idOf(objectOf(native)), sha, all);
  const data = combinedStatus(context.base, asRepository(context, native), sha, shown(request, context, ofApps));
  const { data: statuses, pages } = pageIn(request, data.statuses as unknown[]);
  return { data: { ...data, statuses }, pages };
}

export const statuses: RouteTable = {
  'POST /repos/{owner}/{repo}/statuses/{sha}': exact(
    'findable',
    'repository: POST /repos/{owner}/{repo}/statuses/{sha}',
    create,
  ),
  'GET /repos/{owner}/{repo}/commits/{ref}/statuses': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/commits/{ref}/statuses',
    list,
  ),
  'GET /repos/{owner}/{repo}/commits/{ref}/status': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/commits/{ref}/statuses',
    combined,
  ),
};
