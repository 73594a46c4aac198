/**
 * `createCommitOnBranch`, GitHub's one-step commit: files to add and to delete, on a branch that must still be where the
 * app saw it. Made of Git objects and a fast-forward, so it happens whole or not at all.
 */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { GraphqlFailure, hasStatus } from '../failures.js';
import { inRepository, type Place } from '../node-ids.js';
import { given, object, objects, text } from '../rest.js';
import { commit, ref } from '../sources.js';
import type { Mutations } from './mutation.js';

interface Addition {
  path: string;
  /** Base64. */
  contents: string;
}

interface CommitInput {
  branch: { id?: string | null; repositoryNameWithOwner?: string | null; branchName?: string | null };
  message: { headline: string; body?: string | null };
  fileChanges?: {
    additions?: readonly Addition[] | null;
    deletions?: readonly { path: string }[] | null;
  } | null;
  expectedHeadOid: string;
}

interface Branch extends Place {
  /** Without `refs/heads/`. */
  branch: string;
}

interface Changes {
  additions: readonly Addition[];
  deletions: readonly string[];
}

const wrong = (message: string): GraphqlFailure => new GraphqlFailure('UNPROCESSABLE', message);

const moved = ({ branch }: Branch, expected: string): GraphqlFailure =>
  new GraphqlFailure(
    'STALE_DATA',
    `Expected branch to point to "${expected}" but it did not: "${branch}" has moved. Pull and try again.`,
  );

