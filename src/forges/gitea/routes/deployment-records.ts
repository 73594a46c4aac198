/** Deployments, which the server has not got: kept as records, each state of one shown as a commit status. */
import { randomUUID } from 'node:crypto';
import type { JsonObject } from '../../forge.js';
import { type DeploymentState, STATUS, UNSHOWN } from '../../kit/deployments.js';
import type { ForgeRecord } from '../../kit/records.js';
import type { RouteContext } from '../../kit/route.js';
import type { CommitStatusInput, Id } from '../../kit/shapes/inputs.js';
import { itemsOf, textIn, textOf } from './native.js';

/** Record: key is `repository id:sha:random`. Those of its states begin with the same. */
export const DEPLOYMENT = 'deployment';
/** Numbers of the commit statuses that show it. */
const SHOWN_BY = 'statuses';

/** What stands on the commit; undefined for what changes nothing there. */
export const NATIVE: Readonly<Record<DeploymentState, CommitStatusInput['state'] | undefined>> = {
  queued: 'pending',
  pending: 'pending',
  in_progress: 'pending',
  success: 'success',
  failure: 'failure',
  error: 'error',
  inactive: undefined,
};

/** The name of the status. */
export const contextOf = (environment: string): string => `deploy/${environment}`;

const notedBy = ({ data }: ForgeRecord, status: CommitStatusInput): boolean =>
  itemsOf(data[SHOWN_BY]).includes(String(status.id));

/** Whether a status looks like what was never seen to arrive. */
const looksLike = ({ data }: ForgeRecord, status: CommitStatusInput): boolean =>
  data[UNSHOWN] === true &&
  status.context === textOf(data, 'context') &&
  status.state === data.native &&
  (status.targetUrl ?? undefined) === textIn(data, 'logUrl');

/** Which statuses of a commit show deployments, and the first that shows each record. */
export interface Shown {
  statuses: ReadonlySet<CommitStatusInput>;
  by: ReadonlyMap<string, CommitStatusInput>;
}

export function shownAmong(records: readonly ForgeRecord[], all: readonly CommitStatusInput[]): Shown {
  const by = new Map<string, CommitStatusInput>();
  const statuses = new Set(all.filter((status) => records.some((record) => notedBy(record, status))));
  for (const record of records) {
    const noted = all.find((status) => notedBy(record, status));
    const found = noted ?? all.find((status) => !statuses.has(status) && looksLike(record, status));
    if (found === undefined) continue;
    by.set(record.key, found);
    statuses.add(found);
  }
  return { statuses, by };
}

/** Deployments and their states, of one commit or of the whole repository. */
export const recordsOf = async (context: RouteContext, repository: Id, sha?: string): Promise<ForgeRecord[]> => {
  const prefix = sha === undefined ? `${repository}:` : `${repository}:${sha}:`;
  return [...(await context.records.list(DEPLOYMENT, prefix)), ...(await context.records.list(STATUS, prefix))];
};

const isSame = (left: JsonObject, right: JsonObject): boolean =>
  ['ref', 'task', 'payload', 'environment', 'description'].every(
    (name) => JSON.stringify(left[name]) === JSON.stringify(right[name]),
  );

/** One that was made before and never seen to arrive is made again, and not beside itself. */
export async function keepDeployment(
  context: RouteContext,
  place: { repository: Id; sha: string },
  wished: JsonObject,
): Promise<{ record: ForgeRecord; again: boolean }> {
  const prefix = `${place.repository}:${place.sha}:`;
  const all = await context.records.list(DEPLOYMENT, prefix);
  const before = all.find(({ data }) => data[UNSHOWN] === true && isSame(data, wished));
  const record = await context.records.put(DEPLOYMENT, before?.key ?? `${prefix}${randomUUID()}`, {
    ...wished,
    repository: String(place.repository),
    sha: place.sha,
    native: 'pending',
    context: contextOf(textOf(wished, 'environment')),
    [UNSHOWN]: true,
  });
  return { record, again: before !== undefined };
}

/** The commit shows it, by this status. */
export const noteShown = (context: RouteContext, record: ForgeRecord, status: Id): Promise<ForgeRecord> =>
  context.records.put(record.kind, record.key, {
    ...record.data,
    [UNSHOWN]: false,
    [SHOWN_BY]: [String(status)],
  });
