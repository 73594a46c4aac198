/** Changing issues and merge requests: what changed is told to hooks and kept as events, as GitLab does. */
import { createHash } from 'node:crypto';
import { FakeRefusal } from '../../kit/fake/routing.js';
import { refuse } from './declare.js';
import { actor as hookActor, label as hookLabel, issueHook, mergeRequestHook, noteHook, pushHook } from './payload.js';
import { DRAFT } from './present-git.js';
import { ordersIn } from './quick-actions.js';
import {
  type Issue,
  type Label,
  type MergeRequest,
  type Note,
  type Project,
  projectById,
  type Thread,
  type User,
  userById,
  type World,
} from './state.js';

export interface ThreadChange {
  title?: string;
  description?: string;
  state_event?: 'close' | 'reopen';
  labels?: string[];
  add_labels?: string[];
  remove_labels?: string[];
  assignee_ids?: number[];
  reviewer_ids?: number[];
  milestone_id?: number;
  discussion_locked?: boolean;
  target_branch?: string;
  allow_collaboration?: boolean;
  confidential?: boolean;
}

/** A label that a thread is given and the project does not have is made. */
export function labelNamed(world: World, project: Project, name: string): Label {
  const found = project.labels.find((one) => one.name === name);
  if (found) return found;
  const made = { id: world.nextId(), name, color: '#6699cc', description: null };
  project.labels.push(made);
  return made;
}

/** A single 0 stands for nobody. */
export const peopleIn = (world: World, ids: readonly number[]): number[] => {
  const known = ids.filter((id) => world.state.users.some((user) => user.id === id));
  return world.state.edition === 'free' ? known.slice(0, 1) : known;
};

type Changes = Record<string, { previous: unknown; current: unknown }>;

async function told(
  world: World,
  project: Project,
  thread: Thread,
  by: User,
  action: string,
  changes: Changes,
  oldrev?: string,
) {
  const hook =
    thread.kind === 'Issue'
      ? issueHook(world, project, thread as Issue, by, action, changes)
      : await mergeRequestHook(world, project, thread as MergeRequest, by, action, changes, oldrev);
  await world.emit(project, hook);
}

const difference = (before: readonly number[], after: readonly number[]) => after.filter((id) => !before.includes(id));

function changeLabels(
  world: World,
  project: Project,
  thread: Thread,
  by: User,
  change: ThreadChange,
  changes: Changes,
): void {
  const ids = (names: readonly string[]) => names.map((name) => labelNamed(world, project, name).id);
  const before = thread.labelIds;
  const removed =
    change.remove_labels?.flatMap((name) => project.labels.find((one) => one.name === name)?.id ?? []) ?? [];
  const base = change.labels ? ids(change.labels) : before;
  const after = [...new Set([...base, ...ids(change.add_labels ?? [])])].filter((id) => !removed.includes(id));
  const [added, gone] = [difference(before, after), difference(after, before)];
  if (added.length + gone.length === 0) return;
  const shown = (list: readonly number[]) =>
    list.flatMap((id) => project.labels.filter((one) => one.id === id).map((one) => hookLabel(project, one)));
  changes.labels = { previous: shown(before), current: shown(after) };
  for (const [list, action] of [
    [added, 'add'],
    [gone, 'remove'],
  ] as const)
    for (const id of list) {
      const label = project.labels.find((one) => one.id === id);
      if (label)
        thread.events.push({ id: world.nextId(), userId: by.id, createdAt: world.now(), label: { label, action } });
    }
  thread.labelIds = after;
}

function changePeople(world: World, thread: Thread, change: ThreadChange, changes: Changes): void {
  const shown = (ids: readonly number[]) => ids.map((id) => hookActor(world, userById(world, id)));
  const set = (name: 'assignees' | 'reviewers', before: number[], wished: number[] | undefined): number[] => {
    if (wished === undefined) return before;
    const after = peopleIn(world, wished);
    if (difference(before, after).length + difference(after, before).length > 0)
      changes[name] = { previous: shown(before), current: shown(after) };
    return after;
  };
  thread.assigneeIds = set('assignees', thread.assigneeIds, change.assignee_ids);
  if (thread.kind === 'MergeRequest') {
    const mr = thread as MergeRequest;
    mr.reviewerIds = set('reviewers', mr.reviewerIds, change.reviewer_ids);
  }
}

