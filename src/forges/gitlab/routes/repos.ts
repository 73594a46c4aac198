import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/repository.js';
import { nativeProject, repositoryInput } from '../convert/project.js';
import { read } from '../convert/read.js';
import { groupPath } from '../references.js';
import { accept, type Place, page, param, placeOf, projectAt } from './place.js';

/** As where one is read. `data` is what GitLab answered about it. */
export const shownRepository = (context: RouteContext, data: unknown): JsonObject => {
  const project = read(nativeProject, data, 'project');
  const input = repositoryInput(project);
  // GitHub tells the first of a row of forks as well; what is known here is the one before.
  const origin = nativeProject.safeParse(project.forked_from_project);
  const parent = origin.success ? shape.repository(context.base, repositoryInput(origin.data)) : undefined;
  const kind = input.owner.type === 'Organization' ? { organization: shape.repository(context.base, input).owner } : {};
  return {
    ...shape.repository(context.base, input),
    ...kind,
    ...(parent && { parent, source: parent }),
    network_count: project.forks_count ?? 0,
    subscribers_count: 0,
  };
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /projects/:id',
  run: async (request, context) => ({ data: shownRepository(context, await context.native.get(placeOf(request).api)) }),
};

export const wish = z.looseObject({
  name: z.string().min(1).optional(),
  description: z.string().nullish(),
  private: z.boolean().optional(),
  visibility: z.enum(['public', 'private', 'internal']).optional(),
  has_issues: z.boolean().optional(),
  has_wiki: z.boolean().optional(),
  default_branch: z.string().optional(),
  allow_squash_merge: z.boolean().optional(),
  allow_merge_commit: z.boolean().optional(),
  allow_rebase_merge: z.boolean().optional(),
  delete_branch_on_merge: z.boolean().optional(),
  archived: z.boolean().optional(),
  topics: z.array(z.string()).optional(),
});
type Wish = z.output<typeof wish>;

const access = (on: boolean | undefined): string | undefined =>
  on === undefined ? undefined : on ? 'enabled' : 'disabled';

/** GitLab has one method per project: a merge commit, one after a rebase, or none. */
function mergeMethod({ allow_merge_commit: commit, allow_rebase_merge: rebase }: Wish): string | undefined {
  if (commit === undefined && rebase === undefined) return undefined;
  if (commit === false) return 'ff';
  return rebase === true && commit === undefined ? undefined : 'merge';
}

/** As GitLab's fields; undefined for what is not wished. */
export const native = (body: Wish) => ({
  name: body.name,
  path: body.name,
  description: body.description ?? (body.description === null ? '' : undefined),
  visibility: body.visibility ?? (body.private === undefined ? undefined : body.private ? 'private' : 'public'),
  issues_access_level: access(body.has_issues),
  wiki_access_level: access(body.has_wiki),
  default_branch: body.default_branch,
  squash_option: body.allow_squash_merge === undefined ? undefined : body.allow_squash_merge ? 'default_off' : 'never',
  merge_method: mergeMethod(body),
  remove_source_branch_after_merge: body.delete_branch_on_merge,
  topics: body.topics,
});

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'projects: PUT /projects/:id, POST /projects/:id/archive, POST /projects/:id/unarchive',
  note: 'GitLab has one merge method per project, and no homepage, projects or template switch.',
  async run(request, context) {
    const { api } = placeOf(request);
    const body = accept('Repository', wish, request.body);
    const json = native(body);
    const isEmpty = Object.values(json).every((value) => value === undefined);
    const changed = isEmpty ? await context.native.get(api) : (await context.native.send('PUT', api, { json })).data;
    const project = read(nativeProject, changed, 'project');
    if (body.archived === undefined || body.archived === (project.archived ?? false))
      return { data: shownRepository(context, project) };
    const verb = body.archived ? 'archive' : 'unarchive';
    return {
      data: shownRepository(context, (await context.native.send('POST', `/projects/${project.id}/${verb}`)).data),
    };
  },
};

const topicsOf = async (context: RouteContext, place: Place): Promise<string[]> => {
  const { topics } = await projectAt(context, place.api);
  return topics ?? [];
};

const getTopics: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /projects/:id',
  run: async (request, context) => ({ data: { names: await topicsOf(context, placeOf(request)) } }),
};

const putTopics: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'projects: PUT /projects/:id with topics',
  async run(request, context) {
    const { names } = accept('Topics', z.looseObject({ names: z.array(z.string()) }), request.body);
    const { data } = await context.native.send('PUT', placeOf(request).api, { json: { topics: names } });
    return { data: { names: read(nativeProject, data, 'project').topics ?? [] } };
  },
};

const ofOrganization: Route = {
  support: 'exact',
  retry: 'read',
  source: 'groups: GET /groups/:id/projects',
  async run(request, context) {
    const path = `/groups/${segment(groupPath(param(request, 'org')))}/projects`;
    const { items, pages } = await page(request, context, path, nativeProject);
    return { data: items.map((project) => shape.minimalRepository(context.base, repositoryInput(project))), pages };
  },
};

export const repos: RouteTable = {
  'GET /repos/{owner}/{repo}': get,
  'PATCH /repos/{owner}/{repo}': update,
  'GET /repos/{owner}/{repo}/topics': getTopics,
  'PUT /repos/{owner}/{repo}/topics': putTopics,
  'GET /orgs/{org}/repos': ofOrganization,
};
