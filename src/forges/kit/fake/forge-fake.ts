/**
 * A forge that is not there, seen without knowing which one it is: people do things on it, it tells its webhooks, an app
 * acts through its API, and what has become of it all is read back in one form for every forge. The conformance suite,
 * the examples, the demo and `forgeway app test` are written against this; each forge's `fake/story.ts` implements it on
 * its own stateful fake.
 */

import type { JsonObject } from '../../forge.js';
import type { GitHubRequest } from '../route.js';

/** Executes the body of a GraphQL request on routes of REST, see `translate/graphql`. */
export type FakeGraphql = (request: GitHubRequest, body: JsonObject) => Promise<{ status: number; data: unknown }>;

export interface ForgeFakeOptions {
  /** An existing folder for its git repositories; the caller removes it. */
  folder: string;
  /** Default: the time it is. */
  clock?: () => Date;
  /** What sends its webhooks; global fetch unless somebody wants to have them without a server. */
  sendWebhook?: (url: string, init: RequestInit) => Promise<Response>;
  /** Port on 127.0.0.1; default 0, a free one. */
  port?: number;
  /** A path such as `/gitlab`, below which everything is. */
  below?: string;
  /** Where others reach it, when something stands in front: without a slash at the end. Default: where it listens. */
  publicUrl?: string;
  /** Of the bot; default: one that the double makes up. */
  token?: string;
  /** Of a forge whose own API is GitHub's; without it the double has none. */
  graphql?: FakeGraphql;
}

export interface FakePlace {
  /** As apps see it: one segment, see the forge's path rules. */
  owner: string;
  name: string;
}

/** What a person may be in a repository. */
export type FakeRole = 'read' | 'write' | 'admin';

export interface NewFakeRepository extends FakePlace {
  private?: boolean;
  /** First commit on the default branch, by path. Default: a README. */
  files?: Readonly<Record<string, string>>;
  /** By login. The bot of {@link ForgeFake.token} is an administrator in any case. */
  people?: Readonly<Record<string, FakeRole>>;
}

export interface FakePush {
  /** Made from `from` when it is not there. */
  branch: string;
  /** Default: the default branch. */
  from?: string;
  /** Content by path; null removes the file. */
  files: Readonly<Record<string, string | null>>;
  message: string;
}

export type FakeVerdict = 'approve' | 'request_changes' | 'comment';

/**
 * What one person does in one repository. Numbers are those that apps see. Each resolves when the forge has done it; its
 * webhooks may still be under way, see {@link ForgeFake.settled}. Rejects when the real forge would refuse.
 */
export interface FakePerson {
  /** Answers the new head. */
  push(push: FakePush): Promise<string>;
  deleteBranch(branch: string): Promise<void>;
  /** Answers its number. */
  openPullRequest(o: {
    head: string;
    /** Default: the default branch. */
    base?: string;
    title: string;
    body?: string;
    draft?: boolean;
  }): Promise<number>;
  editPullRequest(number: number, change: { title?: string; body?: string; draft?: boolean }): Promise<void>;
  mergePullRequest(number: number): Promise<void>;
  requestReview(number: number, logins: readonly string[]): Promise<void>;
  /** Lines are those of the new side. */
  review(
    number: number,
    o: { verdict: FakeVerdict; body?: string; lines?: readonly { path: string; line: number; body: string }[] },
  ): Promise<void>;
  openIssue(o: { title: string; body?: string; labels?: readonly string[] }): Promise<number>;
  editIssue(number: number, change: { title?: string; body?: string }): Promise<void>;
  /** Of an issue or a pull request, like all that follow. */
  close(number: number): Promise<void>;
  reopen(number: number): Promise<void>;
  /** Labels that the repository does not have are made. */
  label(number: number, names: readonly string[]): Promise<void>;
  unlabel(number: number, names: readonly string[]): Promise<void>;
  assign(number: number, logins: readonly string[]): Promise<void>;
  /** Answers the comment's id as apps see it. */
  comment(number: number, body: string): Promise<string>;
  setStatus(
    sha: string,
    o: { context: string; state: 'pending' | 'success' | 'failure' | 'error'; description?: string },
  ): Promise<void>;
  release(o: { tag: string; title: string; body?: string }): Promise<void>;
}

