/** Reads an issue or a pull request with what hangs on it, in GitHub's language. */
import type { JsonObject } from '../../forges/forge.js';
import { type GitHubRequest, RouteFailure } from '../../forges/kit/route.js';
import type { Pending, Visit } from './ports.js';

const PAGE = 100;
const MOST_PAGES = 50;
/** Comments are listed from a little before the last reading: clocks of one instance's machines differ. */
const OVERLAP_MS = 60_000;

export interface ObjectRead {
  number: number;
  isPull: boolean;
  /** In GitHub's shape. */
  object: JsonObject;
  /** Since the last reading, of the conversation and of lines. */
  comments: readonly JsonObject[];
  lineComments: readonly JsonObject[];
  reviews: readonly JsonObject[];
  /** Comments of both kinds that there are now, as the forge counts them. */
  count: number;
  /** What happened to it, where that was wanted. */
  happened: readonly JsonObject[];
}

export const statusOf = (error: unknown): number | undefined => {
  if (error instanceof RouteFailure) return error.status;
  const status = typeof error === 'object' && error !== null ? Reflect.get(error, 'status') : undefined;
  return typeof status === 'number' ? status : undefined;
};

/** What was asked for is not there, may not be seen, or is nothing that this forge has. */
export function isMissing(error: unknown): boolean {
  const status = statusOf(error);
  return status === 404 || status === 410 || status === 451 || status === 501;
}

/** Every page of a list. */
export async function listed(
  github: GitHubRequest,
  route: string,
  parameters: Readonly<Record<string, unknown>>,
): Promise<JsonObject[]> {
  const items: JsonObject[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const found = await github(route, { ...parameters, per_page: PAGE, page });
    if (!Array.isArray(found)) return items;
    items.push(...(found as JsonObject[]));
    if (found.length < PAGE) return items;
  }
  return items;
}

const numberAt = (object: JsonObject, key: string): number => (typeof object[key] === 'number' ? object[key] : 0);

export const COMMENTS = 'GET /repos/{owner}/{repo}/issues/{issue_number}/comments';
export const LINE_COMMENTS = 'GET /repos/{owner}/{repo}/pulls/{pull_number}/comments';

/**
 * The object first and its comments after it: what is listed then is at least as new. Undefined when it is not there, or may
 * not be seen. `since` is the version that was read last. `happenedTo` is asked beside the comments.
 */
export async function readObject(
  { access: { github }, watched }: Visit,
  { number, isPull }: Pending,
  since: Date,
  happenedTo: (object: JsonObject) => Promise<readonly JsonObject[]>,
): Promise<ObjectRead | undefined> {
  const where = { owner: watched.owner, repo: watched.name };
  const [route, name] = isPull
    ? ['GET /repos/{owner}/{repo}/pulls/{pull_number}', 'pull_number']
    : ['GET /repos/{owner}/{repo}/issues/{issue_number}', 'issue_number'];
  let object: JsonObject;
  try {
    object = (await github(route, { ...where, [name]: number })) as JsonObject;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const from = new Date(since.getTime() - OVERLAP_MS).toISOString();
  const ofPull = { ...where, pull_number: number };
  const [comments, lineComments, reviews, happened] = await Promise.all([
    listed(github, COMMENTS, { ...where, issue_number: number, since: from }),
    isPull ? listed(github, LINE_COMMENTS, { ...ofPull, since: from }) : [],
    isPull ? listed(github, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', ofPull) : [],
    happenedTo(object),
  ]);
  const count = numberAt(object, 'comments') + numberAt(object, 'review_comments');
  return { number, isPull, object, comments, lineComments, reviews, count, happened };
}
