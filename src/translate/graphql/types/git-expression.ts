/** `repository.object`: what a Git expression such as `main`, `HEAD:README.md` or a SHA names. */
import type { Ask } from '../ask.js';
import { GraphqlFailure, hasStatus, notSupported } from '../failures.js';
import type { Place } from '../node-ids.js';
import { object, objects, text } from '../rest.js';
import { commit, placed, type Source } from '../sources.js';

/** Short, as the commit and contents routes of every forge take it. */
const shortRef = (ref: string): string =>
  ref.replace(/^refs\/(heads|tags|remotes\/origin)\//, '').replace(/^(heads|tags)\//, '');

/** A tree by its own SHA. */
export function treeAt(ask: Ask, place: Place, sha: string): Source {
  const at = placed(place);
  const load = () => ask.get('GET /repos/{owner}/{repo}/git/trees/{tree_sha}', { ...at, tree_sha: sha });
  return { __typename: 'Tree', ...at, rest: { sha }, load };
}

/** A file's content by its SHA, with what a folder or file route said of it. */
export function blobAt(ask: Ask, place: Place, rest: { sha: string } & Readonly<Record<string, unknown>>): Source {
  const at = placed(place);
  const load = () => ask.get('GET /repos/{owner}/{repo}/git/blobs/{file_sha}', { ...at, file_sha: rest.sha });
  // A file too large to be shown comes with an empty content and no encoding.
  const { content, encoding, ...others } = rest;
  return { __typename: 'Blob', ...at, rest: encoding === 'base64' ? { ...others, content, encoding } : others, load };
}

async function rootTree(ask: Ask, place: Place, ref: string): Promise<Source | null> {
  const head = await ask.find('GET /repos/{owner}/{repo}/commits/{ref}', { ...placed(place), ref });
  const sha = text(object(object(head?.commit)?.tree)?.sha);
  return sha === undefined ? null : treeAt(ask, place, sha);
}

/** A folder's list does not say which tree it is; the folder above does, and above the first ones is the commit's own. */
async function treeSha(
  ask: Ask,
  place: Place,
  ref: string,
  path: string,
  contents: (of: string) => Promise<unknown>,
): Promise<unknown> {
  const above = path.lastIndexOf('/');
  if (above > 0) return objects(await contents(path.slice(0, above))).find((one) => one.path === path)?.sha;
  const root = await rootTree(ask, place, ref);
  return objects((await root?.load?.())?.tree).find((one) => one.path === path)?.sha;
}

/** A file or folder at a commit; null where there is none, as GitHub has it. */
async function entryAt(ask: Ask, place: Place, ref: string, path: string): Promise<Source | null> {
  const at = placed(place);
  const contents = (of: string) =>
    ask.read('GET /repos/{owner}/{repo}/contents/{path}', { ...at, path: of, ...(ref !== 'HEAD' && { ref }) });
  try {
    const found = await contents(path);
    if (!Array.isArray(found)) {
      const file = object(found);
      const sha = text(file?.sha);
      return sha === undefined || file?.type === 'submodule' ? null : blobAt(ask, place, { ...file, sha });
    }
    const tree = objects(found).map((one) => ({
      path: one.name,
      sha: one.sha,
      type: one.type === 'dir' ? 'tree' : 'blob',
    }));
    const load = async () => ({ sha: await treeSha(ask, place, ref, path, contents) });
    return { __typename: 'Tree', ...at, rest: { tree, folder: path }, load };
  } catch (error) {
    if (hasStatus(error, 404)) return null;
    throw error;
  }
}

/** Resolver of `Repository.object`. */
export async function objectAt(
  source: Source,
  { expression, oid }: { expression?: string | null; oid?: string | null },
  ask: Ask,
): Promise<Source | null> {
  const wanted = expression ?? oid ?? undefined;
  if (wanted === undefined || wanted === '')
    throw new GraphqlFailure('BAD_USER_INPUT', '`object` needs an `expression` or an `oid`.');
  const [, before = '', path] = /^([^:]*)(?::(.*))?$/s.exec(wanted) ?? [];
  const ref = shortRef(before) || 'HEAD';
  if (/[\^~]|@\{/.test(ref))
    throw notSupported(
      'Repository.object',
      `${ask.forge} cannot resolve the Git expression \`${wanted.slice(0, 200)}\`.`,
    );
  if (path === '') return rootTree(ask, source, ref);
  if (path !== undefined) return entryAt(ask, source, ref, path.replace(/^\.?\/+|\/+$/g, ''));
  try {
    const rest = await ask.get('GET /repos/{owner}/{repo}/commits/{ref}', { ...placed(source), ref });
    return commit(ask, source, text(rest.sha) ?? wanted, rest);
  } catch (error) {
    // GitHub's route says 422 where there is no such commit.
    if (hasStatus(error, 404) || hasStatus(error, 422)) return null;
    throw error;
  }
}
