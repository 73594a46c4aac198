/** Pull requests. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  mayChange,
  notFound,
  nothing,
  ok,
  paged,
  paging,
  pagingQuery,
  pullFor,
  refuse,
  repositoryFor,
  since,
} from '../answers.js';
import { commitJson, mergeBaseOf, pageOf, protectionFor, pullJson, reviewJson } from '../git-json.js';
import { mirrorHead, refMoved, tellIssue } from '../happenings.js';
import { issueEdit } from '../issue-edit.js';
import { isDraft } from '../objects.js';
import {
  accountNamed,
  atLeast,
  type Issue,
  levelOf,
  organizationNamed,
  type Pull,
  type Repository,
  type Review,
  repositoryById,
} from '../state.js';
import type { World } from '../world.js';

const text = z.string().optional();

const LIST = z.object({
  ...paging,
  state: z.enum(['open', 'closed', 'all']).optional(),
  sort: z.enum(['oldest', 'recentupdate', 'leastupdate', 'mostcomment', 'leastcomment', 'priority']).optional(),
  milestone: parameter.integer.optional(),
  labels: parameter.texts.optional(),
});

const CREATE = z.object({
  title: z.string(),
  head: z.string(),
  base: z.string(),
  body: text,
  assignee: text,
  assignees: z.array(z.string()).optional(),
  labels: z.array(z.number().int()).optional(),
  milestone: z.number().int().optional(),
});

const EDIT = z.object({
  title: text,
  body: text,
  state: text,
  base: text,
  assignees: z.array(z.string()).optional(),
  labels: z.array(z.number().int()).optional(),
  milestone: z.number().int().optional(),
  allow_maintainer_edit: z.boolean().optional(),
});

const MERGE = z.object({
  Do: z.enum(['merge', 'rebase', 'rebase-merge', 'squash', 'manually-merged']),
  MergeTitleField: text,
  MergeMessageField: text,
  head_commit_id: text,
  force_merge: z.boolean().optional(),
  delete_branch_after_merge: z.boolean().optional(),
  merge_when_checks_succeed: z.boolean().optional(),
});

const REVIEWERS = z.object({
  reviewers: z.array(z.string()).optional(),
  team_reviewers: z.array(z.string()).optional(),
});

type PullIssue = Issue & { pull: Pull };

const SORTS: Readonly<Record<string, (a: PullIssue, b: PullIssue) => number>> = {
  oldest: (a, b) => a.id - b.id,
  recentupdate: (a, b) => Date.parse(b.updated) - Date.parse(a.updated) || b.id - a.id,
  leastupdate: (a, b) => Date.parse(a.updated) - Date.parse(b.updated) || a.id - b.id,
  mostcomment: (a, b) => b.comments.length - a.comments.length,
  leastcomment: (a, b) => a.comments.length - b.comments.length,
};

export function pullRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const edit = issueEdit(world);
  const base = '/repos/:owner/:repo/pulls';
  const at = (request: FakeRequest) => {
    const repository = repositoryFor(world, request);
    return { repository, issue: pullFor(repository, request) };
  };
  const show = (repository: Repository, issue: PullIssue, request: FakeRequest) =>
    pullJson(world, repository, issue, doer(request).login);

  /** Where the commits come from: `branch` or `owner:branch` of a fork. */
  function headOf(repository: Repository, head: string): { repository: Repository; branch: string } {
    const [owner, branch] = head.includes(':') ? head.split(':') : [repository.owner, head];
    const found =
      owner === repository.owner
        ? repository
        : state.repositories.find(
            (one) => one.owner === owner && (one.parent === repository.id || one.id === repository.parent),
          );
    return found === undefined || branch === undefined ? notFound() : { repository: found, branch };
  }

  async function create(request: FakeRequest) {
    const repository = repositoryFor(world, request);
    const body = request.body as z.infer<typeof CREATE>;
    const { login } = doer(request);
    const head = headOf(repository, body.head);
    const [headSha, baseSha] = await Promise.all([
      head.repository.git.resolve(`refs/heads/${head.branch}`),
      repository.git.resolve(`refs/heads/${body.base}`),
    ]);
    if (headSha === undefined || baseSha === undefined) return notFound();
    if (body.title.trim() === '') refuse(422, '[Title]: Required');
    if (head.repository === repository && head.branch === body.base)
      refuse(422, 'Invalid PullRequest: There are no changes between the head and the base');
    const twin = repository.issues.find(
      ({ state: now, pull }) =>
        now === 'open' &&
        pull?.headRepository === head.repository.id &&
        pull.headBranch === head.branch &&
        pull.baseBranch === body.base,
    );
    if (twin) refuse(409, `pull request already exists for these targets [id: ${twin.id}]`);
    edit.checkAssignees(repository, body.assignees ?? []);
    if (head.repository !== repository) await mirrorHead(repository, head.repository, headSha);
    const issue = edit.add(repository, login, { title: body.title, body: body.body ?? '' }) as PullIssue;
    issue.labels = [...(body.labels ?? [])];
    issue.assignees = [...(body.assignees ?? [])];
    issue.milestone = body.milestone || null;
    issue.pull = {
      id: state.nextId(),
      headRepository: head.repository.id,
      headBranch: head.branch,
      baseBranch: body.base,
      headSha,
      baseSha: undefined,
      merged: null,
      reviewers: [],
      teams: [],
      reviews: [],
      allowMaintainerEdit: false,
    };
    await repository.git.setRef(`refs/pull/${issue.number}/head`, headSha);
    await tellIssue(world, repository, issue, login, 'opened');
    return created(await show(repository, issue, request));
  }

  async function change(request: FakeRequest) {
    const { repository, issue } = at(request);
    mayChange(world, repository, doer(request), issue.user);
    const body = request.body as z.infer<typeof EDIT>;
    const { login } = doer(request);
    if (body.base !== undefined && body.base !== issue.pull.baseBranch) {
      if ((await repository.git.resolve(`refs/heads/${body.base}`)) === undefined) return notFound();
      const from = issue.pull.baseBranch;
      issue.pull.baseBranch = body.base;
      edit.note(issue, login, { type: 'change_target_branch' });
      await tellIssue(world, repository, issue, login, 'edited', '', { changes: { ref: { from } } });
    }
    if (body.labels !== undefined) issue.labels = [...body.labels];
    issue.pull.allowMaintainerEdit = body.allow_maintainer_edit ?? issue.pull.allowMaintainerEdit;
    await edit.change(repository, issue, login, body);
    return created(await show(repository, issue, request));
  }

  /** Only a protected branch asks for any; without names it asks for all that there are. */
  function checksPass(repository: Repository, pull: Pull): boolean {
    const rule = protectionFor(repository, pull.baseBranch)?.fields;
    if (rule?.enable_status_check !== true) return true;
    const latest = new Map((repository.statuses.get(pull.headSha) ?? []).map((one) => [one.context, one.state]));
    const wanted = (rule.status_check_contexts as string[] | undefined) ?? [];
    const names = wanted.length > 0 ? wanted : [...latest.keys()];
    return names.length > 0 && names.every((name) => latest.get(name) === 'success');
  }

  function cancelMerge(request: FakeRequest) {
    const { repository, issue } = at(request);
    const { login } = doer(request);
    if (issue.pull.autoMerge === undefined) return notFound();
    if (issue.pull.autoMerge.by !== login && !atLeast(levelOf(state, repository, login), 'admin'))
      return refuse(403, 'user has no permission to cancel the scheduled auto merge');
    issue.pull.autoMerge = undefined;
    edit.note(issue, login, { type: 'pull_cancel_scheduled_merge' });
    return nothing();
  }

  async function merge(request: FakeRequest) {
    const { repository, issue } = at(request);
    const body = request.body as z.infer<typeof MERGE>;
    const { login } = doer(request);
    const { pull } = issue;
    if (pull.merged) return refuse(405, '');
    if (issue.state === 'closed') return notFound();
    if (!atLeast(levelOf(state, repository, login), 'write')) return refuse(405, 'User not allowed to merge PR');
    if (isDraft(issue.title)) return refuse(405, 'Work in progress PRs cannot be merged');
    if (await repository.git.conflicts(pull.baseBranch, pull.headSha)) return refuse(405, 'Please try again later');
    if (body.head_commit_id && body.head_commit_id !== pull.headSha) return refuse(409, 'head out of date');
    const title =
      body.MergeTitleField ||
      `Merge pull request '${issue.title}' (#${issue.number}) from ${pull.headBranch} into ${pull.baseBranch}`;
    const message = [title, ...(body.MergeMessageField ? [body.MergeMessageField] : [])].join('\n\n');
    if (body.merge_when_checks_succeed && !checksPass(repository, pull)) {
      if (pull.autoMerge) return refuse(409, 'pull request is already scheduled to auto merge when checks succeed');
      pull.autoMerge = { by: login, style: body.Do, message };
      edit.note(issue, login, { type: 'pull_scheduled_merge' });
      return nothing(201);
    }
    const ref = `refs/heads/${pull.baseBranch}`;
    const before = (await repository.git.resolve(ref)) ?? notFound();
    const account = accountNamed(state, login) ?? notFound();
    const done = await repository.git.merge({
      base: pull.baseBranch,
      head: pull.headSha,
      message,
      author: { name: account.login, email: account.email },
      how: body.Do === 'squash' ? 'squash' : body.Do === 'rebase' ? 'rebase' : 'merge',
    });
    if ('conflict' in done) return refuse(409, 'merge conflict');
    pull.baseSha = before;
    pull.autoMerge = undefined;
    pull.merged = { sha: done.sha, by: login, at: state.now() };
    issue.state = 'closed';
    issue.closed = state.now();
    edit.note(issue, login, { type: 'merge_pull' });
    await refMoved(world, repository, login, ref, before, done.sha);
    await tellIssue(world, repository, issue, login, 'closed');
    return nothing(200);
  }

  async function update(request: FakeRequest) {
    const { repository, issue } = at(request);
    const { pull } = issue;
    if (pull.merged || issue.state === 'closed') return refuse(422, '');
    const head = repositoryById(state, pull.headRepository) ?? notFound();
    if (await repository.git.isAncestor(pull.baseBranch, pull.headSha))
      return refuse(500, `HeadBranch of PR ${issue.number} is up to date`);
    const { login, email } = doer(request);
    await mirrorHead(head, repository, (await repository.git.resolve(pull.baseBranch)) ?? '');
    const done = await head.git.merge({
      base: pull.headBranch,
      head: (await repository.git.resolve(pull.baseBranch)) ?? '',
      message: `Merge branch '${pull.baseBranch}' into ${pull.headBranch}`,
      author: { name: login, email },
      how: 'merge',
    });
    if ('conflict' in done) return refuse(409, 'merge failed because of conflict');
    await refMoved(world, head, login, `refs/heads/${pull.headBranch}`, pull.headSha, done.sha);
    return nothing(200);
  }

  const reviewers = (method: 'POST' | 'DELETE'): FakeRoute => ({
    method,
    path: `${base}/:index/requested_reviewers`,
    source: `repository: ${method} /repos/{owner}/{repo}/pulls/{index}/requested_reviewers`,
    body: REVIEWERS,
    run: async (request) => {
      const { repository, issue } = at(request);
      const { reviewers: logins = [], team_reviewers: teams = [] } = request.body as z.infer<typeof REVIEWERS>;
      const made: Review[] = [];
      for (const name of logins) {
        const account = accountNamed(state, name) ?? notFound();
        if (account.login === issue.user) refuse(422, "poster of pr can't be reviewer");
        if (!atLeast(levelOf(state, repository, account.login), 'read')) refuse(422, "Reviewer can't read");
        made.push(...(await ask(repository, issue, account.login, doer(request).login, method === 'POST')));
      }
      for (const name of teams) {
        const team = organizationNamed(state, repository.owner)?.teams.find((one) => one.name === name) ?? notFound();
        issue.pull.teams = [
          ...issue.pull.teams.filter((one) => one !== team.name),
          ...(method === 'POST' ? [team.name] : []),
        ];
        await tellIssue(
          world,
          repository,
          issue,
          doer(request).login,
          method === 'POST' ? 'review_requested' : 'review_request_removed',
          'review_request',
        );
      }
      return method === 'POST'
        ? created(made.map((review) => reviewJson(world, repository, issue, review)))
        : nothing();
    },
  });

  async function ask(
    repository: Repository,
    issue: PullIssue,
    login: string,
    sender: string,
    wanted: boolean,
  ): Promise<Review[]> {
    const { pull } = issue;
    if (pull.reviewers.includes(login) === wanted) return [];
    pull.reviewers = wanted ? [...pull.reviewers, login] : pull.reviewers.filter((one) => one !== login);
    pull.reviews = pull.reviews.filter((one) => one.user !== login || one.state !== 'REQUEST_REVIEW');
    edit.note(issue, sender, { type: 'review_request', assignee: login, removedAssignee: !wanted });
    const review: Review = {
      id: state.nextId(),
      user: login,
      state: 'REQUEST_REVIEW',
      body: '',
      commit: pull.headSha,
      dismissed: false,
      submitted: state.now(),
      comments: [],
    };
    if (wanted) pull.reviews.push(review);
    const more = { requested_reviewer: { id: accountNamed(state, login)?.id, login, username: login } };
    await tellIssue(
      world,
      repository,
      issue,
      sender,
      wanted ? 'review_requested' : 'review_request_removed',
      'review_request',
      more,
    );
    return wanted ? [review] : [];
  }

  return [
    {
      method: 'GET',
      path: base,
      source: 'repository: GET /repos/{owner}/{repo}/pulls',
      query: LIST,
      run: (request) => {
        const repository = repositoryFor(world, request);
        const wanted = request.query.get('state') ?? 'open';
        const all = repository.issues.filter(
          (issue): issue is PullIssue => issue.pull !== null && (wanted === 'all' || issue.state === wanted),
        );
        all.sort(SORTS[request.query.get('sort') ?? ''] ?? ((a, b) => b.id - a.id));
        return paged(world, request, all, (issue) => show(repository, issue, request));
      },
    },
    { method: 'POST', path: base, source: 'repository: POST /repos/{owner}/{repo}/pulls', body: CREATE, run: create },
    {
      method: 'GET',
      path: `${base}/:index`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}',
      run: async (request) => {
        const { repository, issue } = at(request);
        return ok(await show(repository, issue, request));
      },
    },
    {
      method: 'GET',
      path: `${base}/:index.:diffType`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}.{diffType}',
      query: z.object({ binary: parameter.flag.optional() }),
      run: async (request) => {
        const { repository, issue } = at(request);
        const from = await mergeBaseOf(repository, issue.pull);
        const body =
          request.params.diffType === 'patch'
            ? await repository.git.formatPatch(from, issue.pull.headSha)
            : (await repository.git.diff(from, issue.pull.headSha)).text;
        return { body };
      },
    },
    {
      method: 'PATCH',
      path: `${base}/:index`,
      source: 'repository: PATCH /repos/{owner}/{repo}/pulls/{index}',
      body: EDIT,
      run: change,
    },
    {
      method: 'GET',
      path: `${base}/:index/commits`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}/commits',
      query: z.object({ ...paging, verification: parameter.flag.optional(), files: parameter.flag.optional() }),
      run: async (request) => {
        const { repository, issue } = at(request);
        const from = await mergeBaseOf(repository, issue.pull);
        const shas = await repository.git.log(issue.pull.headSha, { exclude: from });
        return paged(world, request, shas, (sha) => commitJson(world, repository, sha));
      },
    },
    {
      method: 'GET',
      path: `${base}/:index/files`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}/files',
      query: pagingQuery,
      run: async (request) => {
        const { repository, issue } = at(request);
        const from = await mergeBaseOf(repository, issue.pull);
        const { files } = await repository.git.diff(from, issue.pull.headSha);
        const page = pageOf(world, repository);
        const words: Readonly<Record<string, string>> = { modified: 'changed', removed: 'deleted' };
        return paged(world, request, files, (file) => ({
          filename: file.path,
          ...(file.previousPath !== undefined && { previous_filename: file.previousPath }),
          status: words[file.status] ?? file.status,
          additions: file.additions,
          deletions: file.deletions,
          changes: file.additions + file.deletions,
          html_url: `${page}/src/commit/${issue.pull.headSha}/${file.path}`,
          contents_url: `${world.apiUrl}/repos/${repository.owner}/${repository.name}/contents/${file.path}?ref=${issue.pull.headSha}`,
          raw_url: `${page}/raw/commit/${issue.pull.headSha}/${file.path}`,
        }));
      },
    },
    {
      method: 'GET',
      path: `${base}/:index/merge`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}/merge',
      run: (request) => (at(request).issue.pull.merged ? nothing() : { status: 404 }),
    },
    {
      method: 'POST',
      path: `${base}/:index/merge`,
      source: 'repository: POST /repos/{owner}/{repo}/pulls/{index}/merge',
      body: MERGE,
      run: merge,
    },
    {
      method: 'DELETE',
      path: `${base}/:index/merge`,
      source: 'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/merge',
      run: cancelMerge,
    },
    {
      method: 'POST',
      path: `${base}/:index/update`,
      source: 'repository: POST /repos/{owner}/{repo}/pulls/{index}/update',
      query: z.object({ style: z.enum(['merge', 'rebase']).optional() }),
      run: update,
    },
    reviewers('POST'),
    reviewers('DELETE'),
    since('v122', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/commits/:sha/pull',
      source: 'repository: GET /repos/{owner}/{repo}/commits/{sha}/pull',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const found = repository.issues.find(
          (issue): issue is PullIssue => issue.pull?.merged?.sha === request.params.sha,
        );
        return found ? ok(await show(repository, found, request)) : notFound();
      },
    }),
  ];
}
