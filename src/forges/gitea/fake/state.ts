/** What the fake remembers, as the real server's tables would. */
import type { FakeGit } from '../../kit/fake/git-store.js';

export type Level = 'none' | 'read' | 'write' | 'admin' | 'owner';

export interface Account {
  id: number;
  kind: 'user' | 'organization';
  login: string;
  fullName: string;
  email: string;
  isAdmin: boolean;
  created: string;
  description: string;
}

export interface Organization extends Account {
  kind: 'organization';
  labels: Label[];
  teams: Team[];
  hooks: Hook[];
}

export interface Team {
  id: number;
  name: string;
  description: string;
  permission: 'read' | 'write' | 'admin' | 'owner';
  includesAllRepositories: boolean;
  members: Set<string>;
  repositories: Set<number>;
}

export interface Label {
  id: number;
  name: string;
  color: string;
  description: string;
  exclusive: boolean;
}

export interface Milestone {
  id: number;
  title: string;
  description: string;
  state: 'open' | 'closed';
  dueOn: string | null;
  created: string;
  updated: string;
  closed: string | null;
}

export interface Reaction {
  user: string;
  content: string;
  created: string;
}

export interface Comment {
  id: number;
  body: string;
  user: string;
  created: string;
  updated: string;
  reactions: Reaction[];
}

/** An entry of a timeline that is no comment. */
export interface TimelineEvent {
  id: number;
  type: string;
  user: string;
  created: string;
  body: string;
  label?: number;
  assignee?: string;
  removedAssignee?: boolean;
  oldTitle?: string;
  newTitle?: string;
  milestone?: number;
  oldMilestone?: number;
}

export interface Issue {
  id: number;
  number: number;
  title: string;
  body: string;
  user: string;
  state: 'open' | 'closed';
  labels: number[];
  assignees: string[];
  milestone: number | null;
  locked: boolean;
  comments: Comment[];
  timeline: TimelineEvent[];
  reactions: Reaction[];
  created: string;
  updated: string;
  closed: string | null;
  pull: Pull | null;
}

export interface Pull {
  id: number;
  headRepository: number;
  headBranch: string;
  baseBranch: string;
  /** Last seen head; stays when the branch is gone. */
  headSha: string;
  /** Base when it was merged or closed; undefined while it moves with its branch. */
  baseSha: string | undefined;
  merged: { sha: string; by: string; at: string } | null;
  reviewers: string[];
  teams: string[];
  reviews: Review[];
  allowMaintainerEdit: boolean;
  /** Scheduled to be merged by itself when its checks have succeeded. */
  autoMerge?: { by: string; style: string; message: string };
}

export interface ReviewComment {
  id: number;
  path: string;
  body: string;
  user: string;
  /** Positive on the new side, negative on the old one. */
  line: number;
  commit: string;
  hunk: string;
  created: string;
  updated: string;
  reactions: Reaction[];
  /** Who resolved the conversation that it begins. */
  resolver?: string;
}

export interface Review {
  id: number;
  user: string;
  state: 'APPROVED' | 'PENDING' | 'COMMENT' | 'REQUEST_CHANGES' | 'REQUEST_REVIEW';
  body: string;
  commit: string;
  dismissed: boolean;
  submitted: string;
  comments: ReviewComment[];
}

export interface Status {
  id: number;
  state: 'pending' | 'success' | 'error' | 'failure' | 'warning';
  context: string;
  description: string;
  targetUrl: string;
  creator: string;
  created: string;
}

export interface Release {
  id: number;
  tag: string;
  target: string;
  name: string;
  body: string;
  draft: boolean;
  prerelease: boolean;
  author: string;
  created: string;
  assets: { id: number; name: string; size: number }[];
}

export interface Hook {
  id: number;
  type: string;
  url: string;
  secret: string;
  contentType: string;
  events: string[];
  active: boolean;
  branchFilter: string;
  created: string;
  updated: string;
}

