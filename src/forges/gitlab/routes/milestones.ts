import { z } from 'zod';
import { labelsOfMilestone } from '../../kit/milestone-labels.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/milestone.js';
import { milestoneInput, type NativeMilestone, nativeMilestone } from '../convert/milestone.js';
import { read, readAll } from '../convert/read.js';
import { accept, numberParam, type Place, page, placeOf, refused, slice } from './place.js';

const shown = (context: RouteContext, place: Place, milestone: NativeMilestone) =>
  shape.milestone(context.base, place.owner, place.repo, milestoneInput(milestone));

/** GitHub's number is GitLab's iid; GitLab's own routes want the id. */
async function found(request: RouteRequest, context: RouteContext, place: Place): Promise<NativeMilestone> {
  const number = numberParam(request, 'milestone_number');
  const list = readAll(
    nativeMilestone,
    await context.native.get(`${place.api}/milestones`, { 'iids[]': number }),
    'milestone',
  );
  if (list[0] === undefined) throw notFound();
  return list[0];
}

const nativeStates: Readonly<Record<string, string | undefined>> = { open: 'active', closed: 'closed', all: undefined };

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'milestones: GET /projects/:id/milestones',
  async run(request, context) {
    const place = placeOf(request);
    const state = request.query.state ?? 'open';
    if (!Object.hasOwn(nativeStates, state)) throw invalid('Milestone', 'state', 'invalid');
    const { items, pages } = await page(request, context, `${place.api}/milestones`, nativeMilestone, {
      state: nativeStates[state],
    });
    return { data: items.map((milestone) => shown(context, place, milestone)), pages };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'milestones: GET /projects/:id/milestones',
  async run(request, context) {
    const place = placeOf(request);
    return { data: shown(context, place, await found(request, context, place)) };
  },
};

const fields = z.looseObject({
  title: z.string().min(1).optional(),
  description: z.string().nullish(),
  // The forge says of a day that is none only that the milestone is wrong.
  due_on: z
    .string()
    .refine((text) => !Number.isNaN(Date.parse(text)))
    .nullish(),
  state: z.enum(['open', 'closed']).optional(),
});

const native = (body: z.output<typeof fields>) => ({
  title: body.title,
  description: body.description ?? undefined,
  // An empty day takes the date away.
  due_date: body.due_on === undefined ? undefined : (body.due_on?.slice(0, 10) ?? ''),
});

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'milestones: POST /projects/:id/milestones',
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('Milestone', fields.extend({ title: z.string().min(1) }), request.body);
    const answer = await refused(
      () => context.native.send('POST', `${place.api}/milestones`, { json: native(body) }),
      [409, 422],
      () => {
        throw invalid('Milestone', 'title', 'already_exists');
      },
    );
    return { status: 201, data: shown(context, place, read(nativeMilestone, answer.data, 'milestone')) };
  },
};

const update: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'milestones: PUT /projects/:id/milestones/:milestone_id',
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('Milestone', fields, request.body);
    const before = await found(request, context, place);
    const json = { ...native(body), state_event: body.state && (body.state === 'closed' ? 'close' : 'activate') };
    if (Object.values(json).every((value) => value === undefined)) return { data: shown(context, place, before) };
    const answer = await context.native.send('PUT', `${place.api}/milestones/${before.id}`, { json });
    return { data: shown(context, place, read(nativeMilestone, answer.data, 'milestone')) };
  },
};

const remove: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'milestones: DELETE /projects/:id/milestones/:milestone_id',
  async run(request, context) {
    const place = placeOf(request);
    await context.native.send('DELETE', `${place.api}/milestones/${(await found(request, context, place)).id}`);
    return { status: 204 };
  },
};

const labels: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'issues: GET /projects/:id/issues; merge_requests: GET /projects/:id/merge_requests',
  note: 'Gathered from its newest 2,000 issues.',
  async run(request, context) {
    const { items, pages } = slice(request, await labelsOfMilestone(request, context));
    return { data: items, pages };
  },
};

export const milestones: RouteTable = {
  'GET /repos/{owner}/{repo}/milestones/{milestone_number}/labels': labels,
  'GET /repos/{owner}/{repo}/milestones': list,
  'POST /repos/{owner}/{repo}/milestones': create,
  'GET /repos/{owner}/{repo}/milestones/{milestone_number}': get,
  'PATCH /repos/{owner}/{repo}/milestones/{milestone_number}': update,
  'DELETE /repos/{owner}/{repo}/milestones/{milestone_number}': remove,
};
