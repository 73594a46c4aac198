/** Repositories that are made: forks, and those of a group or of the token's own account. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { type Route, type RouteContext, RouteFailure, type RouteTable } from '../../kit/route.js';
import { id } from '../convert/read.js';
import { groupPath } from '../references.js';
import { accept, param, placeOf, projectAt } from './place.js';
import { native, shownRepository, wish } from './repos.js';

const forkWish = z.looseObject({
  organization: z.string().min(1).nullish(),
  name: z.string().min(1).nullish(),
  default_branch_only: z.boolean().nullish(),
});

/** GitLab copies it in the background, as GitHub does. */
const fork: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'project_forks: POST /projects/:id/fork',
  async run(request, context) {
    const place = placeOf(request);
    const { organization, name, default_branch_only: alone } = accept('Fork', forkWish, request.body);
    const branches = alone ? (await projectAt(context, place.api)).default_branch : undefined;
    const json = {
      ...(organization && { namespace_path: groupPath(organization) }),
      ...(name && { name, path: name }),
      ...(branches && { branches }),
    };
    const { data } = await context.native.send('POST', `${place.api}/fork`, { json });
    return { status: 202, data: shownRepository(context, data) };
  },
};

const newWish = wish.extend({ name: z.string().min(1), auto_init: z.boolean().optional() });

async function made(context: RouteContext, body: JsonObject, namespace?: number | string) {
  const wished = accept('Repository', newWish, body);
  const { default_branch: branch, ...fields } = native(wished);
  const json = Object.fromEntries(
    Object.entries({
      ...fields,
      // GitHub's are public unless somebody says otherwise.
      visibility: fields.visibility ?? 'public',
      namespace_id: namespace,
      // Only a first commit makes a branch.
      ...(wished.auto_init && { initialize_with_readme: true, default_branch: branch }),
    }).filter(([, value]) => value !== undefined),
  );
  const { data } = await context.native.send('POST', '/projects', { json });
  return { status: 201, data: shownRepository(context, data) };
}

const ofOrganization: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'groups: GET /groups/:id; projects: POST /projects',
  async run(request, context) {
    const path = `/groups/${segment(groupPath(param(request, 'org')))}`;
    const group = z.looseObject({ id }).safeParse(await context.native.get(path));
    if (!group.success) throw new RouteFailure(502, 'GitLab’s group was not understood: it has no id.');
    return made(context, request.body, group.data.id);
  },
};

const own: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'projects: POST /projects',
  run: (request, context) => made(context, request.body),
};

export const newRepos: RouteTable = {
  'POST /repos/{owner}/{repo}/forks': fork,
  'POST /orgs/{org}/repos': ofOrganization,
  'POST /user/repos': own,
};
