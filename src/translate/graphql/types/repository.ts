/** Repositories: what they are, and the ways from one to everything in it. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { GraphqlFailure, hasStatus } from '../failures.js';
import { ordered, routeListing, wholeListing } from '../listing.js';
import { globalId, type Place } from '../node-ids.js';
import { object, text, upper } from '../rest.js';
import {
  account,
  as,
  conversation,
  field,
  issue,
  placed,
  plain,
  pullRequest,
  ref,
  repositoryOf,
  type Source,
} from '../sources.js';
import { type Area, connectionTypes, PAGES, type Pages } from './area.js';
import { protectionRules } from './branch-protection.js';
import { objectAt } from './git-expression.js';
import { type IssuesArgs, issuesOf, type PullRequestsArgs, pullRequestsOf } from './searches.js';

/** A conversation by number, or an error in GitHub's words. */
async function numbered(ask: Ask, place: Place, number: number, kind: 'PullRequest' | 'Issue' | undefined) {
  const wanted = kind ?? 'Issue or Pull Request';
  const missing = (cause?: unknown) =>
    new GraphqlFailure(
      'NOT_FOUND',
      `Could not resolve to ${kind === 'Issue' ? 'an' : 'a'} ${wanted} with the number of ${number}.`,
      { cause },
    );
  const at = placed(place);
  try {
    if (kind === 'PullRequest') {
      const rest = await ask.get('GET /repos/{owner}/{repo}/pulls/{pull_number}', { ...at, pull_number: number });
      return pullRequest(ask, at, number, rest);
    }
    const rest = await ask.get('GET /repos/{owner}/{repo}/issues/{issue_number}', { ...at, issue_number: number });
    if (kind === 'Issue' && rest.pull_request !== undefined) throw missing();
    return kind === 'Issue' ? issue(ask, at, number, rest) : conversation(ask, at, rest);
  } catch (error) {
    throw hasStatus(error, 404) ? missing(error) : error;
  }
}

const byName = (direction: string) => (items: readonly JsonObject[]) => {
  const sorted = items.toSorted((a, b) => String(a.name).localeCompare(String(b.name), 'en'));
  return direction === 'DESC' ? sorted.toReversed() : sorted;
};

const contains = (value: unknown, part: string): boolean =>
  text(value)?.toLowerCase().includes(part.toLowerCase()) === true;

