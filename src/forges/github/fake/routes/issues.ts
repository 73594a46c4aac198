/** Issues, their comments, assignees, locks, reactions and events. */
import { z } from 'zod';
import type { JsonObject } from '../../../forge.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { nodeId } from '../../../kit/shapes/node-id.js';
import {
  type Area,
  created,
  doer,
  field,
  holderOf,
  invalid,
  issueFor,
  mayChange,
  mayIn,
  notFound,
  nothing,
  ok,
  pageOf,
  refuse,
  repositoryFor,
  row,
} from '../answers.js';
import { commitsOf } from '../git-json.js';
import { note, tellComment, tellIssue } from '../happenings.js';
import { issueEdit, nameOf } from '../issue-edit.js';
import { issueCommentJson, issueEventJson, issueJson, reviewJson, userJson } from '../present.js';
import { type Comment, type Issue, isCollaborator, isPull, type Reaction, type Repository, same } from '../state.js';
import type { World } from '../world.js';

const milestone = z.number().or(z.string()).nullish();
const CREATE = z.looseObject({
  title: field.title,
  body: field.nullable,
  labels: field.labels,
  assignees: field.texts,
  assignee: field.nullable,
  milestone,
});
const CHANGE = z.looseObject({
  title: field.title,
  body: field.nullable,
  state: field.text,
  state_reason: field.nullable,
  labels: field.labels,
  assignees: field.texts,
  milestone,
});
const BODY = z.looseObject({ body: field.text });
const COPILOT = 'copilot-swe-agent[bot]';
const ASSIGNEES = z.looseObject({ assignees: field.texts });
const CONTENT = z.looseObject({ content: field.text });
const EMOJI = ['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes'];

/** Either may be granted for what issues and pull requests share. */
const BOTH: readonly Area[] = ['issues', 'pull_requests'];

