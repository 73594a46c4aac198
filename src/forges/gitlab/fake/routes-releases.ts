/** Releases and protected branches. */
import { createHash } from 'node:crypto';
import type { CreateProtectedBranchOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { refMoved } from './change.js';
import {
  actorOf,
  DEVELOPER,
  MAINTAINER,
  paged,
  paging,
  pagingOnly,
  parametersOf,
  projectFor,
  refuse,
} from './declare.js';
import { releaseHook } from './payload.js';
import { user, webUrl } from './present.js';
import { commit } from './present-git.js';
import { type Project, type Protection, type Release, userById, type World } from './state.js';

const text = z.string().optional();

function releaseRoutes(world: World): FakeRoute[] {
  /** By project, secret and name. */
  const uploads = new Map<string, Buffer>();
  const api = '/projects/:id/releases';
  const show = async (project: Project, of: Release) => ({
    tag_name: of.tag,
    name: of.name,
    description: of.description,
    created_at: of.createdAt,
    released_at: of.releasedAt,
    author: user(world, userById(world, of.authorId)),
    commit: await commit(world, project, (await project.git.resolve(of.tag)) ?? ''),
    upcoming_release: false,
    assets: { count: of.links.length, sources: [], links: of.links },
    _links: { self: `${webUrl(world, project)}/-/releases/${encodeURIComponent(of.tag)}` },
  });
  const found = (project: Project, request: FakeRequest): Release =>
    project.releases.find(({ tag }) => tag === request.params.tag) ?? refuse(404, '404 Not Found');
  const linkIn = (project: Project, request: FakeRequest) => {
    const release = found(project, request);
    const link = release.links.find(({ id }) => String(id) === request.params.link) ?? refuse(404, '404 Not found');
    return { release, link };
  };
  const told = async (project: Project, release: Release, action: string) =>
    world.emit(
      project,
      await releaseHook(world, project, release, action, (await project.git.resolve(release.tag)) ?? ''),
    );
  return [
    {
      method: 'GET',
      path: api,
      source: 'releases: GET /projects/:id/releases',
      query: z.strictObject({
        ...paging,
        order_by: z.enum(['released_at', 'created_at']).optional(),
        sort: z.enum(['asc', 'desc']).optional(),
      }),
      async run(request) {
        const project = projectFor(world, request);
        return paged(request, await Promise.all(project.releases.toReversed().map((one) => show(project, one))));
      },
    },
    {
      method: 'GET',
      path: `${api}/:tag`,
      source: 'releases: GET /projects/:id/releases/:tag_name',
      async run(request) {
        const project = projectFor(world, request);
        return { json: await show(project, found(project, request)) };
      },
    },
    {
      method: 'POST',
      path: api,
      source: 'releases: POST /projects/:id/releases',
      body: z.strictObject({
        tag_name: z.string().min(1),
        name: text,
        description: text,
        ref: text,
        tag_message: text,
        released_at: text,
      }),
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const body = request.body as { tag_name: string; name?: string; description?: string; ref?: string };
        if (project.releases.some(({ tag }) => tag === body.tag_name)) return refuse(409, 'Release already exists');
        const ref = `refs/tags/${body.tag_name}`;
        if ((await project.git.resolve(ref)) === undefined) {
          const target = body.ref === undefined ? undefined : await project.git.resolve(body.ref);
          if (target === undefined) return refuse(422, 'Ref is not specified');
          await project.git.setRef(ref, target);
          await refMoved(world, project, actorOf(request), { ref, before: undefined, after: target });
        }
        const now = world.now();
        const made: Release = {
          tag: body.tag_name,
          name: body.name ?? body.tag_name,
          description: body.description ?? '',
          createdAt: now,
          releasedAt: now,
          authorId: actorOf(request).id,
          links: [],
        };
        project.releases.push(made);
        await told(project, made, 'create');
        return { status: 201, json: await show(project, made) };
      },
    },
    {
      method: 'POST',
      path: '/projects/:id/uploads',
      source: 'project uploads: POST /projects/:id/uploads',
      body: z.instanceof(Buffer),
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const form = await new Response(new Uint8Array(request.raw), { headers: request.headers }).formData();
        const file = form.get('file');
        if (!(file instanceof File)) return refuse(400, 'file is invalid');
        const secret = createHash('md5')
          .update(Buffer.from(await file.arrayBuffer()))
          .digest('hex');
        uploads.set(`${project.id} ${secret} ${file.name}`, Buffer.from(await file.arrayBuffer()));
        const url = `/uploads/${secret}/${file.name}`;
        const full = `/-/project/${project.id}${url}`;
        const markdown = `[${file.name}](${url})`;
        return { status: 201, json: { id: world.nextId(), alt: file.name, url, full_path: full, markdown } };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/uploads/:secret/:name',
      source: 'project uploads: GET /projects/:id/uploads/:secret/:filename',
      run(request) {
        const { secret, name } = request.params;
        const body = uploads.get(`${projectFor(world, request).id} ${secret} ${name}`) ?? refuse(404, '404 Not found');
        return { body, contentType: 'application/octet-stream' };
      },
    },
    {
      method: 'POST',
      path: `${api}/:tag/assets/links`,
      source: 'releases/links: POST /projects/:id/releases/:tag_name/assets/links',
      body: z.strictObject({
        name: z.string().min(1),
        url: z.url(),
        direct_asset_path: text,
        link_type: z.enum(['other', 'runbook', 'image', 'package']).optional(),
      }),
      run(request) {
        const release = found(projectFor(world, request, DEVELOPER), request);
        const { name, url, link_type = 'other' } = request.body as { name: string; url: string; link_type?: string };
        if (release.links.some((one) => one.name === name || one.url === url))
          return refuse(400, { name: ['has already been taken'] });
        const made = { id: world.nextId(), name, url, link_type };
        release.links.push(made);
        return { status: 201, json: { ...made, direct_asset_url: url } };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:tag/assets/links/:link`,
      source: 'releases/links: PUT /projects/:id/releases/:tag_name/assets/links/:link_id',
      body: z.strictObject({ name: text, url: z.url().optional() }),
      run(request) {
        const { link } = linkIn(projectFor(world, request, DEVELOPER), request);
        Object.assign(link, request.body);
        return { json: { ...link, direct_asset_url: link.url } };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:tag/assets/links/:link`,
      source: 'releases/links: DELETE /projects/:id/releases/:tag_name/assets/links/:link_id',
      run(request) {
        const { release, link } = linkIn(projectFor(world, request, DEVELOPER), request);
        release.links = release.links.filter((one) => one !== link);
        return { json: { ...link, direct_asset_url: link.url } };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:tag`,
      source: 'releases: PUT /projects/:id/releases/:tag_name',
      body: z.strictObject({ name: text, description: text, released_at: text }),
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const one = found(project, request);
        const body = request.body as { name?: string; description?: string };
        one.name = body.name ?? one.name;
        one.description = body.description ?? one.description;
        await told(project, one, 'update');
        return { json: await show(project, one) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:tag`,
      source: 'releases: DELETE /projects/:id/releases/:tag_name',
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const one = found(project, request);
        project.releases = project.releases.filter((other) => other !== one);
        await told(project, one, 'delete');
        return { json: await show(project, one) };
      },
    },
  ];
}

function protectionRoutes(world: World): FakeRoute[] {
  const api = '/projects/:id/protected_branches';
  const levels = (access: number) => [
    {
      id: access,
      access_level: access,
      access_level_description: access === 0 ? 'No one' : 'Maintainers',
      user_id: null,
      group_id: null,
    },
  ];
  const show = (of: Protection) => ({
    id: of.id,
    name: of.name,
    push_access_levels: levels(of.pushLevel),
    merge_access_levels: levels(of.mergeLevel),
    allow_force_push: of.allowForcePush,
    code_owner_approval_required: false,
  });
  const found = (project: Project, request: FakeRequest): Protection =>
    project.protections.find(({ name }) => name === request.params.name) ?? refuse(404, '404 Not found');
  const access = z.union([z.literal(0), z.literal(30), z.literal(40), z.literal(60)]).optional();
  return [
    {
      method: 'GET',
      path: api,
      source: 'protected_branches: GET /projects/:id/protected_branches',
      query: pagingOnly.extend({ search: text }),
      run: (request) => paged(request, projectFor(world, request).protections.map(show)),
    },
    {
      method: 'GET',
      path: `${api}/:name`,
      source: 'protected_branches: GET /projects/:id/protected_branches/:name',
      run: (request) => ({ json: show(found(projectFor(world, request, DEVELOPER), request)) }),
    },
    {
      method: 'POST',
      path: api,
      source: 'protected_branches: POST /projects/:id/protected_branches',
      body: parametersOf<CreateProtectedBranchOptions>()(
        { push_access_level: access, merge_access_level: access, allow_force_push: z.boolean().optional() },
        { name: z.string().min(1) },
      ),
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const body = request.body as {
          name: string;
          push_access_level?: number;
          merge_access_level?: number;
          allow_force_push?: boolean;
        };
        if (project.protections.some(({ name }) => name === body.name))
          return refuse(409, `Protected branch '${body.name}' already exists`);
        const made: Protection = {
          id: world.nextId(),
          name: body.name,
          pushLevel: body.push_access_level ?? MAINTAINER,
          mergeLevel: body.merge_access_level ?? MAINTAINER,
          allowForcePush: body.allow_force_push ?? false,
        };
        project.protections.push(made);
        return { status: 201, json: show(made) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:name`,
      source: 'protected_branches: DELETE /projects/:id/protected_branches/:name',
      run(request) {
        const project = projectFor(world, request, MAINTAINER);
        const one = found(project, request);
        project.protections = project.protections.filter((other) => other !== one);
        return { status: 204 };
      },
    },
  ];
}

export const releaseAndProtectionRoutes = (world: World): FakeRoute[] => [
  ...releaseRoutes(world),
  ...protectionRoutes(world),
];
