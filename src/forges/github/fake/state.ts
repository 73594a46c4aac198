/** What the fake remembers, as GitHub's own tables would. */
import type { FakeGit } from '../../kit/fake/git-store.js';
import type { FakeHook } from '../../kit/fake/webhook-sender.js';

export type Level = 'none' | 'read' | 'write' | 'admin';

export interface Account {
  id: number;
  kind: 'User' | 'Bot' | 'Organization';
  login: string;
  email: string;
  created: string;
}

export interface Team {
  id: number;
  organization: string;
  name: string;
  slug: string;
  members: Set<string>;
}

export interface Label {
  id: number;
  name: string;
  color: string;
  description: string | null;
}

export interface Milestone {
  id: number;
  number: number;
  title: string;
  description: string | null;
  state: 'open' | 'closed';
  dueOn: string | null;
  creator: string;
  created: string;
  updated: string;
  closed: string | null;
}

export interface Reaction {
  id: number;
  user: string;
  content: string;
  created: string;
}

export interface Comment {
  id: number;
  body: string;
  author: string;
  created: string;
  updated: string;
  reactions: Reaction[];
}

/** An entry of the list of events of an issue. */
export interface IssueEvent {
  id: number;
  event: string;
  actor: string;
  created: string;
  label?: Label;
  assignee?: string;
  reviewer?: string;
  rename?: { from: string; to: string };
  commit?: string;
}

export interface Issue {
  id: number;
  number: number;
  title: string;
  body: string | null;
  author: string;
  state: 'open' | 'closed';
  reason: 'completed' | 'not_planned' | 'reopened' | null;
  /** Ids, so that a label keeps its issues when it is renamed. */
  labels: number[];
  assignees: string[];
  /** Its number. */
  milestone: number | null;
  locked: boolean;
  comments: Comment[];
  events: IssueEvent[];
  reactions: Reaction[];
  created: string;
  updated: string;
  closed: string | null;
  pull: Pull | null;
}

export interface Pull {
  id: number;
  headBranch: string;
  baseBranch: string;
  /** Last seen head; stays when the branch is gone. */
  headSha: string;
  /** Base when it was merged; undefined while it moves with its branch. */
  baseSha: string | undefined;
  draft: boolean;
  merged: { sha: string; by: string; at: string } | null;
  /** Who was asked for a review and has not given one since. */
  requested: string[];
  teams: string[];
  reviews: Review[];
  comments: ReviewComment[];
}

export type PullIssue = Issue & { pull: Pull };

export interface Review {
  id: number;
  author: string;
  state: 'approved' | 'changes_requested' | 'commented' | 'dismissed' | 'pending';
  body: string;
  commit: string;
  submitted: string | undefined;
}

export interface ReviewComment extends Comment {
  review: number;
  path: string;
  line: number | null;
  startLine: number | null;
  side: 'LEFT' | 'RIGHT';
  commit: string;
  replyTo: number | undefined;
  resolved: boolean;
}

export interface Status {
  id: number;
  state: 'pending' | 'success' | 'failure' | 'error';
  context: string;
  description: string | null;
  targetUrl: string | null;
  creator: string;
  created: string;
}

export type Conclusion =
  | 'success'
  | 'failure'
  | 'neutral'
  | 'cancelled'
  | 'skipped'
  | 'timed_out'
  | 'action_required'
  | 'stale';

export interface CheckRun {
  id: number;
  suite: number;
  sha: string;
  name: string;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion: Conclusion | null;
  detailsUrl: string | null;
  externalId: string;
  title: string | null;
  summary: string | null;
  text: string | null;
  annotations: Readonly<Record<string, unknown>>[];
  started: string;
  completed: string | null;
}

export interface CheckSuite {
  id: number;
  sha: string;
  branch: string | null;
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
  published: string | null;
  assets: ReleaseAsset[];
}

export interface ReleaseAsset {
  id: number;
  name: string;
  label: string | null;
  contentType: string;
  bytes: Buffer;
  uploader: string;
  created: string;
}

export interface Repository {
  id: number;
  owner: string;
  name: string;
  description: string | null;
  homepage: string | null;
  private: boolean;
  archived: boolean;
  defaultBranch: string;
  created: string;
  updated: string;
  pushed: string;
  settings: Record<string, boolean>;
  topics: string[];
  git: FakeGit;
  collaborators: Map<string, Exclude<Level, 'none'>>;
  labels: Label[];
  milestones: Milestone[];
  issues: Issue[];
  /** By branch, as they were set. */
  protections: Map<string, Readonly<Record<string, unknown>>>;
  /** By SHA, oldest first. */
  statuses: Map<string, Status[]>;
  checkRuns: CheckRun[];
  checkSuites: CheckSuite[];
  releases: Release[];
  hooks: (FakeHook & { id: number })[];
}

/** Who stands behind a request. */
export interface Holder {
  account: Account;
  /** Set for a token of the App's installation: what it may do, and where; undefined is everywhere. */
  installation?: { permissions: Readonly<Record<string, string>>; repositories: ReadonlySet<number> | undefined };
  /** The App itself, by its signature. */
  isApp?: true;
}

export interface State {
  accounts: Account[];
  teams: Team[];
  /** Members of organizations by login of the organization. */
  members: Map<string, Map<string, 'admin' | 'member'>>;
  repositories: Repository[];
  tokens: Map<string, { holder: Holder; expires: number | undefined }>;
  /** Next id: one sequence for everything, so that no two things are mixed up. */
  nextId(): number;
  now(): string;
}

export function createState(clock: () => Date): State {
  const ids = { last: 0 };
  return {
    accounts: [],
    teams: [],
    members: new Map(),
    repositories: [],
    tokens: new Map(),
    nextId: () => {
      ids.last += 1;
      return ids.last;
    },
    now: () => `${clock().toISOString().slice(0, -5)}Z`,
  };
}

export const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export const accountNamed = (state: State, login: string): Account | undefined =>
  state.accounts.find((account) => same(account.login, login));

export const repositoryNamed = (state: State, owner: string, name: string): Repository | undefined =>
  state.repositories.find((one) => same(one.owner, owner) && same(one.name, name));

const RANK: readonly Level[] = ['none', 'read', 'write', 'admin'];

export const atLeast = (level: Level, wanted: Level): boolean => RANK.indexOf(level) >= RANK.indexOf(wanted);

/** What a person may do in a repository: as its owner, as an owner of its organization, or as a collaborator. */
export function levelOf(state: State, repository: Repository, login: string): Level {
  if (same(repository.owner, login)) return 'admin';
  if (state.members.get(repository.owner)?.get(login) === 'admin') return 'admin';
  const own = [...repository.collaborators].find(([name]) => same(name, login))?.[1];
  return own ?? (repository.private ? 'none' : 'read');
}

/** Who may be assigned, and be asked for a review. */
export const isCollaborator = (state: State, repository: Repository, login: string): boolean =>
  same(repository.owner, login) ||
  state.members.get(repository.owner)?.has(login) === true ||
  [...repository.collaborators.keys()].some((name) => same(name, login));

export const isPull = (issue: Issue): issue is PullIssue => issue.pull !== null;
