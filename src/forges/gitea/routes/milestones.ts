/** Milestones. Their number is the forge's id. */
import type { JsonObject } from '../../forge.js';
import { labelsOfMilestone } from '../../kit/milestone-labels.js';
import { invalid, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { inputOf, numberParam, objectsOf, repoPath, textInput, textOf, wishes } from './native.js';
import { asMilestone } from './objects.js';
import { everything, pageIn } from './pages.js';
import { emulated, exact } from './row.js';

const milestonesPath = (request: RouteRequest): string => `${repoPath(request)}/milestones`;
const milestonePath = (request: RouteRequest): string =>
  `${milestonesPath(request)}/${numberParam(request, 'milestone_number')}`;

const time = (milestone: JsonObject): number => Date.parse(textOf(milestone, 'due_on')) || Number.MAX_SAFE_INTEGER;

async function list(request: RouteRequest, context: RouteContext) {
  const { state = 'open', sort = 'due_on', direction = 'asc' } = request.query;
  const all = [...objectsOf(await everything(context, milestonesPath(request), { state }))];
  const share = (one: JsonObject) =>
    Number(one.closed_issues) / (Number(one.closed_issues) + Number(one.open_issues) || 1);
  all.sort(sort === 'completeness' ? (a, b) => share(a) - share(b) : (a, b) => time(a) - time(b));
  if (direction === 'desc') all.reverse();
  return pageIn(
    request,
    all.map((native) => asMilestone(request, context, native)),
  );
}

/** A date of null takes it away; the forge's own word for "never" is the last day it knows. */
function fields(request: RouteRequest): JsonObject {
  const due = inputOf(request, 'due_on');
  return wishes({
    title: textInput(request, 'title'),
    description: textInput(request, 'description'),
    state: textInput(request, 'state'),
    due_on: typeof due === 'string' ? due : due === null ? '9999-12-31T23:59:59Z' : undefined,
  });
}

async function create(request: RouteRequest, context: RouteContext) {
  const title = textInput(request, 'title');
  if (!title?.trim()) throw invalid('Milestone', 'title', 'missing_field');
  const same = objectsOf(await everything(context, milestonesPath(request), { state: 'all', name: title }));
  // The forge takes two milestones of one title; GitHub does not.
  if (same.some((one) => textOf(one, 'title') === title)) throw invalid('Milestone', 'title', 'already_exists');
  const { data } = await context.native.send('POST', milestonesPath(request), { json: fields(request) });
  return { status: 201, data: asMilestone(request, context, data) };
}

export const milestones: RouteTable = {
  'GET /repos/{owner}/{repo}/milestones': emulated(
    'read',
    'issue: GET /repos/{owner}/{repo}/milestones',
    'Ordered by us.',
    list,
  ),
  'POST /repos/{owner}/{repo}/milestones': exact('findable', 'issue: POST /repos/{owner}/{repo}/milestones', create),
  'GET /repos/{owner}/{repo}/milestones/{milestone_number}': exact(
    'read',
    'issue: GET /repos/{owner}/{repo}/milestones/{id}',
    async (request, context) => ({
      data: asMilestone(request, context, await context.native.get(milestonePath(request))),
    }),
  ),
  'PATCH /repos/{owner}/{repo}/milestones/{milestone_number}': exact(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/milestones/{id}',
    async (request, context) => {
      const { data } = await context.native.send('PATCH', milestonePath(request), { json: fields(request) });
      return { data: asMilestone(request, context, data) };
    },
  ),
  'GET /repos/{owner}/{repo}/milestones/{milestone_number}/labels': emulated(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues',
    'Gathered from its newest 2,000 issues.',
    async (request, context) => pageIn(request, await labelsOfMilestone(request, context)),
  ),
  'DELETE /repos/{owner}/{repo}/milestones/{milestone_number}': exact(
    'idempotent',
    'issue: DELETE /repos/{owner}/{repo}/milestones/{id}',
    async (request, context) => {
      await context.native.get(milestonePath(request));
      await context.native.send('DELETE', milestonePath(request));
      return { status: 204 };
    },
  ),
};
