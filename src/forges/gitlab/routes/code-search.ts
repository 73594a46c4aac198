/**
 * Searching code. GitLab finds the lines, GitHub the files that have them.
 *
 * @see https://docs.gitlab.com/api/search/#scope-blobs and https://docs.gitlab.com/user/search/
 */
import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import { encodePath } from '../../kit/shapes/fields.js';
import { apiOf, minimalRepository } from '../../kit/shapes/repository.js';
import { repositoryInput } from '../convert/project.js';
import { groupPath, projectPath } from '../references.js';
import { page, projectAt, refused } from './place.js';

const nativeBlob = z.looseObject({ path: z.string(), ref: z.string(), project_id: z.union([z.number(), z.string()]) });
type NativeBlob = z.output<typeof nativeBlob>;

/** GitLab has these by the same names. */
const FILTERS: ReadonlySet<string> = new Set(['filename', 'path', 'extension']);
/** What is true of every search here. */
const TRUE: ReadonlySet<string> = new Set(['in:file', 'fork:true']);
const MOST = 1000;

interface Asked {
  words: string[];
  /** Path of the project or group in the API. */
  scope: string;
}

/** @throws RouteFailure 422 naming what cannot be searched by */
function parse(q: string): Asked {
  const words: string[] = [];
  let scope: string | undefined;
  for (const [, name, quoted, bare, word] of q.matchAll(/(?:(-?[a-z]+):(?:"([^"]*)"|(\S+)))|("[^"]*"|\S+)/gi)) {
    const value = quoted ?? bare ?? '';
    const [, owner = '', repo = ''] = /^([^/]+)(?:\/([^/]+))?$/.exec(value) ?? [];
    if (name === undefined) words.push(word ?? '');
    else if (name === 'repo' && repo !== '') scope = `/projects/${segment(projectPath(owner, repo))}`;
    else if ((name === 'org' || name === 'user') && owner !== '') scope = `/groups/${segment(groupPath(owner))}`;
    else if (FILTERS.has(name)) words.push(`${name}:${value}`);
    else if (!TRUE.has(`${name}:${value}`)) throw unprocessable(`GitLab cannot search code by ${name}:${value}.`);
  }
  if (scope === undefined) throw unprocessable('Name where to search code: repo:OWNER/REPO, or org:OWNER.');
  if (!words.some((word) => !/^(?:filename|path|extension):/.test(word)))
    throw unprocessable('GitLab searches code by words alone: name at least one.');
  return { words, scope };
}

/** The files of one page, each once, with what GitLab keeps of each. */
async function shown(context: RouteContext, blobs: readonly NativeBlob[]) {
  const files = new Map(blobs.map((blob) => [`${blob.project_id}:${blob.path}`, blob]));
  const projects = new Map<string, ReturnType<typeof projectAt>>();
  const projectOf = (id: string) => {
    const known = projects.get(id) ?? projectAt(context, `/projects/${id}`);
    projects.set(id, known);
    return known;
  };
  return Promise.all(
    [...files.values()].map(async ({ path, ref, project_id: id }) => {
      const repository = repositoryInput(await projectOf(String(id)));
      const { owner, name } = repository;
      const file = `/projects/${id}/repository/files/${segment(path)}`;
      const { headers } = await context.native.send('HEAD', file, { query: { ref } });
      const sha = headers.get('x-gitlab-blob-id') ?? '';
      const api = apiOf(context.base, owner.login, name);
      return {
        name: path.split('/').at(-1),
        path,
        sha,
        url: `${api}/contents/${encodePath(path)}?ref=${segment(ref)}`,
        git_url: `${api}/git/blobs/${sha}`,
        html_url: `${repository.htmlUrl}/-/blob/${encodePath(ref)}/${encodePath(path)}`,
        repository: minimalRepository(context.base, repository),
        score: 1,
      };
    }),
  );
}

const code: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'search: GET /projects/:id/search, GET /groups/:id/search with scope blobs',
  note: 'Counted in lines and not in files. The code of a group is searched by GitLab with advanced search alone; else name a repository.',
  async run(request, context) {
    const { q } = request.query;
    if (!q?.trim()) throw invalid('Search', 'q', 'missing_field');
    if (request.page * request.perPage > MOST) throw unprocessable('Only the first 1000 search results are available');
    const { words, scope } = parse(q);
    const search = () =>
      page(request, context, `${scope}/search`, nativeBlob, { scope: 'blobs', search: words.join(' ') });
    const { items, pages } = await refused(search, [400, 403, 404], (failure) => {
      throw failure.status === 404
        ? unprocessable('The listed users and repositories cannot be searched.')
        : new RouteFailure(422, 'GitLab does not search code here: name one repository.', { cause: failure });
    });
    const files = await shown(context, items);
    const total = pages.next ? Math.max(files.length + 1, (pages.last ?? 0) * request.perPage) : files.length;
    return { data: { total_count: total, incomplete_results: false, items: files }, pages };
  },
};

export const codeSearch: RouteTable = { 'GET /search/code': code };
