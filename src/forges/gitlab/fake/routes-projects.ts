/** Projects and what belongs to them: members, labels, milestones, releases, protections, shares. */
import type { EditProjectOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import {
  actorOf,
  allMembers,
  groupFor,
  MAINTAINER,
  paged,
  paging,
  pagingOnly,
  parametersOf,
  projectFor,
  refuse,
} from './declare.js';
import { member, project as shown } from './present.js';
import { type Project, userById, type World } from './state.js';

const text = z.string().optional();
const level = z.enum(['disabled', 'private', 'enabled']).optional();
/** What is said of a project when it is made, and whenever it is edited. */
export const projectSettings = {
  name: text,
  path: text,
  description: text,
  visibility: z.enum(['public', 'internal', 'private']).optional(),
  default_branch: text,
  issues_access_level: level,
  wiki_access_level: level,
  squash_option: z.enum(['never', 'always', 'default_on', 'default_off']).optional(),
  merge_method: z.enum(['merge', 'rebase_merge', 'ff']).optional(),
  remove_source_branch_after_merge: z.boolean().optional(),
  topics: z.array(z.string()).optional(),
};
const edit = parametersOf<EditProjectOptions>()(projectSettings);

const showFor = (world: World, project: Project, request: FakeRequest) =>
  shown(world, project, allMembers(world, { project }).get(actorOf(request).id) ?? 0);

function projectRoutes(world: World): FakeRoute[] {
  const archive = (verb: 'archive' | 'unarchive'): FakeRoute => ({
    method: 'POST',
    path: `/projects/:id/${verb}`,
    source: `projects: POST /projects/:id/${verb}`,
    run(request) {
      const project = projectFor(world, request, MAINTAINER);
      project.archived = verb === 'archive';
      return { status: 201, json: showFor(world, project, request) };
    },
  });
  return [
    {
      method: 'GET',
      path: '/projects',
      source: 'projects: GET /projects',
      query: z.strictObject({
        ...paging,
        membership: parameter.flag.optional(),
        simple: parameter.flag.optional(),
        archived: parameter.flag.optional(),
        min_access_level: parameter.integer.optional(),
        order_by: text,
        sort: text,
        search: text,
        pagination: text,
        id_after: parameter.integer.optional(),
      }),
      run(request) {
        const least = Number(request.query.get('min_access_level') ?? 0);
        const mine = (project: Project) =>
          (allMembers(world, { project }).get(actorOf(request).id) ?? 0) >= Math.max(1, least);
        const onlyMine = ['true', '1'].includes(request.query.get('membership') ?? '') || least > 0;
        const after = Number(request.query.get('id_after') ?? 0);
        const found = world.state.projects.filter(
          (project) =>
            project.id > after && (onlyMine ? mine(project) : project.visibility !== 'private' || mine(project)),
        );
        return paged(
          request,
          found.map((project) => showFor(world, project, request)),
        );
      },
    },
    {
      method: 'GET',
      path: '/projects/:id',
      source: 'projects: GET /projects/:id',
      query: z.strictObject({ statistics: parameter.flag.optional(), license: parameter.flag.optional() }),
      run: (request) => ({ json: showFor(world, projectFor(world, request), request) }),
    },
    {
      method: 'PUT',
      path: '/projects/:id',
      source: 'projects: PUT /projects/:id',
      body: edit,
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const { path, description, visibility, default_branch, topics, ...settings } = request.body as z.output<
          typeof edit
        >;
        if (path !== undefined && path !== project.path) {
          project.fullPath = `${project.fullPath.slice(0, -project.path.length)}${path}`;
          project.path = path;
        }
        project.description = description ?? project.description;
        project.visibility = visibility ?? project.visibility;
        project.defaultBranch = default_branch ?? project.defaultBranch;
        project.topics = topics ?? project.topics;
        Object.assign(project.settings, settings);
        project.updatedAt = world.now();
        return { json: showFor(world, project, request) };
      },
    },
    archive('archive'),
    archive('unarchive'),
    {
      method: 'GET',
      path: '/projects/:id/forks',
      source: 'projects: GET /projects/:id/forks',
      query: z.strictObject({ ...paging, simple: parameter.flag.optional() }),
      run(request) {
        const { id } = projectFor(world, request);
        return paged(
          request,
          world.state.projects
            .filter((project) => project.forkedFromId === id)
            .map((project) => showFor(world, project, request)),
        );
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/languages',
      source: 'projects: GET /projects/:id/languages',
      run(request) {
        projectFor(world, request);
        return { json: { TypeScript: 66.69, Shell: 33.31 } };
      },
    },
    {
      method: 'GET',
      path: '/users/:user/projects',
      source: 'projects: GET /users/:user_id/projects',
      query: pagingOnly,
      run(request) {
        const owner = world.state.users.find(({ id }) => id === Number(request.params.user));
        if (owner === undefined) return refuse(404, '404 User Not Found');
        const theirs = world.state.projects.filter(
          (project) => project.fullPath === `${owner.username}/${project.path}` && project.visibility !== 'private',
        );
        return paged(
          request,
          theirs.map((project) => showFor(world, project, request)),
        );
      },
    },
    {
      method: 'POST',
      path: '/projects/:id/share',
      source: 'projects: POST /projects/:id/share',
      body: z.strictObject({ group_id: z.number().int(), group_access: z.number().int(), expires_at: text }),
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const { group_id: groupId, group_access: access } = request.body as { group_id: number; group_access: number };
        if (!world.state.groups.some(({ id }) => id === groupId)) return refuse(404, '404 Not found');
        if (project.shares.some((share) => share.groupId === groupId))
          return refuse(409, 'Group has already been shared');
        project.shares.push({ groupId, level: access });
        return {
          status: 201,
          json: {
            id: world.nextId(),
            project_id: project.id,
            group_id: groupId,
            group_access: access,
            expires_at: null,
          },
        };
      },
    },
    {
      method: 'DELETE',
      path: '/projects/:id/share/:group',
      source: 'projects: DELETE /projects/:id/share/:group_id',
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const groupId = Number(request.params.group);
        if (!project.shares.some((share) => share.groupId === groupId)) return refuse(404, '404 Not Found');
        project.shares = project.shares.filter((share) => share.groupId !== groupId);
        return { status: 204 };
      },
    },
  ];
}

