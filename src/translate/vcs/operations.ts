/**
 * The facade's operations: what a program usually wants of a forge, in GitHub's shapes on every forge. Each is one request, or
 * for lists one request per page, through an Octokit that speaks for one connection. What is not here is in `octokit`.
 */
import type { RestEndpointMethodTypes } from '@octokit/plugin-rest-endpoint-methods';
import type { ForgeOctokit } from '../forge-octokit.js';

type Endpoints = RestEndpointMethodTypes;
type Pulls = Endpoints['pulls'];
type Issues = Endpoints['issues'];

/** `owner` is one segment: the group `a/b` is `a~b`. */
export interface RepositoryName {
  owner: string;
  repo: string;
}
export type Repository = Endpoints['repos']['get']['response']['data'];
export type PullRequest = Pulls['get']['response']['data'];
export type PullRequestItem = Pulls['list']['response']['data'][number];
export type Review = Pulls['createReview']['response']['data'];
export type Issue = Issues['get']['response']['data'];
export type IssueItem = Issues['listForRepo']['response']['data'][number];
export type Comment = Issues['createComment']['response']['data'];
export type ListedRepository = Pick<Repository, 'id' | 'name' | 'full_name' | 'private' | 'html_url'> & {
  owner: { login: string };
};

type Numbered = RepositoryName & { number: number };

export interface RepositoryOperations {
  get(at: RepositoryName): Promise<Repository>;
  /** Every repository that the connection reaches. */
  list(): Promise<ListedRepository[]>;
  getDefaultBranch(at: RepositoryName): Promise<string>;
  /** SHA of the commit that a branch points at. */
  getBranchSha(at: RepositoryName & { branch: string }): Promise<string>;
  /** A tar.gz of the files at a commit, branch or tag; at most ARCHIVE_MAX_MB, use git for more. */
  downloadArchive(at: RepositoryName & { ref: string }): Promise<Buffer>;
}

export interface PullRequestOperations {
  /** Every page; `state` is `open` unless said otherwise, `base` names the branch that they would be merged into. */
  list(
    at: RepositoryName & { state?: 'open' | 'closed' | 'all'; base?: string; head?: string },
  ): Promise<PullRequestItem[]>;
  get(at: Numbered): Promise<PullRequest>;
  create(
    at: RepositoryName & { title: string; head: string; base: string; body?: string; draft?: boolean },
  ): Promise<PullRequest>;
  update(
    at: Numbered & { title?: string; body?: string; state?: 'open' | 'closed'; base?: string },
  ): Promise<PullRequest>;
  /** Refused with 409 when the head is no longer `sha`. */
  merge(
    at: Numbered & { sha?: string; method?: 'merge' | 'squash' | 'rebase'; title?: string; message?: string },
  ): Promise<Pulls['merge']['response']['data']>;
  comment(at: Numbered & { body: string }): Promise<Comment>;
  review(
    at: Numbered & { event: 'APPROVE' | 'REQUEST_CHANGES' | 'COMMENT'; body?: string; sha?: string },
  ): Promise<Review>;
}

export interface IssueOperations {
  /** Every page, without pull requests; `state` is `open` unless said otherwise. */
  list(at: RepositoryName & { state?: 'open' | 'closed' | 'all'; labels?: readonly string[] }): Promise<IssueItem[]>;
  get(at: Numbered): Promise<Issue>;
  create(
    at: RepositoryName & { title: string; body?: string; labels?: readonly string[]; assignees?: readonly string[] },
  ): Promise<Issue>;
  update(
    at: Numbered & {
      title?: string;
      body?: string;
      state?: 'open' | 'closed';
      labels?: readonly string[];
      assignees?: readonly string[];
    },
  ): Promise<Issue>;
  comment(at: Numbered & { body: string }): Promise<Comment>;
}

