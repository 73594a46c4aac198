/** Issues and merge requests: lists with their filters, reading, opening and changing. */
import type {
  AllIssuesOptions,
  AllMergeRequestsOptions,
  CreateIssueOptions,
  CreateMergeRequestOptions,
  EditIssueOptions,
  EditMergeRequestOptions,
} from '@gitbeaker/rest';
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { changeThread, labelNamed, opened, peopleIn, type ThreadChange } from './change.js';
import {
  actorOf,
  csv,
  DEVELOPER,
  groupFor,
  paged,
  paging,
  parametersOf,
  projectFor,
  REPORTER,
  refuse,
  threadFor,
} from './declare.js';
import { labelsOf, issue as shownIssue } from './present.js';
import { mergeRequest, simpleMergeRequest } from './present-git.js';
import type { Issue, MergeRequest, Project, Thread, World } from './state.js';

const any = z.union([parameter.integer, z.enum(['Any', 'None'])]).optional();
const text = z.string().optional();
const when = parameter.time.optional();
const filters = {
  state: z.enum(['opened', 'closed', 'merged', 'locked', 'all']).optional(),
  labels: text,
  milestone: text,
  search: text,
  in: text,
  sort: z.enum(['asc', 'desc']).optional(),
  order_by: z.enum(['created_at', 'updated_at']).optional(),
  scope: z.enum(['all', 'created_by_me', 'assigned_to_me']).optional(),
  with_labels_details: parameter.flag.optional(),
  author_username: text,
  'iids[]': z.array(parameter.integer).optional(),
  'not[labels]': text,
  'not[author_username]': text,
  'not[assignee_username]': text,
  'not[milestone]': text,
  non_archived: parameter.flag.optional(),
  ...paging,
};
const times = { created_after: when, created_before: when, updated_after: when, updated_before: when };
const issueQuery = parametersOf<AllIssuesOptions>()(
  { ...times, author_id: parameter.integer.optional(), assignee_id: any, assignee_username: text },
  filters,
);
const mergeRequestQuery = parametersOf<AllMergeRequestsOptions>()(
  {
    ...times,
    author_id: parameter.integer.optional(),
    assignee_id: any,
    reviewer_username: text,
    source_branch: text,
    target_branch: text,
    wip: z.enum(['yes', 'no']).optional(),
  },
  filters,
);

function matches(world: World, project: Project, thread: Thread, query: URLSearchParams): boolean {
  const get = (name: string) => query.get(name) ?? undefined;
  const names = labelsOf(project, thread).map(({ name }) => name);
  const isNone = (value: string) => value.toLowerCase() === 'none';
  const userNamed = (username: string | undefined) => world.state.users.find((user) => user.username === username)?.id;
  const state = get('state');
  if (state !== undefined && state !== 'all' && thread.state !== state) return false;
  if (get('author_id') !== undefined && get('author_id') !== String(thread.authorId)) return false;
  const iids = query.getAll('iids[]').map(Number);
  if (iids.length > 0 && !iids.includes(thread.iid)) return false;
  const labels = get('labels');
  if (labels !== undefined && (isNone(labels) ? names.length > 0 : !csv(labels).every((name) => names.includes(name))))
    return false;
  if (csv(get('not[labels]')).some((name) => names.includes(name))) return false;
  const milestone = get('milestone');
  const title = project.milestones.find(({ id }) => id === thread.milestoneId)?.title;
  if (
    milestone !== undefined &&
    (isNone(milestone) ? title !== undefined : milestone === 'Any' ? title === undefined : title !== milestone)
  )
    return false;
  const author = get('author_username');
  if (author !== undefined && userNamed(author) !== thread.authorId) return false;
  const notAuthor = get('not[author_username]');
  if (notAuthor !== undefined && userNamed(notAuthor) === thread.authorId) return false;
  const assignee =
    get('assignee_id') ?? (get('assignee_username') && String(userNamed(get('assignee_username')) ?? -1));
  if (assignee === 'None' && thread.assigneeIds.length > 0) return false;
  if (assignee === 'Any' && thread.assigneeIds.length === 0) return false;
  if (assignee !== undefined && /^-?\d+$/.test(assignee) && !thread.assigneeIds.includes(Number(assignee)))
    return false;
  const bounds = { created: thread.createdAt, updated: thread.updatedAt };
  for (const [name, at] of Object.entries(bounds)) {
    const [after, before] = [get(`${name}_after`), get(`${name}_before`)];
    if (after !== undefined && Date.parse(at) < Date.parse(after)) return false;
    if (before !== undefined && Date.parse(at) > Date.parse(before)) return false;
  }
  // Every word somewhere, and what stands in quotes as it is.
  const terms = [...(get('search') ?? '').toLowerCase().matchAll(/"([^"]+)"|\S+/g)].map(
    ([word, quoted]) => quoted ?? word,
  );
  const where = csv(get('in') ?? 'title,description');
  return where.some((field) => {
    const text = (field === 'title' ? thread.title : thread.description).toLowerCase();
    return terms.every((term) => text.includes(term));
  });
}

