/** What pull requests and issues have in common, and the labels and milestones that hang on them. */
import { connection } from '../connection.js';
import { routeListing, wholeListing } from '../listing.js';
import { globalId, type Place } from '../node-ids.js';
import { object, objects, upper } from '../rest.js';
import { account, as, field, type Numbered, placed, plain, repository, type Source, spoken } from '../sources.js';
import { type Area, connectionTypes, type Fields, PAGES, type Pages } from './area.js';
import { type IssuesArgs, issuesOf, type PullRequestsArgs, pullRequestsOf } from './searches.js';

/** A conversation's id. GitHub's issue routes give a pull request another number as `id`, so its own route is asked. */
async function conversationId(source: Numbered): Promise<string> {
  const where = `${source.owner}/${source.repo}#${source.number}`;
  return globalId(source.__typename, await ownForm(source), where);
}

const ownForm = async (source: Numbered) => {
  const foreign =
    source.rest.id === undefined || (source.__typename === 'PullRequest' && 'pull_request' in source.rest);
  return foreign && source.load !== undefined ? source.load() : source.rest;
};

/** GraphQL fields of both, in its own language. */
export const CONVERSATION = `
  id: ID! databaseId: BigInt fullDatabaseId: BigInt number: Int! title: String! body: String! bodyText: String! url: URI!
  author: Actor authorAssociation: CommentAuthorAssociation! createdAt: DateTime! updatedAt: DateTime!
  closed: Boolean! closedAt: DateTime locked: Boolean! activeLockReason: LockReason repository: Repository!
  labels(${PAGES}): LabelConnection
  assignees(${PAGES}): UserConnection!
  comments(${PAGES}): IssueCommentConnection!
  milestone: Milestone
  reactions(content: ReactionContent ${PAGES}): ReactionConnection!
  projectCards(${PAGES}): ProjectCardConnection!`;

export const CONVERSATION_INTERFACES =
  'Node & Comment & Closable & Lockable & Assignable & Labelable & Reactable & UniformResourceLocatable';

export const conversationFields: Fields = {
  id: conversationId,
  databaseId: async (source: Numbered) => (await ownForm(source)).id,
  fullDatabaseId: async (source: Numbered) => (await ownForm(source)).id,
  number: (source: Numbered) => source.number,
  title: as('title'),
  body: async (source: Source) => (await field(source, 'body')) ?? '',
  bodyText: async (source: Source) => (await field(source, 'body')) ?? '',
  url: as('html_url'),
  author: async (source: Source, _args: unknown, ask) => account(ask, await field(source, 'user')),
  authorAssociation: async (source: Source) => (await field(source, 'author_association')) ?? 'NONE',
  createdAt: as('created_at'),
  updatedAt: as('updated_at'),
  closed: async (source: Source) => (await field(source, 'state')) === 'closed',
  closedAt: as('closed_at'),
  locked: async (source: Source) => (await field(source, 'locked')) === true,
  activeLockReason: async (source: Source) =>
    upper(await field(source, 'active_lock_reason'))?.replaceAll(/[ -]/g, '_') ?? null,
  repository: (source: Source, _args: unknown, ask) => repository(ask, source),
  labels: (source: Source, args: Pages) => {
    const list = wholeListing(async () => objects(await field(source, 'labels')));
    return connection('labels', args, list, (rest) => plain('Label', source, rest));
  },
  assignees: (source: Source, args: Pages, ask) => {
    const list = wholeListing(async () => objects(await field(source, 'assignees')));
    return connection('assignees', args, list, (rest) => account(ask, rest));
  },
  comments: (source: Numbered, args: Pages, ask) => {
    const route = 'GET /repos/{owner}/{repo}/issues/{issue_number}/comments';
    const list = routeListing(ask, route, { ...placed(source), issue_number: source.number });
    // 0 is also what a forge says that does not count.
    list.total = async () => Number(await field(source, 'comments')) || undefined;
    return connection('comments', args, list, (rest) => spoken('IssueComment', source, source.number, rest));
  },
  milestone: async (source: Source) => {
    const rest = object(await field(source, 'milestone'));
    return rest === undefined ? null : plain('Milestone', source, rest);
  },
  // Classic projects are gone from GitHub and were on no other forge, so nothing is on one.
  projectCards: (_source: Source, args: Pages) =>
    connection(
      'projectCards',
      args,
      wholeListing(async () => []),
      () => null,
    ),
};