/** Lists are sorted by what is named first, unless something else is said, so that two forges can be compared. */
export interface FakeConversationState {
  number: number;
  title: string;
  /** '' when there is none. */
  body: string;
  author: string;
  labels: readonly string[];
  assignees: readonly string[];
  locked: boolean;
  /** In the order in which they were written; none that the forge wrote itself. */
  comments: readonly { author: string; body: string }[];
}

export interface FakeIssueState extends FakeConversationState {
  state: 'open' | 'closed';
}

export interface FakePullRequestState extends FakeConversationState {
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
  head: string;
  headSha: string;
  base: string;
  reviewers: readonly string[];
  /** In the order in which they were given. `state` as the forge keeps it, told in GitHub's words. */
  reviews: readonly {
    author: string;
    state: 'approved' | 'changes_requested' | 'commented' | 'dismissed';
    body: string;
  }[];
  /** Comments on lines, oldest first. */
  lineComments: readonly { author: string; path: string; line: number | null; body: string }[];
  /** The latest of each context at the head. */
  statuses: readonly { context: string; state: 'pending' | 'success' | 'failure' | 'error'; description: string }[];
}

export interface FakeRepositoryState {
  defaultBranch: string;
  /** By name; without the branches that the forge makes for itself. */
  branches: readonly { name: string; sha: string }[];
  tags: readonly string[];
  labels: readonly string[];
  releases: readonly { tag: string; name: string; body: string; draft: boolean }[];
  issues: readonly FakeIssueState[];
  pullRequests: readonly FakePullRequestState[];
}

/** The App that is installed in every repository of a fake, on a forge that has Apps; its account is the bot. */
export interface FakeForgeApp {
  readonly id: number;
  /** PEM; signs for it. */
  readonly privateKey: string;
  readonly installationId: number;
  /** Where it receives what happens in every repository. */
  setHook(hook: { url: string; secret: string }): void;
}

export interface ForgeFake {
  /** Address of the instance, API and git alike, on loopback; without a slash at the end. */
  readonly url: string;
  /** Of an account that is a bot and may do everything in every repository of the fake. */
  readonly token: string;
  readonly bot: { id: bigint; login: string };
  /** Absent on a forge without Apps, where the token is all that a bot has. */
  readonly app?: FakeForgeApp;
  addPerson(login: string): Promise<void>;
  addRepository(repository: NewFakeRepository): Promise<{ id: bigint; url: string; defaultBranch: string }>;
  /** A team of the organization, where apps cannot make one; answers its slug. */
  addTeam?(organization: string, name: string): Promise<string>;
  /** A run of the forge's own CI at a commit, of one job; absent where the double has none. Answers its number. */
  addRun?(repository: FakePlace, run: { sha: string; job: 'failed' | 'running' }): Promise<number>;
  /** A webhook of the repository for every event; as a person would add it on its settings page. */
  addHook(repository: FakePlace, hook: { url: string; secret: string }): Promise<void>;
  /** @throws Error for a login that was not added */
  as(login: string, repository: FakePlace): FakePerson;
  /** A token of this person's own, where the forge takes some things from people alone. */
  tokenOf?(login: string): string;
  /** Text of a file, or undefined. */
  readFile(repository: FakePlace, ref: string, path: string): Promise<string | undefined>;
  state(repository: FakePlace): Promise<FakeRepositoryState>;
  /** When every webhook that was caused so far has been answered. */
  settled(): Promise<void>;
  /** Requests to the API that a real forge would not understand, one sentence each. */
  violations(): readonly string[];
  close(): Promise<void>;
}
