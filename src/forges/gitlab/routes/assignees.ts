import { z } from 'zod';
import type { Route, RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { nativeMember } from '../convert/group.js';
import { read } from '../convert/read.js';
import { account, nativeUser } from '../convert/user.js';
import { findUser, idList, joined, logins, without } from './people.js';
import { accept, page, placeOf, threadOf } from './place.js';
import { shownThread } from './thread.js';

const body = z.looseObject({ assignees: logins.default([]) });
const assigned = z.looseObject({ assignees: z.array(nativeUser).nullish() });

/** Guests may be assigned nothing that has code. */
const REPORTER = 20;

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /projects/:id/members/all',
  async run(request, context) {
    const { items, pages } = await page(request, context, `${placeOf(request).api}/members/all`, nativeMember);
    const assignable = items.filter((member) => member.access_level >= REPORTER);
    return { data: assignable.map((member) => shape.user(context.base, account(member))), pages };
  },
};

/** GitHub changes the list by logins and passes over those it does not know; GitLab replaces the list by ids. */
async function change(request: RouteRequest, context: RouteContext, to: typeof joined) {
  const place = placeOf(request);
  const thread = threadOf(request, place);
  const given = accept('Issue', body, request.body).assignees;
  const users = await Promise.all(given.map((login) => findUser(context, login)));
  const now = read(assigned, await context.native.get(thread.api), 'assignees').assignees ?? [];
  const ids = to(
    now.map((user) => user.id),
    users.flatMap((user) => (user ? [user.id] : [])),
  );
  const json = { assignee_ids: idList(ids) };
  const { data } = await context.native.send('PUT', thread.api, { json });
  return shownThread(context, place, thread, data);
}

const NOTE = 'GitLab Free keeps one assignee; the answer shows whom it kept.';

const add: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with assignee_ids',
  note: NOTE,
  run: async (request, context) => ({
    status: 201,
    data: await change(request, context, joined),
  }),
};

const remove: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with assignee_ids',
  note: NOTE,
  run: async (request, context) => ({
    data: await change(request, context, without),
  }),
};

export const assignees: RouteTable = {
  'GET /repos/{owner}/{repo}/assignees': list,
  'POST /repos/{owner}/{repo}/issues/{issue_number}/assignees': add,
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees': remove,
};