function matchesSides(world: World, mr: MergeRequest, query: URLSearchParams): boolean {
  const reviewer = query.get('reviewer_username');
  if (
    reviewer !== null &&
    !mr.reviewerIds.includes(world.state.users.find((user) => user.username === reviewer)?.id ?? -1)
  )
    return false;
  if (query.has('source_branch') && query.get('source_branch') !== mr.sourceBranch) return false;
  if (query.has('target_branch') && query.get('target_branch') !== mr.targetBranch) return false;
  const isDraft = /^\s*(\[draft\]|\(draft\)|draft:)/i.test(mr.title);
  return !query.has('wip') || (query.get('wip') === 'yes') === isDraft;
}

const sorted = <T extends Thread>(list: readonly T[], query: URLSearchParams): T[] => {
  const by = query.get('order_by') === 'updated_at' ? 'updatedAt' : 'createdAt';
  const sign = query.get('sort') === 'asc' ? 1 : -1;
  return [...list].sort((a, b) => sign * (Date.parse(a[by]) - Date.parse(b[by]) || a.id - b.id));
};

const list = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? csv(value) : value));
const ids = z.array(z.number().int());
const shared = {
  description: z.string().optional(),
  labels: list.optional(),
  assignee_ids: ids.optional(),
  milestone_id: z.number().int().optional(),
};
const edited = {
  ...shared,
  title: z.string().min(1).optional(),
  state_event: z.enum(['close', 'reopen']).optional(),
  add_labels: list.optional(),
  remove_labels: list.optional(),
  discussion_locked: z.boolean().optional(),
};
const newIssue = parametersOf<CreateIssueOptions>()(
  { ...shared, confidential: z.boolean().optional() },
  { title: z.string().min(1).max(255) },
);
const editIssue = parametersOf<EditIssueOptions>()({ ...edited, confidential: z.boolean().optional() });
const newMergeRequest = parametersOf<CreateMergeRequestOptions>()(
  {
    ...shared,
    title: z.string().min(1).max(255),
    target_project_id: z.number().int().optional(),
    reviewer_ids: ids.optional(),
    allow_collaboration: z.boolean().optional(),
  },
  { source_branch: z.string().min(1), target_branch: z.string().min(1) },
);
const editMergeRequest = parametersOf<EditMergeRequestOptions>()({
  ...edited,
  target_branch: z.string().optional(),
  reviewer_ids: ids.optional(),
  allow_collaboration: z.boolean().optional(),
});

interface NewThread {
  title: string;
  description?: string;
  labels?: string[];
  assignee_ids?: number[];
  milestone_id?: number;
}

const blank = (world: World, project: Project, request: FakeRequest, iid: number, body: NewThread) => {
  const now = world.now();
  return {
    id: world.nextId(),
    iid,
    title: body.title,
    description: body.description ?? '',
    state: 'opened' as const,
    authorId: actorOf(request).id,
    assigneeIds: peopleIn(world, body.assignee_ids ?? []),
    labelIds: (body.labels ?? []).map((name) => labelNamed(world, project, name).id),
    milestoneId: body.milestone_id || null,
    locked: false,
    createdAt: now,
    updatedAt: now,
    closedAt: null,
    notes: [],
    awards: [],
    events: [],
  };
};

