/**
 * What GitHub asks before it makes a deployment, and what it keeps of one that forges do not: its task, its payload, and the
 * states that it went through. Kept as records, by the same rules on every forge.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject } from '../forge.js';
import { accept } from './accept.js';
import type { ForgeRecord } from './records.js';
import { type RouteAnswer, type RouteContext, RouteFailure, type RouteRequest, unprocessable } from './route.js';
import { type DeploymentStatusInput, deploymentStatus } from './shapes/deployment.js';
import type { AccountInput } from './shapes/inputs.js';

const wish = z.looseObject({
  ref: z.string().min(1),
  task: z.string().min(1).default('deploy'),
  auto_merge: z.boolean().default(true),
  /** Absent: all that are there. */
  required_contexts: z.array(z.string()).nullish(),
  payload: z.union([z.record(z.string(), z.unknown()), z.string()]).default({}),
  environment: z.string().min(1).default('production'),
  description: z.string().nullish(),
  transient_environment: z.boolean().default(false),
  production_environment: z.boolean().optional(),
});
export type DeploymentWish = z.output<typeof wish>;

const STATES = ['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success'] as const;
export type DeploymentState = (typeof STATES)[number];

const statusWish = z.looseObject({
  state: z.enum(STATES),
  description: z.string().max(140).default(''),
  environment: z.string().min(1).optional(),
  environment_url: z.string().optional(),
  log_url: z.string().optional(),
  target_url: z.string().optional(),
  auto_inactive: z.boolean().default(true),
});
export type DeploymentStatusWish = z.output<typeof statusWish>;

export const statusWishOf = (request: RouteRequest): DeploymentStatusWish =>
  accept('DeploymentStatus', statusWish, request.body);

const objectOf = (value: unknown): JsonObject =>
  (typeof value === 'object' && value !== null ? value : {}) as JsonObject;
const listIn = (value: unknown, key: string): JsonObject[] => {
  const list = objectOf(value)[key];
  return Array.isArray(list) ? list.map(objectOf) : [];
};

/** Undefined where there is no such thing. */
async function asked(context: RouteContext, route: string, parameters: JsonObject): Promise<JsonObject | undefined> {
  try {
    return objectOf(await context.github(route, parameters));
  } catch (error) {
    if (error instanceof RouteFailure && (error.status === 404 || error.status === 422)) return undefined;
    throw error;
  }
}

const REPO = '/repos/{owner}/{repo}';
const PASSED: ReadonlySet<unknown> = new Set(['success', 'neutral', 'skipped']);

/** @throws RouteFailure 409 where a check that is asked for has not passed */
async function checkContexts(context: RouteContext, at: JsonObject, wished: DeploymentWish, sha: string) {
  if (wished.required_contexts?.length === 0) return;
  const commit = { ...at, ref: sha, per_page: 100 };
  const statuses = listIn(await context.github(`GET ${REPO}/commits/{ref}/status`, commit), 'statuses');
  const runs = listIn(await context.github(`GET ${REPO}/commits/{ref}/check-runs`, commit), 'check_runs');
  const states = new Map<string, unknown>([
    ...runs.map(({ name, conclusion, status }) => [String(name), conclusion ?? status] as const),
    ...statuses.map((one) => [String(one.context), one.state] as const),
  ]);
  const contexts = (wished.required_contexts ?? [...states.keys()]).map((name) => ({
    context: name,
    state: states.get(name) ?? 'pending',
  }));
  if (contexts.every(({ state }) => PASSED.has(state))) return;
  throw new RouteFailure(409, `Conflict: Commit status checks failed for ${wished.ref}.`, {
    errors: [{ resource: 'Deployment', field: 'required_contexts', code: 'invalid', contexts }],
  });
}

/** Merges what a branch lacks of the default branch; undefined where it lacks nothing. @throws RouteFailure 409 */
async function autoMerged(context: RouteContext, at: JsonObject, ref: string, main: string) {
  if (ref === main || (await asked(context, `GET ${REPO}/branches/{branch}`, { ...at, branch: ref })) === undefined)
    return undefined;
  const ahead = await context.github(`GET ${REPO}/compare/{basehead}`, { ...at, basehead: `${ref}...${main}` });
  if (!(Number(objectOf(ahead).ahead_by) > 0)) return undefined;
  try {
    const message = { commit_message: `Merge ${main} into ${ref}` };
    await context.github(`POST ${REPO}/merges`, { ...at, base: ref, head: main, ...message });
  } catch (error) {
    if (!(error instanceof RouteFailure) || error.status !== 409) throw error;
    throw new RouteFailure(409, `Conflict merging ${main} into ${ref}.`, { cause: error });
  }
  return { status: 202, data: { message: `Auto-merged ${main} into ${ref} on deployment.` } };
}

export interface ToDeploy {
  wished: DeploymentWish;
  /** The whole SHA of what `ref` stands for, and the name without `refs/heads/`. */
  sha: string;
  ref: string;
  repositoryId: string;
}

/**
 * What GitHub does before it makes a deployment: an answer where it made none, because it merged the default branch first.
 * @throws RouteFailure 422 without such a commit, 409 where checks have not passed or a merge conflicts
 */
