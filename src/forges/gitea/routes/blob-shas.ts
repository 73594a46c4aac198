/** SHAs of files at a commit, which lists of changed files do not tell. */
import type { RouteContext, RouteRequest } from '../../kit/route.js';
import type { FileInput } from '../../kit/shapes/inputs.js';
import { failedWith, folderEntries, objectOf, objectsOf, repoPath, segments, textOf } from './native.js';

/** Entries of a tree that are read at once, as many as the server gives. */
const PAGE = 1_000;
/** A larger tree is read by the folders that matter. */
const MOST_PAGES = 3;

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

async function byFolders(request: RouteRequest, context: RouteContext, ref: string, paths: readonly string[]) {
  const found = new Map<string, string>();
  for (const folder of new Set(paths.map(folderOf))) {
    const path = folder === '' ? '' : `/${segments(folder)}`;
    const entries = await context.native.find(`${repoPath(request)}/contents${path}`, { ref });
    for (const entry of folderEntries(entries)) found.set(textOf(entry, 'path'), textOf(entry, 'sha'));
  }
  return found;
}

/** By path. A file that cannot be found has none. @throws RouteFailure */
async function blobShas(
  request: RouteRequest,
  context: RouteContext,
  ref: string,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (paths.length === 0 || ref === '') return new Map();
  const found = new Map<string, string>();
  try {
    for (let page = 1; ; page += 1) {
      const query = { recursive: true, per_page: PAGE, page };
      const tree = objectOf(await context.native.get(`${repoPath(request)}/git/trees/${ref}`, query));
      const entries = objectsOf(tree.tree);
      for (const entry of entries) found.set(textOf(entry, 'path'), textOf(entry, 'sha'));
      const total = Number(tree.total_count ?? 0);
      if (entries.length === 0 || page * PAGE >= total) return found;
      if (total > MOST_PAGES * PAGE) return await byFolders(request, context, ref, paths);
    }
  } catch (error) {
    // The commit of a fork that is gone.
    if (failedWith(error, 404)) return found;
    throw error;
  }
}

/** The same files with their SHAs: those that are there at `now`, and those that were removed as they were at `before`. */
export async function withShas(
  request: RouteRequest,
  context: RouteContext,
  files: readonly FileInput[],
  { now, before }: { now: string; before: string },
): Promise<FileInput[]> {
  const lacking = files.filter(({ sha }) => sha === undefined);
  const at = (ref: string, gone: boolean) =>
    blobShas(
      request,
      context,
      ref,
      lacking.filter(({ status }) => (status === 'removed') === gone).map(({ path }) => path),
    );
  const [present, removed] = [await at(now, false), await at(before, true)];
  return files.map((one) => {
    const sha = one.sha ?? (one.status === 'removed' ? removed : present).get(one.path);
    return { ...one, ...(sha !== undefined && { sha }) };
  });
}