const isChanged = (body: unknown): boolean => Object.keys(body as object).length > 0;

async function openMergeRequest(world: World, request: FakeRequest) {
  const body = request.body as z.output<typeof newMergeRequest>;
  const source = projectFor(world, request, body.target_project_id === undefined ? DEVELOPER : undefined);
  const target =
    world.state.projects.find(({ id }) => id === (body.target_project_id ?? source.id)) ??
    refuse(404, '404 Project Not Found');
  const sha = await source.git.resolve(`refs/heads/${body.source_branch}`);
  const startSha = await target.git.resolve(`refs/heads/${body.target_branch}`);
  if (startSha === undefined) return refuse(400, { target_branch: ['does not exist'] });
  if (sha === undefined) return refuse(400, { source_branch: ['does not exist'] });
  if (source === target && body.source_branch === body.target_branch)
    return refuse(422, ["You can't use same project/branch for source and target"]);
  const same = target.mergeRequests.find(
    (mr) =>
      mr.state === 'opened' &&
      mr.sourceProjectId === source.id &&
      mr.sourceBranch === body.source_branch &&
      mr.targetBranch === body.target_branch,
  );
  if (same) return refuse(409, [`Another open merge request already exists for this source branch: !${same.iid}`]);
  if (source !== target) await world.share(source, target, sha);
  const mr: MergeRequest = {
    ...blank(world, target, request, target.mergeRequests.length + 1, body),
    kind: 'MergeRequest',
    sourceBranch: body.source_branch,
    targetBranch: body.target_branch,
    sourceProjectId: source.id,
    sha,
    startSha,
    reviewerIds: peopleIn(world, body.reviewer_ids ?? []),
    approvals: [],
    mergedAt: null,
    mergedById: null,
    mergeCommitSha: null,
    squashCommitSha: null,
    allowCollaboration: body.allow_collaboration ?? false,
  };
  target.mergeRequests.push(mr);
  await opened(world, target, mr, actorOf(request));
  return { target, mr };
}

