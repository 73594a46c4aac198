import { z } from 'zod';
import {
  invalid,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { account } from '../convert/user.js';
import { idList, joined, logins, userIds, without } from './people.js';
import { accept, placeOf, pullOf } from './place.js';
import { readMergeRequest, shownPull } from './pull.js';

const wanted = z.looseObject({ reviewers: logins.default([]), team_reviewers: logins.default([]) });

async function change(request: RouteRequest, context: RouteContext, to: typeof joined) {
  const place = placeOf(request);
  const pull = pullOf(request, place);
  const { reviewers, team_reviewers: teams } = accept('PullRequest', wanted, request.body);
  if (teams.length > 0)
    throw invalid('PullRequest', 'team_reviewers', 'invalid', 'On GitLab a group cannot be asked for a review.');
  const given = await userIds(context, reviewers, { resource: 'PullRequest', field: 'reviewers' });
  const { reviewers: asked, author } = await readMergeRequest(context, pull);
  // GitLab asks them for a review of their own work; GitHub does not.
  if (to === joined && given.some((id) => String(id) === String(author?.id)))
    throw new RouteFailure(422, 'Review cannot be requested from pull request author.');
  const now = asked ?? [];
  const ids = to(
    now.map((user) => user.id),
    given,
  );
  const json = { reviewer_ids: idList(ids) };
  const { data } = await context.native.send('PUT', pull.api, { json });
  return shownPull(context, place, pull, data);
}

const SOURCE = 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid with reviewer_ids';

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'merge_requests: GET /projects/:id/merge_requests/:merge_request_iid',
  async run(request, context) {
    const { reviewers } = await readMergeRequest(context, pullOf(request, placeOf(request)));
    return { data: { users: (reviewers ?? []).map((user) => shape.user(context.base, account(user))), teams: [] } };
  },
};

const add: Route = {
  support: 'partial',
  retry: 'idempotent',
  source: SOURCE,
  note: 'Teams cannot be asked (422), and GitLab Free keeps one reviewer.',
  run: async (request, context) => ({
    status: 201,
    data: await change(request, context, joined),
  }),
};

const remove: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: SOURCE,
  run: async (request, context) => ({
    data: await change(request, context, without),
  }),
};

export const reviewers: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers': list,
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers': add,
  'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers': remove,
};