function changeMilestone(
  world: World,
  project: Project,
  thread: Thread,
  by: User,
  wished: number | undefined,
  changes: Changes,
): void {
  if (wished === undefined || (wished || null) === thread.milestoneId) return;
  const milestone = project.milestones.find(({ id }) => id === (wished || thread.milestoneId));
  if (milestone === undefined) refuse(400, { milestone: ['is invalid'] });
  changes.milestone_id = { previous: thread.milestoneId, current: wished || null };
  const action = wished ? 'add' : 'remove';
  thread.events.push({ id: world.nextId(), userId: by.id, createdAt: world.now(), milestone: { milestone, action } });
  thread.milestoneId = wished || null;
}

function changeTexts(world: World, by: User, thread: Thread, change: ThreadChange, changes: Changes): void {
  if (change.title !== undefined && change.title !== thread.title) {
    changes.title = { previous: thread.title, current: change.title };
    const [was, is] = [DRAFT.test(thread.title), DRAFT.test(change.title)];
    if (thread.kind === 'MergeRequest' && was !== is) changes.draft = { previous: was, current: is };
    thread.title = change.title;
  }
  if (change.description !== undefined && change.description !== thread.description) {
    changes.description = { previous: thread.description, current: change.description };
    thread.description = change.description;
  }
  if (change.discussion_locked !== undefined && change.discussion_locked !== thread.locked) {
    changes.discussion_locked = { previous: thread.locked ? true : null, current: change.discussion_locked };
    thread.locked = change.discussion_locked;
    const what = thread.kind === 'Issue' ? 'issue' : 'merge request';
    const now = world.now();
    thread.notes.push({
      ...{ id: world.nextId(), authorId: by.id, system: true, createdAt: now, updatedAt: now, awards: [] },
      body: `${thread.locked ? 'locked' : 'unlocked'} the discussion in this ${what}`,
      ...{ type: null, discussionId: createHash('sha1').update(String(now)).digest('hex') },
    });
  }
  if (change.confidential === undefined || thread.kind !== 'Issue') return;
  const issue = thread as Issue;
  if (change.confidential === issue.confidential) return;
  changes.confidential = { previous: issue.confidential, current: change.confidential };
  issue.confidential = change.confidential;
}

async function changeSides(project: Project, thread: Thread, change: ThreadChange, changes: Changes): Promise<void> {
  if (thread.kind !== 'MergeRequest') return;
  const mr = thread as MergeRequest;
  if (change.allow_collaboration !== undefined) mr.allowCollaboration = change.allow_collaboration;
  if (change.target_branch === undefined || change.target_branch === mr.targetBranch) return;
  const start = await project.git.resolve(`refs/heads/${change.target_branch}`);
  if (start === undefined) return refuse(400, { target_branch: ['does not exist'] });
  changes.target_branch = { previous: mr.targetBranch, current: change.target_branch };
  mr.targetBranch = change.target_branch;
  mr.startSha = start;
}

function changeState(world: World, thread: Thread, by: User, event: ThreadChange['state_event']): string | undefined {
  if (event === undefined || thread.state === 'merged') return undefined;
  const after = event === 'close' ? 'closed' : 'opened';
  if (thread.state === after) return undefined;
  thread.state = after;
  thread.closedAt = after === 'closed' ? world.now() : null;
  thread.events.push({
    id: world.nextId(),
    userId: by.id,
    createdAt: world.now(),
    state: after === 'closed' ? 'closed' : 'reopened',
  });
  return event;
}

/** Applies it, and tells the hooks what changed. */
export async function changeThread(
  world: World,
  project: Project,
  thread: Thread,
  by: User,
  wished: ThreadChange,
): Promise<void> {
  const written =
    wished.description === undefined ? undefined : ordersIn(wished.description, thread, world.state.users);
  const change = written === undefined ? wished : { ...wished, ...written.change, description: written.rest };
  const changes: Changes = {};
  await changeSides(project, thread, change, changes);
  changeTexts(world, by, thread, change, changes);
  changeLabels(world, project, thread, by, change, changes);
  changePeople(world, thread, change, changes);
  changeMilestone(world, project, thread, by, change.milestone_id, changes);
  const action = changeState(world, thread, by, change.state_event);
  if (action === undefined && Object.keys(changes).length === 0) return;
  const before = thread.updatedAt;
  thread.updatedAt = world.now();
  const updated = { updated_at: { previous: before, current: thread.updatedAt } };
  await told(world, project, thread, by, action ?? 'update', { ...changes, ...updated });
}

