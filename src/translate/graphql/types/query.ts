/** Where a query begins: a repository, the viewer, a node by its id, a search. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { GraphqlFailure, hasStatus, notSupported } from '../failures.js';
import { type Listing, routeListing } from '../listing.js';
import { type GlobalId, login, numbered, type Place, readGlobalId, team as teamAt, unresolved } from '../node-ids.js';
import { object, text } from '../rest.js';
import {
  account,
  commit,
  conversation,
  placed,
  plain,
  pullRequest,
  ref,
  repository,
  repositoryOf,
  type Source,
  spoken,
  team,
} from '../sources.js';
import { type Area, PAGES, type Pages } from './area.js';
import { threadOf } from './review-thread.js';

/** Route and parameter for what a repository knows by a number that `id` holds. */
const BY_ID: Readonly<Record<string, readonly [route: string, parameter: string]>> = {
  Release: ['GET /repos/{owner}/{repo}/releases/{release_id}', 'release_id'],
  CheckRun: ['GET /repos/{owner}/{repo}/check-runs/{check_run_id}', 'check_run_id'],
  CheckSuite: ['GET /repos/{owner}/{repo}/check-suites/{check_suite_id}', 'check_suite_id'],
  IssueComment: ['GET /repos/{owner}/{repo}/issues/comments/{comment_id}', 'comment_id'],
  PullRequestReviewComment: ['GET /repos/{owner}/{repo}/pulls/comments/{comment_id}', 'comment_id'],
};

/** What stands in a conversation, whose number its id says. */
const SPOKEN: ReadonlySet<string> = new Set(['IssueComment', 'PullRequestReviewComment']);

async function inPlace(ask: Ask, id: string, { type, id: own, detail }: GlobalId, place: Place): Promise<Source> {
  const route = BY_ID[type];
  if (route !== undefined) {
    const rest = await ask.get(route[0], { ...place, [route[1]]: own });
    return SPOKEN.has(type) ? spoken(type, place, numbered(id, type).number, rest) : plain(type, place, rest);
  }
  switch (type) {
    case 'PullRequest':
    case 'Issue': {
      const { number } = numbered(id, type);
      const route = 'GET /repos/{owner}/{repo}/issues/{issue_number}';
      if (type === 'Issue') return conversation(ask, place, await ask.get(route, { ...place, issue_number: number }));
      const found = pullRequest(ask, place, number);
      return { ...found, rest: (await found.load?.()) ?? {} };
    }
    case 'PullRequestReview': {
      const { number } = numbered(id, type);
      const route = 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}';
      return spoken(type, place, number, await ask.get(route, { ...place, pull_number: number, review_id: own }));
    }
    case 'PullRequestReviewThread':
      return threadOf(ask, spoken(type, place, numbered(id, type).number, {}), own);
    case 'Label':
      return plain(type, place, await ask.get('GET /repos/{owner}/{repo}/labels/{name}', { ...place, name: detail }));
    case 'Milestone': {
      const route = 'GET /repos/{owner}/{repo}/milestones/{milestone_number}';
      return plain(type, place, await ask.get(route, { ...place, milestone_number: numbered(id, type).number }));
    }
    case 'Commit':
      return commit(ask, place, own, await ask.get('GET /repos/{owner}/{repo}/commits/{ref}', { ...place, ref: own }));
    case 'Ref': {
      const found = ref(ask, place, own);
      return { ...found, rest: (await found.load?.()) ?? {} };
    }
    default:
      throw notSupported(`node(${type})`, `${ask.forge} cannot find a ${type} by its id.`);
  }
}

/** A node by its id; null with an error where there is none. */
async function nodeOf(ask: Ask, id: string): Promise<Source | null> {
  const read = readGlobalId(id);
  try {
    switch (read.type) {
      case 'Repository': {
        const place = await repositoryAt(ask, read);
        return repository(ask, place, await ask.get('GET /repos/{owner}/{repo}', { ...place }));
      }
      case 'User':
      case 'Bot':
      case 'Organization':
        return account(ask, await ask.get('GET /users/{username}', { username: await login(ask, id) }));
      case 'Team': {
        const where = teamAt(id);
        return team(ask, where.org, await ask.get('GET /orgs/{org}/teams/{team_slug}', where));
      }
      default:
        if (read.place === undefined)
          throw unresolved(id, ' It does not say where the object is; take `id` from a query.');
        return await inPlace(ask, id, read, read.place);
    }
  } catch (error) {
    throw hasStatus(error, 404) ? unresolved(id) : error;
  }
}

async function repositoryAt(ask: Ask, read: GlobalId): Promise<Place> {
  if (read.place !== undefined) return read.place;
  const rest = await ask.get('GET /repositories/{repository_id}', { repository_id: read.id });
  return placed(repositoryOf(ask, rest));
}

