import { z } from 'zod';
import type { GitCommitObject, GitIdentity, GitTagObject, TreeEntry } from '../../kit/git-objects.js';
import { invalid, notFound, type Route, type RouteContext, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/commit.js';
import { gitTag } from '../../kit/shapes/git-tag.js';
import type { CommitInput } from '../../kit/shapes/inputs.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { commitInput, nativeCommit } from '../convert/commit.js';
import { read, time } from '../convert/read.js';
import { toGitHubText, toNativeText } from '../references.js';
import { commitAt } from './commit-at.js';
import { gitOf, repositoryAt } from './git-place.js';
import { accept, everything, type Place, param, placeOf } from './place.js';

const apiIn = (context: RouteContext, place: Place): string => `${apiOf(context.base, place.owner, place.repo)}/git`;

const nativeBlob = z.looseObject({ size: z.number(), content: z.string() });

const getBlob: Route = {
  support: 'exact',
  retry: 'read',
  source: 'repositories: GET /projects/:id/repository/blobs/:sha',
  async run(request, context) {
    const place = placeOf(request);
    const sha = param(request, 'file_sha');
    const native = await context.native.find(`${place.api}/repository/blobs/${encodeURIComponent(sha)}`);
    const content =
      native === undefined
        ? // One that was written here and is not pushed yet.
          await context.git?.readBlob((await repositoryAt(context, place)).repository, sha)
        : Buffer.from(read(nativeBlob, native, 'blob').content, 'base64');
    if (content === undefined) throw notFound();
    if (request.media === 'raw')
      return { body: { contentType: 'application/vnd.github.raw; charset=utf-8', bytes: content } };
    const data = {
      sha,
      node_id: nodeId('Blob', sha),
      size: content.length,
      url: `${apiIn(context, place)}/blobs/${sha}`,
    };
    return { data: { ...data, content: content.toString('base64'), encoding: 'base64' } };
  },
};

const blob = z.looseObject({ content: z.string(), encoding: z.enum(['utf-8', 'base64']).default('utf-8') });

/** How every object is written: GitLab's API has no way to. */
const WRITTEN_TO_MIRROR = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'git: the object is pushed with the ref that comes to hold it',
  note: 'Written into a mirror; it reaches GitLab with the ref that comes to hold it.',
} satisfies Partial<Route>;

const createBlob: Route = {
  ...WRITTEN_TO_MIRROR,
  async run(request, context) {
    const place = placeOf(request);
    const { content, encoding } = accept('Blob', blob, request.body);
    const { repository } = await repositoryAt(context, place);
    const sha = await gitOf(context).writeBlob(
      repository,
      Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8'),
    );
    return { status: 201, data: { sha, url: `${apiIn(context, place)}/blobs/${sha}` } };
  },
};

const shownTree = (
  context: RouteContext,
  place: Place,
  sha: string,
  entries: readonly (TreeEntry & { size?: number })[],
) => ({
  sha,
  url: `${apiIn(context, place)}/trees/${sha}`,
  tree: entries.map((entry) => ({
    path: entry.path,
    mode: entry.mode,
    type: entry.type,
    sha: entry.sha,
    ...(entry.size !== undefined && { size: entry.size }),
    ...(entry.type !== 'commit' && { url: `${apiIn(context, place)}/${entry.type}s/${entry.sha}` }),
  })),
  truncated: false,
});

const nativeEntry = z.looseObject({
  id: z.string(),
  path: z.string(),
  type: z.enum(['blob', 'tree', 'commit']),
  mode: z.string(),
});

const getTree: Route = {
  support: 'exact',
  retry: 'read',
  source: 'repositories: GET /projects/:id/repository/tree',
  note: 'Read from the mirror where there is one, since GitLab tells neither the size of a file nor the SHA of the tree.',
  async run(request, context) {
    const place = placeOf(request);
    const name = param(request, 'tree_sha');
    const recursive = request.query.recursive !== undefined;
    if (context.git !== undefined) {
      const { repository } = await repositoryAt(context, place);
      const direct = /^[0-9a-f]{40,64}$/.test(name)
        ? await context.git.readTree(repository, name, recursive)
        : undefined;
      const commit = await context.git.readCommit(
        repository,
        /^[0-9a-f]{40,64}$/.test(name) ? name : (await commitAt(context, place, name)).id,
      );
      const sha = commit?.tree ?? name;
      const entries = commit === undefined ? direct : await context.git.readTree(repository, sha, recursive);
      if (entries === undefined) throw notFound();
      return { data: shownTree(context, place, sha, entries) };
    }
    const native = await everything(context, `${place.api}/repository/tree`, nativeEntry, { ref: name, recursive });
    const entries = native.map((entry) => ({
      path: entry.path,
      mode: entry.mode as TreeEntry['mode'],
      type: entry.type,
      sha: entry.id,
    }));
    return { data: shownTree(context, place, name, entries) };
  },
};

const tree = z.looseObject({
  base_tree: z.string().nullish(),
  tree: z.array(
    z.looseObject({
      path: z.string().min(1),
      mode: z.enum(['100644', '100755', '040000', '160000', '120000']).default('100644'),
      type: z.enum(['blob', 'tree', 'commit']).default('blob'),
      sha: z.string().nullish(),
      content: z.string().optional(),
    }),
  ),
});