function memberRoutes(world: World): FakeRoute[] {
  const list = (
    path: string,
    source: string,
    members: (request: FakeRequest) => ReadonlyMap<number, number>,
  ): FakeRoute[] => [
    {
      method: 'GET',
      path,
      source: `members: GET ${source}`,
      query: z.strictObject({ ...paging, query: text }),
      run: (request) =>
        paged(
          request,
          [...members(request)].map(([id, access]) => member(world, id, access)),
        ),
    },
    {
      method: 'GET',
      path: `${path}/:user`,
      source: `members: GET ${source}/:user_id`,
      run(request) {
        const access = members(request).get(Number(request.params.user));
        return access === undefined
          ? refuse(404, '404 Not found')
          : { json: member(world, Number(request.params.user), access) };
      },
    },
  ];
  const access = z
    .number()
    .int()
    .refine((value) => [5, 10, 15, 20, 30, 40, 50].includes(value));
  return [
    ...list('/projects/:id/members/all', '/projects/:id/members/all', (request) =>
      allMembers(world, { project: projectFor(world, request) }),
    ),
    ...list('/projects/:id/members', '/projects/:id/members', (request) => projectFor(world, request).members),
    ...list('/groups/:id/members/all', '/groups/:id/members/all', (request) =>
      allMembers(world, { group: groupFor(world, request) }),
    ),
    {
      method: 'POST',
      path: '/projects/:id/members',
      source: 'members: POST /projects/:id/members',
      body: z.strictObject({ user_id: z.number().int(), access_level: access, expires_at: text }),
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const { user_id: id, access_level: wanted } = request.body as { user_id: number; access_level: number };
        if (project.members.has(id)) return refuse(409, 'Member already exists');
        project.members.set(userById(world, id).id, wanted);
        return { status: 201, json: member(world, id, wanted) };
      },
    },
    {
      method: 'PUT',
      path: '/projects/:id/members/:user',
      source: 'members: PUT /projects/:id/members/:user_id',
      body: z.strictObject({ access_level: access, expires_at: text }),
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const id = Number(request.params.user);
        if (!project.members.has(id)) return refuse(404, '404 Not found');
        const { access_level: wanted } = request.body as { access_level: number };
        project.members.set(id, wanted);
        return { json: member(world, id, wanted) };
      },
    },
    {
      method: 'DELETE',
      path: '/projects/:id/members/:user',
      source: 'members: DELETE /projects/:id/members/:user_id',
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        return project.members.delete(Number(request.params.user)) ? { status: 204 } : refuse(404, '404 Not found');
      },
    },
  ];
}

export const projectAndMemberRoutes = (world: World): FakeRoute[] => [...projectRoutes(world), ...memberRoutes(world)];
