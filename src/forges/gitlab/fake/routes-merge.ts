/** What can be done with a merge request: its commits and diffs, merging, rebasing, approving. */
import type { AcceptMergeRequestOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { actedOn, refMoved, sourceOf } from './change.js';
import {
  actorOf,
  allMembers,
  DEVELOPER,
  paged,
  pagingOnly,
  parametersOf,
  projectFor,
  refuse,
  threadFor,
} from './declare.js';
import { user } from './present.js';
import { baseOf, commit, DRAFT, limitedDiff, mergeRequest } from './present-git.js';
import { type MergeRequest, type Project, userById, type World } from './state.js';

const accept = parametersOf<AcceptMergeRequestOptions>()({
  sha: z.string().optional(),
  squash: z.boolean().optional(),
  merge_commit_message: z.string().optional(),
  squash_commit_message: z.string().optional(),
  should_remove_source_branch: z.boolean().optional(),
  auto_merge: z.boolean().optional(),
  merge_when_pipeline_succeeds: z.boolean().optional(),
});

const API = '/projects/:id/merge_requests/:iid';
const DOC = 'merge_requests: %s /projects/:id/merge_requests/:merge_request_iid';
const doc = (method: string, rest = ''): string => DOC.replace('%s', method) + rest;

const ACTIVE: ReadonlySet<string> = new Set(['created', 'preparing', 'pending', 'running']);

/** The head's pipeline, to which commit statuses belong too. */
function headPipeline(project: Project, mr: MergeRequest): 'none' | 'active' | 'success' | 'other' {
  const statuses = new Map(project.statuses.filter(({ sha }) => sha === mr.sha).map((one) => [one.name, one.status]));
  const pipeline = project.pipelines.findLast(({ sha }) => sha === mr.sha);
  const all = [...statuses.values(), ...(pipeline ? [pipeline.status] : [])];
  if (all.length === 0) return 'none';
  if (all.some((status) => ACTIVE.has(status))) return 'active';
  return all.every((status) => status === 'success') ? 'success' : 'other';
}

async function merge(world: World, project: Project, mr: MergeRequest, request: FakeRequest): Promise<void> {
  const body = request.body as z.output<typeof accept>;
  if (mr.state !== 'opened' || DRAFT.test(mr.title)) return refuse(405, '405 Method Not Allowed');
  const waits = (body.auto_merge ?? body.merge_when_pipeline_succeeds) === true;
  const pipeline = headPipeline(project, mr);
  // What has no pipeline to wait for is refused, and what has succeeded already is merged at once.
  if (waits && pipeline !== 'active' && pipeline !== 'success') return refuse(405, '405 Method Not Allowed');
  if (body.sha !== undefined && body.sha !== mr.sha)
    return refuse(409, `SHA does not match HEAD of source branch: ${mr.sha}`);
  const by = actorOf(request);
  if (waits && pipeline === 'active') {
    mr.squash = body.squash ?? false;
    mr.autoMerge = {
      userId: by.id,
      message: mr.squash ? body.squash_commit_message : body.merge_commit_message,
    };
    mr.updatedAt = world.now();
    return;
  }
  const before = await project.git.resolve(`refs/heads/${mr.targetBranch}`);
  const squash = body.squash ?? false;
  const title = `Merge branch '${mr.sourceBranch}' into '${mr.targetBranch}'`;
  const message =
    (squash ? body.squash_commit_message : body.merge_commit_message) ??
    (squash ? mr.title : `${title}\n\n${mr.title}`);
  const how = squash ? 'squash' : project.settings.merge_method === 'ff' ? 'fast-forward' : 'merge';
  const author = { name: by.name, email: by.email, date: world.now() };
  const outcome = await project.git.merge({ base: mr.targetBranch, head: mr.sha, message, author, how });
  if ('conflict' in outcome) return refuse(422, 'Branch cannot be merged');
  mr.state = 'merged';
  mr.autoMerge = undefined;
  mr.mergedAt = world.now();
  mr.updatedAt = mr.mergedAt;
  mr.mergedById = by.id;
  if (squash) mr.squashCommitSha = outcome.sha;
  else if (how === 'merge') mr.mergeCommitSha = outcome.sha;
  mr.events.push({ id: world.nextId(), userId: by.id, createdAt: mr.mergedAt, state: 'merged' });
  await actedOn(world, project, mr, by, 'merge');
  await refMoved(world, project, by, { ref: `refs/heads/${mr.targetBranch}`, before, after: outcome.sha });
  if (body.should_remove_source_branch !== true && project.settings.remove_source_branch_after_merge !== true) return;
  const source = sourceOf(world, mr);
  await source.git.setRef(`refs/heads/${mr.sourceBranch}`, null);
  await refMoved(world, source, by, { ref: `refs/heads/${mr.sourceBranch}`, before: mr.sha, after: undefined });
}

/** Puts the source branch on top of the target. */
async function rebase(world: World, project: Project, mr: MergeRequest, request: FakeRequest): Promise<void> {
  const source = sourceOf(world, mr);
  const by = actorOf(request);
  const target = await project.git.resolve(`refs/heads/${mr.targetBranch}`);
  if (target === undefined || source !== project) return refuse(403, 'Source branch does not exist');
  const scratch = `refs/heads/rebase-${mr.id}`;
  await project.git.setRef(scratch, target);
  const author = { name: by.name, email: by.email, date: world.now() };
  const outcome = await project.git.merge({
    base: `rebase-${mr.id}`,
    head: mr.sha,
    message: '',
    author,
    how: 'rebase',
  });
  await project.git.setRef(scratch, null);
  if ('conflict' in outcome) return;
  const ref = `refs/heads/${mr.sourceBranch}`;
  await project.git.setRef(ref, outcome.sha);
  await refMoved(world, project, by, { ref, before: mr.sha, after: outcome.sha });
}

const approvals = (world: World, project: Project, mr: MergeRequest) => ({
  id: mr.id,
  iid: mr.iid,
  project_id: project.id,
  title: mr.title,
  state: mr.state,
  approved: mr.approvals.length > 0,
  approvals_required: 0,
  approvals_left: 0,
  user_has_approved: false,
  approved_by: mr.approvals.map(({ userId, at }) => ({ user: user(world, userById(world, userId)), approved_at: at })),
});

export function mergeRoutes(world: World): FakeRoute[] {
  const at = (request: FakeRequest, least?: number) => {
    const project = projectFor(world, request, least);
    return { project, mr: threadFor(project.mergeRequests, request) };
  };
  const commitsOf = async (project: Project, mr: MergeRequest) =>
    project.git.log(mr.sha, { exclude: await baseOf(mr, project) });
  return [
    {
      method: 'GET',
      path: `${API}/commits`,
      source: doc('GET', '/commits'),
      query: pagingOnly,
      async run(request) {
        const { project, mr } = at(request);
        const shas = await commitsOf(project, mr);
        return paged(request, await Promise.all(shas.map((sha) => commit(world, project, sha))));
      },
    },
    {
      method: 'GET',
      path: `${API}/diffs`,
      source: doc('GET', '/diffs'),
      query: pagingOnly.extend({ unidiff: parameter.flag.optional() }),
      async run(request) {
        const { project, mr } = at(request);
        const { files } = await project.git.diff(await baseOf(mr, project), mr.sha);
        return paged(request, files.map(limitedDiff));
      },
    },
    {
      method: 'GET',
      path: `${API}/raw_diffs`,
      source: doc('GET', '/raw_diffs'),
      async run(request) {
        const { project, mr } = at(request);
        const base = await baseOf(mr, project);
        return { body: (await project.git.diff(base, mr.sha, { fullIndex: true })).text };
      },
    },
    {
      method: 'PUT',
      path: `${API}/merge`,
      source: doc('PUT', '/merge'),
      body: accept,
      async run(request) {
        const { project, mr } = at(request);
        // GitLab says 401, not 403, to those who may not merge.
        try {
          projectFor(world, request, DEVELOPER);
        } catch {
          return { status: 401, json: { message: '401 Unauthorized' } };
        }
        await merge(world, project, mr, request);
        return { json: await mergeRequest(world, project, mr) };
      },
    },
    {
      method: 'POST',
      path: `${API}/cancel_merge_when_pipeline_succeeds`,
      source: doc('POST', '/cancel_merge_when_pipeline_succeeds'),
      run(request) {
        const { project, mr } = at(request);
        const level = allMembers(world, { project }).get(actorOf(request).id) ?? 0;
        if (level < DEVELOPER && mr.authorId !== actorOf(request).id) return refuse(401, '401 Unauthorized');
        if (mr.autoMerge === undefined) return refuse(406, "Can't cancel the automatic merge");
        mr.autoMerge = undefined;
        return { status: 201, json: { status: 'success' } };
      },
    },
    {
      method: 'PUT',
      path: `${API}/rebase`,
      source: doc('PUT', '/rebase'),
      body: z.strictObject({ skip_ci: z.boolean().optional() }),
      async run(request) {
        const { project, mr } = at(request, DEVELOPER);
        await rebase(world, project, mr, request);
        return { status: 202, json: { rebase_in_progress: true } };
      },
    },
    {
      method: 'GET',
      path: `${API}/approvals`,
      source: 'merge_request_approvals: GET /projects/:id/merge_requests/:merge_request_iid/approvals',
      run(request) {
        const { project, mr } = at(request);
        return { json: approvals(world, project, mr) };
      },
    },
    {
      method: 'POST',
      path: `${API}/approve`,
      source: 'merge_request_approvals: POST /projects/:id/merge_requests/:merge_request_iid/approve',
      body: z.strictObject({ sha: z.string().optional(), approval_password: z.string().optional() }),
      async run(request) {
        const { project, mr } = at(request, DEVELOPER);
        const { sha } = request.body as { sha?: string };
        const by = actorOf(request);
        if (sha !== undefined && sha !== mr.sha)
          return refuse(409, `SHA does not match HEAD of source branch: ${mr.sha}`);
        // Also when it was the same person who approved already, or who wrote it.
        if (by.id === mr.authorId || mr.approvals.some(({ userId }) => userId === by.id))
          return refuse(401, '401 Unauthorized');
        mr.approvals.push({ userId: by.id, at: world.now() });
        await actedOn(world, project, mr, by, 'approved');
        return { status: 201, json: approvals(world, project, mr) };
      },
    },
    {
      method: 'POST',
      path: `${API}/unapprove`,
      source: 'merge_request_approvals: POST /projects/:id/merge_requests/:merge_request_iid/unapprove',
      async run(request) {
        const { project, mr } = at(request, DEVELOPER);
        const by = actorOf(request);
        if (!mr.approvals.some(({ userId }) => userId === by.id)) return refuse(404, '404 Not Found');
        mr.approvals = mr.approvals.filter(({ userId }) => userId !== by.id);
        await actedOn(world, project, mr, by, 'unapproved');
        return { status: 201 };
      },
    },
    {
      method: 'GET',
      path: `${API}/reviewers`,
      source: doc('GET', '/reviewers'),
      run(request) {
        const { mr } = at(request);
        const approved = new Set(mr.approvals.map(({ userId }) => userId));
        const state = (id: number) =>
          approved.has(id) ? 'approved' : (world.state.reviewStates.get(`${mr.id}:${id}`) ?? 'unreviewed');
        return {
          json: mr.reviewerIds.map((id) => ({
            user: user(world, userById(world, id)),
            state: state(id),
            created_at: mr.createdAt,
          })),
        };
      },
    },
  ];
}