export interface Protection {
  rule: string;
  created: string;
  fields: Record<string, unknown>;
}

/** A run of a workflow, or a task of an older server. */
export interface Run {
  id: number;
  name: string;
  workflow: string;
  branch: string;
  sha: string;
  event: string;
  status: string;
  conclusion: string;
  created: string;
  log?: string;
  artifacts?: { id: number; name: string; size: number }[];
}

/** What somebody did, as feeds tell it. */
export interface Activity {
  id: number;
  /** The server's word, such as `commit_repo`. */
  type: string;
  by: string;
  repository: number;
  ref: string;
  content: string;
  comment?: { number: number; id: number };
  created: string;
}

export interface Repository {
  id: number;
  owner: string;
  name: string;
  description: string;
  website: string;
  private: boolean;
  archived: boolean;
  defaultBranch: string;
  parent: number | null;
  created: string;
  updated: string;
  settings: Record<string, boolean>;
  git: FakeGit;
  collaborators: Map<string, 'read' | 'write' | 'admin'>;
  labels: Label[];
  milestones: Milestone[];
  issues: Issue[];
  protections: Protection[];
  statuses: Map<string, Status[]>;
  releases: Release[];
  hooks: Hook[];
  topics: string[];
  runs: Run[];
}

export interface State {
  accounts: (Account | Organization)[];
  repositories: Repository[];
  systemHooks: Hook[];
  follows: { login: string; of: string }[];
  stars: { login: string; repository: number }[];
  watches: { login: string; repository: number }[];
  activities: Activity[];
  notifications: { id: number; login: string; repository: number; number: number; unread: boolean; updated: string }[];
  deployKeys: { id: number; repository: number; title: string; key: string; readOnly: boolean; created: string }[];
  /** Login by token. */
  tokens: Map<string, string>;
  /** Next id: one sequence for everything, so that no two things are mixed up. */
  nextId(): number;
  now(): string;
}

export function createState(clock: () => Date): State {
  const ids = { last: 0 };
  return {
    accounts: [],
    repositories: [],
    systemHooks: [],
    follows: [],
    stars: [],
    watches: [],
    activities: [],
    notifications: [],
    deployKeys: [],
    tokens: new Map(),
    nextId: () => {
      ids.last += 1;
      return ids.last;
    },
    now: () => `${clock().toISOString().slice(0, -5)}Z`,
  };
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export const accountNamed = (state: State, login: string): Account | Organization | undefined =>
  state.accounts.find((account) => same(account.login, login));

export const organizationNamed = (state: State, login: string): Organization | undefined => {
  const account = accountNamed(state, login);
  return account?.kind === 'organization' ? (account as Organization) : undefined;
};

export const repositoryNamed = (state: State, owner: string, name: string): Repository | undefined =>
  state.repositories.find((one) => same(one.owner, owner) && same(one.name, name));

export const repositoryById = (state: State, id: number): Repository | undefined =>
  state.repositories.find((one) => one.id === id);

const RANK: readonly Level[] = ['none', 'read', 'write', 'admin', 'owner'];

export const atLeast = (level: Level, wanted: Level): boolean => RANK.indexOf(level) >= RANK.indexOf(wanted);

/** What an account may do in a repository: by itself, as a collaborator, or through its teams. */
export function levelOf(state: State, repository: Repository, login: string): Level {
  const account = accountNamed(state, login);
  if (account === undefined) return 'none';
  if (same(repository.owner, login) || account.isAdmin) return 'owner';
  const levels: Level[] = [repository.private ? 'none' : 'read'];
  const own = [...repository.collaborators].find(([name]) => same(name, login))?.[1];
  if (own !== undefined) levels.push(own);
  for (const team of organizationNamed(state, repository.owner)?.teams ?? [])
    if (team.members.has(login) && (team.includesAllRepositories || team.repositories.has(repository.id)))
      levels.push(team.permission);
  return levels.reduce((best, level) => (atLeast(level, best) ? level : best));
}
