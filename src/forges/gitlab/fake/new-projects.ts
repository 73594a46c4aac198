/** Groups and projects that are made: by a test, or by a request. */
import type { CreateProjectOptions, ForkProjectOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import { createFakeGit } from '../../kit/fake/git-store.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { actorOf, allMembers, DEVELOPER, parametersOf, projectFor, refuse } from './declare.js';
import { project as shown } from './present.js';
import { projectSettings } from './routes-projects.js';
import type { Group, Project, World } from './state.js';

/** The group of that path, made with those above it where it is not there. */
export function addGroup(world: World, fullPath: string): Group {
  const { groups } = world.state;
  const found = groups.find((group) => group.fullPath === fullPath);
  if (found) return found;
  const at = fullPath.lastIndexOf('/');
  const parent = at < 0 ? undefined : addGroup(world, fullPath.slice(0, at));
  const path = fullPath.slice(at + 1);
  const group: Group = {
    id: world.nextId(),
    name: path.charAt(0).toUpperCase() + path.slice(1),
    path,
    fullPath,
    parentId: parent?.id ?? null,
    description: '',
    members: new Map(),
    hooks: [],
  };
  groups.push(group);
  return group;
}

/** An empty one; its namespace is the person of that name, or else a group. */
export async function newProject(
  world: World,
  fullPath: string,
  visibility: Project['visibility'],
  forkedFromId: number | null = null,
): Promise<Project> {
  const { state } = world;
  const at = fullPath.lastIndexOf('/');
  const owner = fullPath.slice(0, at);
  const person = state.users.find(({ username }) => username === owner);
  const id = world.nextId();
  const now = world.now();
  const project: Project = {
    id,
    path: fullPath.slice(at + 1),
    fullPath,
    namespace: person ? { kind: 'user', id: person.id } : { kind: 'group', id: addGroup(world, owner).id },
    description: '',
    visibility,
    defaultBranch: 'main',
    archived: false,
    topics: [],
    settings: {},
    createdAt: now,
    updatedAt: now,
    forkedFromId,
    git: await createFakeGit(world.folder, `project-${id}`, { clock: () => new Date(world.now()) }),
    members: new Map(person ? [[person.id, 50]] : []),
    shares: [],
    labels: [],
    milestones: [],
    issues: [],
    mergeRequests: [],
    statuses: [],
    pipelines: [],
    releases: [],
    protections: [],
    hooks: [],
  };
  state.projects.push(project);
  return project;
}

export async function forkProject(world: World, source: Project, fullPath: string): Promise<Project> {
  const project = await newProject(world, fullPath, source.visibility, source.id);
  for (const { ref, sha } of await source.git.refs('refs/heads/')) {
    await world.share(source, project, sha);
    await project.git.setRef(ref, sha);
  }
  return project;
}

const text = z.string().optional();

const forkBody = parametersOf<ForkProjectOptions>()({
  name: text,
  path: text,
  namespace_path: text,
  branches: text,
});
const newBody = parametersOf<CreateProjectOptions & { name?: string; path?: string }>()({
  ...projectSettings,
  namespace_id: z.number().optional(),
  initialize_with_readme: z.boolean().optional(),
});

export function newProjectRoutes(world: World): FakeRoute[] {
  const showFor = (project: Project, request: FakeRequest) =>
    shown(world, project, allMembers(world, { project }).get(actorOf(request).id) ?? 0);
  const free = (fullPath: string, status: number): string =>
    world.state.projects.some((project) => project.fullPath === fullPath)
      ? refuse(status, { name: ['has already been taken'], path: ['has already been taken'] })
      : fullPath;
  return [
    {
      method: 'POST',
      path: '/projects/:id/fork',
      source: 'project_forks: POST /projects/:id/fork',
      body: forkBody,
      async run(request) {
        const source = projectFor(world, request);
        const { path = source.path, namespace_path: namespace } = request.body as z.output<typeof forkBody>;
        const group = world.state.groups.find(({ fullPath }) => fullPath === namespace);
        if (namespace !== undefined && group === undefined) refuse(404, '404 Target Namespace Not Found');
        const owner = group?.fullPath ?? actorOf(request).username;
        return { status: 201, json: showFor(await forkProject(world, source, free(`${owner}/${path}`, 409)), request) };
      },
    },
    {
      method: 'POST',
      path: '/projects',
      source: 'projects: POST /projects',
      body: newBody,
      async run(request) {
        const given = request.body as z.output<typeof newBody>;
        const group = world.state.groups.find(({ id }) => id === given.namespace_id);
        const actor = actorOf(request);
        if (given.namespace_id !== undefined && group === undefined) refuse(400, { namespace: ['is not valid'] });
        // A group that nobody was made a member of is everybody's in the double.
        const levels = group && allMembers(world, { group });
        if (levels !== undefined && levels.size > 0 && (levels.get(actor.id) ?? 0) < DEVELOPER)
          refuse(403, '403 Forbidden');
        const path = given.path ?? given.name ?? refuse(400, 'name, path are missing, at least one must be provided');
        const at = free(`${group?.fullPath ?? actor.username}/${path}`, 400);
        const project = await newProject(world, at, given.visibility ?? 'private');
        project.description = given.description ?? '';
        project.topics = given.topics ?? [];
        project.members.set(actor.id, 50);
        if (given.initialize_with_readme) {
          const author = { name: actor.name, email: actor.email, date: world.now() };
          const files = [{ path: 'README.md', content: `# ${path}\n` }];
          project.defaultBranch = given.default_branch ?? 'main';
          await project.git.commit({ branch: project.defaultBranch, message: 'Initial commit', author, files });
        }
        return { status: 201, json: showFor(project, request) };
      },
    },
  ];
}
