/** People, bots, organizations and teams. */
import { connection } from '../connection.js';
import { routeListing } from '../listing.js';
import { globalId } from '../node-ids.js';
import { text } from '../rest.js';
import { account, as, repository, repositoryOf, type Source, team } from '../sources.js';
import { type Area, connectionTypes, type Fields, PAGES, type Pages } from './area.js';

/** What every kind of account has. */
const account_: Fields = {
  id: async (source: Source) => {
    const rest = source.rest.id === undefined && source.load !== undefined ? await source.load() : source.rest;
    return globalId(source.__typename, rest, source.owner);
  },
  databaseId: as('id'),
  login: (source: Source) => source.owner,
  avatarUrl: as('avatar_url'),
  url: as('html_url'),
};

const owner: Fields = {
  ...account_,
  name: as('name'),
  email: async (source: Source) => (await as('email')(source)) ?? '',
  createdAt: as('created_at'),
  repository: async (source: Source, { name }: { name: string }, ask) => {
    const place = { owner: source.owner, repo: name };
    const rest = await ask.find('GET /repos/{owner}/{repo}', place);
    return rest === undefined ? null : repository(ask, place, rest);
  },
};

const ACCOUNT = 'id: ID! databaseId: BigInt login: String! avatarUrl(size: Int): URI! url: URI!';

export const actors: Area = {
  sdl: `
    interface Actor { login: String! avatarUrl(size: Int): URI! url: URI! }
    interface RepositoryOwner {
      id: ID! login: String! avatarUrl(size: Int): URI! url: URI!
      repository(name: String! followRenames: Boolean): Repository
      repositories(${PAGES}): RepositoryConnection!
    }
    interface ProfileOwner { id: ID! login: String! name: String }

    type User implements Node & Actor & RepositoryOwner & ProfileOwner {
      ${ACCOUNT}
      name: String
      email: String!
      bio: String
      company: String
      location: String
      createdAt: DateTime
      repository(name: String! followRenames: Boolean): Repository
      repositories(${PAGES}): RepositoryConnection!
    }
    type Bot implements Node & Actor { ${ACCOUNT} createdAt: DateTime }
    type Organization implements Node & Actor & RepositoryOwner & ProfileOwner {
      ${ACCOUNT}
      name: String
      email: String
      description: String
      createdAt: DateTime
      repository(name: String! followRenames: Boolean): Repository
      repositories(${PAGES}): RepositoryConnection!
      membersWithRole(${PAGES}): UserConnection!
      team(slug: String!): Team
      teams(${PAGES}): TeamConnection!
    }
    type Team implements Node {
      id: ID! databaseId: BigInt name: String! slug: String! combinedSlug: String! description: String url: URI!
      organization: Organization!
      members(${PAGES}): UserConnection!
    }
    type GitActor { name: String email: String date: GitTimestamp avatarUrl(size: Int): URI user: User }
    ${connectionTypes('User')}
    ${connectionTypes('Team')}`,
  fields: {
    User: {
      ...owner,
      bio: as('bio'),
      company: as('company'),
      location: as('location'),
      repositories: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /users/{username}/repos', { username: source.owner });
        return connection('repositories', args, list, (rest) => repositoryOf(ask, rest));
      },
    },
    Bot: { ...account_, createdAt: as('created_at') },
    Organization: {
      ...owner,
      email: as('email'),
      description: as('description'),
      repositories: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /orgs/{org}/repos', { org: source.owner });
        return connection('repositories', args, list, (rest) => repositoryOf(ask, rest));
      },
      membersWithRole: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /orgs/{org}/members', { org: source.owner });
        return connection('membersWithRole', args, list, (rest) => account(ask, rest));
      },
      team: async (source: Source, { slug }: { slug: string }, ask) => {
        const rest = await ask.find('GET /orgs/{org}/teams/{team_slug}', { org: source.owner, team_slug: slug });
        return rest === undefined ? null : team(ask, source.owner, rest);
      },
      teams: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /orgs/{org}/teams', { org: source.owner });
        return connection('teams', args, list, (rest) => team(ask, source.owner, rest));
      },
    },
    Team: {
      id: (source: Source) => globalId('Team', source.rest, `${source.owner}/${text(source.rest.slug) ?? ''}`),
      databaseId: as('id'),
      name: as('name'),
      slug: as('slug'),
      combinedSlug: async (source: Source) => `${source.owner}/${await as('slug')(source)}`,
      description: as('description'),
      url: as('html_url'),
      organization: (source: Source, _args: unknown, ask) =>
        account(ask, { login: source.owner, type: 'Organization' }),
      members: (source: Source, args: Pages, ask) => {
        const where = { org: source.owner, team_slug: source.rest.slug };
        const list = routeListing(ask, 'GET /orgs/{org}/teams/{team_slug}/members', where);
        return connection('members', args, list, (rest) => account(ask, rest));
      },
    },
    GitActor: {
      name: (source: GitPerson) => source.person.name,
      email: (source: GitPerson) => source.person.email,
      date: (source: GitPerson) => source.person.date,
      avatarUrl: (source: GitPerson) => source.user?.rest.avatar_url,
      user: (source: GitPerson) => (source.user?.__typename === 'User' ? source.user : null),
    },
  },
};

/** Author or committer: what the commit says, and the account that the forge found for it. */
export interface GitPerson {
  __typename: 'GitActor';
  person: Readonly<Record<string, unknown>>;
  user: Source | null;
}
