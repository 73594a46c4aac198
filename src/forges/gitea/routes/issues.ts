/** Issues. Pull requests are among them, as on GitHub. */
import type { JsonObject } from '../../forge.js';
import { invalid, type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { labelIds, labelNames } from './label-index.js';
import {
  failedWith,
  issuePath,
  listOf,
  objectsOf,
  repoPath,
  textIn,
  textInput,
  textOf,
  textsOf,
  wishes,
} from './native.js';
import { asIssue } from './objects.js';
import { everything, pageIn, pageOf } from './pages.js';
import { emulated, exact } from './row.js';

const issuesPath = (request: RouteRequest): string => `${repoPath(request)}/issues`;

/** What the forge cannot ask for: "any" and "none". */
function keep(request: RouteRequest): (issue: JsonObject) => boolean {
  const { assignee, milestone } = request.query;
  const has = (wish: string | undefined, there: boolean) => (wish === '*' ? there : wish === 'none' ? !there : true);
  return (issue) =>
    has(assignee, listOf(issue.assignees).length > 0 || issue.assignee != null) &&
    has(milestone, issue.milestone != null);
}

const ORDER: Readonly<Record<string, (issue: JsonObject) => number>> = {
  created: (issue) => Date.parse(textOf(issue, 'created_at')),
  updated: (issue) => Date.parse(textOf(issue, 'updated_at')),
  comments: (issue) => Number(issue.comments) || 0,
};

async function list(request: RouteRequest, context: RouteContext) {
  const { state = 'open', sort = 'created', direction = 'desc', milestone, assignee } = request.query;
  const isWord = (wish: string | undefined) => wish === '*' || wish === 'none';
  const query = {
    state,
    labels: textIn(request.query, 'labels'),
    since: textIn(request.query, 'since'),
    created_by: textIn(request.query, 'creator'),
    mentioned_by: textIn(request.query, 'mentioned'),
    assigned_by: isWord(assignee) ? undefined : assignee,
    milestones: isWord(milestone) ? undefined : milestone,
  };
  const convert = (native: unknown) => asIssue(request, context, native);
  // The forge answers the newest first and nothing else.
  if (sort === 'created' && direction === 'desc' && !isWord(milestone) && !isWord(assignee))
    return pageOf(request, context, issuesPath(request), query, convert);
  const key = ORDER[sort] ?? ORDER.created;
  const all = objectsOf(await everything(context, issuesPath(request), query)).filter(keep(request));
  const way = direction === 'asc' ? 1 : -1;
  // The server dates to the second: of what is equally old the number tells which came first.
  if (key) all.sort((a, b) => way * (key(a) - key(b) || Number(a.number) - Number(b.number)));
  return pageIn(request, all.map(convert));
}

/** Logins of a body that may name one or many. */
export function assigneesIn(body: JsonObject): string[] | undefined {
  if (Array.isArray(body.assignees)) return textsOf(body.assignees);
  if (typeof body.assignee === 'string') return body.assignee === '' ? [] : [body.assignee];
  return body.assignee === null ? [] : undefined;
}

function milestoneIn(body: JsonObject): number | undefined {
  if (body.milestone === null) return 0;
  const number = Number(body.milestone);
  return body.milestone === undefined || !Number.isSafeInteger(number) ? undefined : number;
}

async function create(request: RouteRequest, context: RouteContext) {
  const { body } = request;
  const title = typeof body.title === 'number' ? String(body.title) : textInput(request, 'title');
  if (!title?.trim()) throw invalid('Issue', 'title', 'missing_field');
  const labels = body.labels === undefined ? undefined : await labelIds(request, context, labelNames(body.labels));
  const json = wishes({
    title,
    body: textInput(request, 'body'),
    assignees: assigneesIn(body),
    milestone: milestoneIn(body) || undefined,
    labels,
  });
  try {
    const { data } = await context.native.send('POST', issuesPath(request), { json });
    return { status: 201, data: asIssue(request, context, data) };
  } catch (error) {
    await checkMilestone(request, context, error, json);
    throw error;
  }
}

/** The server takes a milestone that is not there for a missing page, or for its own fault. */
async function checkMilestone(request: RouteRequest, context: RouteContext, error: unknown, fields: JsonObject) {
  if (!failedWith(error, 404, 422, 500) || !fields.milestone) return;
  await context.native.get(repoPath(request));
  if ((await context.native.find(`${repoPath(request)}/milestones/${fields.milestone}`)) === undefined)
    throw invalid('Issue', 'milestone', 'invalid');
}

/** The server takes somebody who cannot be assigned for its own fault. */
async function checkAssignees(request: RouteRequest, context: RouteContext, error: unknown, fields: JsonObject) {
  if (!failedWith(error, 422, 500) || fields.assignees === undefined) return;
  const able = objectsOf(await context.native.find(`${repoPath(request)}/assignees`)).map((one) =>
    textOf(one, 'login'),
  );
  if (textsOf(fields.assignees).some((login) => !able.includes(login))) throw invalid('Issue', 'assignees', 'invalid');
}

async function update(request: RouteRequest, context: RouteContext) {
  const { body } = request;
  const fields = wishes({
    title: textInput(request, 'title'),
    body: body.body === null ? '' : textInput(request, 'body'),
    state: textInput(request, 'state'),
    assignees: assigneesIn(body),
    milestone: milestoneIn(body),
  });
  if (fields.state !== undefined && fields.state !== 'open' && fields.state !== 'closed')
    throw invalid('Issue', 'state', 'invalid');
  if (body.labels !== undefined) {
    const labels = await labelIds(request, context, labelNames(body.labels));
    await context.native.send('PUT', `${issuePath(request)}/labels`, { json: { labels } });
  }
  if (Object.keys(fields).length > 0) {
    try {
      await context.native.send('PATCH', issuePath(request), { json: fields });
    } catch (error) {
      // An issue that is not there is a 404 on GitHub too.
      if (failedWith(error, 404)) await context.native.get(issuePath(request));
      await checkAssignees(request, context, error, fields);
      await checkMilestone(request, context, error, fields);
      // An issue that others must be closed before.
      if (failedWith(error, 409, 412)) throw invalid('Issue', 'state', 'custom', error.message);
      throw error;
    }
  }
  return { data: asIssue(request, context, await context.native.get(issuePath(request))) };
}

const LOCK = 'From Gitea 1.24 on; older servers and Forgejo have no such call and answer 501.';

async function lock(request: RouteRequest, context: RouteContext, locked: boolean) {
  await context.native.get(issuePath(request));
  const reason = textInput(request, 'lock_reason');
  try {
    await context.native.send(locked ? 'PUT' : 'DELETE', `${issuePath(request)}/lock`, {
      ...(locked && { json: wishes({ lock_reason: reason }) }),
    });
  } catch (error) {
    // The issue is there, so it is the call that is not.
    if (failedWith(error, 404, 405))
      throw new RouteFailure(501, 'This server cannot lock conversations: Gitea 1.24 can.');
    throw error;
  }
  return { status: 204 };
}

export const issues: RouteTable = {
  'GET /repos/{owner}/{repo}/issues': exact('read', 'issue: GET /repos/{owner}/{repo}/issues', list),
  'GET /repos/{owner}/{repo}/issues/{issue_number}': exact(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues/{index}',
    async (request, context) => ({ data: asIssue(request, context, await context.native.get(issuePath(request))) }),
  ),
  'POST /repos/{owner}/{repo}/issues': exact('findable', 'issue: POST /repos/{owner}/{repo}/issues', create),
  'PATCH /repos/{owner}/{repo}/issues/{issue_number}': emulated(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/issues/{index}, PUT /repos/{owner}/{repo}/issues/{index}/labels',
    'Labels are set by a call of their own; the reason for closing is kept by Forgeway.',
    update,
  ),
  'PUT /repos/{owner}/{repo}/issues/{issue_number}/lock': emulated(
    'idempotent',
    'issue: PUT /repos/{owner}/{repo}/issues/{index}/lock',
    LOCK,
    (request, context) => lock(request, context, true),
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock': emulated(
    'idempotent',
    'issue: DELETE /repos/{owner}/{repo}/issues/{index}/lock',
    LOCK,
    (request, context) => lock(request, context, false),
  ),
};
