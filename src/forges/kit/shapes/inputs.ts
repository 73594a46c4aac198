/**
 * What a forge's folder has to find out about a thing; the shapes beside this file turn it into the object that GitHub
 * would have sent, with every required field. An optional field that is undefined is taken from `known`, a GitHub-shaped
 * object read before, or else gets GitHub's value for "unknown". Times are ISO 8601 with Z. Ids are the forge's own.
 */
export type Id = number | string;

export type {
  AppInput,
  CheckedPullRequestInput,
  CheckRunInput,
  CheckSuiteInput,
  WorkflowInput,
  WorkflowJobInput,
  WorkflowRunInput,
  WorkflowStepInput,
} from './check-inputs.js';

export interface AccountInput {
  id: Id;
  login: string;
  name?: string | null;
  email?: string | null;
  avatarUrl?: string | null;
  htmlUrl?: string;
  /** `Bot` for accounts that are no person: see the forge's own names for them. */
  type?: 'User' | 'Bot' | 'Organization';
  siteAdmin?: boolean;
}

export interface RepositoryInput {
  id: Id;
  /** One segment, as apps see it: `group~sub`. */
  owner: AccountInput;
  name: string;
  htmlUrl: string;
  description?: string | null;
  visibility: 'public' | 'private' | 'internal';
  fork?: boolean;
  defaultBranch?: string;
  archived?: boolean;
  homepage?: string | null;
  language?: string | null;
  topics?: readonly string[];
  createdAt?: string;
  updatedAt?: string;
  pushedAt?: string;
  size?: number;
  starCount?: number;
  forkCount?: number;
  openIssueCount?: number;
  hasIssues?: boolean;
  hasWiki?: boolean;
  cloneUrl?: string;
  sshUrl?: string;
  allowMergeCommit?: boolean;
  allowRebaseMerge?: boolean;
  allowSquashMerge?: boolean;
  deleteBranchOnMerge?: boolean;
  permissions?: { admin: boolean; maintain?: boolean; push: boolean; triage?: boolean; pull: boolean };
}

export interface LabelInput {
  id: Id;
  name: string;
  /** Six hex digits without `#`. */
  color: string;
  description?: string | null;
  isDefault?: boolean;
}

export interface MilestoneInput {
  id: Id;
  number: number;
  title: string;
  description?: string | null;
  state: 'open' | 'closed';
  htmlUrl?: string;
  creator?: AccountInput | null;
  openIssues?: number;
  closedIssues?: number;
  createdAt?: string;
  updatedAt?: string;
  closedAt?: string | null;
  dueOn?: string | null;
}

/** OWNER, MEMBER, COLLABORATOR, CONTRIBUTOR or NONE; GitHub's own words. */
export type Association = 'OWNER' | 'MEMBER' | 'COLLABORATOR' | 'CONTRIBUTOR' | 'NONE';

/** One end of a pull request. */
export interface SideInput {
  ref: string;
  sha: string;
  /** Null when the fork was deleted: legal for `head` only. */
  repository: RepositoryInput | null;
  user?: AccountInput | null;
}

/** How a pull request will be merged once its checks have passed. */
export interface AutoMergeInput {
  enabledBy: AccountInput | null;
  method: 'merge' | 'squash' | 'rebase';
  commitTitle: string | null;
  commitMessage: string | null;
}

export interface PullRequestInput {
  id: Id;
  number: number;
  htmlUrl: string;
  title: string;
  body?: string | null;
  state: 'open' | 'closed';
  merged?: boolean;
  draft?: boolean;
  locked?: boolean;
  author?: AccountInput | null;
  association?: Association;
  head: SideInput;
  base: SideInput;
  labels?: readonly LabelInput[];
  assignees?: readonly AccountInput[];
  reviewers?: readonly AccountInput[];
  teams?: readonly { id: Id; name: string; slug: string }[];
  milestone?: MilestoneInput | null;
  createdAt?: string;
  updatedAt?: string;
  closedAt?: string | null;
  mergedAt?: string | null;
  mergedBy?: AccountInput | null;
  mergeCommitSha?: string | null;
  mergeable?: boolean | null;
  mergeableState?: 'clean' | 'dirty' | 'blocked' | 'unknown' | 'unstable' | 'behind' | 'draft' | 'has_hooks';
  rebaseable?: boolean | null;
  maintainerCanModify?: boolean;
  /** True where the forge tells no more than that it will merge by itself. */
  autoMerge?: boolean | AutoMergeInput;
  additions?: number;
  deletions?: number;
  changedFiles?: number;
  commits?: number;
  comments?: number;
  reviewComments?: number;
}