export const repositories: Area = {
  sdl: `
    enum RepositoryVisibility { PUBLIC PRIVATE INTERNAL }
    enum RepositoryPermission { ADMIN MAINTAIN READ TRIAGE WRITE }
    enum RefOrderField { ALPHABETICAL }
    input RefOrder { field: RefOrderField! direction: OrderDirection! }

    type Repository implements Node & UniformResourceLocatable {
      id: ID! databaseId: BigInt name: String! nameWithOwner: String! owner: RepositoryOwner! url: URI! sshUrl: GitSSHRemote!
      description: String homepageUrl: URI isPrivate: Boolean! isFork: Boolean! isArchived: Boolean!
      visibility: RepositoryVisibility! createdAt: DateTime! updatedAt: DateTime! pushedAt: DateTime
      stargazerCount: Int! forkCount: Int! primaryLanguage: Language viewerPermission: RepositoryPermission
      hasIssuesEnabled: Boolean! hasWikiEnabled: Boolean! mergeCommitAllowed: Boolean! rebaseMergeAllowed: Boolean!
      squashMergeAllowed: Boolean! autoMergeAllowed: Boolean! deleteBranchOnMerge: Boolean! parent: Repository
      defaultBranchRef: Ref
      ref(qualifiedName: String!): Ref
      refs(refPrefix: String! query: String orderBy: RefOrder ${PAGES}): RefConnection
      object(expression: String oid: GitObjectID): GitObject
      issue(number: Int!): Issue
      pullRequest(number: Int!): PullRequest
      issueOrPullRequest(number: Int!): IssueOrPullRequest
      issues(states: [IssueState!] labels: [String!] filterBy: IssueFilters orderBy: IssueOrder ${PAGES}): IssueConnection!
      pullRequests(states: [PullRequestState!] labels: [String!] headRefName: String baseRefName: String orderBy: IssueOrder
        ${PAGES}): PullRequestConnection!
      label(name: String!): Label
      labels(query: String ${PAGES}): LabelConnection
      milestone(number: Int!): Milestone
      milestones(states: [MilestoneState!] ${PAGES}): MilestoneConnection
      release(tagName: String!): Release
      latestRelease: Release
      releases(orderBy: ReleaseOrder ${PAGES}): ReleaseConnection!
      assignableUsers(query: String ${PAGES}): UserConnection!
      collaborators(${PAGES}): RepositoryCollaboratorConnection
      branchProtectionRules(${PAGES}): BranchProtectionRuleConnection!
      repositoryTopics(${PAGES}): RepositoryTopicConnection!
    }
    type Language { name: String! }
    type Topic { name: String! }
    type RepositoryTopic { topic: Topic! }
    union IssueOrPullRequest = Issue | PullRequest
    ${connectionTypes('Repository')}
    ${connectionTypes('RepositoryTopic')}
    ${connectionTypes('User', 'RepositoryCollaborator', { edge: 'permission: RepositoryPermission!' })}`,
  fields: {
    Repository: {
      id: async (source: Source) => {
        const rest = source.rest.id === undefined && source.load !== undefined ? await source.load() : source.rest;
        return globalId('Repository', rest, `${source.owner}/${source.repo}`);
      },
      databaseId: as('id'),
      name: (source: Source) => source.repo,
      nameWithOwner: (source: Source) => `${source.owner}/${source.repo}`,
      owner: async (source: Source, _args: unknown, ask) => account(ask, await field(source, 'owner')),
      url: as('html_url'),
      sshUrl: as('ssh_url'),
      description: as('description'),
      homepageUrl: as('homepage'),
      isPrivate: as('private'),
      isFork: as('fork'),
      isArchived: async (source: Source) => (await field(source, 'archived')) === true,
      visibility: async (source: Source) =>
        upper(await field(source, 'visibility')) ?? ((await field(source, 'private')) === true ? 'PRIVATE' : 'PUBLIC'),
      createdAt: as('created_at'),
      updatedAt: as('updated_at'),
      pushedAt: as('pushed_at'),
      stargazerCount: async (source: Source) => (await field(source, 'stargazers_count')) ?? 0,
      forkCount: async (source: Source) => (await field(source, 'forks_count')) ?? 0,
      primaryLanguage: async (source: Source) => {
        const name = await field(source, 'language');
        return typeof name === 'string' ? { name } : null;
      },
      viewerPermission: async (source: Source) => {
        const rights = object(await field(source, 'permissions')) ?? {};
        const order = ['admin', 'maintain', 'push', 'triage', 'pull'];
        const most = order.find((right) => rights[right] === true);
        return most === undefined ? null : ({ push: 'WRITE', pull: 'READ' }[most] ?? most.toUpperCase());
      },
      hasIssuesEnabled: async (source: Source) => (await field(source, 'has_issues')) !== false,
      hasWikiEnabled: async (source: Source) => (await field(source, 'has_wiki')) === true,
      mergeCommitAllowed: async (source: Source) => (await field(source, 'allow_merge_commit')) !== false,
      rebaseMergeAllowed: async (source: Source) => (await field(source, 'allow_rebase_merge')) !== false,
      squashMergeAllowed: async (source: Source) => (await field(source, 'allow_squash_merge')) !== false,
      autoMergeAllowed: async (source: Source) => (await field(source, 'allow_auto_merge')) === true,
      deleteBranchOnMerge: async (source: Source) => (await field(source, 'delete_branch_on_merge')) === true,
      parent: async (source: Source, _args: unknown, ask) => {
        const rest = object(await field(source, 'parent'));
        return rest === undefined ? null : repositoryOf(ask, rest);
      },
      defaultBranchRef: async (source: Source, _args: unknown, ask) => {
        const branch = text(await field(source, 'default_branch'));
        return branch === undefined || branch === '' ? null : ref(ask, source, `refs/heads/${branch}`);
      },
      ref: async (source: Source, { qualifiedName }: { qualifiedName: string }, ask) => {
        const bare = qualifiedName.replace(/^refs\//, '');
        const name = /^(heads|tags)\//.test(bare) ? bare : `heads/${bare}`;
        const rest = await ask.find('GET /repos/{owner}/{repo}/git/ref/{ref}', { ...placed(source), ref: name });
        return rest === undefined ? null : ref(ask, source, `refs/${name}`, rest);
      },
      refs: (
        source: Source,
        args: Pages & { refPrefix: string; query?: string; orderBy?: { direction: string } | null },
        ask,
      ) => {
        const prefix = args.refPrefix.endsWith('/') ? args.refPrefix : `${args.refPrefix}/`;
        const route = {
          'refs/heads/': 'GET /repos/{owner}/{repo}/branches',
          'refs/tags/': 'GET /repos/{owner}/{repo}/tags',
        }[prefix];
        if (route === undefined)
          throw new GraphqlFailure('BAD_USER_INPUT', '`refPrefix` must be `refs/heads/` or `refs/tags/`.');
        const list = routeListing(ask, route, placed(source));
        const { query, orderBy } = args;
        if (query) list.keep = (item) => contains(item.name, query);
        const sorted = orderBy ? ordered(list, byName(orderBy.direction)) : list;
        return connection('refs', args, sorted, (item) => {
          const sha = object(item.commit)?.sha;
          return ref(ask, source, `${prefix}${text(item.name)}`, { object: { sha, type: 'commit' } });
        });
      },
      object: objectAt,
      issue: (source: Source, { number }: { number: number }, ask) => numbered(ask, source, number, 'Issue'),
      pullRequest: (source: Source, { number }: { number: number }, ask) =>
        numbered(ask, source, number, 'PullRequest'),
      issueOrPullRequest: (source: Source, { number }: { number: number }, ask) =>
        numbered(ask, source, number, undefined),
      issues: (source: Source, args: IssuesArgs, ask) => issuesOf(ask, source, args),
      pullRequests: (source: Source, args: PullRequestsArgs, ask) => pullRequestsOf(ask, source, args),
      label: async (source: Source, { name }: { name: string }, ask) => {
        const rest = await ask.find('GET /repos/{owner}/{repo}/labels/{name}', { ...placed(source), name });
        return rest === undefined ? null : plain('Label', source, rest);
      },
      labels: (source: Source, args: Pages & { query?: string }, ask) => {
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/labels', placed(source));
        const { query } = args;
        if (query) list.keep = (item) => contains(item.name, query) || contains(item.description, query);
        return connection('labels', args, list, (item) => plain('Label', source, item));
      },
      milestone: async (source: Source, { number }: { number: number }, ask) => {
        const route = 'GET /repos/{owner}/{repo}/milestones/{milestone_number}';
        const rest = await ask.find(route, { ...placed(source), milestone_number: number });
        return rest === undefined ? null : plain('Milestone', source, rest);
      },
      milestones: (source: Source, args: Pages & { states?: readonly string[] }, ask) => {
        const state = args.states?.length === 1 ? args.states[0]?.toLowerCase() : 'all';
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/milestones', { ...placed(source), state });
        return connection('milestones', args, list, (item) => plain('Milestone', source, item));
      },
      release: async (source: Source, { tagName }: { tagName: string }, ask) => {
        const rest = await ask.find('GET /repos/{owner}/{repo}/releases/tags/{tag}', {
          ...placed(source),
          tag: tagName,
        });
        return rest === undefined ? null : plain('Release', source, rest);
      },
      latestRelease: async (source: Source, _args: unknown, ask) => {
        const rest = await ask.find('GET /repos/{owner}/{repo}/releases/latest', placed(source));
        return rest === undefined ? null : plain('Release', source, rest);
      },
      releases: (source: Source, args: Pages & { orderBy?: { direction: string } | null }, ask) => {
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/releases', placed(source));
        const oldest = args.orderBy?.direction === 'ASC' ? ordered(list, (items) => items.toReversed()) : list;
        return connection('releases', args, oldest, (item) => plain('Release', source, item));
      },
      assignableUsers: (source: Source, args: Pages & { query?: string }, ask) => {
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/assignees', placed(source));
        const { query } = args;
        if (query) list.keep = (item) => contains(item.login, query);
        return connection('assignableUsers', args, list, (item) => account(ask, item));
      },
      collaborators: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/collaborators', placed(source));
        return connection('collaborators', args, list, (item) => account(ask, item));
      },
      branchProtectionRules: (source: Source, args: Pages, ask) =>
        connection('branchProtectionRules', args, protectionRules(ask, source), (rest) =>
          plain('BranchProtectionRule', source, rest),
        ),
      repositoryTopics: (source: Source, args: Pages, ask) => {
        const names = async () => {
          const answer = await ask.get('GET /repos/{owner}/{repo}/topics', placed(source));
          const list: readonly unknown[] = Array.isArray(answer.names) ? answer.names : [];
          return list.map((name): JsonObject => ({ topic: { name } }));
        };
        return connection('repositoryTopics', args, wholeListing(names), (item) => item);
      },
    },
    RepositoryCollaboratorEdge: {
      cursor: ({ cursor }: { cursor: () => unknown }) => cursor(),
      node: ({ node }: { node: unknown }) => node,
      permission: ({ item }: { item: JsonObject }) => {
        const role = text(item.role_name) ?? 'read';
        return role.toUpperCase();
      },
    },
  },
};