export async function opened(world: World, project: Project, thread: Thread, by: User): Promise<void> {
  const { rest, change } = ordersIn(thread.description, thread, world.state.users);
  thread.description = rest;
  await told(world, project, thread, by, 'open', {});
  if (change !== undefined) await changeThread(world, project, thread, by, change);
}

export const actedOn = (
  world: World,
  project: Project,
  mr: MergeRequest,
  by: User,
  action: 'merge' | 'approved' | 'unapproved',
) => told(world, project, mr, by, action, {});

/** What a reviewer says on the page; GitLab's API has no way to say it. Whoever reviews is a reviewer from then on. */
export async function requestChanges(world: World, project: Project, mr: MergeRequest, by: User): Promise<void> {
  const { reviewStates } = world.state;
  const key = `${mr.id}:${by.id}`;
  const reviewer = (state: string) => ({ ...hookActor(world, by), state, re_requested: false });
  const changes = {
    reviewers: {
      previous: mr.reviewerIds.includes(by.id) ? [reviewer(reviewStates.get(key) ?? 'unreviewed')] : [],
      current: [reviewer('requested_changes')],
    },
  };
  reviewStates.set(key, 'requested_changes');
  mr.reviewerIds = [...new Set([...mr.reviewerIds, by.id])];
  mr.updatedAt = world.now();
  await told(world, project, mr, by, 'update', changes);
}

export async function addNote(
  world: World,
  project: Project,
  thread: Thread,
  by: User,
  note: Pick<Note, 'body' | 'type' | 'position' | 'discussionId' | 'internal'>,
): Promise<Note> {
  if (note.body.trim() === '') return refuse(400, { note: ["can't be blank"] });
  const { rest, change } = ordersIn(note.body, thread, world.state.users);
  if (change !== undefined) await changeThread(world, project, thread, by, change);
  // Nothing is left to say.
  if (rest === '') throw new FakeRefusal({ status: 202, json: { commands_changes: change, summary: ['Applied.'] } });
  const now = world.now();
  const made: Note = {
    ...note,
    body: rest,
    id: world.nextId(),
    authorId: by.id,
    system: false,
    createdAt: now,
    updatedAt: now,
    awards: [],
  };
  thread.notes.push(made);
  thread.updatedAt = now;
  await world.emit(project, await noteHook(world, project, thread, made, by, 'create'));
  return made;
}

export async function editNote(
  world: World,
  project: Project,
  thread: Thread,
  by: User,
  note: Note,
  body: string,
): Promise<void> {
  const { rest, change } = ordersIn(body, thread, world.state.users);
  if (change !== undefined) await changeThread(world, project, thread, by, change);
  note.body = rest;
  note.updatedAt = world.now();
  await world.emit(project, await noteHook(world, project, thread, note, by, 'update'));
}

const NO_COMMIT = '0'.repeat(40);

/** After a ref moved, by API or push: hooks, and the merge requests whose source it is. */
export async function refMoved(
  world: World,
  project: Project,
  by: User,
  change: { ref: string; before: string | undefined; after: string | undefined },
): Promise<void> {
  const { ref, before = NO_COMMIT, after = NO_COMMIT } = change;
  if (before === after) return;
  project.updatedAt = world.now();
  await world.emit(project, await pushHook(world, project, by, { ref, before, after }));
  if (after === NO_COMMIT) return;
  const branch = ref.replace('refs/heads/', '');
  for (const target of world.state.projects)
    for (const mr of target.mergeRequests) {
      if (mr.state !== 'opened' || mr.sourceProjectId !== project.id || mr.sourceBranch !== branch) continue;
      const oldrev = mr.sha;
      mr.sha = after;
      mr.startSha = (await target.git.resolve(`refs/heads/${mr.targetBranch}`)) ?? mr.startSha;
      mr.updatedAt = world.now();
      await told(world, target, mr, by, 'update', {}, oldrev);
    }
}

export const sourceOf = (world: World, mr: MergeRequest): Project => projectById(world, mr.sourceProjectId);
