/** Labels of the issues of a milestone, which no forge but GitHub lists. */
import type { JsonObject } from '../forge.js';
import type { RouteContext, RouteRequest } from './route.js';

const MOST_PAGES = 20;
const PER_PAGE = 100;

/** Each once, in the order in which they are met. @throws RouteFailure 404 when there is no such milestone */
export async function labelsOfMilestone(request: RouteRequest, context: RouteContext): Promise<JsonObject[]> {
  const { owner, repo, milestone_number: milestone } = request.params;
  await context.github('GET /repos/{owner}/{repo}/milestones/{milestone_number}', request.params);
  const found = new Map<unknown, JsonObject>();
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const asked = { owner, repo, milestone, state: 'all', per_page: PER_PAGE, page };
    const issues = (await context.github('GET /repos/{owner}/{repo}/issues', asked)) as { labels?: JsonObject[] }[];
    for (const label of issues.flatMap(({ labels }) => labels ?? [])) found.set(label.id, label);
    if (issues.length < PER_PAGE) break;
  }
  return [...found.values()];
}
