/** Who may be and who is assigned. The forge only knows the whole list. */
import { notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { inputOf, issuePath, objectOf, objectsOf, param, repoPath, textOf, textsOf } from './native.js';
import { asIssue, asUser } from './objects.js';
import { pageIn } from './pages.js';
import { emulated, exact } from './row.js';

const logins = (value: unknown): string[] => objectsOf(value).map((user) => textOf(user, 'login'));

const assignable = async (request: RouteRequest, context: RouteContext) =>
  objectsOf(await context.native.get(`${repoPath(request)}/assignees`));

const has = (names: readonly string[], name: string): boolean =>
  names.some((one) => one.toLowerCase() === name.toLowerCase());

async function change(request: RouteRequest, context: RouteContext, how: 'add' | 'remove') {
  const named = textsOf(inputOf(request, 'assignees'));
  const before = logins(objectOf(await context.native.get(issuePath(request))).assignees);
  // Whoever cannot be assigned is left out without a word, as on GitHub.
  const able = how === 'add' && named.length > 0 ? logins(await assignable(request, context)) : [];
  const after =
    how === 'remove'
      ? before.filter((login) => !has(named, login))
      : [...before, ...named.filter((login) => !has(before, login) && has(able, login))];
  if (after.length !== before.length)
    await context.native.send('PATCH', issuePath(request), { json: { assignees: after } });
  const data = asIssue(request, context, await context.native.get(issuePath(request)));
  return { status: how === 'add' ? 201 : 200, data };
}

async function check(request: RouteRequest, context: RouteContext) {
  if (!has(logins(await assignable(request, context)), param(request, 'assignee'))) throw notFound();
  return { status: 204 };
}

const WHOLE_LIST = 'The whole list is read and written anew.';

export const assignees: RouteTable = {
  'GET /repos/{owner}/{repo}/assignees': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/assignees',
    async (request, context) =>
      pageIn(
        request,
        (await assignable(request, context)).map((native) => asUser(context, native)),
      ),
  ),
  'GET /repos/{owner}/{repo}/assignees/{assignee}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/assignees',
    check,
  ),
  'GET /repos/{owner}/{repo}/issues/{issue_number}/assignees/{assignee}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/assignees',
    async (request, context) => {
      await context.native.get(issuePath(request));
      return check(request, context);
    },
  ),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/assignees': emulated(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/issues/{index}',
    WHOLE_LIST,
    (request, context) => change(request, context, 'add'),
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees': emulated(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/issues/{index}',
    WHOLE_LIST,
    (request, context) => change(request, context, 'remove'),
  ),
};
