/** Changes to issues and pull requests, with the events and the webhooks that they leave behind. */
import { invalid, refuse } from './answers.js';
import { closed, note, tellIssue, userIn } from './happenings.js';
import { labelJson, milestoneJson } from './present.js';
import { type Issue, isCollaborator, type Label, type Repository, same } from './state.js';
import type { World } from './world.js';

const DEFAULT_COLOR = 'ededed';

export interface IssueChange {
  title?: string;
  /** Null takes it away. */
  body?: string | null;
  state?: string;
  state_reason?: string | null;
  milestone?: number | string | null;
}

export const nameOf = (label: string | { name: string }): string => (typeof label === 'string' ? label : label.name);

export function issueEdit(world: World) {
  const { state } = world;

  function add(one: Repository, author: string, { title, body }: { title: string; body: string | null }): Issue {
    const now = state.now();
    const issue: Issue = {
      id: state.nextId(),
      number: one.issues.length + 1,
      title,
      body,
      author,
      state: 'open',
      reason: null,
      labels: [],
      assignees: [],
      milestone: null,
      locked: false,
      comments: [],
      events: [],
      reactions: [],
      created: now,
      updated: now,
      closed: null,
      pull: null,
    };
    one.issues.push(issue);
    return issue;
  }

  /** The label of that name, made when there is none. */
  function labelNamed(one: Repository, name: string, sender: string): Label {
    if (name.trim() === '') return invalid('Label', 'name', 'missing_field');
    const known = one.labels.find((label) => same(label.name, name));
    if (known !== undefined) return known;
    const made: Label = { id: state.nextId(), name, color: DEFAULT_COLOR, description: null };
    one.labels.push(made);
    world.emit(one, 'label', sender, { action: 'created', label: labelJson(world, one, made) });
    return made;
  }

  async function addLabels(one: Repository, issue: Issue, sender: string, names: readonly string[]): Promise<void> {
    for (const label of names.map((name) => labelNamed(one, name, sender))) {
      if (issue.labels.includes(label.id)) continue;
      issue.labels.push(label.id);
      note(world, issue, sender, 'labeled', { label });
      await tellIssue(world, one, issue, sender, 'labeled', { label: labelJson(world, one, label) });
    }
  }

  async function removeLabels(one: Repository, issue: Issue, sender: string, gone: readonly Label[]): Promise<void> {
    for (const label of gone) {
      issue.labels = issue.labels.filter((id) => id !== label.id);
      note(world, issue, sender, 'unlabeled', { label });
      await tellIssue(world, one, issue, sender, 'unlabeled', { label: labelJson(world, one, label) });
    }
  }

  async function setLabels(one: Repository, issue: Issue, sender: string, names: readonly string[]): Promise<void> {
    const kept = names.map((name) => labelNamed(one, name, sender).id);
    const gone = one.labels.filter(({ id }) => issue.labels.includes(id) && !kept.includes(id));
    await removeLabels(one, issue, sender, gone);
    await addLabels(one, issue, sender, names);
  }

  /** Whom the route may not assign it leaves out. */
  async function assign(one: Repository, issue: Issue, sender: string, logins: readonly string[]): Promise<void> {
    for (const login of logins) {
      if (issue.assignees.includes(login) || !isCollaborator(state, one, login)) continue;
      issue.assignees.push(login);
      note(world, issue, sender, 'assigned', { assignee: login });
      await tellIssue(world, one, issue, sender, 'assigned', { assignee: userIn(world, login) });
    }
  }

  async function unassign(one: Repository, issue: Issue, sender: string, logins: readonly string[]): Promise<void> {
    for (const login of logins) {
      if (!issue.assignees.includes(login)) continue;
      issue.assignees = issue.assignees.filter((other) => other !== login);
      note(world, issue, sender, 'unassigned', { assignee: login });
      await tellIssue(world, one, issue, sender, 'unassigned', { assignee: userIn(world, login) });
    }
  }

  async function setAssignees(one: Repository, issue: Issue, sender: string, logins: readonly string[]): Promise<void> {
    const unknown = logins.find((login) => !isCollaborator(state, one, login));
    if (unknown !== undefined)
      refuse(422, 'Validation Failed', {
        errors: [{ value: unknown, resource: 'Issue', field: 'assignees', code: 'invalid' }],
      });
    const gone = issue.assignees.filter((login) => !logins.includes(login));
    await unassign(one, issue, sender, gone);
    await assign(one, issue, sender, logins);
  }

  async function rename(one: Repository, issue: Issue, sender: string, { title, body }: IssueChange): Promise<void> {
    const changes: Record<string, { from: string | null }> = {};
    if (title !== undefined && title !== issue.title) {
      if (title.trim() === '') invalid('Issue', 'title', 'missing_field');
      changes.title = { from: issue.title };
      note(world, issue, sender, 'renamed', { rename: { from: issue.title, to: title } });
      issue.title = title;
    }
    const text = body === '' ? null : body;
    if (text !== undefined && text !== issue.body) {
      changes.body = { from: issue.body ?? '' };
      issue.body = text;
      issue.updated = state.now();
    }
    if (Object.keys(changes).length > 0) await tellIssue(world, one, issue, sender, 'edited', { changes });
  }

  async function setMilestone(one: Repository, issue: Issue, sender: string, number: number | null): Promise<void> {
    const before = one.milestones.find((known) => known.number === issue.milestone);
    if ((before?.number ?? null) === number) return;
    const after = one.milestones.find((known) => known.number === number);
    if (number !== null && after === undefined) invalid('Issue', 'milestone', 'invalid');
    issue.milestone = number;
    const told = after ?? before;
    note(world, issue, sender, after ? 'milestoned' : 'demilestoned');
    if (told !== undefined)
      await tellIssue(world, one, issue, sender, after ? 'milestoned' : 'demilestoned', {
        milestone: milestoneJson(world, one, told),
      });
  }

  async function setState(one: Repository, issue: Issue, sender: string, change: IssueChange): Promise<void> {
    const { state: wanted = issue.state, state_reason: reason } = change;
    if (wanted !== 'open' && wanted !== 'closed') return invalid('Issue', 'state', 'invalid');
    const asked = reason === 'not_planned' ? 'not_planned' : 'completed';
    if (wanted === issue.state) {
      if (wanted === 'closed' && !issue.pull && reason !== undefined) issue.reason = asked;
      return;
    }
    if (issue.pull?.merged) return invalid('PullRequest', 'state', 'invalid', 'Pull request is merged.');
    if (wanted === 'closed') {
      issue.reason = issue.pull ? null : asked;
      return closed(world, one, issue, sender);
    }
    issue.state = 'open';
    issue.closed = null;
    issue.reason = issue.pull ? null : 'reopened';
    note(world, issue, sender, 'reopened');
    await tellIssue(world, one, issue, sender, 'reopened');
  }

  return {
    add,
    labelNamed,
    addLabels,
    removeLabels,
    setLabels,
    assign,
    unassign,
    setAssignees,
    async change(one: Repository, issue: Issue, sender: string, change: IssueChange): Promise<void> {
      await rename(one, issue, sender, change);
      if (change.milestone !== undefined)
        await setMilestone(one, issue, sender, change.milestone === null ? null : Number(change.milestone));
      await setState(one, issue, sender, change);
    },
  };
}