const milestoneFilter = (source: Source, name: string) => ({ filterBy: { [name]: String(source.rest.number) } });
const labelFilter = (source: Source) => ({ labels: [String(source.rest.name)] });
const where = ({ owner, repo }: Place, detail: unknown) => `${owner}/${repo}#${String(detail)}`;

export const conversations: Area = {
  sdl: `
    enum MilestoneState { OPEN CLOSED }
    enum IssueOrderField { CREATED_AT UPDATED_AT COMMENTS }
    input IssueOrder { field: IssueOrderField! direction: OrderDirection! }

    type Label implements Node & UniformResourceLocatable {
      id: ID! databaseId: BigInt name: String! color: String! description: String isDefault: Boolean! url: URI! repository: Repository!
      issues(states: [IssueState!] orderBy: IssueOrder ${PAGES}): IssueConnection!
      pullRequests(states: [PullRequestState!] orderBy: IssueOrder ${PAGES}): PullRequestConnection!
    }
    type Milestone implements Node & Closable & UniformResourceLocatable {
      id: ID! databaseId: BigInt number: Int! title: String! description: String state: MilestoneState! dueOn: DateTime
      closed: Boolean! closedAt: DateTime createdAt: DateTime! updatedAt: DateTime! url: URI! creator: Actor
      repository: Repository!
      progressPercentage: Float!
      issues(states: [IssueState!] labels: [String!] orderBy: IssueOrder ${PAGES}): IssueConnection!
    }
    type ProjectCard { id: ID! note: String project: Project! }
    type Project { id: ID! name: String! }
    ${connectionTypes('Label')}
    ${connectionTypes('Milestone')}
    ${connectionTypes('ProjectCard')}`,
  fields: {
    Label: {
      id: (source: Source) => globalId('Label', source.rest, where(source, source.rest.name)),
      databaseId: as('id'),
      name: as('name'),
      color: as('color'),
      description: as('description'),
      isDefault: (source: Source) => source.rest.default === true,
      url: as('url'),
      repository: (source: Source, _args: unknown, ask) => repository(ask, source),
      issues: (source: Source, args: IssuesArgs, ask) => issuesOf(ask, source, { ...args, ...labelFilter(source) }),
      pullRequests: (source: Source, args: PullRequestsArgs, ask) =>
        pullRequestsOf(ask, source, { ...args, ...labelFilter(source) }),
    },
    Milestone: {
      id: (source: Source) => globalId('Milestone', source.rest, where(source, source.rest.number)),
      databaseId: as('id'),
      number: as('number'),
      title: as('title'),
      description: as('description'),
      state: (source: Source) => upper(source.rest.state),
      dueOn: as('due_on'),
      closed: (source: Source) => source.rest.state === 'closed',
      closedAt: as('closed_at'),
      createdAt: as('created_at'),
      updatedAt: as('updated_at'),
      url: as('html_url'),
      creator: (source: Source, _args: unknown, ask) => account(ask, source.rest.creator),
      repository: (source: Source, _args: unknown, ask) => repository(ask, source),
      progressPercentage: (source: Source) => {
        const [open, closed] = [Number(source.rest.open_issues ?? 0), Number(source.rest.closed_issues ?? 0)];
        return open + closed === 0 ? 0 : (closed / (open + closed)) * 100;
      },
      issues: (source: Source, args: IssuesArgs, ask) =>
        issuesOf(ask, source, { ...args, ...milestoneFilter(source, 'milestone') }),
    },
  },
};

/** Words of a body that close an issue, in GitHub's spelling: `fixes #12`, `closes acme/web#3`. */
export function closedBy(body: string, place: Place): readonly (Place & { number: number })[] {
  const words = /\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:([\w.~-]+)\/([\w.-]+))?#(\d{1,10})\b/gi;
  const found = new Map<string, Place & { number: number }>();
  for (const [, owner, repo, number] of body.matchAll(words)) {
    const at = owner === undefined || repo === undefined ? placed(place) : { owner, repo };
    found.set(`${at.owner}/${at.repo}#${number}`, { ...at, number: Number(number) });
  }
  return [...found.values()];
}
