/** Lists of issues and pull requests, with the filters that GraphQL has and REST spells otherwise. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { type Listing, routeListing } from '../listing.js';
import type { Place } from '../node-ids.js';
import { object, objects, text } from '../rest.js';
import { issue, placed, pullRequest } from '../sources.js';
import type { Pages } from './area.js';

interface Order {
  field: string;
  direction: string;
}

export interface PullRequestsArgs extends Pages {
  states?: readonly string[] | null;
  labels?: readonly string[] | null;
  headRefName?: string | null;
  baseRefName?: string | null;
  orderBy?: Order | null;
}

export interface IssueFilters {
  assignee?: string | null;
  createdBy?: string | null;
  mentioned?: string | null;
  labels?: readonly string[] | null;
  milestone?: string | null;
  since?: string | null;
  states?: readonly string[] | null;
}

export interface IssuesArgs extends Pages {
  states?: readonly string[] | null;
  labels?: readonly string[] | null;
  filterBy?: IssueFilters | null;
  orderBy?: Order | null;
}

const SORTS: Readonly<Record<string, string>> = { CREATED_AT: 'created', UPDATED_AT: 'updated', COMMENTS: 'comments' };

/** GraphQL begins with the oldest, REST with the newest: the direction is always said. */
function sorting(orderBy: Order | null | undefined): { sort: string; direction: 'asc' | 'desc' } {
  return {
    sort: SORTS[orderBy?.field ?? 'CREATED_AT'] ?? 'created',
    direction: orderBy?.direction === 'DESC' ? 'desc' : 'asc',
  };
}

/** A sorted route, and the same turned round for what asks for the last ones. */
function sortedListing(ask: Ask, route: string, parameters: JsonObject, keep: Listing['keep']): Listing {
  const direction = parameters.direction === 'asc' ? 'desc' : 'asc';
  const kept = keep === undefined ? {} : { keep };
  const reversed = { ...routeListing(ask, route, { ...parameters, direction }), ...kept };
  return { ...routeListing(ask, route, parameters), ...kept, reversed };
}

const hasSome = (item: JsonObject, labels: readonly string[]): boolean =>
  objects(item.labels).some((label) => labels.includes(text(label.name) ?? ''));

const stateOf = (item: JsonObject): string =>
  item.state === 'open' ? 'OPEN' : typeof item.merged_at === 'string' ? 'MERGED' : 'CLOSED';

/** REST's `state` that holds all of these and as little else as possible. */
function restState(states: readonly string[] | null | undefined): 'open' | 'closed' | 'all' {
  if (!states || states.length === 0) return 'all';
  const open = states.includes('OPEN');
  if (open && states.length === 1) return 'open';
  return open ? 'all' : 'closed';
}

export function pullRequestsOf(ask: Ask, place: Place, args: PullRequestsArgs) {
  const { states, labels, headRefName, baseRefName } = args;
  const wanted = states && states.length > 0 ? states : undefined;
  // Only these can differ from what REST was asked for.
  const chosen = wanted?.some((state) => state !== 'OPEN') && new Set(wanted).size < 3 ? wanted : undefined;
  const tests: ((item: JsonObject) => boolean)[] = [];
  if (chosen) tests.push((item) => chosen.includes(stateOf(item)));
  if (labels && labels.length > 0) tests.push((item) => hasSome(item, labels));
  if (headRefName) tests.push((item) => object(item.head)?.ref === headRefName);
  const parameters = {
    ...placed(place),
    state: restState(wanted),
    ...sorting(args.orderBy),
    ...(baseRefName && { base: baseRefName }),
  };
  const keep = tests.length === 0 ? undefined : (item: JsonObject) => tests.every((test) => test(item));
  const list = sortedListing(ask, 'GET /repos/{owner}/{repo}/pulls', parameters, keep);
  return connection('pullRequests', args, list, (rest) => pullRequest(ask, place, Number(rest.number), rest));
}

export function issuesOf(ask: Ask, place: Place, args: IssuesArgs) {
  const filter = args.filterBy ?? {};
  const labels = args.labels && args.labels.length > 0 ? args.labels : undefined;
  // GraphQL's `labels` asks for any of them, REST's for all, as `filterBy` does.
  const all = [...(filter.labels ?? []), ...(labels?.length === 1 ? labels : [])];
  const any = labels !== undefined && labels.length > 1 ? labels : undefined;
  const parameters = {
    ...placed(place),
    state: restState(filter.states ?? args.states),
    ...sorting(args.orderBy),
    ...(all.length > 0 && { labels: all.join(',') }),
    ...(filter.assignee && { assignee: filter.assignee }),
    ...(filter.createdBy && { creator: filter.createdBy }),
    ...(filter.mentioned && { mentioned: filter.mentioned }),
    ...(filter.milestone && { milestone: filter.milestone }),
    ...(filter.since && { since: filter.since }),
  };
  const keep = (item: JsonObject) => item.pull_request === undefined && (any === undefined || hasSome(item, any));
  const list = sortedListing(ask, 'GET /repos/{owner}/{repo}/issues', parameters, keep);
  return connection('issues', args, list, (rest) => issue(ask, place, Number(rest.number), rest));
}
