/** What happened to the issues of a repository, put together from what happened to each. */
import type { JsonObject } from '../forge.js';
import { notFound, type RouteAnswer, type RouteContext, type RouteRequest } from './route.js';

/** Issues and pull requests that are looked at: those that changed last. */
const MOST_LOOKED_AT = 20;
/** What is older is looked for at the issue itself. */
const DAYS = 90;
const DAY_MS = 86_400_000;
/** More than were ever seen of one issue; the rest of a longer history is left out. */
const PER_ISSUE = 100;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const at = (event: JsonObject): number => Date.parse(String(event.created_at));

/**
 * The newest first, each with its issue. No forge but GitHub has such a list, so that it is as long as the histories of
 * the issues that changed last.
 */
export async function repositoryIssueEvents(request: RouteRequest, context: RouteContext): Promise<JsonObject[]> {
  const { owner, repo } = request.params;
  const place = { owner, repo };
  const since = new Date(context.clock.now().getTime() - DAYS * DAY_MS).toISOString();
  const listed = await context.github('GET /repos/{owner}/{repo}/issues', {
    ...place,
    state: 'all',
    sort: 'updated',
    direction: 'desc',
    since,
    per_page: MOST_LOOKED_AT,
  });
  const histories = await Promise.all(
    objects(listed).map(async (issue) => {
      const parameters = { ...place, issue_number: issue.number, per_page: PER_ISSUE };
      const events = await context.github('GET /repos/{owner}/{repo}/issues/{issue_number}/events', parameters);
      return objects(events).map((event): JsonObject => ({ ...event, issue }));
    }),
  );
  return histories.flat().sort((a, b) => at(b) - at(a));
}

/** For the matrix: what an app should know of {@link repositoryIssueEvents}. */
export const ISSUE_EVENTS_NOTE = `Of the ${MOST_LOOKED_AT} issues and pull requests that changed last, of the last ${DAYS} days.`;

/** Where events happened: GitHub names them by their id alone, other forges below their issue. */
const EVENT = 'issue_event';

/** Nobody's history was ever seen to be longer: pages of {@link PER_ISSUE}. */
const MOST_PAGES = 20;

/** Remembers of which issue the events are that an answer shows; what has no address, as a comment, may stand among them. */
export async function rememberIssueEvents(
  context: RouteContext,
  issueNumber: number,
  events: readonly JsonObject[],
): Promise<void> {
  const told = events.filter(({ url }) => String(url).includes('/issues/events/'));
  if (told.length === 0) return;
  await context.records.putAll(
    EVENT,
    told.map(({ id }) => ({ key: String(id), data: { issue: issueNumber } })),
  );
}

/**
 * One event, with its issue, as the list of the issue that it was told of has it.
 * @throws RouteFailure 404 for one that no answer told, and for one of another repository
 */
export async function issueEventById(request: RouteRequest, context: RouteContext): Promise<RouteAnswer> {
  const { owner, repo, event_id: id = '' } = request.params;
  const record = /^\d{1,24}$/.test(id) ? await context.records.get(EVENT, id) : undefined;
  const number = record?.data.issue;
  if (typeof number !== 'number') throw notFound();
  const at = { owner, repo, issue_number: number };
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const route = 'GET /repos/{owner}/{repo}/issues/{issue_number}/events';
    const events = objects(await context.github(route, { ...at, per_page: PER_ISSUE, page }));
    const found = events.find((event) => String(event.id) === id);
    if (found !== undefined)
      return { data: { ...found, issue: await context.github('GET /repos/{owner}/{repo}/issues/{issue_number}', at) } };
    if (events.length < PER_ISSUE) break;
  }
  throw notFound();
}

/** For the matrix: what an app should know of {@link issueEventById}. */
export const ISSUE_EVENT_NOTE = 'Of an event that a list told before, as no forge finds one by its number alone.';