export interface IssueInput {
  id: Id;
  number: number;
  htmlUrl: string;
  title: string;
  body?: string | null;
  state: 'open' | 'closed';
  stateReason?: 'completed' | 'not_planned' | 'reopened' | null;
  locked?: boolean;
  author?: AccountInput | null;
  association?: Association;
  labels?: readonly LabelInput[];
  assignees?: readonly AccountInput[];
  milestone?: MilestoneInput | null;
  comments?: number;
  createdAt?: string;
  updatedAt?: string;
  closedAt?: string | null;
  /** Set when the issue is a pull request's conversation. */
  pullRequest?: { htmlUrl: string; mergedAt?: string | null; draft?: boolean };
}

export interface CommentInput {
  id: Id;
  /** Of the issue or pull request it stands in. */
  number: number;
  htmlUrl: string;
  body: string;
  author?: AccountInput | null;
  association?: Association;
  createdAt?: string;
  updatedAt?: string;
}

export interface ReviewInput {
  id: Id;
  /** Of the pull request. */
  number: number;
  htmlUrl: string;
  pullRequestHtmlUrl: string;
  author?: AccountInput | null;
  association?: Association;
  body?: string | null;
  /** In lower case in webhooks and in upper case in the API; the shape takes care of it. */
  state: 'approved' | 'changes_requested' | 'commented' | 'dismissed' | 'pending';
  commitSha?: string;
  submittedAt?: string;
}

export interface ReviewCommentInput extends CommentInput {
  reviewId?: Id;
  path: string;
  commitSha: string;
  originalCommitSha?: string;
  line?: number | null;
  originalLine?: number | null;
  startLine?: number | null;
  /** Of `startLine`; that of `side` unless it is another. */
  startSide?: 'LEFT' | 'RIGHT';
  side?: 'LEFT' | 'RIGHT';
  inReplyTo?: Id;
  diffHunk?: string;
}

export interface CommitUser {
  name: string;
  email: string;
  date: string;
  /** The account it belongs to, only when the forge said so by id. */
  account?: AccountInput | null;
  /** As a push names it, whom the forge found by the e-mail address: shown, and nothing is decided by it. */
  username?: string;
}

/** A commit of a push, and of `GET /repos/{owner}/{repo}/commits`. */
export interface CommitInput {
  sha: string;
  treeSha?: string;
  message: string;
  htmlUrl: string;
  author: CommitUser;
  committer?: CommitUser;
  parents?: readonly string[];
  added?: readonly string[];
  removed?: readonly string[];
  modified?: readonly string[];
  stats?: { additions: number; deletions: number };
  files?: readonly FileInput[];
  verified?: boolean;
}

export interface FileInput {
  path: string;
  previousPath?: string;
  status: 'added' | 'removed' | 'modified' | 'renamed';
  additions: number;
  deletions: number;
  sha?: string;
  patch?: string;
  htmlUrl?: string;
}

export interface ReleaseInput {
  id: Id;
  tag: string;
  target?: string;
  name?: string | null;
  body?: string | null;
  draft?: boolean;
  prerelease?: boolean;
  htmlUrl: string;
  author?: AccountInput | null;
  createdAt?: string;
  publishedAt?: string | null;
  assets?: readonly { id: Id; name: string; url: string; size?: number; contentType?: string }[];
}

export interface CommitStatusInput {
  id: Id;
  sha: string;
  state: 'pending' | 'success' | 'failure' | 'error';
  context: string;
  description?: string | null;
  targetUrl?: string | null;
  creator?: AccountInput | null;
  createdAt?: string;
  updatedAt?: string;
}

export interface TeamInput {
  id: Id;
  name: string;
  slug: string;
  description?: string | null;
  htmlUrl?: string;
  organization: string;
}
