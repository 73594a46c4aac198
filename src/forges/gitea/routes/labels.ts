/** Labels of a repository and of an issue. */
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { allLabels, type KnownLabel, labelIds, labelNamed, labelNames, NEW_LABEL_COLOR } from './label-index.js';
import { idOf, issuePath, objectsOf, param, repoPath, textInput, textOf, wishes } from './native.js';
import { asLabel } from './objects.js';
import { pageIn } from './pages.js';
import { emulated, exact } from './row.js';

const BY_NAME =
  "Labels are named by number on the server; names are looked up among the repository's and the organization's.";

const issueLabels = async (request: RouteRequest, context: RouteContext) =>
  objectsOf(await context.native.get(`${issuePath(request)}/labels`));

async function one(request: RouteRequest, context: RouteContext): Promise<KnownLabel> {
  const found = labelNamed(await allLabels(request, context), param(request, 'name'));
  if (found === undefined) throw notFound();
  return found;
}

/** `#` and six digits. @throws RouteFailure 422 */
function colorOf(value: string): string {
  const digits = value.replace(/^#/, '').toLowerCase();
  if (!/^[0-9a-f]{6}$/.test(digits)) throw invalid('Label', 'color', 'invalid');
  return `#${digits}`;
}

async function create(request: RouteRequest, context: RouteContext) {
  const name = textInput(request, 'name');
  if (!name?.trim()) throw invalid('Label', 'name', 'missing_field');
  const color = colorOf(textInput(request, 'color') ?? NEW_LABEL_COLOR);
  // The forge takes two labels of one name; GitHub does not.
  if (labelNamed(await allLabels(request, context), name)) throw invalid('Label', 'name', 'already_exists');
  const json = wishes({ name, color, description: textInput(request, 'description') });
  const { data } = await context.native.send('POST', `${repoPath(request)}/labels`, { json });
  return { status: 201, data: asLabel(request, context, data) };
}

async function update(request: RouteRequest, context: RouteContext) {
  const label = await one(request, context);
  const name = textInput(request, 'new_name');
  const color = textInput(request, 'color');
  const json = wishes({
    name,
    color: color === undefined ? undefined : colorOf(color),
    description: textInput(request, 'description'),
  });
  const { data } = await context.native.send('PATCH', label.path, { json });
  return { data: asLabel(request, context, data) };
}

async function write(method: 'POST' | 'PUT', request: RouteRequest, context: RouteContext) {
  // Some clients send the bare list, which arrives as an object of numbered keys or as the body itself.
  const names = labelNames(Array.isArray(request.body) ? request.body : (request.body.labels ?? []));
  const labels = await labelIds(request, context, names);
  const { data } = await context.native.send(method, `${issuePath(request)}/labels`, { json: { labels } });
  return { data: objectsOf(data).map((native) => asLabel(request, context, native)) };
}

async function remove(request: RouteRequest, context: RouteContext) {
  const labels = (await issueLabels(request, context)).map((native) => ({ native, name: textOf(native, 'name') }));
  const label = labelNamed(labels, param(request, 'name'));
  if (label === undefined) throw new RouteFailure(404, 'Label does not exist');
  await context.native.send('DELETE', `${issuePath(request)}/labels/${idOf(label.native)}`);
  return { data: labels.filter((other) => other !== label).map(({ native }) => asLabel(request, context, native)) };
}

export const labels: RouteTable = {
  'GET /repos/{owner}/{repo}/labels': emulated(
    'read',
    'issue: GET /repos/{owner}/{repo}/labels; organization: GET /orgs/{org}/labels',
    "The organization's labels follow those of the repository.",
    async (request, context) =>
      pageIn(
        request,
        (await allLabels(request, context)).map(({ native }) => asLabel(request, context, native)),
      ),
  ),
  'POST /repos/{owner}/{repo}/labels': exact('findable', 'issue: POST /repos/{owner}/{repo}/labels', create),
  'GET /repos/{owner}/{repo}/labels/{name}': emulated(
    'read',
    'issue: GET /repos/{owner}/{repo}/labels',
    BY_NAME,
    async (request, context) => ({ data: asLabel(request, context, (await one(request, context)).native) }),
  ),
  'PATCH /repos/{owner}/{repo}/labels/{name}': emulated(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/labels/{id}',
    BY_NAME,
    update,
  ),
  'DELETE /repos/{owner}/{repo}/labels/{name}': emulated(
    'idempotent',
    'issue: DELETE /repos/{owner}/{repo}/labels/{id}',
    BY_NAME,
    async (request, context) => {
      await context.native.send('DELETE', (await one(request, context)).path);
      return { status: 204 };
    },
  ),
  'GET /repos/{owner}/{repo}/issues/{issue_number}/labels': exact(
    'read',
    'issue: GET /repos/{owner}/{repo}/issues/{index}/labels',
    async (request, context) =>
      pageIn(
        request,
        (await issueLabels(request, context)).map((native) => asLabel(request, context, native)),
      ),
  ),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/labels': emulated(
    'idempotent',
    'issue: POST /repos/{owner}/{repo}/issues/{index}/labels',
    BY_NAME,
    (request, context) => write('POST', request, context),
  ),
  'PUT /repos/{owner}/{repo}/issues/{issue_number}/labels': emulated(
    'idempotent',
    'issue: PUT /repos/{owner}/{repo}/issues/{index}/labels',
    BY_NAME,
    (request, context) => write('PUT', request, context),
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}': emulated(
    'idempotent',
    'issue: DELETE /repos/{owner}/{repo}/issues/{index}/labels/{id}',
    BY_NAME,
    remove,
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels': exact(
    'idempotent',
    'issue: DELETE /repos/{owner}/{repo}/issues/{index}/labels',
    async (request, context) => {
      await context.native.send('DELETE', `${issuePath(request)}/labels`);
      return { status: 204 };
    },
  ),
};
