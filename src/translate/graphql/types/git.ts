/** Commits, refs, trees, files and annotated tags. */
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { routeListing, wholeListing } from '../listing.js';
import { globalId } from '../node-ids.js';
import { object, objects, text } from '../rest.js';
import { account, as, commit, field, placed, plain, pullRequest, repository, type Source } from '../sources.js';
import type { GitPerson } from './actors.js';
import { type Area, connectionTypes, type Fields, PAGES, type Pages } from './area.js';
import { rollupOf } from './checks.js';
import { blobAt, treeAt } from './git-expression.js';
import { pullRequestsOf } from './searches.js';

/** A commit's own part: REST keeps it one level down. */
const inner = async (source: Source, name: string): Promise<unknown> => object(await field(source, 'commit'))?.[name];
const message = async (source: Source): Promise<string> => text(await inner(source, 'message')) ?? '';

async function person(source: Source, ask: Ask, name: 'author' | 'committer'): Promise<GitPerson | null> {
  const said = object(await inner(source, name));
  if (said === undefined) return null;
  return { __typename: 'GitActor', person: said, user: account(ask, await field(source, name)) };
}

const pages = (source: Source) => ({ ...placed(source), commit_sha: source.rest.sha });

/** What every Git object has. */
const gitObject: Fields = {
  oid: as('sha'),
  abbreviatedOid: async (source: Source) => text(await field(source, 'sha'))?.slice(0, 7) ?? '',
  id: async (source: Source) => {
    const sha = await field(source, 'sha');
    return globalId(source.__typename, source.rest, `${source.owner}/${source.repo}`, sha);
  },
  repository: (source: Source, _args: unknown, ask) => repository(ask, source),
};

interface HistoryArgs extends Pages {
  path?: string | null;
  since?: string | null;
  until?: string | null;
}

interface Entry {
  entry: Readonly<Record<string, unknown>>;
  folder: string;
  tree: Source;
}

const GIT_OBJECT = 'id: ID! oid: GitObjectID! abbreviatedOid: String! repository: Repository!';

