/** What happened to the issues of a repository, put together from what happened to each. */
import type { JsonObject } from '../forge.js';
import type { RouteContext, RouteRequest } from './route.js';

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