export async function beforeDeploying(request: RouteRequest, context: RouteContext): Promise<ToDeploy | RouteAnswer> {
  const { owner, repo } = request.params;
  const at = { owner, repo };
  const repository = objectOf(await context.github(`GET ${REPO}`, at));
  const wished = accept('Deployment', wish, request.body);
  const ref = wished.ref.replace(/^refs\/(?:heads|tags)\//, '');
  const { sha } = (await asked(context, `GET ${REPO}/commits/{ref}`, { ...at, ref })) ?? {};
  if (typeof sha !== 'string') throw unprocessable(`No ref found for: ${wished.ref}`);
  const merged = wished.auto_merge ? await autoMerged(context, at, ref, String(repository.default_branch)) : undefined;
  if (merged !== undefined) return merged;
  await checkContexts(context, at, wished, sha);
  return { wished, sha, ref, repositoryId: String(repository.id) };
}

export const keptOf = (wished: DeploymentWish): JsonObject => ({
  task: wished.task,
  payload: wished.payload,
  environment: wished.environment,
  description: wished.description ?? null,
  transient: wished.transient_environment,
  production: wished.production_environment ?? wished.environment === 'production',
});

export const STATUS = 'deployment_status';
/** Of a record of which it is not known yet whether the forge shows it. */
export const UNSHOWN = 'unshown';

/** The states that a deployment went through by us, the newest first. `deployment` is the key of its record. */
export const keptStatuses = async (context: RouteContext, deployment: string): Promise<ForgeRecord[]> =>
  (await context.records.list(STATUS, `${deployment}:`)).toReversed();

/**
 * Keeps a state; one that was kept before and never seen to arrive is kept again, and not beside itself. `creator`: whom the
 * token speaks for. `native`: what the forge shows of it.
 */
export async function keepStatus(
  context: RouteContext,
  deployment: string,
  wished: DeploymentStatusWish,
  more: { creator: AccountInput; native: JsonObject },
): Promise<{ record: ForgeRecord; again: boolean }> {
  const data = {
    state: wished.state,
    description: wished.description,
    environment: wished.environment ?? null,
    environmentUrl: wished.environment_url ?? null,
    logUrl: wished.log_url ?? wished.target_url ?? null,
    creator: { ...more.creator, id: String(more.creator.id) },
  };
  const [newest] = await keptStatuses(context, deployment);
  const isSame = Object.entries(data).every(([name, value]) => name === 'creator' || newest?.data[name] === value);
  const before = newest?.data[UNSHOWN] === true && isSame ? newest : undefined;
  const key = before?.key ?? `${deployment}:${randomUUID()}`;
  return {
    record: await context.records.put(STATUS, key, { ...data, ...more.native }),
    again: before !== undefined,
  };
}

const textIn = (data: JsonObject, key: string): string | undefined =>
  typeof data[key] === 'string' ? (data[key] as string) : undefined;

/** `of`: the deployment as shown. */
export const shownStatus = (
  context: RouteContext,
  of: JsonObject,
  { id, data, createdAt }: ForgeRecord,
): JsonObject => {
  const input: DeploymentStatusInput = {
    id,
    state: textIn(data, 'state'),
    description: textIn(data, 'description') ?? '',
    environment: textIn(data, 'environment'),
    environmentUrl: textIn(data, 'environmentUrl'),
    logUrl: textIn(data, 'logUrl'),
    creator: data.creator as AccountInput,
    createdAt: createdAt.toISOString().replace(/\.\d+Z$/, 'Z'),
  };
  return deploymentStatus(context.base, of, input);
};

/**
 * GitHub keeps the one that is active: it goes only where it is alone. `of`: the deployment as shown.
 * @throws RouteFailure 422
 */
export async function checkDeletable({ params }: RouteRequest, context: RouteContext, of: JsonObject): Promise<void> {
  const { owner, repo, deployment_id } = params;
  const at = { owner, repo };
  const states = await context.github(`GET ${REPO}/deployments/{deployment_id}/statuses`, { ...at, deployment_id });
  const [newest] = Array.isArray(states) ? states.map(objectOf) : [];
  if (newest?.state !== 'success') return;
  const { environment } = of;
  const all = await context.github(`GET ${REPO}/deployments`, { ...at, environment, per_page: 2 });
  if (Array.isArray(all) && all.length > 1)
    throw unprocessable(
      'We cannot delete an active deployment unless it is the only deployment in a given environment.',
    );
}

/**
 * GitHub's `auto_inactive`: older deployments to the same environment end when a new one succeeds, unless it is transient or
 * of production. `all` are records of deployments of one repository, the oldest first, `now` is the one that succeeded.
 */
export async function endOlder(
  context: RouteContext,
  all: readonly ForgeRecord[],
  now: ForgeRecord,
  creator: AccountInput,
): Promise<void> {
  const { environment } = now.data;
  const older = all.filter(
    ({ id, data }) =>
      id < now.id && data.environment === environment && data.transient !== true && data.production !== true,
  );
  for (const { key } of older) {
    const [newest] = await keptStatuses(context, key);
    if (newest?.data.state !== 'success') continue;
    const { native } = newest.data;
    await keepStatus(context, key, statusWish.parse({ state: 'inactive' }), { creator, native: { native } });
  }
}
