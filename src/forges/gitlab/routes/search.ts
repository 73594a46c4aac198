import { invalid, type Route, type RouteContext, type RouteTable, unprocessable } from '../../kit/route.js';
import { findUser } from './people.js';
import { parseSearch } from './search-query.js';
import { listThreads, type ThreadFilter } from './thread-list.js';

/** GitHub shows no more, whatever there is. */
const MOST = 1000;

/** Merge requests can be listed by the assignee's id only. @throws RouteFailure 422 when nobody has this login */
async function withAssigneeId(context: RouteContext, filter: ThreadFilter): Promise<ThreadFilter> {
  const { assignee_username: login, ...query } = filter.query;
  if (login === undefined) return filter;
  const user = await findUser(context, String(login));
  if (user === undefined) throw invalid('Search', 'q', 'invalid', `There is no account ${login}.`);
  return { ...filter, query: { ...query, assignee_id: user.id } };
}

const issues: Route = {
  support: 'emulated',
  retry: 'read',
  source:
    'issues: GET /projects/:id/issues, GET /groups/:id/issues; merge_requests: GET /projects/:id/merge_requests, GET /groups/:id/merge_requests',
  note: 'The qualifiers that GitLab can answer; any other is refused by name (422).',
  async run(request, context) {
    const { q, sort, order } = request.query;
    if (!q?.trim()) throw invalid('Search', 'q', 'missing_field');
    if (request.page * request.perPage > MOST) throw unprocessable('Only the first 1000 search results are available');
    const { items, total, pages } = await listThreads(
      context,
      await withAssigneeId(context, parseSearch(q, { sort, order, self: context.account.login })),
      request,
    );
    const shown = items.map((item) => ({ ...item, score: 1 }));
    return { data: { total_count: total, incomplete_results: false, items: shown }, pages };
  },
};

export const search: RouteTable = { 'GET /search/issues': issues };
