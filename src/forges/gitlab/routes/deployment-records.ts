/** What is kept of a deployment beside GitLab: what an app asked for. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../forge.js';
import { keptStatuses } from '../../kit/deployments.js';
import type { ForgeRecord } from '../../kit/records.js';
import type { RouteContext } from '../../kit/route.js';
import * as shape from '../../kit/shapes/deployment.js';
import { deploymentInput, type NativeDeployment, nativeDeployment } from '../convert/deployment.js';
import { readAll } from '../convert/read.js';
import { type Place, projectAt } from './place.js';

/** Record: key is GitLab's number of the deployment, which no other project has. */
const DEPLOYMENT = 'deployment';
/** Record: key is `project:sha:digest of what was asked for`. It goes when the deployment is there. */
const WISH = 'deployment_wish';
/** The same wish of a handler that runs again is the same record. */
export function keepWish(
  context: RouteContext,
  project: string,
  sha: string,
  wished: JsonObject,
): Promise<ForgeRecord> {
  const digest = createHash('sha256').update(JSON.stringify(wished)).digest('hex').slice(0, 16);
  return context.records.put(WISH, `${project}:${sha}:${digest}`, wished);
}

/** It became this deployment. */
export async function adopt(context: RouteContext, wish: ForgeRecord, { id }: NativeDeployment): Promise<ForgeRecord> {
  const record = await context.records.put(DEPLOYMENT, String(id), wish.data);
  await context.records.delete(WISH, wish.key);
  return record;
}

export const keptDeployment = (context: RouteContext, { id }: NativeDeployment): Promise<ForgeRecord | undefined> =>
  context.records.get(DEPLOYMENT, String(id));

/** It is gone, and what was said of it with it. */
export async function forget(context: RouteContext, { id }: NativeDeployment): Promise<void> {
  for (const { kind, key } of await keptStatuses(context, String(id))) await context.records.delete(kind, key);
  await context.records.delete(DEPLOYMENT, String(id));
}

/** A deployment of our account that nobody asked us for, as far as is known, may be one whose answer was lost. */
async function known(context: RouteContext, place: Place, of: NativeDeployment): Promise<ForgeRecord | undefined> {
  const kept = await keptDeployment(context, of);
  if (kept !== undefined || String(of.user?.id) !== String(context.account.id)) return kept;
  const { id: project } = await projectAt(context, place.api);
  const wishes = await context.records.list(WISH, `${project}:${of.sha}:`);
  const wish = wishes.find(({ data }) => data.environment === of.environment?.name);
  return wish && adopt(context, wish, of);
}

/** As GitHub shows it. */
export async function shown(context: RouteContext, place: Place, of: NativeDeployment): Promise<JsonObject> {
  const data = (await known(context, place, of))?.data;
  const input = deploymentInput(of);
  return shape.deployment(context.base, place.owner, place.repo, {
    ...input,
    ...(data !== undefined && {
      task: String(data.task),
      payload: data.payload,
      description: typeof data.description === 'string' ? data.description : null,
      transient: data.transient === true,
      production: data.production === true,
    }),
  });
}

/** What is kept of it, or would be had an app asked for it. */
export async function keptOrMade(context: RouteContext, of: NativeDeployment): Promise<ForgeRecord> {
  const { environment, production } = deploymentInput(of);
  const data = { task: 'deploy', payload: {}, environment, description: null, transient: false, production };
  return (await keptDeployment(context, of)) ?? context.records.put(DEPLOYMENT, String(of.id), data);
}

/** Ended lately, to the same environment: enough to find the one that is ended by the next. */
const MOST_OLDER = 20;

/** What is kept of the deployments before this one to its environment, the oldest first. */
export async function keptBefore(context: RouteContext, place: Place, of: NativeDeployment): Promise<ForgeRecord[]> {
  const query = {
    ...{ order_by: 'id', sort: 'desc', status: 'success', per_page: MOST_OLDER },
    environment: of.environment?.name,
  };
  const natives = readAll(nativeDeployment, await context.native.get(`${place.api}/deployments`, query), 'list');
  const older = natives.filter(({ id }) => String(id) !== String(of.id));
  const records = await Promise.all(older.map((one) => keptDeployment(context, one)));
  return records.filter((record) => record !== undefined);
}