export function threadRoutes(world: World): FakeRoute[] {
  const detailed = (request: FakeRequest) => ['true', '1'].includes(request.query.get('with_labels_details') ?? '');
  const inGroup = (request: FakeRequest): Project[] => {
    const { fullPath } = groupFor(world, request);
    return world.state.projects.filter((project) => project.fullPath.startsWith(`${fullPath}/`));
  };
  const issuesOf = (request: FakeRequest, projects: readonly Project[]) => {
    const found = projects.flatMap((project) =>
      project.issues.filter((issue) => matches(world, project, issue, request.query)),
    );
    const home = (issue: Issue) => projects.find((project) => project.issues.includes(issue)) as Project;
    return paged(
      request,
      sorted(found, request.query).map((issue) => shownIssue(world, home(issue), issue, detailed(request))),
    );
  };
  const mergeRequestsOf = async (request: FakeRequest, projects: readonly Project[]) => {
    const found = projects.flatMap((project) =>
      project.mergeRequests.filter(
        (mr) => matches(world, project, mr, request.query) && matchesSides(world, mr, request.query),
      ),
    );
    const home = (mr: MergeRequest) => projects.find((project) => project.mergeRequests.includes(mr)) as Project;
    return paged(
      request,
      await Promise.all(
        sorted(found, request.query).map((mr) => simpleMergeRequest(world, home(mr), mr, detailed(request))),
      ),
    );
  };
  const own = (request: FakeRequest) => [projectFor(world, request)];
  return [
    {
      method: 'GET',
      path: '/projects/:id/issues',
      source: 'issues: GET /projects/:id/issues',
      query: issueQuery,
      run: (request) => issuesOf(request, own(request)),
    },
    {
      method: 'GET',
      path: '/groups/:id/issues',
      source: 'issues: GET /groups/:id/issues',
      query: issueQuery,
      run: (request) => issuesOf(request, inGroup(request)),
    },
    {
      method: 'GET',
      path: '/issues',
      source: 'issues: GET /issues',
      query: issueQuery,
      run: (request) => issuesOf(request, world.state.projects),
    },
    {
      method: 'GET',
      path: '/projects/:id/merge_requests',
      source: 'merge_requests: GET /projects/:id/merge_requests',
      query: mergeRequestQuery,
      run: (request) => mergeRequestsOf(request, own(request)),
    },
    {
      method: 'GET',
      path: '/groups/:id/merge_requests',
      source: 'merge_requests: GET /groups/:id/merge_requests',
      query: mergeRequestQuery,
      run: (request) => mergeRequestsOf(request, inGroup(request)),
    },
    {
      method: 'GET',
      path: '/merge_requests',
      source: 'merge_requests: GET /merge_requests',
      query: mergeRequestQuery,
      run: (request) => mergeRequestsOf(request, world.state.projects),
    },
    {
      method: 'POST',
      path: '/projects/:id/issues',
      source: 'issues: POST /projects/:id/issues',
      body: newIssue,
      async run(request) {
        const project = projectFor(world, request);
        const body = request.body as z.output<typeof newIssue>;
        const issue: Issue = {
          ...blank(world, project, request, project.issues.length + 1, body),
          kind: 'Issue',
          confidential: body.confidential ?? false,
        };
        project.issues.push(issue);
        await opened(world, project, issue, actorOf(request));
        return { status: 201, json: shownIssue(world, project, issue) };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/issues/:iid',
      source: 'issues: GET /projects/:id/issues/:issue_iid',
      run(request) {
        const project = projectFor(world, request);
        return { json: shownIssue(world, project, threadFor(project.issues, request)) };
      },
    },
    {
      method: 'PUT',
      path: '/projects/:id/issues/:iid',
      source: 'issues: PUT /projects/:id/issues/:issue_iid',
      body: editIssue,
      async run(request) {
        const project = projectFor(world, request, REPORTER);
        const issue = threadFor(project.issues, request);
        if (!isChanged(request.body)) return refuse(400, 'at least one parameter must be provided');
        await changeThread(world, project, issue, actorOf(request), request.body as ThreadChange);
        return { json: shownIssue(world, project, issue) };
      },
    },
    {
      method: 'POST',
      path: '/projects/:id/merge_requests',
      source: 'merge_requests: POST /projects/:id/merge_requests',
      body: newMergeRequest,
      async run(request) {
        const { target, mr } = await openMergeRequest(world, request);
        return { status: 201, json: await mergeRequest(world, target, mr) };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/merge_requests/:iid',
      source: 'merge_requests: GET /projects/:id/merge_requests/:merge_request_iid',
      query: z.strictObject({
        include_rebase_in_progress: parameter.flag.optional(),
        include_diverged_commits_count: parameter.flag.optional(),
      }),
      async run(request) {
        const project = projectFor(world, request);
        const mr = threadFor(project.mergeRequests, request);
        const shown = await mergeRequest(world, project, mr);
        const behind = async () => (await project.git.log(mr.targetBranch, { exclude: mr.sha })).length;
        return {
          json: {
            ...shown,
            ...(request.query.has('include_rebase_in_progress') && { rebase_in_progress: false }),
            ...(request.query.has('include_diverged_commits_count') && { diverged_commits_count: await behind() }),
          },
        };
      },
    },
    {
      method: 'PUT',
      path: '/projects/:id/merge_requests/:iid',
      source: 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid',
      body: editMergeRequest,
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const mr = threadFor(project.mergeRequests, request);
        if (!isChanged(request.body)) return refuse(400, 'at least one parameter must be provided');
        await changeThread(world, project, mr, actorOf(request), request.body as ThreadChange);
        return { json: await mergeRequest(world, project, mr) };
      },
    },
  ];
}
