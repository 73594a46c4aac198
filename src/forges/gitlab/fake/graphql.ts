/** The part of GitLab's GraphQL that is asked, executed on a schema of its own so that a wrong query is refused. */
import { createHash } from 'node:crypto';
import { buildSchema, graphql } from 'graphql';
import { z } from 'zod';
import type { FakeRoute } from '../../kit/fake/routing.js';
import { allMembers } from './declare.js';
import { group as shownGroup, user as shownUser } from './present.js';
import { commit } from './present-git.js';
import { type User, userById, type World } from './state.js';

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
  type Repository { tree(path: String, ref: String): Tree blobs(paths: [String!]!, ref: String): BlobConnection }
  type BlobConnection { nodes: [Blob] }
  scalar BigInt
  type Blob { path: String! oid: String! size: BigInt }
  type Tree { lastCommit: Commit }
  type Commit { sha: String! author: UserCore }
  scalar NoteID
  enum TypeEnum { PERSONAL PROJECT }
  enum GroupVisibility { public internal private }
  type UserCore {
    id: ID!
    username: String!
    name: String!
    avatarUrl: String
    webUrl: String!
    groupMemberships(first: Int, after: String): GroupMemberConnection
    snippets(type: TypeEnum, first: Int, after: String): SnippetConnection
  }
  type GroupMember { group: Group }
  type GroupMemberConnection { nodes: [GroupMember] pageInfo: PageInfo! }
  type Group {
    id: ID!
    name: String!
    path: String!
    fullPath: ID!
    description: String
    avatarUrl: String
    webUrl: String!
    visibility: String
  }
  type Snippet {
    id: ID!
    title: String!
    description: String
    fileName: String
    visibilityLevel: GroupVisibility!
    createdAt: Time!
    updatedAt: Time!
    webUrl: String!
    rawUrl: String!
  }
  type SnippetConnection { nodes: [Snippet] pageInfo: PageInfo! }
  type AwardEmoji { name: String! user: UserCore! }
  type AwardEmojiConnection { nodes: [AwardEmoji] }
  type Note { id: NoteID! awardEmoji: AwardEmojiConnection }
  type Query { project(fullPath: ID!): Project user(username: String!): UserCore note(id: NoteID!): Note }
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

/** Cursors are positions. */
function pageOf<T>(all: readonly T[], { first = MOST, after }: Arguments) {
  const from = after === undefined || after === null ? 0 : Number(Buffer.from(after, 'base64').toString());
  const to = from + Math.min(first, MOST);
  return {
    nodes: all.slice(from, to),
    pageInfo: {
      hasNextPage: to < all.length,
      hasPreviousPage: from > 0,
      startCursor: Buffer.from(String(from)).toString('base64'),
      endCursor: Buffer.from(String(to)).toString('base64'),
    },
  };
}

const core = (world: World, of: User) => {
  const shown = shownUser(world, of);
  return { ...shown, id: `gid://gitlab/User/${of.id}`, avatarUrl: shown.avatar_url, webUrl: shown.web_url };
};

function userNode(world: World, of: User, reader: User) {
  const { groups, snippets } = world.state;
  return {
    ...core(world, of),
    groupMemberships: (given: Arguments) =>
      pageOf(
        groups
          .filter(({ members }) => members.has(of.id))
          .map((one) => {
            const {
              id,
              full_path: fullPath,
              avatar_url: avatarUrl,
              web_url: webUrl,
              ...shown
            } = shownGroup(world, one);
            return { group: { ...shown, id: `gid://gitlab/Group/${id}`, fullPath, avatarUrl, webUrl } };
          }),
        given,
      ),
    snippets: (given: Arguments) =>
      pageOf(
        snippets
          .filter(({ userId, visibility }) => userId === of.id && (visibility === 'public' || of.id === reader.id))
          .map(({ id, title, fileName, visibility, at }) => ({
            id: `gid://gitlab/PersonalSnippet/${id}`,
            title,
            description: '',
            fileName,
            visibilityLevel: visibility,
            createdAt: at,
            updatedAt: at,
            webUrl: `${world.web}/-/snippets/${id}`,
            rawUrl: `${world.web}/-/snippets/${id}/raw`,
          })),
        given,
      ),
  };
}

function noteNode(world: World, id: string) {
  const found = world.state.commitNotes.find(({ note }) => `gid://gitlab/Note/${note.id}` === id);
  if (found === undefined) return null;
  const nodes = found.note.awards.map(({ name, userId }) => ({ name, user: core(world, userById(world, userId)) }));
  return { id, awardEmoji: { nodes } };
}

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
          user({ username }: { username: string }) {
            const found = world.state.users.find((one) => one.username.toLowerCase() === username.toLowerCase());
            return found ? userNode(world, found, reader) : null;
          },
          note: ({ id }: { id: string }) => noteNode(world, id),
          project({ fullPath }: { fullPath: string }) {
            const project = world.state.projects.find((one) => one.fullPath === fullPath);
            const level = project && (allMembers(world, { project }).get(reader.id) ?? 0);
            // What may not be seen is not there.
            if (project === undefined || level === undefined) return null;
            if (level < READER && project.visibility === 'private' && !world.state.admins.has(reader.id)) return null;
            return {
              fullPath,
              repository: {
                blobs: async ({ ref, paths }: { ref?: string; paths: string[] }) => {
                  const sha = await project.git.resolve(ref ?? 'HEAD');
                  const read = async (path: string) => {
                    const file = sha === undefined ? undefined : await project.git.readFile(sha, path);
                    // GitLab writes its large numbers as text.
                    return file && { path, oid: file.sha, size: String(file.content.length) };
                  };
                  const all = await Promise.all(paths.map(read));
                  return { nodes: all.filter((one) => one !== undefined) };
                },
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