export interface VcsOperations {
  repos: RepositoryOperations;
  pullRequests: PullRequestOperations;
  issues: IssueOperations;
  /** For everything else, as a Probot app has it. */
  octokit: ForgeOctokit;
}

const PAGE = 100;

/** @throws as octokit does: an error with `status`, and ForgewayError where a request never left */
export function operationsOf(octokit: ForgeOctokit, o: { isInstallation: boolean }): VcsOperations {
  const { rest } = octokit;
  const at = ({ owner, repo }: RepositoryName) => ({ owner, repo });
  const get = async (name: RepositoryName) => (await rest.repos.get(at(name))).data;
  const comment = async ({ number, body, ...name }: Numbered & { body: string }): Promise<Comment> =>
    (await rest.issues.createComment({ ...at(name), issue_number: number, body })).data;

  return {
    octokit,
    repos: {
      get,
      list: () =>
        o.isInstallation
          ? octokit.paginate(rest.apps.listReposAccessibleToInstallation, { per_page: PAGE })
          : octokit.paginate(rest.repos.listForAuthenticatedUser, { per_page: PAGE }),
      getDefaultBranch: async (name) => (await get(name)).default_branch,
      getBranchSha: async ({ branch, ...name }) =>
        (await rest.git.getRef({ ...at(name), ref: `heads/${branch}` })).data.object.sha,
      async downloadArchive({ ref, ...name }) {
        const { data } = await rest.repos.downloadTarballArchive({ ...at(name), ref });
        return Buffer.from(data as ArrayBuffer);
      },
    },

    pullRequests: {
      list: ({ state, base, head, ...name }) =>
        octokit.paginate(rest.pulls.list, {
          ...at(name),
          ...(state && { state }),
          ...(base !== undefined && { base }),
          ...(head !== undefined && { head }),
          per_page: PAGE,
        }),
      get: async ({ number, ...name }) => (await rest.pulls.get({ ...at(name), pull_number: number })).data,
      create: async ({ owner, repo, ...of }) => (await rest.pulls.create({ owner, repo, ...of })).data,
      update: async ({ owner, repo, number, ...change }) =>
        (await rest.pulls.update({ owner, repo, pull_number: number, ...change })).data,
      async merge({ number, sha, method, title, message, ...name }) {
        const answer = await rest.pulls.merge({
          ...at(name),
          pull_number: number,
          ...(sha !== undefined && { sha }),
          ...(method && { merge_method: method }),
          ...(title !== undefined && { commit_title: title }),
          ...(message !== undefined && { commit_message: message }),
        });
        return answer.data;
      },
      comment,
      async review({ number, event, body, sha, ...name }) {
        const answer = await rest.pulls.createReview({
          ...at(name),
          pull_number: number,
          event,
          ...(body !== undefined && { body }),
          ...(sha !== undefined && { commit_id: sha }),
        });
        return answer.data;
      },
    },

    issues: {
      async list({ state, labels, ...name }) {
        const all = await octokit.paginate(rest.issues.listForRepo, {
          ...at(name),
          ...(state && { state }),
          ...(labels && { labels: labels.join(',') }),
          per_page: PAGE,
        });
        return all.filter((issue) => issue.pull_request === undefined);
      },
      get: async ({ number, ...name }) => (await rest.issues.get({ ...at(name), issue_number: number })).data,
      async create({ owner, repo, title, body, labels, assignees }) {
        const answer = await rest.issues.create({
          ...{ owner, repo, title },
          ...(body !== undefined && { body }),
          ...(labels && { labels: [...labels] }),
          ...(assignees && { assignees: [...assignees] }),
        });
        return answer.data;
      },
      async update({ owner, repo, number, labels, assignees, ...change }) {
        const answer = await rest.issues.update({
          ...{ owner, repo, issue_number: number, ...change },
          ...(labels && { labels: [...labels] }),
          ...(assignees && { assignees: [...assignees] }),
        });
        return answer.data;
      },
      comment,
    },
  };
}