async function repositoryNamed(ask: Ask, place: Place): Promise<Source> {
  try {
    const rest = await ask.get('GET /repos/{owner}/{repo}', { ...place });
    // As the forge spells it, since apps compare it with what payloads say.
    const [owner = place.owner, repo = place.repo] = text(rest.full_name)?.split('/') ?? [];
    return repository(ask, { owner, repo }, rest);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
    const name = `${place.owner}/${place.repo}`;
    throw new GraphqlFailure('NOT_FOUND', `Could not resolve to a Repository with the name '${name}'.`, {
      cause: error,
    });
  }
}

async function accountNamed(ask: Ask, type: 'User' | 'Organization' | undefined, name: string): Promise<Source> {
  const rest = await ask.find('GET /users/{username}', { username: name });
  const found = rest === undefined ? null : account(ask, rest);
  if (found === null || (type !== undefined && found.__typename !== type))
    throw new GraphqlFailure(
      'NOT_FOUND',
      `Could not resolve to ${type === 'User' ? 'a User' : 'an Organization'} with the login of '${name}'.`,
    );
  return found;
}

/** Where a found issue is: REST's search says it in a URL only. */
function placeIn(rest: JsonObject): Place {
  const [, owner = '', repo = ''] = /\/repos\/([^/]+)\/([^/]+)$/.exec(text(rest.repository_url) ?? '') ?? [];
  return { owner: decodeURIComponent(owner), repo: decodeURIComponent(repo) };
}

interface SearchArgs extends Pages {
  query: string;
  type: 'ISSUE' | 'ISSUE_ADVANCED' | 'REPOSITORY';
}

function search(ask: Ask, args: SearchArgs) {
  const repositories = args.type === 'REPOSITORY';
  const route = repositories ? 'GET /search/repositories' : 'GET /search/issues';
  const list: Listing = routeListing(ask, route, { q: args.query }, 'items');
  // The first page says it too, and is asked for anyway.
  const perPage = Math.max(1, Math.min(args.first ?? 50, 50));
  const total = async () => {
    const answer = object(await ask.read(route, { q: args.query, per_page: perPage, page: 1 }));
    return typeof answer?.total_count === 'number' ? answer.total_count : 0;
  };
  const found = connection('search', args, { ...list, total }, (rest) =>
    repositories ? repositoryOf(ask, rest) : conversation(ask, placeIn(rest), rest),
  );
  const none = () => 0;
  return { ...found, issueCount: repositories ? none : total, repositoryCount: repositories ? total : none };
}

const time = (seconds: unknown): string | null =>
  typeof seconds === 'number' ? new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z') : null;

export const queries: Area = {
  sdl: `
    enum SearchType { ISSUE ISSUE_ADVANCED REPOSITORY }
    union SearchResultItem = Issue | PullRequest | Repository
    type SearchResultItemConnection {
      edges: [SearchResultItemEdge] nodes: [SearchResultItem] pageInfo: PageInfo! issueCount: Int! repositoryCount: Int!
    }
    type SearchResultItemEdge { cursor: String! node: SearchResultItem }
    type RateLimit { limit: Int! cost: Int! remaining: Int! resetAt: DateTime! used: Int! }

    type Query {
      repository(owner: String! name: String! followRenames: Boolean): Repository
      repositoryOwner(login: String!): RepositoryOwner
      user(login: String!): User
      organization(login: String!): Organization
      viewer: User!
      node(id: ID!): Node
      nodes(ids: [ID!]!): [Node]!
      search(query: String! type: SearchType! ${PAGES}): SearchResultItemConnection!
      rateLimit: RateLimit
    }
    type Mutation`,
  fields: {
    Query: {
      repository: (_root: unknown, { owner, name }: { owner: string; name: string }, ask) =>
        repositoryNamed(ask, { owner, repo: name }),
      repositoryOwner: (_root: unknown, args: { login: string }, ask) => accountNamed(ask, undefined, args.login),
      user: (_root: unknown, args: { login: string }, ask) => accountNamed(ask, 'User', args.login),
      organization: (_root: unknown, args: { login: string }, ask) => accountNamed(ask, 'Organization', args.login),
      viewer: async (_root: unknown, _args: unknown, ask) => account(ask, await ask.get('GET /user', {})),
      node: (_root: unknown, { id }: { id: string }, ask) => nodeOf(ask, id),
      nodes: (_root: unknown, { ids }: { ids: readonly string[] }, ask) => {
        if (ids.length > 100) throw new GraphqlFailure('BAD_USER_INPUT', 'You may not provide more than 100 node ids.');
        return ids.map((id) => nodeOf(ask, id));
      },
      search: (_root: unknown, args: SearchArgs, ask) => search(ask, args),
      rateLimit: async (_root: unknown, _args: unknown, ask) => {
        const resources = object((await ask.get('GET /rate_limit', {})).resources);
        const { limit, remaining, used, reset } = object(resources?.graphql) ?? object(resources?.core) ?? {};
        return { limit, remaining, used: used ?? 0, cost: 1, resetAt: time(reset) };
      },
    },
  },
};
