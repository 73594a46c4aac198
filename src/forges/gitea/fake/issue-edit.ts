/** Changes to issues and pull requests, with the timeline and the webhooks that they leave behind. */
import { refuse } from './answers.js';
import { tellIssue } from './happenings.js';
import { assignable } from './routes/labels.js';
import type { Issue, Repository, TimelineEvent } from './state.js';
import type { World } from './world.js';

export interface IssueChange {
  title?: string;
  body?: string;
  state?: string;
  assignees?: readonly string[];
  /** 0 takes it away. */
  milestone?: number;
}

export function issueEdit(world: World) {
  const { state } = world;

  const note = (issue: Issue, user: string, entry: Partial<TimelineEvent> & { type: string }) => {
    issue.updated = state.now();
    issue.timeline.push({ id: state.nextId(), user, created: state.now(), body: '', ...entry });
  };

  function checkAssignees(repository: Repository, logins: readonly string[]): void {
    const able = assignable(world, repository);
    const unknown = logins.find((login) => !able.includes(login));
    if (unknown !== undefined) refuse(422, `Assignee does not exist: [name: ${unknown}]`);
  }

  async function rename(repository: Repository, issue: Issue, sender: string, { title, body }: IssueChange) {
    const changes: Record<string, { from: string }> = {};
    if (title !== undefined && title !== issue.title) {
      changes.title = { from: issue.title };
      note(issue, sender, { type: 'change_title', oldTitle: issue.title, newTitle: title });
      issue.title = title;
    }
    if (body !== undefined && body !== issue.body) {
      changes.body = { from: issue.body };
      issue.body = body;
      issue.updated = state.now();
    }
    // One webhook for each field, as the server sends them.
    for (const [field, from] of Object.entries(changes))
      await tellIssue(world, repository, issue, sender, 'edited', '', { changes: { [field]: from } });
  }

  async function assign(repository: Repository, issue: Issue, sender: string, logins: readonly string[]) {
    checkAssignees(repository, logins);
    for (const login of issue.assignees.filter((one) => !logins.includes(one))) {
      issue.assignees = issue.assignees.filter((one) => one !== login);
      note(issue, sender, { type: 'assignees', assignee: login, removedAssignee: true });
      await tellIssue(world, repository, issue, sender, 'unassigned', 'assign');
    }
    for (const login of logins.filter((one) => !issue.assignees.includes(one))) {
      issue.assignees = [...issue.assignees, login];
      note(issue, sender, { type: 'assignees', assignee: login });
      await tellIssue(world, repository, issue, sender, 'assigned', 'assign');
    }
  }

  async function setMilestone(repository: Repository, issue: Issue, sender: string, id: number) {
    const before = issue.milestone ?? 0;
    if (before === id) return;
    if (id !== 0 && !repository.milestones.some((one) => one.id === id)) refuse(404, 'milestone does not exist');
    issue.milestone = id || null;
    note(issue, sender, { type: 'milestone', ...(id && { milestone: id }), ...(before && { oldMilestone: before }) });
    await tellIssue(world, repository, issue, sender, id === 0 ? 'demilestoned' : 'milestoned', 'milestone');
  }

  async function setState(repository: Repository, issue: Issue, sender: string, wanted: string) {
    if (wanted !== 'open' && wanted !== 'closed') return refuse(422, `unknown state: ${wanted}`);
    if (issue.state === wanted) return;
    if (issue.pull?.merged) refuse(412, 'cannot change state of this pull request, it was already merged');
    issue.state = wanted;
    issue.closed = wanted === 'closed' ? state.now() : null;
    note(issue, sender, { type: wanted === 'closed' ? 'close' : 'reopen' });
    await tellIssue(world, repository, issue, sender, wanted === 'closed' ? 'closed' : 'reopened');
  }

  return {
    note,
    checkAssignees,
    add(repository: Repository, user: string, { title, body }: { title: string; body: string }): Issue {
      const now = state.now();
      const issue: Issue = {
        id: state.nextId(),
        number: repository.issues.length + 1,
        title,
        body,
        user,
        state: 'open',
        labels: [],
        assignees: [],
        milestone: null,
        locked: false,
        comments: [],
        timeline: [],
        reactions: [],
        created: now,
        updated: now,
        closed: null,
        pull: null,
      };
      repository.issues.push(issue);
      return issue;
    },
    async change(repository: Repository, issue: Issue, sender: string, change: IssueChange): Promise<void> {
      await rename(repository, issue, sender, change);
      if (change.assignees !== undefined) await assign(repository, issue, sender, change.assignees);
      if (change.milestone !== undefined) await setMilestone(repository, issue, sender, change.milestone);
      if (change.state !== undefined && change.state !== '') await setState(repository, issue, sender, change.state);
    },
  };
}
