/** Labels of a repository and of its issues, and milestones. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  field,
  invalid,
  issueFor,
  notFound,
  nothing,
  ok,
  pageOf,
  repositoryFor,
  row,
} from '../answers.js';
import { issueEdit, nameOf } from '../issue-edit.js';
import { labelJson, labelsOf, milestoneJson } from '../present.js';
import { type Label, type Milestone, type Repository, same } from '../state.js';
import type { World } from '../world.js';

const LABEL = z.looseObject({
  name: field.text,
  new_name: field.text,
  color: field.text,
  description: field.nullable,
});
const LABELS = z.looseObject({ labels: field.labels }).or(z.array(z.string()));
const MILESTONE = z.looseObject({
  title: field.text,
  state: field.text,
  description: field.nullable,
  due_on: field.nullable,
});
const COLOR = /^[0-9a-f]{6}$/i;

export function labelRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const edit = issueEdit(world);
  const repo = 'repos/{owner}/{repo}';
  const one = `${repo}/issues/{issue_number}/labels`;
  const repositoryOf = (request: FakeRequest, wanted: 'read' | 'write') =>
    repositoryFor(world, request, wanted, 'issues', 'pull_requests');
  const at = (request: FakeRequest, wanted: 'read' | 'write' = 'write') => {
    const repository = repositoryOf(request, wanted);
    return { repository, issue: issueFor(repository, request), login: doer(request).login };
  };
  const labelOf = (repository: Repository, request: FakeRequest): Label =>
    repository.labels.find(({ name }) => same(name, request.params.name ?? '')) ?? notFound();
  const named = (request: FakeRequest): string[] => {
    const body = request.body as z.infer<typeof LABELS>;
    return (Array.isArray(body) ? body : (body.labels ?? [])).map(nameOf);
  };
  const tell = (repository: Repository, request: FakeRequest, action: string, label: Label, more: object = {}) =>
    world.emit(repository, 'label', doer(request).login, {
      action,
      label: labelJson(world, repository, label),
      ...more,
    });
  const show = (request: FakeRequest) => {
    const { repository, issue } = at(request, 'read');
    return pageOf(world, request, labelsOf(repository, issue), (label) => labelJson(world, repository, label));
  };

  function check(repository: Repository, { name, color }: { name?: string; color?: string }, own?: Label): void {
    if (color !== undefined && !COLOR.test(color)) invalid('Label', 'color', 'invalid');
    const twin = repository.labels.find((label) => label !== own && same(label.name, name ?? ''));
    if (twin !== undefined) invalid('Label', 'name', 'already_exists');
  }

  function createLabel(request: FakeRequest) {
    const repository = repositoryOf(request, 'write');
    const { name = '', color = 'ededed', description } = request.body as z.infer<typeof LABEL>;
    if (name.trim() === '') return invalid('Label', 'name', 'missing_field');
    check(repository, { name, color });
    const label: Label = { id: state.nextId(), name, color: color.toLowerCase(), description: description || null };
    repository.labels.push(label);
    tell(repository, request, 'created', label);
    return created(labelJson(world, repository, label));
  }

  function updateLabel(request: FakeRequest) {
    const repository = repositoryOf(request, 'write');
    const label = labelOf(repository, request);
    const { new_name: name, color, description } = request.body as z.infer<typeof LABEL>;
    check(repository, { name, color }, label);
    const changes = {
      ...(name !== undefined && name !== label.name && { name: { from: label.name } }),
      ...(color !== undefined && color !== label.color && { color: { from: label.color } }),
    };
    label.name = name ?? label.name;
    label.color = color?.toLowerCase() ?? label.color;
    if (description !== undefined) label.description = description || null;
    tell(repository, request, 'edited', label, { changes });
    return ok(labelJson(world, repository, label));
  }

  const milestoneOf = (repository: Repository, request: FakeRequest): Milestone =>
    repository.milestones.find(({ number }) => String(number) === request.params.milestone_number) ?? notFound();

  function saveMilestone(request: FakeRequest) {
    const repository = repositoryOf(request, 'write');
    const body = request.body as z.infer<typeof MILESTONE>;
    const isNew = request.method === 'POST';
    if (isNew && !body.title?.trim()) return invalid('Milestone', 'title', 'missing_field');
    const now = state.now();
    const set: Milestone = isNew
      ? {
          id: state.nextId(),
          number: Math.max(0, ...repository.milestones.map(({ number }) => number)) + 1,
          title: '',
          description: null,
          state: 'open',
          dueOn: null,
          creator: doer(request).login,
          created: now,
          updated: now,
          closed: null,
        }
      : milestoneOf(repository, request);
    if (repository.milestones.some((other) => other !== set && other.title === body.title))
      return invalid('Milestone', 'title', 'already_exists');
    if (isNew) repository.milestones.push(set);
    set.title = body.title ?? set.title;
    set.description = body.description === undefined ? set.description : body.description;
    set.dueOn = body.due_on === undefined ? set.dueOn : body.due_on;
    const before = set.state;
    if (body.state === 'open' || body.state === 'closed') set.state = body.state;
    set.closed = set.state === 'closed' ? (set.closed ?? now) : null;
    set.updated = now;
    const moved = set.state === 'closed' ? 'closed' : 'opened';
    const action = isNew ? 'created' : before === set.state ? 'edited' : moved;
    const shown = milestoneJson(world, repository, set);
    const changes = action === 'edited' ? { changes: {} } : {};
    world.emit(repository, 'milestone', doer(request).login, { action, milestone: shown, ...changes });
    return ok(shown, isNew ? 201 : 200);
  }

  return [
    row(`GET /${repo}/labels`, (request) => {
      const repository = repositoryOf(request, 'read');
      return pageOf(world, request, repository.labels, (label) => labelJson(world, repository, label));
    }),
    row(`POST /${repo}/labels`, createLabel, { body: LABEL }),
    row(`GET /${repo}/labels/{name}`, (request) => {
      const repository = repositoryOf(request, 'read');
      return ok(labelJson(world, repository, labelOf(repository, request)));
    }),
    row(`PATCH /${repo}/labels/{name}`, updateLabel, { body: LABEL }),
    row(`DELETE /${repo}/labels/{name}`, (request) => {
      const repository = repositoryOf(request, 'write');
      const label = labelOf(repository, request);
      repository.labels = repository.labels.filter((other) => other !== label);
      for (const issue of repository.issues) issue.labels = issue.labels.filter((id) => id !== label.id);
      tell(repository, request, 'deleted', label);
      return nothing();
    }),
    row(`GET /${one}`, show),
    row(
      `POST /${one}`,
      async (request) => {
        const { repository, issue, login } = at(request);
        await edit.addLabels(repository, issue, login, named(request));
        return show(request);
      },
      { body: LABELS },
    ),
    row(
      `PUT /${one}`,
      async (request) => {
        const { repository, issue, login } = at(request);
        await edit.setLabels(repository, issue, login, named(request));
        return show(request);
      },
      { body: LABELS },
    ),
    row(`DELETE /${one}`, async (request) => {
      const { repository, issue, login } = at(request);
      await edit.removeLabels(repository, issue, login, labelsOf(repository, issue));
      return nothing();
    }),
    row(`DELETE /${one}/{name}`, async (request) => {
      const { repository, issue, login } = at(request);
      const label = labelsOf(repository, issue).find(({ name }) => same(name, request.params.name ?? ''));
      await edit.removeLabels(repository, issue, login, [label ?? notFound()]);
      return show(request);
    }),
    row(`GET /${repo}/milestones`, (request) => {
      const repository = repositoryOf(request, 'read');
      const wanted = request.query.get('state') ?? 'open';
      const all = repository.milestones.filter((set) => wanted === 'all' || set.state === wanted);
      return pageOf(world, request, all, (set) => milestoneJson(world, repository, set));
    }),
    row(`POST /${repo}/milestones`, saveMilestone, { body: MILESTONE }),
    row(`GET /${repo}/milestones/{milestone_number}`, (request) => {
      const repository = repositoryOf(request, 'read');
      return ok(milestoneJson(world, repository, milestoneOf(repository, request)));
    }),
    row(`PATCH /${repo}/milestones/{milestone_number}`, saveMilestone, { body: MILESTONE }),
    row(`DELETE /${repo}/milestones/{milestone_number}`, (request) => {
      const repository = repositoryOf(request, 'write');
      const set = milestoneOf(repository, request);
      repository.milestones = repository.milestones.filter((other) => other !== set);
      for (const issue of repository.issues) if (issue.milestone === set.number) issue.milestone = null;
      const told = { action: 'deleted', milestone: milestoneJson(world, repository, set) };
      world.emit(repository, 'milestone', doer(request).login, told);
      return nothing();
    }),
  ];
}
