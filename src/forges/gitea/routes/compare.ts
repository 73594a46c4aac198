/** Comparing two commits: how far each is ahead, and what changed since they parted. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { file } from '../../kit/shapes/commit.js';
import type { FileInput } from '../../kit/shapes/inputs.js';
import { pageOf as pageOfRepository } from '../../kit/shapes/repository.js';
import { asCommit, commitFiles, nativeCommit } from './commit-objects.js';
import { gitAccess } from './git-access.js';
import { lineDiff } from './line-diff.js';
import { objectOf, objectsOf, param, repoPath, textOf } from './native.js';
import { apiBase } from './objects.js';
import { everything } from './pages.js';
import { emulated } from './row.js';

/** As on GitHub. */
const MOST_FILES = 300;
/** A text larger than this is shown as changed, without its lines. */
const MOST_BYTES = 512 * 1024;

const missing = (request: RouteRequest, context: RouteContext, sha: string, without: string) =>
  everything(context, `${repoPath(request)}/commits`, { sha, not: without, stat: false, files: false });

const parentsOf = (commit: JsonObject): string[] => objectsOf(commit.parents).map((parent) => textOf(parent, 'sha'));

/** Where the two parted: the newest commit that both have. */
function mergeBase(ahead: readonly JsonObject[], base: string, head: string, behind: number): string {
  if (ahead.length === 0) return head;
  if (behind === 0) return base;
  const own = new Set(ahead.map((commit) => textOf(commit, 'sha')));
  // Commits of the head's side point at it; the newest of those that do stands first.
  for (const commit of ahead) {
    const shared = parentsOf(commit).find((parent) => !own.has(parent));
    if (shared !== undefined) return shared;
  }
  return '';
}

type Tree = ReadonlyMap<string, { sha: string; mode: string }>;

async function treeOf(context: RouteContext, request: RouteRequest, sha: string): Promise<Tree> {
  const tree = objectOf(
    await context.github('GET /repos/{owner}/{repo}/git/trees/{tree_sha}', {
      owner: param(request, 'owner'),
      repo: param(request, 'repo'),
      tree_sha: sha,
      recursive: '1',
    }),
  );
  return new Map(
    objectsOf(tree.tree)
      .filter((entry) => entry.type === 'blob')
      .map((entry) => [textOf(entry, 'path'), { sha: textOf(entry, 'sha'), mode: textOf(entry, 'mode') }]),
  );
}

/** The text of a blob; undefined when it is none or too long. */
async function textOfBlob(
  request: RouteRequest,
  context: RouteContext,
  sha: string | undefined,
): Promise<string | undefined> {
  if (sha === undefined) return '';
  const native = objectOf(await context.native.get(`${repoPath(request)}/git/blobs/${segment(sha)}`));
  const bytes = Buffer.from(textOf(native, 'content'), 'base64');
  if (Number(native.size) > MOST_BYTES || bytes.includes(0)) return undefined;
  return bytes.toString('utf8');
}

async function changes(request: RouteRequest, context: RouteContext, from: string, to: string): Promise<FileInput[]> {
  const [before, after] = [await treeOf(context, request, from), await treeOf(context, request, to)];
  const paths = [...new Set([...before.keys(), ...after.keys()])]
    .filter(
      (path) => before.get(path)?.sha !== after.get(path)?.sha || before.get(path)?.mode !== after.get(path)?.mode,
    )
    .sort()
    .slice(0, MOST_FILES);
  const files: FileInput[] = [];
  for (const path of paths) {
    const [old, now] = [before.get(path), after.get(path)];
    const [left, right] = [await textOfBlob(request, context, old?.sha), await textOfBlob(request, context, now?.sha)];
    const { patch, ...counts } =
      left === undefined || right === undefined
        ? { patch: undefined, additions: 0, deletions: 0 }
        : lineDiff(left, right);
    const status = old === undefined ? 'added' : now === undefined ? 'removed' : 'modified';
    const sha = now?.sha ?? old?.sha;
    files.push({ path, status, ...counts, ...(sha !== undefined && { sha }), ...(patch !== undefined && { patch }) });
  }
  return files;
}

async function compare(request: RouteRequest, context: RouteContext) {
  const [left, right] = param(request, 'basehead').split('...');
  if (!left || !right) throw notFound();
  // `owner:branch` is of a fork, whose commits are among the repository's own once it is compared there.
  const name = (side: string) =>
    side.startsWith(`${param(request, 'owner')}:`) ? side.slice(side.indexOf(':') + 1) : side;
  const [base, head] = [
    await nativeCommit(request, context, name(left)),
    await nativeCommit(request, context, name(right)),
  ];
  const [baseSha, headSha] = [textOf(base, 'sha'), textOf(head, 'sha')];
  if (request.media === 'diff' || request.media === 'patch') {
    const { git, repository } = await gitAccess(request, context);
    const bytes = await git.readChanges(repository, baseSha, headSha, request.media);
    if (bytes === undefined) throw notFound(`No common ancestor between ${left} and ${right}.`);
    return { body: { contentType: `application/vnd.github.${request.media}; charset=utf-8`, bytes } };
  }
  const ahead = objectsOf(await missing(request, context, headSha, baseSha));
  const behind = await missing(request, context, baseSha, headSha);
  const common = mergeBase(ahead, baseSha, headSha, behind.length);
  const isOneStep = ahead.length === 1 && parentsOf(ahead[0] ?? {}).length === 1;
  const files =
    ahead.length === 0 || common === ''
      ? []
      : isOneStep
        ? await commitFiles(request, context, head)
        : await changes(request, context, common, headSha);
  const [owner, repo] = [param(request, 'owner'), param(request, 'repo')];
  const api = apiBase(request, context);
  const page = pageOfRepository(context.base, owner, repo);
  const oldestFirst = [...ahead].reverse();
  const from = (request.page - 1) * request.perPage;
  const mark =
    ahead.length > 0 ? (behind.length > 0 ? 'diverged' : 'ahead') : behind.length > 0 ? 'behind' : 'identical';
  return {
    data: {
      url: `${api}/compare/${left}...${right}`,
      html_url: `${page}/compare/${left}...${right}`,
      permalink_url: `${page}/compare/${baseSha}...${headSha}`,
      diff_url: `${page}/compare/${left}...${right}.diff`,
      patch_url: `${page}/compare/${left}...${right}.patch`,
      base_commit: asCommit(request, context, base),
      merge_base_commit: asCommit(
        request,
        context,
        common === '' ? base : await nativeCommit(request, context, common),
      ),
      status: mark,
      ahead_by: ahead.length,
      behind_by: behind.length,
      total_commits: ahead.length,
      commits: oldestFirst.slice(from, from + request.perPage).map((native) => asCommit(request, context, native)),
      files: request.page === 1 ? files.map((one) => file(context.base, owner, repo, headSha, one)) : [],
    },
    pages: {
      next: ahead.length > from + request.perPage,
      last: Math.max(1, Math.ceil(ahead.length / request.perPage)),
    },
  };
}

export const comparison: RouteTable = {
  'GET /repos/{owner}/{repo}/compare/{basehead}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/commits?sha=&not=, GET /repos/{owner}/{repo}/git/trees/{sha}',
    'Counted by the commits that each side lacks, and the files by their trees: a renamed file is one removed and one added. Diffs and patches are read through git.',
    compare,
  ),
};
