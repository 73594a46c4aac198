/** Commit statuses. */
import { segment } from '../../kit/native-client.js';
import { invalid, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { combinedStatus, commitStatus } from '../../kit/shapes/status.js';
import { statusInput } from '../convert/status.js';
import { findCommit, shaOf } from './commit-objects.js';
import { failedWith, param, repoPath, textInput, wishes } from './native.js';
import { asRepository } from './objects.js';
import { everything, pageIn, pageOf } from './pages.js';
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
    context: textInput(request, 'context') ?? 'default',
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
    throw invalid('Status', 'sha', 'custom', `No commit found for SHA: ${sha}`);
  }
}

const listPath = (request: RouteRequest, sha: string): string => `${repoPath(request)}/commits/${sha}/statuses`;

async function list(request: RouteRequest, context: RouteContext) {
  const sha = await shaOf(request, context, param(request, 'ref'));
  const convert = (native: unknown) => asStatus(request, context, native, sha);
  return pageOf(request, context, listPath(request, sha), { sort: 'highestindex' }, convert);
}

/** Every status of a commit, the newest first. */
export const statusesOf = async (request: RouteRequest, context: RouteContext, sha: string) =>
  everything(context, listPath(request, sha), { sort: 'highestindex' });

async function combined(request: RouteRequest, context: RouteContext) {
  const sha = await shaOf(request, context, param(request, 'ref'));
  const repository = asRepository(context, await context.native.get(repoPath(request)));
  // The forge's own sum knows no page either, and calls a commit without a status by another word.
  const all = (await statusesOf(request, context, sha)).map((native) => asStatus(request, context, native, sha));
  const data = combinedStatus(context.base, repository, sha, all);
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
