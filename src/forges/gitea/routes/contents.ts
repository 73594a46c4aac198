/** Files and folders of a repository. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import {
  failedWith,
  folderEntries,
  inputOf,
  listOf,
  objectOf,
  param,
  repoPath,
  segments,
  textIn,
  textInput,
  textOf,
  wishes,
} from './native.js';
import { apiBase } from './objects.js';
import { emulated, exact } from './row.js';

/** GitHub answers no content beyond this size; apps ask for the raw bytes then. */
const MOST_INLINE_BYTES = 1024 * 1024;

const contentsPath = (request: RouteRequest, path: string): string => {
  const encoded = segments(path);
  return `${repoPath(request)}/contents${encoded === '' ? '' : `/${encoded}`}`;
};

/**
 * A file, folder, link or submodule as GitHub lists it; `inline` with its content.
 * @throws RouteFailure 502 for what is none of them
 */
function entry(request: RouteRequest, context: RouteContext, value: unknown, inline: boolean): JsonObject {
  const native = objectOf(value);
  const api = apiBase(request, context);
  const [path, type] = [textIn(native, 'path'), textIn(native, 'type')];
  if (path === undefined || type === undefined)
    throw new RouteFailure(502, 'The server sent a file without its path or type.');
  const sha = textOf(native, 'sha');
  const size = typeof native.size === 'number' ? native.size : 0;
  const ref = textInput(request, 'ref');
  const url = `${api}/contents/${segments(path)}${ref ? `?ref=${segment(ref)}` : ''}`;
  const git = type === 'submodule' ? null : `${api}/git/${type === 'dir' ? 'trees' : 'blobs'}/${sha}`;
  const html = textIn(native, 'html_url') ?? null;
  const tooLarge = size > MOST_INLINE_BYTES;
  return {
    type,
    ...(inline &&
      type === 'file' && {
        encoding: tooLarge ? 'none' : 'base64',
        content: tooLarge ? '' : textOf(native, 'content'),
      }),
    ...(type === 'symlink' && { target: textOf(native, 'target') }),
    ...(type === 'submodule' && { submodule_git_url: textIn(native, 'submodule_git_url') ?? null }),
    name: textOf(native, 'name'),
    path,
    sha,
    size: type === 'dir' ? 0 : size,
    url,
    html_url: html,
    git_url: git,
    download_url: textIn(native, 'download_url') ?? null,
    _links: { self: url, git, html },
  };
}

const byName = (a: unknown, b: unknown): number => {
  const [left, right] = [textOf(objectOf(a), 'name'), textOf(objectOf(b), 'name')];
  return left < right ? -1 : left > right ? 1 : 0;
};

/** The bytes of what was read already, or of what the forge tells no content of: large files, and what links lead to. */
async function raw(request: RouteRequest, context: RouteContext, path: string, native: unknown) {
  const { type, content, encoding, size } = objectOf(native);
  const told =
    type === 'file' && encoding === 'base64' && typeof content === 'string'
      ? Buffer.from(content, 'base64')
      : undefined;
  const bytes =
    told?.length === size
      ? told
      : (
          await context.native.send('GET', `${repoPath(request)}/raw/${segments(path)}`, {
            query: { ref: textInput(request, 'ref') },
            as: 'bytes',
          })
        ).data;
  // Never `application/json`: Octokit would parse a file of that kind instead of handing over its text.
  return { contentType: 'application/vnd.github.raw; charset=utf-8', bytes: bytes as Buffer };
}

async function getContents(request: RouteRequest, context: RouteContext, path: string) {
  const native = await context.native.get(contentsPath(request, path), { ref: textInput(request, 'ref') });
  // Of a folder GitHub answers the list in this form too, by which apps tell one from a file that is not there.
  if (request.media === 'raw' && !Array.isArray(native)) return { body: await raw(request, context, path, native) };
  if (!Array.isArray(native)) return { data: entry(request, context, native, true) };
  const entries = [...native].sort(byName).map((one) => entry(request, context, one, false));
  if (request.media !== 'object') return { data: entries };
  const name = path.split('/').filter(Boolean).at(-1) ?? '';
  return { data: { type: 'dir', size: 0, name, path: segments(path) && path, sha: '', entries } };
}

const person = (value: unknown): JsonObject | undefined => {
  const { name, email } = objectOf(value);
  return typeof name === 'string' && typeof email === 'string' ? { name, email } : undefined;
};

/** When GitHub is told a date with a person, both dates travel together here. */
function dates(request: RouteRequest): JsonObject | undefined {
  const author = textIn(objectOf(request.body.author), 'date');
  const committer = textIn(objectOf(request.body.committer), 'date');
  return author || committer ? wishes({ author: author ?? committer, committer: committer ?? author }) : undefined;
}

const commitWishes = (request: RouteRequest): JsonObject =>
  wishes({
    message: textInput(request, 'message'),
    branch: textInput(request, 'branch'),
    author: person(request.body.author),
    committer: person(request.body.committer),
    dates: dates(request),
  });

