/** Issues, and pull requests seen as issues. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  issueFor,
  mayChange,
  notFound,
  nothing,
  ok,
  paged,
  paging,
  refuse,
  repositoryFor,
  since,
} from '../answers.js';
import { tellIssue } from '../happenings.js';
import { issueEdit } from '../issue-edit.js';
import { issueJson, labelsOf, timelineJson } from '../objects.js';
import { atLeast, type Issue, levelOf, type Repository } from '../state.js';
import type { World } from '../world.js';

const text = parameter.text.optional();
const time = parameter.time.optional();
const FILTERS = {
  state: z.enum(['open', 'closed', 'all']).optional(),
  labels: text,
  q: text,
  type: z.enum(['issues', 'pulls']).optional(),
  milestones: text,
  since: time,
  before: time,
};

const LIST = z.object({ ...paging, ...FILTERS, created_by: text, assigned_by: text, mentioned_by: text });
const flag = parameter.flag.optional();
const SEARCH = z.object({
  ...paging,
  ...FILTERS,
  assigned: flag,
  created: flag,
  mentioned: flag,
  owner: text,
  team: text,
  priority_repo_id: parameter.integer.optional(),
});

const CREATE = z.object({
  title: z.string(),
  body: z.string().optional(),
  assignee: z.string().optional(),
  assignees: z.array(z.string()).optional(),
  labels: z.array(z.number().int()).optional(),
  milestone: z.number().int().optional(),
  closed: z.boolean().optional(),
  due_date: z.string().optional(),
  ref: z.string().optional(),
});

const EDIT = z.object({
  title: z.string().optional(),
  body: z.string().optional(),
  assignee: z.string().optional(),
  assignees: z.array(z.string()).nullable().optional(),
  milestone: z.number().int().optional(),
  state: z.string().optional(),
  ref: z.string().optional(),
});

interface Placed {
  repository: Repository;
  issue: Issue;
}

/** The server's own filters. A name that is no label matches nothing. `login` is who asks. */
function matches(world: World, { repository, issue }: Placed, query: URLSearchParams, login = ''): boolean {
  const wanted = query.get('state') ?? 'open';
  const type = query.get('type');
  const names = (query.get('labels') ?? '').split(',').filter(Boolean);
  const titles = (query.get('milestones') ?? '').split(',').filter(Boolean);
  const labels = labelsOf(world, repository).filter(({ label }) => issue.labels.includes(label.id));
  const milestone = repository.milestones.find((one) => one.id === issue.milestone);
  const word = (query.get('q') ?? '').toLowerCase();
  const is = (key: string, ok: (value: string) => boolean) => query.get(key) === null || ok(query.get(key) ?? '');
  return (
    (wanted === 'all' || issue.state === wanted) &&
    (type === null || (type === 'pulls') === (issue.pull !== null)) &&
    names.every((name) => labels.some(({ label }) => label.name === name)) &&
    (titles.length === 0 || titles.some((title) => title === milestone?.title || title === String(milestone?.id))) &&
    (word === '' || `${issue.title} ${issue.body}`.toLowerCase().includes(word)) &&
    is('since', (value) => Date.parse(issue.updated) >= Date.parse(value)) &&
    is('before', (value) => Date.parse(issue.updated) <= Date.parse(value)) &&
    is('created_by', (value) => issue.user === value) &&
    is('assigned_by', (value) => issue.assignees.includes(value)) &&
    is('mentioned_by', (value) => issue.body.includes(`@${value}`)) &&
    is('owner', (value) => repository.owner === value) &&
    is('assigned', (value) => value !== 'true' || issue.assignees.includes(login)) &&
    is('created', (value) => value !== 'true' || issue.user === login) &&
    is('mentioned', (value) => value !== 'true' || issue.body.includes(`@${login}`))
  );
}

const newestFirst = (a: Placed, b: Placed): number => b.issue.id - a.issue.id;