export function issueRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const edit = issueEdit(world);
  const repo = 'repos/{owner}/{repo}';
  const one = `${repo}/issues/{issue_number}`;
  const at = (request: FakeRequest, wanted: 'read' | 'write' = 'read') => {
    const repository = repositoryFor(world, request, wanted, ...BOTH);
    return { repository, issue: issueFor(repository, request) };
  };
  const mayWrite = (repository: Repository, request: FakeRequest) =>
    BOTH.some((area) => mayIn(world, repository, holderOf(request), area, 'write'));

  function commentAt(request: FakeRequest): { repository: Repository; issue: Issue; comment: Comment } {
    const repository = repositoryFor(world, request, 'read', ...BOTH);
    for (const issue of repository.issues) {
      const comment = issue.comments.find(({ id }) => String(id) === request.params.comment_id);
      if (comment !== undefined) return { repository, issue, comment };
    }
    return notFound();
  }

  async function create(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'read', 'issues');
    if (repository.settings.has_issues === false) return refuse(410, 'Issues has been disabled in this repository.');
    const body = request.body as z.infer<typeof CREATE>;
    const title = String(body.title ?? '');
    if (title.trim() === '') return invalid('Issue', 'title', 'missing_field');
    const { login } = doer(request);
    // Of people who may not write, GitHub leaves out what only those who may can set.
    const may = mayWrite(repository, request);
    const issue = edit.add(repository, login, { title, body: body.body || null });
    const labels = may ? (body.labels ?? []).map((label) => edit.labelNamed(repository, nameOf(label), login)) : [];
    issue.labels = labels.map(({ id }) => id);
    const assignees = may ? (body.assignees ?? (body.assignee ? [body.assignee] : [])) : [];
    if (may && body.milestone) issue.milestone = Number(body.milestone);
    await tellIssue(world, repository, issue, login, 'opened');
    for (const label of labels) {
      issue.labels = issue.labels.filter((id) => id !== label.id);
      await edit.addLabels(repository, issue, login, [label.name]);
    }
    if (assignees.length > 0) await edit.setAssignees(repository, issue, login, assignees);
    return created(issueJson(world, repository, issue));
  }

  async function change(request: FakeRequest) {
    const { repository, issue } = at(request);
    mayChange(world, repository, request, issue.author, issue.pull ? 'pull_requests' : 'issues');
    const { login } = doer(request);
    const { title, milestone: set, ...body } = request.body as z.infer<typeof CHANGE>;
    const wanted = { ...body, ...(title !== undefined && { title: String(title) }) };
    await edit.change(repository, issue, login, { ...wanted, milestone: set });
    if (body.labels) await edit.setLabels(repository, issue, login, body.labels.map(nameOf));
    if (body.assignees) await edit.setAssignees(repository, issue, login, body.assignees);
    return ok(issueJson(world, repository, issue));
  }

  function list(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'read', ...BOTH);
    const { query } = request;
    const value = (name: string) => query.get(name) ?? undefined;
    const [wanted, creator, assignee, since] = [
      value('state') ?? 'open',
      value('creator'),
      value('assignee'),
      value('since'),
    ];
    const labels = (value('labels') ?? '').split(',').filter(Boolean);
    const milestoneWanted = value('milestone');
    const named = (issue: Issue) => repository.labels.filter(({ id }) => issue.labels.includes(id));
    const all = repository.issues.filter(
      (issue) =>
        (wanted === 'all' || issue.state === wanted) &&
        (creator === undefined || same(issue.author, creator)) &&
        (assignee === undefined ||
          (assignee === 'none'
            ? issue.assignees.length === 0
            : assignee === '*' || issue.assignees.includes(assignee))) &&
        (since === undefined || Date.parse(issue.updated) >= Date.parse(since)) &&
        (milestoneWanted === undefined || String(issue.milestone ?? 'none') === milestoneWanted) &&
        labels.every((name) => named(issue).some((label) => same(label.name, name))),
    );
    const key = value('sort') === 'updated' ? 'updated' : 'created';
    const order = (a: Issue, b: Issue) => Date.parse(b[key]) - Date.parse(a[key]) || b.number - a.number;
    all.sort(value('direction') === 'asc' ? (a, b) => order(b, a) : order);
    return pageOf(world, request, all, (issue) => issueJson(world, repository, issue));
  }

  async function comment(request: FakeRequest) {
    const { repository, issue } = at(request);
    const { body = '' } = request.body as z.infer<typeof BODY>;
    if (body.trim() === '') return invalid('IssueComment', 'body', 'missing_field');
    if (!mayComment(repository, issue, request))
      return refuse(403, 'Unable to create comment because issue is locked.');
    const { login } = doer(request);
    const now = state.now();
    const made: Comment = { id: state.nextId(), body, author: login, created: now, updated: now, reactions: [] };
    issue.comments.push(made);
    issue.updated = now;
    tellComment(world, repository, issue, made, login, 'created');
    return created(issueCommentJson(world, repository, issue, made));
  }

  function mayComment(repository: Repository, issue: Issue, request: FakeRequest): boolean {
    const { installation } = holderOf(request);
    if (installation !== undefined && !mayWrite(repository, request))
      return refuse(403, 'Resource not accessible by integration');
    return !issue.locked || mayWrite(repository, request);
  }

  const lineCommentAt = (request: FakeRequest) => {
    const { issues } = repositoryFor(world, request, 'read', 'pull_requests');
    const comments = issues.flatMap(({ pull }) => pull?.comments ?? []);
    return comments.find(({ id }) => String(id) === request.params.comment_id) ?? notFound();
  };

  function react(reactions: Reaction[], request: FakeRequest) {
    const { content = '' } = request.body as z.infer<typeof CONTENT>;
    if (!EMOJI.includes(content)) return invalid('Reaction', 'content', 'invalid');
    const { login } = doer(request);
    const before = reactions.find((reaction) => reaction.user === login && reaction.content === content);
    const reaction = before ?? { id: state.nextId(), user: login, content, created: state.now() };
    if (before === undefined) reactions.push(reaction);
    return ok(reactionJson(reaction), before ? 200 : 201);
  }
  function unreact(reactions: Reaction[], request: FakeRequest) {
    const at = reactions.findIndex(({ id }) => String(id) === request.params.reaction_id);
    if (at < 0) return notFound();
    if (!same(reactions[at]?.user ?? '', doer(request).login))
      return refuse(403, 'Resource not accessible by integration');
    reactions.splice(at, 1);
    return nothing();
  }
  const reactionJson = (reaction: Reaction): JsonObject => ({
    id: reaction.id,
    node_id: nodeId('Reaction', reaction.id),
    user: userJson(world, reaction.user),
    content: reaction.content,
    created_at: reaction.created,
  });

  function lock(wanted: boolean) {
    return async (request: FakeRequest) => {
      const { repository, issue } = at(request, 'write');
      const { login } = doer(request);
      if (issue.locked === wanted) return nothing();
      issue.locked = wanted;
      note(world, issue, login, wanted ? 'locked' : 'unlocked');
      await tellIssue(world, repository, issue, login, wanted ? 'locked' : 'unlocked');
      return nothing();
    };
  }

  /** Everything that happened, oldest first; each in its own shape. */
  async function timeline(request: FakeRequest) {
    const { repository, issue } = at(request);
    const entries = issue.events.map((event) => ({
      at: event.created,
      json: issueEventJson(world, repository, event),
    }));
    for (const said of issue.comments) {
      const json = {
        event: 'commented',
        actor: userJson(world, said.author),
        ...issueCommentJson(world, repository, issue, said),
      };
      entries.push({ at: said.created, json });
    }
    if (isPull(issue)) {
      for (const given of issue.pull.reviews)
        entries.push({
          at: given.submitted ?? issue.updated,
          json: { event: 'reviewed', ...reviewJson(world, repository, issue, given, 'api'), state: given.state },
        });
      for (const sha of await commitsOf(repository, issue))
        entries.push({ at: issue.created, json: { event: 'committed', sha } });
    }
    entries.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    return pageOf(world, request, entries, ({ json }) => json);
  }

  const assignees = (change: 'assign' | 'unassign') => async (request: FakeRequest) => {
    const { repository, issue } = at(request, 'write');
    const { assignees = [] } = request.body as z.infer<typeof ASSIGNEES>;
    // Copilot is assigned by people, where it is switched on; afterwards it goes by another name.
    if (assignees.includes(COPILOT) && holderOf(request).installation !== undefined)
      refuse(403, 'Resource not accessible by integration');
    const logins = assignees.map((login) => (login === COPILOT ? 'Copilot' : login));
    await edit[change](repository, issue, doer(request).login, logins);
    return ok(issueJson(world, repository, issue), change === 'assign' ? 201 : 200);
  };

  return [
    row(`GET /${repo}/issues`, list),
    row(`POST /${repo}/issues`, create, { body: CREATE }),
    row(`GET /${one}`, (request) => {
      const { repository, issue } = at(request);
      return ok(issueJson(world, repository, issue));
    }),
    row(`PATCH /${one}`, change, { body: CHANGE }),
    row(`GET /${one}/comments`, (request) => {
      const { repository, issue } = at(request);
      const since = Date.parse(request.query.get('since') ?? '1970-01-01');
      const all = issue.comments.filter(({ updated }) => Date.parse(updated) >= since);
      return pageOf(world, request, all, (said) => issueCommentJson(world, repository, issue, said));
    }),
    row(`POST /${one}/comments`, comment, { body: BODY }),
    row(`GET /${repo}/issues/comments`, (request) => {
      const repository = repositoryFor(world, request, 'read', ...BOTH);
      const all = repository.issues.flatMap((issue) => issue.comments.map((said) => ({ issue, said })));
      return pageOf(world, request, all, ({ issue, said }) => issueCommentJson(world, repository, issue, said));
    }),
    row(`GET /${repo}/issues/comments/{comment_id}`, (request) => {
      const { repository, issue, comment: said } = commentAt(request);
      return ok(issueCommentJson(world, repository, issue, said));
    }),
    row(
      `PATCH /${repo}/issues/comments/{comment_id}`,
      (request) => {
        const { repository, issue, comment: said } = commentAt(request);
        mayChange(world, repository, request, said.author, issue.pull ? 'pull_requests' : 'issues');
        const { body = '' } = request.body as z.infer<typeof BODY>;
        if (body.trim() === '') return invalid('IssueComment', 'body', 'missing_field');
        const changes = { body: { from: said.body } };
        Object.assign(said, { body, updated: state.now() });
        tellComment(world, repository, issue, said, doer(request).login, 'edited', { changes });
        return ok(issueCommentJson(world, repository, issue, said));
      },
      { body: BODY },
    ),
    row(`DELETE /${repo}/issues/comments/{comment_id}`, (request) => {
      const { repository, issue, comment: said } = commentAt(request);
      mayChange(world, repository, request, said.author, issue.pull ? 'pull_requests' : 'issues');
      issue.comments = issue.comments.filter((other) => other !== said);
      tellComment(world, repository, issue, said, doer(request).login, 'deleted');
      return nothing();
    }),
    row(`POST /${one}/assignees`, assignees('assign'), { body: ASSIGNEES }),
    row(`DELETE /${one}/assignees`, assignees('unassign'), { body: ASSIGNEES }),
    row(`GET /${repo}/assignees`, (request) => {
      const repository = repositoryFor(world, request);
      const all = state.accounts.filter(
        ({ kind, login }) => kind === 'User' && isCollaborator(state, repository, login),
      );
      return pageOf(world, request, all, ({ login }) => userJson(world, login));
    }),
    row(`GET /${repo}/assignees/{assignee}`, (request) =>
      isCollaborator(state, repositoryFor(world, request), request.params.assignee ?? '') ? nothing() : notFound(),
    ),
    row(`PUT /${one}/lock`, lock(true)),
    row(`DELETE /${one}/lock`, lock(false)),
    row(`GET /${one}/reactions`, (request) =>
      pageOf(world, request, at(request).issue.reactions, (reaction) => reactionJson(reaction)),
    ),
    row(`POST /${one}/reactions`, (request) => react(at(request).issue.reactions, request), { body: CONTENT }),
    row(
      `POST /${repo}/issues/comments/{comment_id}/reactions`,
      (request) => react(commentAt(request).comment.reactions, request),
      { body: CONTENT },
    ),
    row(`GET /${repo}/issues/comments/{comment_id}/reactions`, (request) =>
      pageOf(world, request, commentAt(request).comment.reactions, (reaction) => reactionJson(reaction)),
    ),
    row(
      `POST /${repo}/pulls/comments/{comment_id}/reactions`,
      (request) => react(lineCommentAt(request).reactions, request),
      { body: CONTENT },
    ),
    row(`GET /${repo}/pulls/comments/{comment_id}/reactions`, (request) =>
      pageOf(world, request, lineCommentAt(request).reactions, (reaction) => reactionJson(reaction)),
    ),
    row(`DELETE /${repo}/pulls/comments/{comment_id}/reactions/{reaction_id}`, (request) =>
      unreact(lineCommentAt(request).reactions, request),
    ),
    row(`DELETE /${one}/reactions/{reaction_id}`, (request) => unreact(at(request).issue.reactions, request)),
    row(`DELETE /${repo}/issues/comments/{comment_id}/reactions/{reaction_id}`, (request) =>
      unreact(commentAt(request).comment.reactions, request),
    ),
    row(`GET /${one}/events`, (request) => {
      const { repository, issue } = at(request);
      return pageOf(world, request, issue.events, (event) => issueEventJson(world, repository, event));
    }),
    row(`GET /${one}/timeline`, timeline),
  ];
}
