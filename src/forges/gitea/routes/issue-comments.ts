/** Comments in issues and in the conversation of pull requests. */
import { invalid, notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { issuePath, listOf, numberParam, objectOf, repoPath, textIn, textInput, textOf } from './native.js';
import { asComment } from './objects.js';
import { everything, pageIn, pageOf } from './pages.js';
import { emulated, exact } from './row.js';

const commentPath = (request: RouteRequest): string =>
  `${repoPath(request)}/issues/comments/${numberParam(request, 'comment_id')}`;

function bodyOf(request: RouteRequest): string {
  const body = textInput(request, 'body');
  if (body === undefined || body.trim() === '') throw invalid('IssueComment', 'body', 'missing_field');
  return body;
}

async function list(request: RouteRequest, context: RouteContext) {
  const number = numberParam(request, 'issue_number');
  // The forge knows no pages here and answers all of them, the oldest first.
  const all = await context.native.get(`${issuePath(request)}/comments`, { since: textIn(request.query, 'since') });
  return pageIn(
    request,
    listOf(all).map((one) => asComment(request, context, one, number)),
  );
}

async function listForRepository(request: RouteRequest, context: RouteContext) {
  const { sort, direction } = request.query;
  const path = `${repoPath(request)}/issues/comments`;
  const query = { since: textIn(request.query, 'since') };
  const convert = (native: unknown) => asComment(request, context, native);
  if (sort === undefined && direction === undefined) return pageOf(request, context, path, query, convert);
  const key = sort === 'updated' ? 'updated_at' : 'created_at';
  const all = (await everything(context, path, query))
    .map(objectOf)
    .sort((a, b) => Date.parse(textOf(a, key)) - Date.parse(textOf(b, key)));
  return pageIn(request, (direction === 'asc' ? all : all.reverse()).map(convert));
}

export const issueComments: RouteTable = {
  'GET /repos/{owner}/{repo}/issues/{issue_number}/comments': exact(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues/{index}/comments',
    list,
  ),
  'GET /repos/{owner}/{repo}/issues/comments': exact(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues/comments',
    listForRepository,
  ),
  'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': exact(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues/comments/{id}',
    async (request, context) => {
      const native = await context.native.get(commentPath(request));
      // 204 for an id that is of an event in the timeline.
      if (native === undefined) throw notFound();
      return { data: asComment(request, context, native) };
    },
  ),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/comments': exact(
    'findable',
    'issue: POST /repos/{owner}/{repo}/issues/{index}/comments',
    async (request, context) => {
      const { data } = await context.native.send('POST', `${issuePath(request)}/comments`, {
        json: { body: bodyOf(request) },
      });
      return { status: 201, data: asComment(request, context, data, numberParam(request, 'issue_number')) };
    },
  ),
  'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}': exact(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/issues/comments/{id}',
    async (request, context) => {
      const { data } = await context.native.send('PATCH', commentPath(request), { json: { body: bodyOf(request) } });
      if (data === undefined) throw notFound();
      return { data: asComment(request, context, data) };
    },
  ),
  'DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}': emulated(
    'idempotent',
    'issue: DELETE /repos/{owner}/{repo}/issues/comments/{id}',
    'Asks for the comment first, since the server says 204 to an id that is of no comment.',
    async (request, context) => {
      if ((await context.native.get(commentPath(request))) === undefined) throw notFound();
      await context.native.send('DELETE', commentPath(request));
      return { status: 204 };
    },
  ),
};