export function issueRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const edit = issueEdit(world);
  const at = (request: FakeRequest) => {
    const repository = repositoryFor(world, request);
    return { repository, issue: issueFor(repository, request) };
  };

  const lock = (method: 'PUT' | 'DELETE'): FakeRoute =>
    since('v124', world, {
      method,
      path: '/repos/:owner/:repo/issues/:index/lock',
      source: `issue: ${method} /repos/{owner}/{repo}/issues/{index}/lock`,
      ...(method === 'PUT' && { body: z.object({ lock_reason: z.string().optional() }) }),
      run: (request) => {
        const repository = repositoryFor(world, request, 'write');
        const issue = issueFor(repository, request);
        issue.locked = method === 'PUT';
        const type = issue.locked ? 'lock' : 'unlock';
        issue.timeline.push({ id: state.nextId(), type, user: doer(request).login, created: state.now(), body: '' });
        return nothing();
      },
    });

  return [
    {
      method: 'GET',
      path: '/repos/:owner/:repo/issues',
      source: 'issue: GET /repos/{owner}/{repo}/issues',
      query: LIST,
      run: (request) => {
        const repository = repositoryFor(world, request);
        const all = repository.issues
          .map((issue) => ({ repository, issue }))
          .filter((one) => matches(world, one, request.query));
        return paged(world, request, all.sort(newestFirst), ({ issue }) => issueJson(world, repository, issue));
      },
    },
    {
      method: 'GET',
      path: '/repos/issues/search',
      source: 'issue: GET /repos/issues/search',
      query: SEARCH,
      run: (request) => {
        const { login } = doer(request);
        const all = state.repositories
          .filter((one) => atLeast(levelOf(state, one, login), 'read'))
          .flatMap((repository) => repository.issues.map((issue) => ({ repository, issue })))
          .filter((one) => matches(world, one, request.query, login));
        return paged(world, request, all.sort(newestFirst), (one) => issueJson(world, one.repository, one.issue));
      },
    },
    {
      method: 'POST',
      path: '/repos/:owner/:repo/issues',
      source: 'issue: POST /repos/{owner}/{repo}/issues',
      body: CREATE,
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const body = request.body as z.infer<typeof CREATE>;
        if (body.title.trim() === '') refuse(422, '[Title]: Required');
        const { login } = doer(request);
        edit.checkAssignees(repository, body.assignees ?? []);
        if (body.milestone && !repository.milestones.some((one) => one.id === body.milestone)) notFound();
        const issue = edit.add(repository, login, { title: body.title, body: body.body ?? '' });
        issue.assignees = [...(body.assignees ?? [])];
        issue.labels = [...(body.labels ?? [])];
        issue.milestone = body.milestone || null;
        await tellIssue(world, repository, issue, login, 'opened');
        return created(issueJson(world, repository, issue));
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/issues/:index',
      source: 'issue: GET /repos/{owner}/{repo}/issues/{index}',
      run: (request) => {
        const { repository, issue } = at(request);
        return ok(issueJson(world, repository, issue));
      },
    },
    {
      method: 'PATCH',
      path: '/repos/:owner/:repo/issues/:index',
      source: 'issue: PATCH /repos/{owner}/{repo}/issues/{index}',
      body: EDIT,
      run: async (request) => {
        const { repository, issue } = at(request);
        mayChange(world, repository, doer(request), issue.user);
        const { assignees, ...body } = request.body as z.infer<typeof EDIT>;
        await edit.change(repository, issue, doer(request).login, { ...body, assignees: assignees ?? undefined });
        return created(issueJson(world, repository, issue));
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/issues/:index/timeline',
      source: 'issue: GET /repos/{owner}/{repo}/issues/{index}/timeline',
      query: z.object({ ...paging, since: time, before: time }),
      run: (request) => {
        const { repository, issue } = at(request);
        const comments = issue.comments.map((comment) => ({ ...comment, type: 'comment' }));
        const all = [...issue.timeline, ...comments].sort((a, b) => a.id - b.id);
        return paged(world, request, all, (entry) => timelineJson(world, repository, issue, entry));
      },
    },
    lock('PUT'),
    lock('DELETE'),
  ];
}
