/** Pull requests: opened, edited, merged, their commits and files, and who is asked for a review. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  field,
  holderOf,
  inForm,
  invalid,
  mayChange,
  mayIn,
  notFound,
  nothing,
  ok,
  pageOf,
  pullFor,
  refuse,
  repositoryFor,
  row,
  wantsForm,
} from '../answers.js';
import {
  commitJson,
  commitsOf,
  conflicts,
  diffOf,
  fileJson,
  mergeBaseOf,
  NO_COMMIT,
  pullJson,
  pullListed,
} from '../git-json.js';
import { closed, note, refMoved, tellIssue, userIn } from '../happenings.js';
import { issueEdit } from '../issue-edit.js';
import { userJson } from '../present.js';
import { accountNamed, isCollaborator, isPull, type PullIssue, type Repository, same } from '../state.js';
import type { World } from '../world.js';

const CREATE = z.looseObject({
  title: field.text,
  body: field.nullable,
  head: field.text,
  base: field.text,
  draft: field.flag,
  maintainer_can_modify: field.flag,
  issue: field.integer,
});
const CHANGE = z.looseObject({ title: field.text, body: field.nullable, state: field.text, base: field.text });
const MERGE = z.looseObject({
  commit_title: field.text,
  commit_message: field.text,
  sha: field.text,
  merge_method: field.text,
});
const UPDATE = z.looseObject({ expected_head_sha: field.text });
const REVIEWERS = z.looseObject({ reviewers: field.texts, team_reviewers: field.texts });
const DRAFT = z.looseObject({ draft: field.flag });
const BY_UPDATE = (a: PullIssue, b: PullIssue) => Date.parse(b.updated) - Date.parse(a.updated) || b.number - a.number;
const BY_NUMBER = (a: PullIssue, b: PullIssue) => b.number - a.number;

export function pullRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const edit = issueEdit(world);
  const repo = 'repos/{owner}/{repo}';
  const one = `${repo}/pulls/{pull_number}`;
  const at = (request: FakeRequest, wanted: 'read' | 'write' = 'read') => {
    const repository = repositoryFor(world, request, wanted, 'pull_requests');
    return { repository, issue: pullFor(repository, request) };
  };
  const shown = (repository: Repository, issue: PullIssue) => pullJson(world, repository, issue, 'api');

  /** `owner:branch` or `branch`; no forks here. */
  function headOf(repository: Repository, head: string): string {
    const [owner = '', branch] = head.split(':', 2);
    if (branch === undefined) return owner;
    return same(owner, repository.owner) ? branch : invalid('PullRequest', 'head', 'invalid');
  }

  async function create(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'read', 'pull_requests');
    const body = request.body as z.infer<typeof CREATE>;
    if (!body.title?.trim()) return invalid('PullRequest', 'title', 'missing_field');
    const headBranch = headOf(repository, body.head ?? '');
    const baseBranch = body.base ?? '';
    const headSha = await repository.git.resolve(`refs/heads/${headBranch}`);
    const baseSha = await repository.git.resolve(`refs/heads/${baseBranch}`);
    if (headSha === undefined) return invalid('PullRequest', 'head', 'invalid');
    if (baseSha === undefined) return invalid('PullRequest', 'base', 'invalid');
    const { login } = doer(request);
    if (holderOf(request).installation && !mayIn(world, repository, holderOf(request), 'pull_requests', 'write'))
      return refuse(403, 'Resource not accessible by integration');
    const twin = repository.issues.find(
      ({ state: now, pull }) => now === 'open' && pull?.headBranch === headBranch && pull.baseBranch === baseBranch,
    );
    const place = `${repository.owner}:${headBranch}`;
    if (twin) return invalid('PullRequest', 'base', 'custom', `A pull request already exists for ${place}.`);
    if ((await repository.git.log(headSha, { exclude: baseSha, limit: 1 })).length === 0)
      return invalid('PullRequest', 'base', 'custom', `No commits between ${baseBranch} and ${headBranch}`);
    const issue = edit.add(repository, login, { title: body.title, body: body.body || null }) as PullIssue;
    issue.pull = {
      id: state.nextId(),
      headBranch,
      baseBranch,
      headSha,
      baseSha: undefined,
      draft: body.draft ?? false,
      merged: null,
      requested: [],
      teams: [],
      reviews: [],
      comments: [],
    };
    await repository.git.setRef(`refs/pull/${issue.number}/head`, headSha);
    await tellIssue(world, repository, issue, login, 'opened');
    return created(await shown(repository, issue));
  }

  async function change(request: FakeRequest) {
    const { repository, issue } = at(request);
    mayChange(world, repository, request, issue.author, 'pull_requests');
    const { base, ...body } = request.body as z.infer<typeof CHANGE>;
    const { login } = doer(request);
    if (base !== undefined && base !== issue.pull.baseBranch) {
      if ((await repository.git.resolve(`refs/heads/${base}`)) === undefined)
        return invalid('PullRequest', 'base', 'invalid');
      const from = issue.pull.baseBranch;
      const sha = await repository.git.resolve(`refs/heads/${from}`);
      issue.pull.baseBranch = base;
      note(world, issue, login, 'base_ref_changed');
      const changes = { base: { ref: { from }, sha: { from: sha } } };
      await tellIssue(world, repository, issue, login, 'edited', { changes });
    }
    await edit.change(repository, issue, login, body);
    return ok(await shown(repository, issue));
  }

  /** GitHub does it by GraphQL alone; the path is ours. */
  async function setDraft(request: FakeRequest) {
    const { repository, issue } = at(request);
    mayChange(world, repository, request, issue.author, 'pull_requests');
    const { draft = false } = request.body as z.infer<typeof DRAFT>;
    const { login } = doer(request);
    if (draft !== issue.pull.draft) {
      issue.pull.draft = draft;
      note(world, issue, login, draft ? 'convert_to_draft' : 'ready_for_review');
      await tellIssue(world, repository, issue, login, draft ? 'converted_to_draft' : 'ready_for_review');
    }
    return ok(await shown(repository, issue));
  }

  async function merge(request: FakeRequest) {
    const { repository, issue } = at(request);
    if (!mayIn(world, repository, holderOf(request), 'contents', 'write'))
      return refuse(403, 'Resource not accessible by integration');
    const { pull } = issue;
    const body = request.body as z.infer<typeof MERGE>;
    const { merge_method: how = 'merge' } = body;
    if (how !== 'merge' && how !== 'squash' && how !== 'rebase')
      return invalid('PullRequest', 'merge_method', 'invalid');
    if (issue.state === 'closed' || pull.draft || (await conflicts(repository, issue)))
      return refuse(405, pull.draft ? 'Pull Request is still a draft' : 'Pull Request is not mergeable');
    if (body.sha !== undefined && body.sha !== pull.headSha)
      return refuse(409, 'Head branch was modified. Review and try the merge again.');
    const ref = `refs/heads/${pull.baseBranch}`;
    const before = (await repository.git.resolve(ref)) ?? notFound();
    const { login, email } = doer(request);
    const title =
      body.commit_title ??
      (how === 'squash'
        ? `${issue.title} (#${issue.number})`
        : `Merge pull request #${issue.number} from ${repository.owner}/${pull.headBranch}`);
    const text = body.commit_message ?? (how === 'merge' ? issue.title : '');
    const done = await repository.git.merge({
      base: pull.baseBranch,
      head: pull.headSha,
      message: text === '' ? title : `${title}\n\n${text}`,
      author: { name: login, email },
      how,
    });
    if ('conflict' in done) return refuse(405, 'Pull Request is not mergeable');
    pull.baseSha = before;
    pull.merged = { sha: done.sha, by: login, at: state.now() };
    note(world, issue, login, 'merged', { commit: done.sha });
    await closed(world, repository, issue, login);
    await refMoved(world, repository, login, ref, before, done.sha);
    if (repository.settings.delete_branch_on_merge === true) {
      await repository.git.setRef(`refs/heads/${pull.headBranch}`, null);
      await refMoved(world, repository, login, `refs/heads/${pull.headBranch}`, pull.headSha, NO_COMMIT);
    }
    return ok({ sha: done.sha, merged: true, message: 'Pull Request successfully merged' });
  }

  async function update(request: FakeRequest) {
    const { repository, issue } = at(request);
    const { pull } = issue;
    if (!mayIn(world, repository, holderOf(request), 'contents', 'write'))
      return refuse(403, 'Resource not accessible by integration');
    const { expected_head_sha: expected } = request.body as z.infer<typeof UPDATE>;
    if (expected !== undefined && expected !== pull.headSha)
      return refuse(422, 'expected_head_sha does not match the most recent commit on the pull request branch.');
    if (await repository.git.isAncestor(pull.baseBranch, pull.headSha))
      return refuse(422, 'There are no new commits on the base branch.');
    const { login, email } = doer(request);
    const before = pull.headSha;
    const done = await repository.git.merge({
      base: pull.headBranch,
      head: (await repository.git.resolve(`refs/heads/${pull.baseBranch}`)) ?? notFound(),
      message: `Merge branch '${pull.baseBranch}' into ${pull.headBranch}`,
      author: { name: login, email },
      how: 'merge',
    });
    if ('conflict' in done) return refuse(422, 'merge conflict between base and head');
    await refMoved(world, repository, login, `refs/heads/${pull.headBranch}`, before, done.sha);
    const url = `${world.webUrl}/${repository.owner}/${repository.name}/pull/${issue.number}`;
    return ok({ message: 'Updating pull request branch.', url }, 202);
  }

  async function ask(request: FakeRequest) {
    const { repository, issue } = at(request, 'write');
    const { pull } = issue;
    const { reviewers = [], team_reviewers: teams = [] } = request.body as z.infer<typeof REVIEWERS>;
    const { login: sender } = doer(request);
    if (reviewers.some((login) => same(login, issue.author)))
      return refuse(422, 'Review cannot be requested from pull request author.');
    const isTeam = (slug: string) =>
      state.teams.some((team) => team.slug === slug && same(team.organization, repository.owner));
    const known = reviewers.every((login) => accountNamed(state, login) && isCollaborator(state, repository, login));
    if (!known || !teams.every(isTeam))
      return refuse(
        422,
        `Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the ${repository.owner}/${repository.name} repository.`,
      );
    for (const login of reviewers) {
      if (pull.requested.includes(login)) continue;
      pull.requested.push(login);
      note(world, issue, sender, 'review_requested', { reviewer: login });
      const requested_reviewer = userIn(world, login);
      await tellIssue(world, repository, issue, sender, 'review_requested', { requested_reviewer });
    }
    pull.teams = [...new Set([...pull.teams, ...teams])];
    return created(await pullListed(world, repository, issue));
  }

  async function unask(request: FakeRequest) {
    const { repository, issue } = at(request, 'write');
    const { reviewers = [], team_reviewers: teams = [] } = request.body as z.infer<typeof REVIEWERS>;
    const { login: sender } = doer(request);
    issue.pull.teams = issue.pull.teams.filter((slug) => !teams.includes(slug));
    for (const login of reviewers.filter((name) => issue.pull.requested.includes(name))) {
      issue.pull.requested = issue.pull.requested.filter((name) => name !== login);
      note(world, issue, sender, 'review_request_removed', { reviewer: login });
      const requested_reviewer = userIn(world, login);
      await tellIssue(world, repository, issue, sender, 'review_request_removed', { requested_reviewer });
    }
    return ok(await pullListed(world, repository, issue));
  }

  async function list(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'read', 'pull_requests');
    const value = (name: string) => request.query.get(name) ?? undefined;
    const [wanted, base, head] = [value('state') ?? 'open', value('base'), value('head')];
    const all = repository.issues.filter(
      (issue): issue is PullIssue =>
        isPull(issue) &&
        (wanted === 'all' || issue.state === wanted) &&
        (base === undefined || issue.pull.baseBranch === base) &&
        (head === undefined || head === `${repository.owner}:${issue.pull.headBranch}`),
    );
    const order = value('sort') === 'updated' ? BY_UPDATE : BY_NUMBER;
    const upwards = value('direction') === 'asc';
    all.sort(upwards ? (a, b) => order(b, a) : order);
    return pageOf(world, request, all, (issue) => pullListed(world, repository, issue));
  }

  return [
    row(`GET /${repo}/pulls`, list),
    row(`POST /${repo}/pulls`, create, { body: CREATE }),
    row(`GET /${one}`, async (request) => {
      const { repository, issue } = at(request);
      if (wantsForm(request, 'diff')) return inForm('diff', (await diffOf(repository, issue)).text);
      if (wantsForm(request, 'patch'))
        return inForm(
          'patch',
          await repository.git.formatPatch(await mergeBaseOf(repository, issue), issue.pull.headSha),
        );
      return ok(await shown(repository, issue));
    }),
    row(`PATCH /${one}`, change, { body: CHANGE }),
    row(`PUT /${one}/draft`, setDraft, { body: DRAFT }),
    row(`GET /${one}/commits`, async (request) => {
      const { repository, issue } = at(request);
      return pageOf(world, request, await commitsOf(repository, issue), (sha) => commitJson(world, repository, sha));
    }),
    row(`GET /${one}/files`, async (request) => {
      const { repository, issue } = at(request);
      const { files } = await diffOf(repository, issue);
      return pageOf(world, request, files, (file) => fileJson(world, repository, issue.pull.headSha, file));
    }),
    row(`GET /${one}/merge`, (request) => (at(request).issue.pull.merged ? nothing() : notFound())),
    row(`PUT /${one}/merge`, merge, { body: MERGE }),
    row(`PUT /${one}/update-branch`, update, { body: UPDATE }),
    row(`GET /${one}/requested_reviewers`, (request) => {
      const { issue } = at(request);
      return ok({ users: issue.pull.requested.map((login) => userJson(world, login)), teams: [] });
    }),
    row(`POST /${one}/requested_reviewers`, ask, { body: REVIEWERS }),
    row(`DELETE /${one}/requested_reviewers`, unask, { body: REVIEWERS }),
    row(`GET /${repo}/commits/{commit_sha}/pulls`, async (request) => {
      const repository = repositoryFor(world, request, 'read', 'pull_requests');
      const sha = (await repository.git.resolve(request.params.commit_sha ?? '')) ?? notFound();
      const found: PullIssue[] = [];
      for (const issue of repository.issues.filter(isPull))
        if (issue.pull.merged?.sha === sha || (await commitsOf(repository, issue)).includes(sha)) found.push(issue);
      return pageOf(world, request, found, (issue) => pullListed(world, repository, issue));
    }),
  ];
}
