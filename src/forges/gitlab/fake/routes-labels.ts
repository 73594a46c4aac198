/** Labels and milestones of projects. */
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { paged, paging, projectFor, REPORTER, refuse } from './declare.js';
import { label as shownLabel, milestone as shownMilestone } from './present.js';
import type { Label, Milestone, Project, World } from './state.js';

const text = z.string().optional();

function labelRoutes(world: World): FakeRoute[] {
  const api = '/projects/:id/labels';
  const show = (project: Project, of: Label) => ({
    ...shownLabel(of),
    subscribed: false,
    priority: null,
    is_project_label: true,
    project_id: project.id,
  });
  const found = (project: Project, request: FakeRequest): Label =>
    project.labels.find((one) => one.name === request.params.label || String(one.id) === request.params.label) ??
    refuse(404, '404 Label Not Found');
  const color = z.string().regex(/^#[0-9a-f]{6}$/i);
  return [
    {
      method: 'GET',
      path: api,
      source: 'labels: GET /projects/:id/labels',
      query: z.strictObject({
        ...paging,
        with_counts: parameter.flag.optional(),
        search: text,
        include_ancestor_groups: parameter.flag.optional(),
      }),
      run(request) {
        const project = projectFor(world, request);
        return paged(
          request,
          project.labels.toSorted((a, b) => a.name.localeCompare(b.name)).map((one) => show(project, one)),
        );
      },
    },
    {
      method: 'GET',
      path: `${api}/:label`,
      source: 'labels: GET /projects/:id/labels/:label_id',
      run(request) {
        const project = projectFor(world, request);
        return { json: show(project, found(project, request)) };
      },
    },
    {
      method: 'POST',
      path: api,
      source: 'labels: POST /projects/:id/labels',
      body: z.strictObject({
        name: z.string().min(1),
        color,
        description: text,
        priority: z.number().int().optional(),
      }),
      run(request) {
        const project = projectFor(world, request, REPORTER);
        const body = request.body as { name: string; color: string; description?: string };
        if (project.labels.some((one) => one.name === body.name)) return refuse(409, 'Label already exists');
        const made: Label = {
          id: world.nextId(),
          name: body.name,
          color: body.color,
          description: body.description || null,
        };
        project.labels.push(made);
        return { status: 201, json: show(project, made) };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:label`,
      source: 'labels: PUT /projects/:id/labels/:label_id',
      body: z.strictObject({ new_name: z.string().min(1).optional(), color: color.optional(), description: text }),
      run(request) {
        const project = projectFor(world, request, REPORTER);
        const body = request.body as { new_name?: string; color?: string; description?: string };
        if (Object.keys(body).length === 0)
          return refuse(
            400,
            'new_name, color, description, priority are missing, at least one parameter must be provided',
          );
        const one = found(project, request);
        one.name = body.new_name ?? one.name;
        one.color = body.color ?? one.color;
        one.description = body.description === undefined ? one.description : body.description || null;
        return { json: show(project, one) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:label`,
      source: 'labels: DELETE /projects/:id/labels/:label_id',
      run(request) {
        const project = projectFor(world, request, REPORTER);
        const one = found(project, request);
        project.labels = project.labels.filter((other) => other !== one);
        return { status: 204 };
      },
    },
  ];
}

function milestoneRoutes(world: World): FakeRoute[] {
  const api = '/projects/:id/milestones';
  const found = (project: Project, request: FakeRequest): Milestone =>
    project.milestones.find(({ id }) => id === Number(request.params.milestone)) ??
    refuse(404, '404 Milestone Not Found');
  const day = z.union([z.iso.date(), z.literal('')]).optional();
  return [
    {
      method: 'GET',
      path: api,
      source: 'milestones: GET /projects/:id/milestones',
      query: z.strictObject({
        ...paging,
        'iids[]': z.array(parameter.integer).optional(),
        state: z.enum(['active', 'closed']).optional(),
        title: text,
        search: text,
      }),
      run(request) {
        const project = projectFor(world, request);
        const iids = request.query.getAll('iids[]').map(Number);
        const state = request.query.get('state');
        const list = project.milestones.filter(
          (one) => (iids.length === 0 || iids.includes(one.iid)) && (state ?? one.state) === one.state,
        );
        return paged(
          request,
          list.map((one) => shownMilestone(world, project, one)),
        );
      },
    },
    {
      method: 'POST',
      path: api,
      source: 'milestones: POST /projects/:id/milestones',
      body: z.strictObject({ title: z.string().min(1), description: text, due_date: day, start_date: day }),
      run(request) {
        const project = projectFor(world, request, REPORTER);
        const body = request.body as { title: string; description?: string; due_date?: string };
        if (project.milestones.some((one) => one.title === body.title))
          return refuse(409, 'Title already being used for another group or project milestone.');
        const now = world.now();
        const iid = project.milestones.reduce((most, one) => Math.max(most, one.iid), 0) + 1;
        const made: Milestone = {
          id: world.nextId(),
          iid,
          title: body.title,
          description: body.description ?? '',
          state: 'active',
          dueDate: body.due_date || null,
          createdAt: now,
          updatedAt: now,
        };
        project.milestones.push(made);
        return { status: 201, json: shownMilestone(world, project, made) };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:milestone`,
      source: 'milestones: PUT /projects/:id/milestones/:milestone_id',
      body: z.strictObject({
        title: z.string().min(1).optional(),
        description: text,
        due_date: day,
        start_date: day,
        state_event: z.enum(['close', 'activate']).optional(),
      }),
      run(request) {
        const project = projectFor(world, request, REPORTER);
        const one = found(project, request);
        const body = request.body as { title?: string; description?: string; due_date?: string; state_event?: string };
        one.title = body.title ?? one.title;
        one.description = body.description ?? one.description;
        one.dueDate = body.due_date === undefined ? one.dueDate : body.due_date || null;
        if (body.state_event !== undefined) one.state = body.state_event === 'close' ? 'closed' : 'active';
        one.updatedAt = world.now();
        return { json: shownMilestone(world, project, one) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:milestone`,
      source: 'milestones: DELETE /projects/:id/milestones/:milestone_id',
      run(request) {
        const project = projectFor(world, request, REPORTER);
        const one = found(project, request);
        project.milestones = project.milestones.filter((other) => other !== one);
        for (const thread of [...project.issues, ...project.mergeRequests])
          if (thread.milestoneId === one.id) thread.milestoneId = null;
        return { status: 204 };
      },
    },
  ];
}

export const labelAndMilestoneRoutes = (world: World): FakeRoute[] => [
  ...labelRoutes(world),
  ...milestoneRoutes(world),
];