const createTree: Route = {
  ...WRITTEN_TO_MIRROR,
  async run(request, context) {
    const place = placeOf(request);
    const git = gitOf(context);
    const body = accept('Tree', tree, request.body);
    const { repository } = await repositoryAt(context, place);
    const entries: TreeEntry[] = [];
    for (const { path, mode, type, sha, content } of body.tree) {
      if (sha === undefined && content === undefined) throw invalid('Tree', 'sha', 'missing_field');
      const written = content === undefined ? undefined : await git.writeBlob(repository, Buffer.from(content));
      entries.push({ path, mode, type, sha: written ?? sha ?? null });
    }
    // GitHub takes the SHA of a commit here too.
    const base = body.base_tree
      ? ((await git.readCommit(repository, body.base_tree))?.tree ?? body.base_tree)
      : undefined;
    const sha = await git.writeTree(repository, base, entries);
    const made = (await git.readTree(repository, sha, false)) ?? [];
    return { status: 201, data: shownTree(context, place, sha, made) };
  },
};

const person = ({ name, email, date }: GitIdentity) => ({
  name,
  email,
  date: time(date.toISOString()) ?? '',
  account: null,
});

const gitCommitInput = (context: RouteContext, place: Place, commit: GitCommitObject): CommitInput => ({
  sha: commit.sha,
  treeSha: commit.tree,
  message: toGitHubText(commit.message.replace(/(?<!\n)\n+$/, '')),
  htmlUrl: `${context.base.web}/${place.path}/-/commit/${commit.sha}`,
  author: person(commit.author),
  committer: person(commit.committer),
  parents: commit.parents,
});

const getCommit: Route = {
  support: 'exact',
  retry: 'read',
  source: 'commits: GET /projects/:id/repository/commits/:sha',
  note: 'Read from the mirror where there is one, since GitLab does not tell the SHA of the tree.',
  async run(request, context) {
    const place = placeOf(request);
    const sha = param(request, 'commit_sha');
    if (context.git !== undefined) {
      const { repository } = await repositoryAt(context, place);
      const commit = await context.git.readCommit(repository, sha);
      if (commit === undefined) throw notFound();
      return { data: shape.gitCommit(context.base, place.owner, place.repo, gitCommitInput(context, place, commit)) };
    }
    const commit = read(
      nativeCommit,
      await context.native.get(`${place.api}/repository/commits/${encodeURIComponent(sha)}`),
      'commit',
    );
    return {
      data: shape.gitCommit(
        context.base,
        place.owner,
        place.repo,
        commitInput(commit, `${context.base.web}/${place.path}`),
      ),
    };
  },
};

const someone = z.looseObject({ name: z.string(), email: z.string(), date: z.string().optional() });
const newCommit = z.looseObject({
  message: z.string(),
  tree: z.string().min(4),
  parents: z.array(z.string()).default([]),
  author: someone.optional(),
  committer: someone.optional(),
});

const identity = (of: z.output<typeof someone> | undefined, now: Date): GitIdentity | undefined =>
  of && { name: of.name, email: of.email, date: of.date === undefined ? now : new Date(of.date) };

const createCommit: Route = {
  ...WRITTEN_TO_MIRROR,
  async run(request, context) {
    const place = placeOf(request);
    const git = gitOf(context);
    const body = accept('Commit', newCommit, request.body);
    const { repository, author: ours } = await repositoryAt(context, place);
    const author = identity(body.author, ours.date) ?? ours;
    const commit = {
      tree: body.tree,
      parents: body.parents,
      message: toNativeText(body.message),
      author,
      committer: identity(body.committer, ours.date) ?? author,
    };
    const sha = await git.writeCommit(repository, commit);
    return {
      status: 201,
      data: shape.gitCommit(context.base, place.owner, place.repo, gitCommitInput(context, place, { ...commit, sha })),
    };
  },
};

const shownTag = (context: RouteContext, place: Place, tag: GitTagObject) =>
  gitTag(context.base, place.owner, place.repo, {
    ...tag,
    message: toGitHubText(tag.message),
    tagger: { ...tag.tagger, date: time(tag.tagger.date.toISOString()) ?? '' },
  });

const getTag: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'git: the object is read from a mirror; GitLab has no API for it',
  note: 'Read from a mirror.',
  async run(request, context) {
    const place = placeOf(request);
    const sha = param(request, 'tag_sha');
    const { repository } = await repositoryAt(context, place);
    const tag = /^[0-9a-f]{40,64}$/.test(sha) ? await gitOf(context).readTag(repository, sha) : undefined;
    if (tag === undefined) throw notFound();
    return { data: shownTag(context, place, tag) };
  },
};

const newTag = z.looseObject({
  tag: z.string().min(1),
  message: z.string(),
  object: z.string().min(4),
  type: z.enum(['commit', 'tree', 'blob']).default('commit'),
  tagger: someone.optional(),
});

const createTag: Route = {
  ...WRITTEN_TO_MIRROR,
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('Tag', newTag, request.body);
    const { repository, author: ours } = await repositoryAt(context, place);
    const tagger = identity(body.tagger, ours.date) ?? ours;
    const { tag: name, object, type } = body;
    const tag = { name, object, type, tagger, message: toNativeText(body.message) };
    return {
      status: 201,
      data: shownTag(context, place, { ...tag, sha: await gitOf(context).writeTag(repository, tag) }),
    };
  },
};

export const gitObjects: RouteTable = {
  'GET /repos/{owner}/{repo}/git/blobs/{file_sha}': getBlob,
  'POST /repos/{owner}/{repo}/git/blobs': createBlob,
  'GET /repos/{owner}/{repo}/git/trees/{tree_sha}': getTree,
  'POST /repos/{owner}/{repo}/git/trees': createTree,
  'GET /repos/{owner}/{repo}/git/commits/{commit_sha}': getCommit,
  'POST /repos/{owner}/{repo}/git/commits': createCommit,
  'GET /repos/{owner}/{repo}/git/tags/{tag_sha}': getTag,
  'POST /repos/{owner}/{repo}/git/tags': createTag,
};