/** The commit in the answer to a change of a file. */
function fileCommit(request: RouteRequest, context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const api = apiBase(request, context);
  const sha = textOf(native, 'sha');
  const link = (entryValue: unknown, kind: 'commits' | 'trees') => {
    const linked = textOf(objectOf(entryValue), 'sha');
    return { sha: linked, url: `${api}/git/${kind}/${linked}` };
  };
  return {
    sha,
    node_id: '',
    url: `${api}/git/commits/${sha}`,
    html_url: textOf(native, 'html_url'),
    author: native.author ?? null,
    committer: native.committer ?? native.author ?? null,
    message: textOf(native, 'message'),
    tree: link(native.tree, 'trees'),
    parents: listOf(native.parents).map((parent) => ({
      ...link(parent, 'commits'),
      html_url: textOf(objectOf(parent), 'html_url'),
    })),
    verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
  };
}

const fileAnswer = (request: RouteRequest, context: RouteContext, native: unknown): JsonObject => {
  const { content, commit } = objectOf(native);
  return {
    content: content ? entry(request, context, content, false) : null,
    commit: fileCommit(request, context, commit),
  };
};

/** The SHA that a file has on the branch that is to be changed; undefined without a file. */
async function currentSha(request: RouteRequest, context: RouteContext, path: string): Promise<string | undefined> {
  const native = await context.native.find(contentsPath(request, path), { ref: textInput(request, 'branch') });
  return textIn(objectOf(native), 'sha');
}

/** GitHub tells a lost race and a forgotten SHA apart where the forge says 422 to everything. */
async function explain(error: unknown, request: RouteRequest, context: RouteContext): Promise<unknown> {
  if (!failedWith(error, 409, 422)) return error;
  const path = param(request, 'path');
  const [now, wanted] = [await currentSha(request, context, path), textInput(request, 'sha')];
  if (now === undefined || now === wanted) return error;
  return wanted === undefined
    ? new RouteFailure(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    : new RouteFailure(409, `${path} does not match ${wanted}`);
}

async function writeFile(request: RouteRequest, context: RouteContext) {
  const path = param(request, 'path');
  const { content } = request.body;
  if (typeof content !== 'string') throw invalid('Content', 'content', 'missing_field');
  const sha = textInput(request, 'sha');
  try {
    const answer = await context.native.send(sha === undefined ? 'POST' : 'PUT', contentsPath(request, path), {
      json: { ...commitWishes(request), content: content.replace(/\s+/g, ''), ...(sha !== undefined && { sha }) },
    });
    return { status: sha === undefined ? 201 : 200, data: fileAnswer(request, context, answer.data) };
  } catch (error) {
    throw await explain(error, request, context);
  }
}

async function deleteFile(request: RouteRequest, context: RouteContext) {
  const sha = inputOf(request, 'sha');
  if (typeof sha !== 'string') throw invalid('Content', 'sha', 'missing_field');
  try {
    const answer = await context.native.send('DELETE', contentsPath(request, param(request, 'path')), {
      json: { ...commitWishes(request), sha },
    });
    return { data: { ...fileAnswer(request, context, answer.data), content: null } };
  } catch (error) {
    throw await explain(error, request, context);
  }
}

async function readme(request: RouteRequest, context: RouteContext) {
  const folder = param(request, 'dir');
  const native = await context.native.get(contentsPath(request, folder), { ref: textInput(request, 'ref') });
  const found = folderEntries(native)
    .map((one) => textOf(one, 'path'))
    .sort()
    .find((path) => /(?:^|\/)readme(?:\.[a-z]+)?$/i.test(path));
  if (found === undefined) throw notFound();
  return getContents(request, context, found);
}

async function archive(request: RouteRequest, context: RouteContext, ending: string, contentType: string) {
  const named = param(request, 'ref').replace(/^refs\/(?:heads|tags)\//, '');
  const ref = named || textOf(objectOf(await context.native.get(repoPath(request))), 'default_branch');
  const { data } = await context.native.send('GET', `${repoPath(request)}/archive/${segments(ref)}${ending}`, {
    as: 'bytes',
  });
  return { body: { contentType, bytes: data as Buffer } };
}

export const contents: RouteTable = {
  'GET /repos/{owner}/{repo}/contents/{path}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/contents/{filepath}, GET /repos/{owner}/{repo}/raw/{filepath}',
    (request, context) => getContents(request, context, param(request, 'path')),
  ),
  'PUT /repos/{owner}/{repo}/contents/{path}': exact(
    'findable',
    'repository: POST and PUT /repos/{owner}/{repo}/contents/{filepath}',
    writeFile,
  ),
  'DELETE /repos/{owner}/{repo}/contents/{path}': exact(
    'findable',
    'repository: DELETE /repos/{owner}/{repo}/contents/{filepath}',
    deleteFile,
  ),
  'GET /repos/{owner}/{repo}/readme': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/contents',
    'The readme is found by its name in the folder.',
    readme,
  ),
  'GET /repos/{owner}/{repo}/tarball/{ref}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/archive/{archive}',
    'The bytes themselves, where GitHub redirects to them.',
    (request, context) => archive(request, context, '.tar.gz', 'application/x-gzip'),
  ),
  'GET /repos/{owner}/{repo}/zipball/{ref}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/archive/{archive}',
    'The bytes themselves, where GitHub redirects to them.',
    (request, context) => archive(request, context, '.zip', 'application/zip'),
  ),
};