function branchOf({ id, repositoryNameWithOwner, branchName }: CommitInput['branch']): Branch {
  if (id) {
    const { place, id: name } = inRepository(id, 'Ref');
    return { ...place, branch: name.replace(/^refs\/heads\//, '') };
  }
  const [, owner, repo] = /^([^/]+)\/([^/]+)$/.exec(repositoryNameWithOwner ?? '') ?? [];
  if (owner === undefined || repo === undefined || !branchName)
    throw wrong('`branch` needs an `id`, or `repositoryNameWithOwner` and `branchName`.');
  return { owner, repo, branch: branchName.replace(/^refs\/heads\//, '') };
}

function changesOf(input: CommitInput): Changes {
  const additions = input.fileChanges?.additions ?? [];
  const deletions = (input.fileChanges?.deletions ?? []).map(({ path }) => path);
  const paths = [...additions.map(({ path }) => path), ...deletions];
  if (new Set(paths).size < paths.length) throw wrong('A path may be in `fileChanges` once.');
  const odd = paths.find(
    (path) => path === '' || path.startsWith('/') || path.split('/').some((part) => part === '..' || part === ''),
  );
  if (odd !== undefined) throw wrong(`"${odd.slice(0, 200)}" is no path of a file.`);
  const broken = additions.find(({ contents }) => !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(contents));
  if (broken !== undefined) throw wrong(`The contents of "${broken.path.slice(0, 200)}" are not Base64.`);
  return { additions, deletions };
}

/** Entries of the new tree. A file that is there keeps its mode; a folder is deleted with all that is in it. */
async function entriesOf(
  ask: Ask,
  { owner, repo }: Place,
  tree: string,
  changes: Changes,
): Promise<readonly JsonObject[]> {
  const route = 'GET /repos/{owner}/{repo}/git/trees/{tree_sha}';
  const whole = await ask.get(route, { owner, repo, tree_sha: tree, recursive: '1' });
  const files = new Map(
    objects(whole.tree).flatMap((entry) => (entry.type === 'tree' ? [] : [[String(entry.path), entry] as const])),
  );
  const entries: JsonObject[] = [];
  for (const { path, contents } of changes.additions) {
    const blob = await ask.write('POST /repos/{owner}/{repo}/git/blobs', {
      owner,
      repo,
      content: contents,
      encoding: 'base64',
    });
    const mode = files.get(path)?.mode === '100755' ? '100755' : '100644';
    entries.push({ path, mode, type: 'blob', sha: blob.sha });
  }
  for (const path of changes.deletions) {
    const gone = [...files.keys()].filter((file) => file === path || file.startsWith(`${path}/`));
    if (gone.length === 0 && whole.truncated !== true)
      throw new GraphqlFailure('NOT_FOUND', `The path "${path.slice(0, 200)}" that is to be deleted does not exist.`);
    const all = gone.length === 0 ? [path] : gone;
    entries.push(...all.map((file) => ({ path: file, mode: '100644', type: 'blob', sha: null })));
  }
  return entries;
}

async function asObjects(ask: Ask, at: Branch, head: string, message: string, changes: Changes): Promise<string> {
  const { owner, repo } = at;
  const parent = await ask.get('GET /repos/{owner}/{repo}/git/commits/{commit_sha}', { owner, repo, commit_sha: head });
  const before = text(object(parent.tree)?.sha) ?? '';
  const entries =
    changes.additions.length + changes.deletions.length === 0 ? [] : await entriesOf(ask, at, before, changes);
  const tree =
    entries.length === 0
      ? before
      : (await ask.write('POST /repos/{owner}/{repo}/git/trees', { owner, repo, base_tree: before, tree: entries }))
          .sha;
  const made = await ask.write('POST /repos/{owner}/{repo}/git/commits', {
    owner,
    repo,
    message,
    tree,
    parents: [head],
  });
  const sha = text(made.sha) ?? '';
  try {
    await ask.write('PATCH /repos/{owner}/{repo}/git/refs/{ref}', {
      owner,
      repo,
      ref: `heads/${at.branch}`,
      sha,
      force: false,
    });
  } catch (error) {
    // Somebody pushed in between: it is no fast-forward any more.
    if (hasStatus(error, 422) || hasStatus(error, 409)) throw moved(at, head);
    throw error;
  }
  return sha;
}

/** One file through the contents routes, for a forge on which Git objects cannot be written. */
async function asContents(ask: Ask, at: Branch, message: string, { additions, deletions }: Changes): Promise<string> {
  const { owner, repo, branch } = at;
  const [added] = additions;
  const path = added?.path ?? deletions[0] ?? '';
  const found = await ask.find('GET /repos/{owner}/{repo}/contents/{path}', { owner, repo, path, ref: branch });
  const where = given({ owner, repo, path, branch, message, sha: found?.sha });
  const rest =
    added === undefined
      ? await ask.write('DELETE /repos/{owner}/{repo}/contents/{path}', where)
      : await ask.write('PUT /repos/{owner}/{repo}/contents/{path}', { ...where, content: added.contents });
  return text(object(rest.commit)?.sha) ?? '';
}

export const commitMutations: Mutations = {
  createCommitOnBranch: {
    input: 'branch: CommittableBranch! message: CommitMessage! fileChanges: FileChanges expectedHeadOid: GitObjectID!',
    payload: 'commit: Commit ref: Ref',
    async run(input: CommitInput, ask) {
      const at = branchOf(input.branch);
      const changes = changesOf(input);
      const { owner, repo } = at;
      const head = await ask.find('GET /repos/{owner}/{repo}/git/ref/{ref}', {
        owner,
        repo,
        ref: `heads/${at.branch}`,
      });
      if (head === undefined)
        throw new GraphqlFailure('NOT_FOUND', `Could not resolve to a branch "${at.branch}" of ${owner}/${repo}.`);
      if (object(head.object)?.sha !== input.expectedHeadOid) throw moved(at, input.expectedHeadOid);
      const { headline, body } = input.message;
      const message = body ? `${headline}\n\n${body}` : headline;
      const alone = changes.additions.length + changes.deletions.length === 1;
      let sha: string;
      try {
        sha = await asObjects(ask, at, input.expectedHeadOid, message, changes);
      } catch (error) {
        if (!alone || !hasStatus(error, 501)) throw error;
        sha = await asContents(ask, at, message, changes);
      }
      return { commit: commit(ask, at, sha), ref: ref(ask, at, `refs/heads/${at.branch}`) };
    },
  },
};
