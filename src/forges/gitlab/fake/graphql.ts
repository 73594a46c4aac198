/** The part of GitLab's GraphQL that is asked, executed on a schema of its own so that a wrong query is refused. */
import { createHash } from 'node:crypto';
import { buildSchema, graphql } from 'graphql';
import { z } from 'zod';
import type { FakeRoute } from '../../kit/fake/routing.js';
import { allMembers } from './declare.js';
import { user as shownUser } from './present.js';
import { commit } from './present-git.js';
import type { User, World } from './state.js';

const schema = buildSchema(`
  scalar Time
  enum MergeRequestSort { UPDATED_ASC UPDATED_DESC CREATED_ASC CREATED_DESC }
  enum IssueSort { UPDATED_ASC UPDATED_DESC CREATED_ASC CREATED_DESC }
  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type MergeRequest { iid: String! updatedAt: Time! createdAt: Time! title: String! }
  type Issue { iid: ID! updatedAt: Time! createdAt: Time! title: String! }
  type MergeRequestConnection { nodes: [MergeRequest] pageInfo: PageInfo! }
  type IssueConnection { nodes: [Issue] pageInfo: PageInfo! }
  type Project {
    fullPath: ID!
    mergeRequests(updatedAfter: Time, updatedBefore: Time, sort: MergeRequestSort, first: Int, after: String): MergeRequestConnection
    repository: Repository
    issues(updatedAfter: Time, updatedBefore: Time, confidential: Boolean, sort: IssueSort, first: Int, after: String): IssueConnection
  }
  type Repository { tree(path: String, ref: String): Tree }
  type Tree { lastCommit: Commit }
  type Commit { sha: String! author: UserCore }
  type UserCore { id: ID! username: String! name: String! avatarUrl: String webUrl: String! }
  type Query { project(fullPath: ID!): Project }
`);

interface Listed {
  iid: number;
  updatedAt: string;
  createdAt: string;
  title: string;
}
interface Arguments {
  updatedAfter?: string;
  first?: number;
  after?: string;
}
const MOST = 100;

/** Newest first, from behind the cursor. */
function connectionOf(all: readonly Listed[], { updatedAfter, first = MOST, after }: Arguments) {
  const key = ({ iid, updatedAt: at }: Listed) => `${new Date(at).toISOString()} ${String(iid).padStart(12, '0')}`;
  const rows = all
    .filter((one) => updatedAfter === undefined || Date.parse(one.updatedAt) >= Date.parse(updatedAfter))
    .sort((left, right) => (key(left) < key(right) ? 1 : -1))
    .filter((one) => after === undefined || after === null || key(one) < Buffer.from(after, 'base64').toString());
  const page = rows.slice(0, Math.min(first, MOST));
  const cursor = (one: Listed | undefined) => one && Buffer.from(key(one)).toString('base64');
  return {
    nodes: page.map((one) => ({
      iid: String(one.iid),
      title: one.title,
      createdAt: one.createdAt,
      // Whole seconds, as GitLab writes a Time.
      updatedAt: `${new Date(one.updatedAt).toISOString().slice(0, 19)}Z`,
    })),
    pageInfo: {
      hasNextPage: rows.length > page.length,
      hasPreviousPage: after !== undefined && after !== null,
      startCursor: cursor(page[0]),
      endCursor: cursor(page.at(-1)),
    },
  };
}

const READER = 10;

export function graphqlRoute(world: World): FakeRoute {
  return {
    method: 'GET',
    path: '/graphql',
    source: 'graphql: GET /api/graphql',
    query: z.object({ query: z.string(), variables: z.string().optional() }),
    async run({ query, user }) {
      const reader = user as User;
      const { errors, data } = await graphql({
        schema,
        source: query.get('query') ?? '',
        variableValues: JSON.parse(query.get('variables') ?? '{}') as Record<string, unknown>,
        rootValue: {
          project({ fullPath }: { fullPath: string }) {
            const project = world.state.projects.find((one) => one.fullPath === fullPath);
            const level = project && (allMembers(world, { project }).get(reader.id) ?? 0);
            // What may not be seen is not there.
            if (project === undefined || level === undefined) return null;
            if (level < READER && project.visibility === 'private' && !world.state.admins.has(reader.id)) return null;
            return {
              fullPath,
              repository: {
                tree: async ({ ref }: { ref: string }) => {
                  const sha = await project.git.resolve(ref);
                  if (sha === undefined) return null;
                  const { author_email: email } = await commit(world, project, sha);
                  const author = world.state.users.find((one) => one.email === email);
                  const shown = author && shownUser(world, author);
                  return {
                    lastCommit: {
                      sha,
                      author: shown && {
                        ...shown,
                        id: `gid://gitlab/User/${shown.id}`,
                        avatarUrl: shown.avatar_url,
                        webUrl: shown.web_url,
                      },
                    },
                  };
                },
              },
              mergeRequests: (given: Arguments) => connectionOf(project.mergeRequests, given),
              issues: ({ confidential, ...given }: Arguments & { confidential?: boolean }) =>
                connectionOf(
                  project.issues.filter((one) => confidential === undefined || one.confidential === confidential),
                  given,
                ),
            };
          },
        },
      });
      const json = JSON.stringify({ ...(errors && { errors: errors.map(({ message }) => ({ message })) }), data });
      // Rails puts a weak one on whatever it answers.
      const etag = `W/"${createHash('sha256').update(json).digest('hex').slice(0, 32)}"`;
      return { body: json, contentType: 'application/json; charset=utf-8', headers: { etag } };
    },
  };
}
