/** Labels, milestones, assignees. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  issueFor,
  notFound,
  nothing,
  ok,
  paged,
  paging,
  pagingQuery,
  refuse,
  repositoryFor,
} from '../answers.js';
import { tellIssue } from '../happenings.js';
import { issueLabelsJson, labelJson, labelsOf, milestoneJson, userJson } from '../objects.js';
import {
  atLeast,
  type Issue,
  type Label,
  levelOf,
  type Milestone,
  organizationNamed,
  type Repository,
} from '../state.js';
import type { World } from '../world.js';

const text = z.string().optional();
const COLOR = /^#?[0-9a-f]{6}$/i;
const LABEL = z.object({
  name: text,
  color: text,
  description: text,
  exclusive: z.boolean().optional(),
  is_archived: z.boolean().optional(),
});
const LABELS = z.object({ labels: z.array(z.number().int()) });
const MILESTONE = z.object({
  title: text,
  description: text,
  state: z.enum(['open', 'closed']).optional(),
  due_on: text,
});

type LabelBody = z.infer<typeof LABEL>;

export function labelRoutes(world: World): FakeRoute[] {
  const { state } = world;

  function write(label: Label, { name, color, description, exclusive }: LabelBody): Label {
    if (color !== undefined && !COLOR.test(color)) refuse(422, `bad color code: ${color}`);
    label.name = name ?? label.name;
    label.color = (color ?? label.color).replace('#', '').toLowerCase();
    label.description = description ?? label.description;
    label.exclusive = exclusive ?? label.exclusive;
    return label;
  }

  /** The same for a repository's labels and for an organization's. */
  const shelf = (
    path: string,
    place: (request: FakeRequest, writes: boolean) => { labels: Label[]; place: string },
  ): FakeRoute[] => {
    const one = (request: FakeRequest, writes: boolean) => {
      const found = place(request, writes);
      const label = found.labels.find((entry) => String(entry.id) === request.params.id) ?? notFound();
      return { ...found, label };
    };
    return [
      {
        method: 'GET',
        path,
        source: `issue: GET ${path}`,
        query: pagingQuery,
        run: (request) => {
          const { labels, place: at } = place(request, false);
          const sorted = [...labels].sort((a, b) => (a.name < b.name ? -1 : 1));
          return paged(world, request, sorted, (label) => labelJson(world, at, label));
        },
      },
      {
        method: 'POST',
        path,
        source: `issue: POST ${path}`,
        body: LABEL,
        run: (request) => {
          const { labels, place: at } = place(request, true);
          const body = request.body as LabelBody;
          if (!body.name || !body.color) return refuse(422, '[Color]: Required');
          const label = write({ id: state.nextId(), name: '', color: '', description: '', exclusive: false }, body);
          labels.push(label);
          return created(labelJson(world, at, label));
        },
      },
      {
        method: 'GET',
        path: `${path}/:id`,
        source: `issue: GET ${path}/{id}`,
        run: (request) => {
          const found = one(request, false);
          return ok(labelJson(world, found.place, found.label));
        },
      },
      {
        method: 'PATCH',
        path: `${path}/:id`,
        source: `issue: PATCH ${path}/{id}`,
        body: LABEL,
        run: (request) => {
          const found = one(request, true);
          return ok(labelJson(world, found.place, write(found.label, request.body as LabelBody)));
        },
      },
      {
        method: 'DELETE',
        path: `${path}/:id`,
        source: `issue: DELETE ${path}/{id}`,
        run: (request) => {
          const { labels, label } = one(request, true);
          labels.splice(labels.indexOf(label), 1);
          for (const repository of state.repositories)
            for (const issue of repository.issues) issue.labels = issue.labels.filter((id) => id !== label.id);
          return nothing();
        },
      },
    ];
  };

  async function setLabels(
    repository: Repository,
    issue: Issue,
    ids: readonly number[],
    sender: string,
  ): Promise<void> {
    const known = ids.filter((id) => labelsOf(world, repository).some(({ label }) => label.id === id));
    const before = new Set(issue.labels);
    const after = [...new Set(known)];
    const changed = [
      ...after.filter((id) => !before.has(id)).map((id) => ({ id, body: '1' })),
      ...[...before].filter((id) => !after.includes(id)).map((id) => ({ id, body: '' })),
    ];
    if (changed.length === 0) return;
    issue.labels = after;
    issue.updated = state.now();
    for (const { id, body } of changed)
      issue.timeline.push({ id: state.nextId(), type: 'label', user: sender, created: state.now(), body, label: id });
    await tellIssue(world, repository, issue, sender, after.length === 0 ? 'label_cleared' : 'label_updated', 'label');
  }

  const onIssue = (method: 'POST' | 'PUT'): FakeRoute => ({
    method,
    path: '/repos/:owner/:repo/issues/:index/labels',
    source: `issue: ${method} /repos/{owner}/{repo}/issues/{index}/labels`,
    body: LABELS,
    run: async (request) => {
      const repository = repositoryFor(world, request);
      const issue = issueFor(repository, request);
      if (!atLeast(levelOf(state, repository, doer(request).login), 'write'))
        refuse(403, 'write permission is required');
      const { labels } = request.body as z.infer<typeof LABELS>;
      await setLabels(
        repository,
        issue,
        method === 'POST' ? [...issue.labels, ...labels] : labels,
        doer(request).login,
      );
      return ok(issueLabelsJson(world, repository, issue));
    },
  });

  const milestoneFor = (repository: Repository, request: FakeRequest): Milestone =>
    repository.milestones.find((one) => String(one.id) === request.params.id) ?? notFound();

  const fill = (milestone: Milestone, body: z.infer<typeof MILESTONE>): Milestone => {
    milestone.title = body.title ?? milestone.title;
    milestone.description = body.description ?? milestone.description;
    if (body.due_on !== undefined) milestone.dueOn = body.due_on.startsWith('9999') ? null : body.due_on;
    if (body.state !== undefined && body.state !== milestone.state) {
      milestone.state = body.state;
      milestone.closed = body.state === 'closed' ? state.now() : null;
    }
    milestone.updated = state.now();
    return milestone;
  };

  return [
    ...shelf('/repos/:owner/:repo/labels', (request, writes) => {
      const repository = repositoryFor(world, request, writes ? 'write' : 'read');
      return { labels: repository.labels, place: `repos/${repository.owner}/${repository.name}` };
    }),
    ...shelf('/orgs/:org/labels', (request) => {
      const organization = organizationNamed(state, request.params.org ?? '') ?? notFound();
      return { labels: organization.labels, place: `orgs/${organization.login}` };
    }),
    {
      method: 'GET',
      path: '/repos/:owner/:repo/issues/:index/labels',
      source: 'issue: GET /repos/{owner}/{repo}/issues/{index}/labels',
      run: (request) => {
        const repository = repositoryFor(world, request);
        return ok(issueLabelsJson(world, repository, issueFor(repository, request)));
      },
    },
    onIssue('POST'),
    onIssue('PUT'),
    {
      method: 'DELETE',
      path: '/repos/:owner/:repo/issues/:index/labels',
      source: 'issue: DELETE /repos/{owner}/{repo}/issues/{index}/labels',
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        await setLabels(repository, issueFor(repository, request), [], doer(request).login);
        return nothing();
      },
    },
    {
      method: 'DELETE',
      path: '/repos/:owner/:repo/issues/:index/labels/:id',
      source: 'issue: DELETE /repos/{owner}/{repo}/issues/{index}/labels/{id}',
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const issue = issueFor(repository, request);
        const id = Number(request.params.id);
        if (!labelsOf(world, repository).some(({ label }) => label.id === id)) refuse(422, 'label does not exist');
        await setLabels(
          repository,
          issue,
          issue.labels.filter((one) => one !== id),
          doer(request).login,
        );
        return nothing();
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/milestones',
      source: 'issue: GET /repos/{owner}/{repo}/milestones',
      query: z.object({
        ...paging,
        state: z.enum(['open', 'closed', 'all']).optional(),
        name: parameter.text.optional(),
      }),
      run: (request) => {
        const repository = repositoryFor(world, request);
        const wanted = request.query.get('state') ?? 'open';
        const name = (request.query.get('name') ?? '').toLowerCase();
        const shown = repository.milestones.filter(
          (one) => (wanted === 'all' || one.state === wanted) && one.title.toLowerCase().includes(name),
        );
        return paged(world, request, shown, (one) => milestoneJson(repository, one));
      },
    },
    {
      method: 'POST',
      path: '/repos/:owner/:repo/milestones',
      source: 'issue: POST /repos/{owner}/{repo}/milestones',
      body: MILESTONE,
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const now = state.now();
        const empty: Milestone = {
          id: state.nextId(),
          title: '',
          description: '',
          state: 'open',
          dueOn: null,
          created: now,
          updated: now,
          closed: null,
        };
        repository.milestones.push(fill(empty, request.body as z.infer<typeof MILESTONE>));
        return created(milestoneJson(repository, empty));
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/milestones/:id',
      source: 'issue: GET /repos/{owner}/{repo}/milestones/{id}',
      run: (request) => {
        const repository = repositoryFor(world, request);
        return ok(milestoneJson(repository, milestoneFor(repository, request)));
      },
    },
    {
      method: 'PATCH',
      path: '/repos/:owner/:repo/milestones/:id',
      source: 'issue: PATCH /repos/{owner}/{repo}/milestones/{id}',
      body: MILESTONE,
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const milestone = fill(milestoneFor(repository, request), request.body as z.infer<typeof MILESTONE>);
        return ok(milestoneJson(repository, milestone));
      },
    },
    {
      method: 'DELETE',
      path: '/repos/:owner/:repo/milestones/:id',
      source: 'issue: DELETE /repos/{owner}/{repo}/milestones/{id}',
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const milestone = milestoneFor(repository, request);
        repository.milestones = repository.milestones.filter((one) => one !== milestone);
        for (const issue of repository.issues) if (issue.milestone === milestone.id) issue.milestone = null;
        return nothing();
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/assignees',
      source: 'repository: GET /repos/{owner}/{repo}/assignees',
      run: (request) => {
        const repository = repositoryFor(world, request);
        return ok(assignable(world, repository).map((login) => userJson(world, login)));
      },
    },
  ];
}

/** Whoever may write, and is a person. */
export const assignable = (world: World, repository: Repository): string[] =>
  world.state.accounts
    .filter((one) => one.kind === 'user' && one.id > 0 && atLeast(levelOf(world.state, repository, one.login), 'write'))
    .map((one) => one.login);
