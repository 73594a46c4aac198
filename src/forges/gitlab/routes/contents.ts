import { createHash } from 'node:crypto';
import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import {
  notFound,
  type Route,
  type RouteAnswer,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/commit.js';
import { encodePath } from '../../kit/shapes/fields.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { commitInput, nativeCommit } from '../convert/commit.js';
import { read } from '../convert/read.js';
import { toNativeText } from '../references.js';
import { blobFacts } from './blob-facts.js';
import { accept, everything, type Place, placeOf, projectAt } from './place.js';

const nativeFile = z.looseObject({
  file_name: z.string(),
  file_path: z.string(),
  size: z.number(),
  content: z.string(),
  blob_id: z.string(),
  last_commit_id: z.string(),
});
type NativeFile = z.output<typeof nativeFile>;

const nativeEntry = z.looseObject({
  id: z.string(),
  name: z.string(),
  path: z.string(),
  type: z.string(),
  mode: z.string(),
});

/** Above this GitHub leaves the content out, above the other it sends the file no more at all. */
const INLINE_LIMIT = 1024 * 1024;
const RAW_LIMIT = 100 * 1024 * 1024;

/** @throws RouteFailure 422 for a path that git could not hold, as GitHub does, before a proxy on the way resolves it */
function pathIn(request: RouteRequest): string {
  const path = (request.params.path ?? '').replace(/^\/+|(?<!\/)\/+$/g, '');
  if (path.split('/').some((part) => part === '..' || part === '.'))
    throw unprocessable('path contains a malformed path component');
  return path;
}

/** Addresses of a file or folder at a ref. */
function linksOf(context: RouteContext, place: Place, of: { path: string; ref: string; sha: string; type: string }) {
  const path = encodePath(of.path);
  const api = apiOf(context.base, place.owner, place.repo);
  const web = `${context.base.web}/${place.path}/-`;
  const isFile = of.type === 'file' || of.type === 'symlink';
  const url = `${api}/contents/${path}?ref=${segment(of.ref)}`;
  const html = `${web}/${isFile ? 'blob' : 'tree'}/${encodePath(of.ref)}/${path}`;
  const git = of.type === 'submodule' ? null : `${api}/git/${isFile ? 'blobs' : 'trees'}/${of.sha}`;
  const download = isFile ? `${web}/raw/${encodePath(of.ref)}/${path}` : null;
  return { url, html_url: html, git_url: git, download_url: download, _links: { self: url, git, html } };
}

const blobHash = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

function shownFile(
  context: RouteContext,
  place: Place,
  ref: string,
  file: Pick<NativeFile, 'file_name' | 'file_path' | 'size' | 'blob_id'>,
  content?: string,
) {
  const large = file.size > INLINE_LIMIT;
  return {
    type: 'file',
    name: file.file_name,
    path: file.file_path,
    sha: file.blob_id,
    size: file.size,
    ...(content !== undefined && { encoding: large ? 'none' : 'base64', content: large ? '' : content }),
    ...linksOf(context, place, { path: file.file_path, ref, sha: file.blob_id, type: 'file' }),
  };
}

const kinds: Readonly<Record<string, string>> = { tree: 'dir', commit: 'submodule', blob: 'file' };

const isBlob = ({ type }: { type: string }): boolean => type === 'file' || type === 'symlink';

/** A listed folder; each file with its size. */
async function withSizes(context: RouteContext, place: Place, ref: string, entries: readonly ListedEntry[]) {
  const paths = entries.filter(isBlob).map((entry) => entry.path);
  const found = await blobFacts(context, place, ref, paths);
  return entries.map((entry) => ({ ...entry, size: found.get(entry.path)?.size ?? 0 }));
}

type ListedEntry = NonNullable<Awaited<ReturnType<typeof folder>>>[number];

/** What is in a folder; undefined where there is no such folder. */
async function folder(context: RouteContext, place: Place, path: string, ref: string) {
  let entries: z.output<typeof nativeEntry>[];
  try {
    entries = await everything(context, `${place.api}/repository/tree`, nativeEntry, { path, ref }, 10);
  } catch (error) {
    if (error instanceof RouteFailure && error.status === 404) return undefined;
    throw error;
  }
  if (entries.length === 0 && path !== '') return undefined;
  return entries.map((entry) => {
    const type = entry.mode === '120000' ? 'symlink' : (kinds[entry.type] ?? 'file');
    const links = linksOf(context, place, { path: entry.path, ref, sha: entry.id, type });
    return { type, size: 0, name: entry.name, path: entry.path, sha: entry.id, ...links };
  });
}

async function rawFile(
  context: RouteContext,
  place: Place,
  path: string,
  ref: string,
): Promise<RouteAnswer | undefined> {
  try {
    const api = `${place.api}/repository/files/${segment(path)}/raw`;
    const { data } = await context.native.send('GET', api, { query: { ref }, as: 'bytes' });
    return { body: { contentType: 'application/vnd.github.raw; charset=utf-8', bytes: data as Buffer } };
  } catch (error) {
    if (error instanceof RouteFailure && error.status === 404) return undefined;
    throw error;
  }
}

const findFile = async (
  context: RouteContext,
  place: Place,
  path: string,
  ref: string,
): Promise<NativeFile | undefined> => {
  const data = await context.native.find(`${place.api}/repository/files/${segment(path)}`, { ref });
  return data === undefined ? undefined : read(nativeFile, data, 'file');
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source:
    'repository_files: GET /projects/:id/repository/files/:file_path(/raw); repositories: GET /projects/:id/repository/tree; graphql: Repository.blobs',
  note: 'A raw file below .github/ that is not there is looked for below .gitlab/, for configuration of apps. The sizes of files in a folder are 0 where GraphQL may not be asked.',
  async run(request, context) {
    const place = placeOf(request);
    const path = pathIn(request);
    const ref = request.query.ref || 'HEAD';
    if (request.media === 'raw' && path !== '') {
      const raw = await rawFile(context, place, path, ref);
      if (raw !== undefined) return raw;
      const own = path.startsWith('.github/')
        ? await rawFile(context, place, path.replace('.github/', '.gitlab/'), ref)
        : undefined;
      if (own !== undefined) return own;
    } else if (path !== '') {
      const file = await findFile(context, place, path, ref);
      if (file !== undefined && file.size > RAW_LIMIT)
        throw new RouteFailure(403, 'This file is too large.', {
          errors: [{ resource: 'Blob', field: 'data', code: 'too_large' }],
        });
      if (file !== undefined) return { data: shownFile(context, place, ref, file, file.content) };
    }
    const listed = await folder(context, place, path, ref);
    if (listed === undefined) throw notFound();
    const entries = await withSizes(context, place, ref, listed);
    if (request.media !== 'object') return { data: entries };
    const links = linksOf(context, place, { path, ref, sha: '', type: 'dir' });
    return { data: { type: 'dir', size: 0, name: path.split('/').at(-1) ?? '', path, sha: '', entries, ...links } };
  },
};

const person = z.looseObject({ name: z.string(), email: z.string() }).nullish();
const change = z.looseObject({
  message: z.string().min(1),
  branch: z.string().min(1).optional(),
  sha: z.string().nullish(),
  author: person,
  committer: person,
});

interface Commit {
  place: Place;
  branch: string;
  body: z.output<typeof change>;
  action: Readonly<Record<string, unknown>>;
}

/** One commit with one change. `last_commit_id` lets GitLab refuse where the file was changed meanwhile. */
async function write(context: RouteContext, { place, branch, body, action }: Commit) {
  const json = {
    branch,
    commit_message: toNativeText(body.message),
    author_name: body.author?.name ?? body.committer?.name,
    author_email: body.author?.email ?? body.committer?.email,
    actions: [action],
  };
  const { data } = await context.native.send('POST', `${place.api}/repository/commits`, { json });
  const commit = read(nativeCommit, data, 'commit');
  return shape.gitCommit(
    context.base,
    place.owner,
    place.repo,
    commitInput(commit, `${context.base.web}/${place.path}`),
  );
}

const mismatch = (path: string, sha: string) => new RouteFailure(409, `${path} does not match ${sha}`);

const branchOf = async (context: RouteContext, place: Place, branch: string | undefined): Promise<string> =>
  branch?.replace(/^refs\/heads\//, '') ?? (await projectAt(context, place.api)).default_branch ?? 'main';

const put: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'commits: POST /projects/:id/repository/commits',
  async run(request, context) {
    const place = placeOf(request);
    const path = pathIn(request);
    const body = accept('Content', change.extend({ content: z.base64() }), request.body);
    const branch = await branchOf(context, place, body.branch);
    const before = await findFile(context, place, path, branch);
    if (before !== undefined && !body.sha) throw unprocessable(`Invalid request.\n\n"sha" wasn't supplied.`);
    // A file that is not there may be in a project that is not there.
    if (body.sha && before === undefined) await projectAt(context, place.api);
    if (body.sha && before?.blob_id !== body.sha) throw mismatch(path, body.sha);
    const action = {
      action: before ? 'update' : 'create',
      file_path: path,
      content: body.content,
      encoding: 'base64',
      last_commit_id: before?.last_commit_id,
    };
    const commit = await write(context, { place, branch, body, action });
    const bytes = Buffer.from(body.content, 'base64');
    const file = {
      file_name: path.split('/').at(-1) ?? path,
      file_path: path,
      size: bytes.length,
      blob_id: blobHash(bytes),
    };
    return { status: before ? 200 : 201, data: { content: shownFile(context, place, branch, file), commit } };
  },
};

const remove: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'commits: POST /projects/:id/repository/commits',
  async run(request, context) {
    const place = placeOf(request);
    const path = pathIn(request);
    const body = accept('Content', change.extend({ sha: z.string().min(1) }), request.body);
    const branch = await branchOf(context, place, body.branch);
    const before = await findFile(context, place, path, branch);
    if (before === undefined) throw notFound();
    if (before.blob_id !== body.sha) throw mismatch(path, body.sha);
    const action = { action: 'delete', file_path: path, last_commit_id: before.last_commit_id };
    return { data: { content: null, commit: await write(context, { place, branch, body, action }) } };
  },
};

const readme: Route = {
  support: 'exact',
  retry: 'read',
  source:
    'repositories: GET /projects/:id/repository/tree; repository_files: GET /projects/:id/repository/files/:file_path(/raw)',
  async run(request, context) {
    const place = placeOf(request);
    const ref = request.query.ref || 'HEAD';
    const found = (await folder(context, place, '', ref))?.find((entry) => /^readme(\.[a-z]+)?$/i.test(entry.name));
    if (found === undefined) throw notFound();
    return get.run({ ...request, params: { ...request.params, path: found.path } }, context);
  },
};

export const contents: RouteTable = {
  'GET /repos/{owner}/{repo}/contents/{path}': get,
  'PUT /repos/{owner}/{repo}/contents/{path}': put,
  'DELETE /repos/{owner}/{repo}/contents/{path}': remove,
  'GET /repos/{owner}/{repo}/readme': readme,
};
