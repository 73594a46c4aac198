/** Repositories and their settings. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { invalid, notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { repository } from '../../kit/shapes/repository.js';
import { repositoryIfTold } from '../convert/repository.js';
import {
  folderEntries,
  listOf,
  numberParam,
  objectOf,
  param,
  repoPath,
  textInput,
  textOf,
  textsOf,
  wishes,
} from './native.js';
import { asRepository } from './objects.js';
import { pageOf } from './pages.js';
import { emulated, exact } from './row.js';

/** Topics stand in the repository on GitHub, and behind a call of their own on older servers. */
async function get(request: RouteRequest, context: RouteContext) {
  const native = objectOf(await context.native.get(repoPath(request)));
  const topics = native.topics ?? objectOf(await context.native.find(`${repoPath(request)}/topics`)).topics;
  return { data: withParent(context, { ...native, topics }) };
}

/** GitHub tells the first of a row of forks as well; what is known here is the one before. */
function withParent(context: RouteContext, native: JsonObject): JsonObject {
  const input = repositoryIfTold(native.parent);
  const parent = input && repository(context.base, input);
  return { ...asRepository(context, native), ...(parent && { parent, source: parent }) };
}

/** GitHub's settings by the forge's names; what has none is left alone. */
function settings(body: JsonObject): JsonObject {
  const flag = (name: string) => (typeof body[name] === 'boolean' ? body[name] : undefined);
  const text = (name: string) => (typeof body[name] === 'string' ? body[name] : body[name] === null ? '' : undefined);
  return wishes({
    name: text('name') || undefined,
    description: text('description'),
    website: text('homepage'),
    private: flag('private') ?? (body.visibility === undefined ? undefined : body.visibility !== 'public'),
    default_branch: text('default_branch') || undefined,
    archived: flag('archived'),
    has_issues: flag('has_issues'),
    has_wiki: flag('has_wiki'),
    has_projects: flag('has_projects'),
    template: flag('is_template'),
    allow_merge_commits: flag('allow_merge_commit'),
    allow_squash_merge: flag('allow_squash_merge'),
    allow_rebase: flag('allow_rebase_merge'),
    default_delete_branch_after_merge: flag('delete_branch_on_merge'),
  });
}

async function update(request: RouteRequest, context: RouteContext) {
  const { data } = await context.native.send('PATCH', repoPath(request), { json: settings(request.body) });
  return { data: asRepository(context, data) };
}

async function create(path: string, request: RouteRequest, context: RouteContext) {
  const name = textInput(request, 'name');
  if (!name) throw invalid('Repository', 'name', 'missing_field');
  const { body } = request;
  const json = wishes({
    name,
    description: textInput(request, 'description'),
    private: body.private === true || body.visibility === 'private',
    auto_init: body.auto_init === true,
  });
  const { data } = await context.native.send('POST', path, { json });
  return { status: 201, data: asRepository(context, data) };
}

async function setTopics(request: RouteRequest, context: RouteContext) {
  if (!Array.isArray(request.body.names)) throw invalid('Repository', 'names', 'missing_field');
  const names = textsOf(request.body.names).map((name) => name.toLowerCase());
  await context.native.send('PUT', `${repoPath(request)}/topics`, { json: { topics: names } });
  return { data: { names } };
}

async function getTopics(request: RouteRequest, context: RouteContext) {
  const native = objectOf(await context.native.get(`${repoPath(request)}/topics`, { page: 1, limit: 50 }));
  return { data: { names: textsOf(listOf(native.topics)) } };
}

/** Files that GitHub looks for, in the root or `.github`. */
const PROFILE: Readonly<Record<string, RegExp>> = {
  code_of_conduct_file: /^code_of_conduct/i,
  contributing: /^contributing/i,
  license: /^(?:licen[cs]e|copying)/i,
  readme: /^readme/i,
  pull_request_template: /^pull_request_template/i,
};

async function community(request: RouteRequest, context: RouteContext) {
  const repository = objectOf(await context.native.get(repoPath(request)));
  const folders = [`${repoPath(request)}/contents`, `${repoPath(request)}/contents/.github`];
  const entries = (await Promise.all(folders.map((path) => context.native.find(path)))).flatMap(folderEntries);
  const api = `${context.base.api}${repoPath(request)}`;
  const found = Object.entries(PROFILE).map(([key, pattern]) => {
    const entry = entries.find((one) => pattern.test(textOf(one, 'name')));
    return [
      key,
      entry ? { url: `${api}/contents/${textOf(entry, 'path')}`, html_url: textOf(entry, 'html_url') } : null,
    ] as const;
  });
  const files = Object.fromEntries(found);
  const share = found.filter(([, value]) => value !== null).length / found.length;
  return {
    data: {
      health_percentage: Math.round(share * 100),
      description: textOf(repository, 'description') || null,
      documentation: null,
      files: { code_of_conduct: null, issue_template: null, ...files },
      updated_at: null,
      content_reports_enabled: false,
    },
  };
}

async function fork(request: RouteRequest, context: RouteContext) {
  const json = wishes({ organization: textInput(request, 'organization'), name: textInput(request, 'name') });
  const { data } = await context.native.send('POST', `${repoPath(request)}/forks`, { json });
  return { status: 202, data: withParent(context, objectOf(data)) };
}

export const repositories: RouteTable = {
  'GET /repos/{owner}/{repo}': exact('read', 'repository: GET /repos/{owner}/{repo}', get),
  'GET /repositories/{repository_id}': exact(
    'read',
    'repository: GET /repositories/{id}',
    async (request, context) => ({
      data: asRepository(context, await context.native.get(`/repositories/${numberParam(request, 'repository_id')}`)),
    }),
  ),
  'PATCH /repos/{owner}/{repo}': exact('idempotent', 'repository: PATCH /repos/{owner}/{repo}', update),
  'DELETE /repos/{owner}/{repo}': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}',
    async (request, context) => {
      if ((await context.native.find(repoPath(request))) === undefined) throw notFound();
      await context.native.send('DELETE', repoPath(request));
      return { status: 204 };
    },
  ),
  'POST /user/repos': exact('findable', 'repository: POST /user/repos', (request, context) =>
    create('/user/repos', request, context),
  ),
  'POST /orgs/{org}/repos': exact('findable', 'organization: POST /orgs/{org}/repos', (request, context) =>
    create(`/orgs/${segment(param(request, 'org'))}/repos`, request, context),
  ),
  'GET /repos/{owner}/{repo}/topics': exact('read', 'repository: GET /repos/{owner}/{repo}/topics', getTopics),
  'PUT /repos/{owner}/{repo}/topics': exact('idempotent', 'repository: PUT /repos/{owner}/{repo}/topics', setTopics),
  'GET /repos/{owner}/{repo}/languages': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/languages',
    async (request, context) => ({
      data: objectOf(await context.native.get(`${repoPath(request)}/languages`)),
    }),
  ),
  'GET /repos/{owner}/{repo}/forks': exact('read', 'repository: GET /repos/{owner}/{repo}/forks', (request, context) =>
    pageOf(request, context, `${repoPath(request)}/forks`, {}, (native) => asRepository(context, native)),
  ),
  'POST /repos/{owner}/{repo}/forks': exact('findable', 'repository: POST /repos/{owner}/{repo}/forks', fork),
  'GET /repos/{owner}/{repo}/community/profile': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/contents',
    'By the names of files in the root and in .github.',
    community,
  ),
};
