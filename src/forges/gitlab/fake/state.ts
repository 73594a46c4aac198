/** What an instance of GitLab knows. Plain data; the routes change it, the presenters show it. */
import type { FakeGit } from '../../kit/fake/git-store.js';
import type { FakeEvent } from './feed.js';

export interface User {
  id: number;
  username: string;
  name: string;
  email: string;
  bot: boolean;
  createdAt: string;
}

export interface Group {
  id: number;
  name: string;
  path: string;
  fullPath: string;
  parentId: number | null;
  description: string;
  members: Map<number, number>;
  hooks: Hook[];
}

export interface Label {
  id: number;
  name: string;
  color: string;
  description: string | null;
}

export interface Milestone {
  id: number;
  iid: number;
  title: string;
  description: string;
  state: 'active' | 'closed';
  dueDate: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface Position {
  base_sha: string;
  start_sha: string;
  head_sha: string;
  position_type: 'text' | 'file';
  old_path: string;
  new_path: string;
  old_line: number | null;
  new_line: number | null;
  line_range?: unknown;
}

export interface Award {
  id: number;
  name: string;
  userId: number;
  createdAt: string;
}

export interface Note {
  id: number;
  discussionId: string;
  type: 'DiffNote' | 'DiscussionNote' | null;
  body: string;
  authorId: number;
  system: boolean;
  /** For members only. */
  internal?: boolean;
  createdAt: string;
  updatedAt: string;
  position?: Position;
  awards: Award[];
  /** Who resolved its discussion. */
  resolvedById?: number;
}

export interface ResourceEvent {
  id: number;
  userId: number;
  createdAt: string;
  label?: { label: Label; action: 'add' | 'remove' };
  milestone?: { milestone: Milestone; action: 'add' | 'remove' };
  state?: 'closed' | 'reopened' | 'merged';
}

/** What issues and merge requests have in common. */
export interface Thread {
  kind: 'Issue' | 'MergeRequest';
  id: number;
  iid: number;
  title: string;
  description: string;
  state: 'opened' | 'closed' | 'merged';
  authorId: number;
  assigneeIds: number[];
  labelIds: number[];
  milestoneId: number | null;
  locked: boolean;
  createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  notes: Note[];
  awards: Award[];
  events: ResourceEvent[];
}

export interface Issue extends Thread {
  kind: 'Issue';
  confidential: boolean;
}

export interface MergeRequest extends Thread {
  kind: 'MergeRequest';
  sourceBranch: string;
  targetBranch: string;
  sourceProjectId: number;
  /** Head, kept when the source branch is gone. */
  sha: string;
  startSha: string;
  reviewerIds: number[];
  approvals: { userId: number; at: string }[];
  mergedAt: string | null;
  mergedById: number | null;
  mergeCommitSha: string | null;
  squashCommitSha: string | null;
  allowCollaboration: boolean;
  /** Set to be merged by itself when its pipeline has succeeded. */
  autoMerge?: { userId: number; message: string | undefined };
  squash?: boolean;
}

export interface Status {
  id: number;
  sha: string;
  ref: string;
  name: string;
  status: string;
  description: string | null;
  targetUrl: string | null;
  authorId: number;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

export interface Job {
  id: number;
  name: string;
  stage: string;
  status: string;
  allowFailure: boolean;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  trace: string;
  artifacts?: { filename: string; size: number; expireAt: string | null };
  /** It starts another pipeline. */
  bridge?: boolean;
}

export interface Pipeline {
  id: number;
  iid: number;
  sha: string;
  ref: string;
  status: string;
  source: string;
  createdAt: string;
  updatedAt: string;
  userId: number;
  jobs: Job[];
}

export interface Release {
  tag: string;
  name: string;
  description: string;
  createdAt: string;
  releasedAt: string;
  authorId: number;
  links: { id: number; name: string; url: string; link_type: string }[];
}

export interface Protection {
  id: number;
  name: string;
  pushLevel: number;
  mergeLevel: number;
  allowForcePush: boolean;
}

export interface Hook {
  id: number;
  url: string;
  token: string | null;
  signingToken: string | null;
  events: Record<string, boolean>;
  /** Branches whose pushes it tells, as a pattern; '' or another strategy than a pattern's: all of them. */
  branchFilter: string;
  branchFilterStrategy: string;
  createdAt: string;
  /** Deliveries that failed one after the other, and until when it is switched off for them. */
  recentFailures: number;
  disabledUntil: string | null;
  log: HookEvent[];
}

/** One attempt to deliver. */
export interface HookEvent {
  id: number;
  trigger: string;
  /** Name in the header. */
  event: string;
  key: string;
  payload: unknown;
  url: string;
  /** A status code, or `internal error` when there was no answer. */
  status: string;
  createdAt: string;
}

export interface Project {
  id: number;
  path: string;
  fullPath: string;
  namespace: { kind: 'group' | 'user'; id: number };
  description: string;
  visibility: 'public' | 'internal' | 'private';
  defaultBranch: string;
  archived: boolean;
  topics: string[];
  settings: Record<string, unknown>;
  createdAt: string;
  updatedAt: string;
  forkedFromId: number | null;
  git: FakeGit;
  members: Map<number, number>;
  shares: { groupId: number; level: number }[];
  labels: Label[];
  milestones: Milestone[];
  issues: Issue[];
  mergeRequests: MergeRequest[];
  statuses: Status[];
  pipelines: Pipeline[];
  releases: Release[];
  protections: Protection[];
  hooks: Hook[];
}

export interface GitLabState {
  version: string;
  /** Whether the instance knows `signing_token` of hooks, which older ones pass over in silence. */
  signsWebhooks: boolean;
  /** On Free an issue has one assignee and a merge request one reviewer: the others are dropped in silence. */
  edition: 'free' | 'premium';
  users: User[];
  groups: Group[];
  projects: Project[];
  systemHooks: Hook[];
  deployments: {
    id: number;
    projectId: number;
    userId: number;
    ref: string;
    sha: string;
    status: string;
    environment: string;
    createdAt: string;
  }[];
  follows: { userId: number; ofId: number }[];
  stars: { userId: number; projectId: number }[];
  deployKeys: { id: number; projectId: number; title: string; key: string; canPush: boolean; createdAt: string }[];
  events: FakeEvent[];
  todos: {
    id: number;
    userId: number;
    authorId: number;
    projectId: number;
    action: string;
    type: 'Issue' | 'MergeRequest';
    iid: number;
    body: string;
    state: 'pending' | 'done';
    at: string;
  }[];
  /** By `<user id>:<project id>`, 0 for all that have no level of their own. */
  notificationLevels: Map<string, string>;
  commitNotes: { projectId: number; sha: string; note: Note }[];
  snippets: {
    id: number;
    userId: number;
    title: string;
    fileName: string;
    visibility: 'public' | 'private';
    at: string;
  }[];
  /** Whether hooks that fail are switched off: always on GitLab.com, by choice elsewhere. */
  autoDisablesHooks: boolean;
  /** Hook events that were sent again lately, by the hooks of their project or group and by whom. */
  resends: { hooks: readonly Hook[]; userId: number; at: number }[];
  /** Who may see and make system hooks. */
  admins: Set<number>;
  /** What reviewers said on the page, by `<merge request id>:<user id>`; the API cannot set it. */
  reviewStates: Map<string, 'reviewed' | 'requested_changes'>;
  /** Access tokens and whom they speak for. */
  tokens: Map<string, { userId: number; scopes: string[] }>;
}

/** Everything a route needs: the data, the clock, ids, and who is told about a change. */
export interface World {
  state: GitLabState;
  web: string;
  folder: string;
  nextId(): number;
  now(): string;
  /** Gives `target` the objects of `source` that `sha` needs, as a network of forks has them. */
  share(source: Project, target: Project, sha: string): Promise<void>;
  /**
   * Sends to one hook, whatever it subscribed to, also when it is switched off; answers its status code. `key` is that of an
   * attempt before.
   */
  deliver(hook: Hook, event: { name: string; flag: string; payload: unknown; key?: string }): Promise<number>;
  /** Told after every change that GitLab has a webhook for; awaited. */
  emit(project: Project, event: { name: string; flag: string; payload: unknown }): Promise<void>;
}

export function find<T>(list: readonly T[], matches: (entry: T) => boolean, what: string): T {
  const found = list.find(matches);
  if (found === undefined) throw new Error(`The fake has no such ${what}.`);
  return found;
}

export const userById = (world: World, id: number): User => find(world.state.users, (user) => user.id === id, 'user');
export const projectById = (world: World, id: number): Project =>
  find(world.state.projects, (project) => project.id === id, 'project');