export const git: Area = {
  sdl: `
    interface GitObject { ${GIT_OBJECT} }

    type Commit implements Node & GitObject {
      ${GIT_OBJECT}
      message: String! messageHeadline: String! messageBody: String! url: URI! commitUrl: URI!
      author: GitActor committer: GitActor authoredDate: DateTime committedDate: DateTime
      additions: Int! deletions: Int! changedFiles: Int! changedFilesIfAvailable: Int
      tree: Tree!
      parents(${PAGES}): CommitConnection!
      history(path: String since: GitTimestamp until: GitTimestamp ${PAGES}): CommitHistoryConnection!
      associatedPullRequests(orderBy: PullRequestOrder ${PAGES}): PullRequestConnection
      status: Status
      statusCheckRollup: StatusCheckRollup
      checkSuites(filterBy: CheckSuiteFilter ${PAGES}): CheckSuiteConnection
      comments(${PAGES}): CommitCommentConnection!
    }
    type CommitComment implements Node {
      id: ID! databaseId: BigInt body: String! author: Actor createdAt: DateTime! updatedAt: DateTime! url: URI! path: String
    }
    type Tree implements Node & GitObject { ${GIT_OBJECT} entries: [TreeEntry!] }
    type TreeEntry { name: String! path: String oid: GitObjectID! type: String! object: GitObject }
    type Blob implements Node & GitObject {
      ${GIT_OBJECT}
      text: String byteSize: Int! isBinary: Boolean isTruncated: Boolean!
    }
    type Tag implements Node & GitObject { ${GIT_OBJECT} name: String! message: String tagger: GitActor target: GitObject! }
    type Ref implements Node {
      id: ID! name: String! prefix: String! target: GitObject repository: Repository!
      associatedPullRequests(states: [PullRequestState!] ${PAGES}): PullRequestConnection!
      branchProtectionRule: BranchProtectionRule
    }
    ${connectionTypes('Commit')}
    ${connectionTypes('Commit', 'CommitHistory')}
    ${connectionTypes('CommitComment')}
    ${connectionTypes('Ref')}`,
  fields: {
    Commit: {
      ...gitObject,
      message,
      messageHeadline: async (source: Source) => (await message(source)).split('\n', 1)[0],
      messageBody: async (source: Source) => (await message(source)).split('\n').slice(1).join('\n').trim(),
      url: as('html_url'),
      commitUrl: as('html_url'),
      author: (source: Source, _args: unknown, ask) => person(source, ask, 'author'),
      committer: (source: Source, _args: unknown, ask) => person(source, ask, 'committer'),
      authoredDate: async (source: Source) => object(await inner(source, 'author'))?.date,
      committedDate: async (source: Source) => object(await inner(source, 'committer'))?.date,
      additions: async (source: Source) => object(await field(source, 'stats'))?.additions ?? 0,
      deletions: async (source: Source) => object(await field(source, 'stats'))?.deletions ?? 0,
      changedFiles: async (source: Source) => objects(await field(source, 'files')).length,
      changedFilesIfAvailable: async (source: Source) => objects(await field(source, 'files')).length,
      tree: async (source: Source, _args: unknown, ask) =>
        treeAt(ask, source, text(object(await inner(source, 'tree'))?.sha) ?? ''),
      parents: (source: Source, args: Pages, ask) => {
        const list = wholeListing(async () => objects(await field(source, 'parents')));
        return connection('parents', args, list, (rest) => commit(ask, source, text(rest.sha) ?? ''));
      },
      history: (source: Source, args: HistoryArgs, ask) => {
        const { path, since, until } = args;
        const filters = { ...(path && { path }), ...(since && { since }), ...(until && { until }) };
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/commits', {
          ...placed(source),
          sha: source.rest.sha,
          ...filters,
        });
        return connection('history', args, list, (rest) => commit(ask, source, text(rest.sha) ?? '', rest));
      },
      associatedPullRequests: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', pages(source));
        return connection('associatedPullRequests', args, list, (rest) =>
          pullRequest(ask, source, Number(rest.number), rest),
        );
      },
      status: async (source: Source, _args: unknown, ask) => {
        const where = { ...placed(source), ref: source.rest.sha };
        const rest = await ask.get('GET /repos/{owner}/{repo}/commits/{ref}/status', where);
        return objects(rest.statuses).length === 0 ? null : { ...plain('Status', source, rest), commit: source };
      },
      statusCheckRollup: (source: Source, _args: unknown, ask) => rollupOf(ask, source, source),
      checkSuites: (
        source: Source,
        args: Pages & { filterBy?: { appId?: number | null; checkName?: string | null } | null },
        ask,
      ) => {
        const { appId, checkName } = args.filterBy ?? {};
        const filters = { ...(appId && { app_id: appId }), ...(checkName && { check_name: checkName }) };
        const list = routeListing(
          ask,
          'GET /repos/{owner}/{repo}/commits/{ref}/check-suites',
          { ...placed(source), ref: source.rest.sha, ...filters },
          'check_suites',
        );
        return connection('checkSuites', args, list, (rest) => plain('CheckSuite', source, rest));
      },
      comments: (source: Source, args: Pages, ask) => {
        const list = routeListing(ask, 'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments', pages(source));
        return connection('comments', args, list, (rest) => plain('CommitComment', source, rest));
      },
    },
    CommitComment: {
      id: (source: Source) => globalId('CommitComment', source.rest, `${source.owner}/${source.repo}`),
      databaseId: as('id'),
      body: as('body'),
      author: (source: Source, _args: unknown, ask) => account(ask, source.rest.user),
      createdAt: as('created_at'),
      updatedAt: as('updated_at'),
      url: as('html_url'),
      path: as('path'),
    },
    Tree: {
      ...gitObject,
      entries: async (source: Source) => {
        const folder = text(source.rest.folder) ?? '';
        return objects(await field(source, 'tree')).map((entry): Entry => ({ entry, folder, tree: source }));
      },
    },
    TreeEntry: {
      name: ({ entry }: Entry) => entry.path,
      path: ({ entry, folder }: Entry) => (folder === '' ? entry.path : `${folder}/${String(entry.path)}`),
      oid: ({ entry }: Entry) => entry.sha,
      type: ({ entry }: Entry) => entry.type,
      object: ({ entry, tree }: Entry, _args: unknown, ask) => {
        const sha = text(entry.sha);
        if (sha === undefined || entry.type === 'commit') return null;
        return entry.type === 'tree' ? treeAt(ask, tree, sha) : blobAt(ask, tree, { sha });
      },
    },
    Blob: {
      ...gitObject,
      text: async (source: Source) => decoded(await bytes(source)) ?? null,
      byteSize: async (source: Source) => (await field(source, 'size')) ?? (await bytes(source)).length,
      isBinary: async (source: Source) => decoded(await bytes(source)) === undefined,
      isTruncated: () => false,
    },
    Tag: {
      ...gitObject,
      name: as('tag'),
      message: as('message'),
      tagger: async (source: Source) => {
        const said = object(await field(source, 'tagger'));
        return said === undefined ? null : { __typename: 'GitActor', person: said, user: null };
      },
      target: async (source: Source, _args: unknown, ask) => target(ask, source, await field(source, 'object')),
    },
    Ref: {
      id: (source: Source & { refName: string }) =>
        globalId('Ref', source.rest, `${source.owner}/${source.repo}`, source.refName),
      name: ({ refName }: { refName: string }) => refName.replace(/^refs\/[^/]+\//, ''),
      prefix: ({ refName }: { refName: string }) => /^refs\/[^/]+\//.exec(refName)?.[0] ?? '',
      target: async (source: Source, _args: unknown, ask) => target(ask, source, await field(source, 'object')),
      repository: (source: Source, _args: unknown, ask) => repository(ask, source),
      associatedPullRequests: (
        source: Source & { refName: string },
        args: Pages & { states?: readonly string[] | null },
        ask,
      ) => pullRequestsOf(ask, source, { ...args, headRefName: source.refName.replace(/^refs\/[^/]+\//, '') }),
      branchProtectionRule: async (source: Source & { refName: string }, _args: unknown, ask) => {
        const branch = source.refName.replace(/^refs\/heads\//, '');
        const route = 'GET /repos/{owner}/{repo}/branches/{branch}/protection';
        const rest = branch.startsWith('refs/') ? undefined : await ask.find(route, { ...placed(source), branch });
        return rest === undefined ? null : plain('BranchProtectionRule', source, { pattern: branch, ...rest });
      },
    },
  },
};

async function bytes(source: Source): Promise<Buffer> {
  const content = text(await field(source, 'content')) ?? '';
  const encoding = await field(source, 'encoding');
  return Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8');
}

/** Text, or undefined when the bytes are none. */
function decoded(content: Buffer): string | undefined {
  if (content.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** What a ref or an annotated tag points to. */
function target(ask: Ask, source: Source, value: unknown): Source | null {
  const pointed = object(value);
  const sha = text(pointed?.sha);
  if (sha === undefined) return null;
  if (pointed?.type === 'tree') return treeAt(ask, source, sha);
  if (pointed?.type === 'blob') return blobAt(ask, source, { sha });
  if (pointed?.type !== 'tag') return commit(ask, source, sha);
  const at = placed(source);
  const load = () => ask.get('GET /repos/{owner}/{repo}/git/tags/{tag_sha}', { ...at, tag_sha: sha });
  return { __typename: 'Tag', ...at, rest: { sha }, load };
}
