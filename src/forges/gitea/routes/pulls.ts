/** Pull requests. */

import { readDiff } from '../../../lib/diff-text.js';
import { ForgewayError } from '../../../lib/errors.js';
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
import { file } from '../../kit/shapes/commit.js';
import { fileInput } from '../convert/commit.js';
import { isDraftTitle } from '../convert/pull-request.js';
import { statusInput } from '../convert/status.js';
import { autoMergeOf } from './auto-merge.js';
import { withShas } from './blob-shas.js';
import { asCommit } from './commit-objects.js';
import { contextOf } from './deployment-records.js';
import {
  countIn,
  failedWith,
  flagIn,
  objectOf,
  objectsOf,
  param,
  pullPath,
  repoPath,
  textInput,
  textOf,
  wishes,
} from './native.js';
import { asListedPull, asPull } from './objects.js';
import { countOf, everything, pageIn, pageOf } from './pages.js';
import { emulated, exact } from './row.js';

/** GitHub lists no more files of a pull request than this. */
const MOST_FILES = 3000;
/** And no more commits. */
const MOST_COMMITS = 250;

const pullsPath = (request: RouteRequest): string => `${repoPath(request)}/pulls`;

/** `owner:branch` of the side that a pull request comes from. */
function headLabel(pull: JsonObject): string {
  const head = objectOf(pull.head);
  const owner = textOf(objectOf(objectOf(head.repo).owner), 'login');
  return `${owner}:${textOf(head, 'ref') || textOf(head, 'label')}`;
}

/** Words for orders that the forge has; the others are made here. */
const NATIVE_SORT: Readonly<Record<string, string>> = {
  'created asc': 'oldest',
  'created desc': '',
  'updated desc': 'recentupdate',
  'updated asc': 'leastupdate',
  'popularity desc': 'mostcomment',
  'popularity asc': 'leastcomment',
  'long-running asc': 'oldest',
  'long-running desc': '',
};

async function list(request: RouteRequest, context: RouteContext) {
  const { state = 'open', sort = 'created', head, base } = request.query;
  const direction = request.query.direction ?? (sort === 'created' ? 'desc' : 'asc');
  const order = NATIVE_SORT[`${sort} ${direction}`];
  if (order === undefined) throw invalid('PullRequest', 'sort', 'invalid');
  const query = { state, sort: order || undefined };
  const convert = (native: unknown) => asListedPull(context, native);
  if (!head && !base) return pageOf(request, context, pullsPath(request), query, convert);
  const wanted = head?.includes(':') ? head.toLowerCase() : head && `${param(request, 'owner')}:${head}`.toLowerCase();
  const all = objectsOf(await everything(context, pullsPath(request), query)).filter(
    (pull) =>
      (!wanted || headLabel(pull).toLowerCase() === wanted) && (!base || textOf(objectOf(pull.base), 'ref') === base),
  );
  return pageIn(request, all.map(convert));
}

/** The numbers that only a single pull request carries; those that the server did not tell are counted. */
async function counts(request: RouteRequest, context: RouteContext, pull: JsonObject): Promise<JsonObject> {
  const told = countIn(pull, 'changed_files') !== undefined;
  const [commits, files] = await Promise.all([
    countOf(context, `${pullPath(request)}/commits`),
    told ? [] : everything(context, `${pullPath(request)}/files`, {}, MOST_FILES),
  ]);
  const sum = (key: string) => objectsOf(files).reduce((total, one) => total + (countIn(one, key) ?? 0), 0);
  return wishes({
    commits,
    ...(!told && { additions: sum('additions'), deletions: sum('deletions'), changedFiles: files.length }),
  });
}

const rawText = async (request: RouteRequest, context: RouteContext, ending: 'diff' | 'patch'): Promise<string> => {
  const { data } = await context.native.send('GET', `${pullPath(request)}.${ending}`, { as: 'text' });
  return typeof data === 'string' ? data : '';
};

const UNDONE: ReadonlySet<string> = new Set(['pending', 'failure', 'error']);

/** Nothing is in the way of a merge, but something fails or runs: GitHub does not call that clean, and apps merge what is. */
async function stability(request: RouteRequest, context: RouteContext, pull: JsonObject): Promise<JsonObject> {
  const sha = textOf(objectOf(pull.head), 'sha');
  if (flagIn(pull, 'mergeable') !== true || pull.state === 'closed' || sha === '') return {};
  const combined = objectOf(await context.native.find(`${repoPath(request)}/commits/${segment(sha)}/status`));
  const all = objectsOf(combined.statuses).map((native) => statusInput(native, sha));
  // What a deployment shows on the commit is no check.
  const isUndone = all.some(({ state, context: name }) => UNDONE.has(state) && !name.startsWith(contextOf('')));
  return isUndone ? { mergeableState: 'unstable' } : {};
}

async function get(request: RouteRequest, context: RouteContext) {
  if (request.media === 'diff' || request.media === 'patch') {
    const bytes = await rawText(request, context, request.media);
    return { body: { contentType: `application/vnd.github.${request.media}; charset=utf-8`, bytes } };
  }
  const native = objectOf(await context.native.get(pullPath(request)));
  const [more, autoMerge, stable] = await Promise.all([
    counts(request, context, native),
    autoMergeOf(request, context, native),
    stability(request, context, native),
  ]);
  return { data: asPull(context, native, { ...more, ...stable, autoMerge }) };
}

/** The list of files has no patches: they stand in the diff of the whole. Of a diff that is too large GitHub shows none, too. */
async function patchesOf(request: RouteRequest, context: RouteContext) {
  try {
    return new Map(readDiff(await rawText(request, context, 'diff')).map((one) => [one.path, one]));
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_ANSWER_TOO_LARGE') return new Map<string, never>();
    throw error;
  }
}

async function listFiles(request: RouteRequest, context: RouteContext) {
  const answer = await pageOf(request, context, `${pullPath(request)}/files`, {}, fileInput);
  const files = answer.data as ReturnType<typeof fileInput>[];
  if (files.length === 0) return answer;
  const patches = await patchesOf(request, context);
  const pull = objectOf(await context.native.get(pullPath(request)));
  const head = textOf(objectOf(pull.head), 'sha');
  const patched = files.map((one) => ({ ...one, ...wishes({ patch: patches.get(one.path)?.patch }) }));
  const shown = await withShas(request, context, patched, { now: head, before: textOf(pull, 'merge_base') });
  const data = shown.map((one) => file(context.base, param(request, 'owner'), param(request, 'repo'), head, one));
  return { ...answer, data };
}

async function listCommits(request: RouteRequest, context: RouteContext) {
  // The newest comes first here and last on GitHub.
  const all = await everything(context, `${pullPath(request)}/commits`);
  return pageIn(
    request,
    [...all]
      .reverse()
      .slice(-MOST_COMMITS)
      .map((native) => asCommit(request, context, native)),
  );
}

/** What makes a title a draft's, where the administrator changed nothing. */
const DRAFT_PREFIX = 'WIP: ';

/** The title that says whether this is a draft. */
export function titled(title: string, draft: boolean): string {
  if (draft) return isDraftTitle(title) ? title : `${DRAFT_PREFIX}${title}`;
  let plain = title;
  while (isDraftTitle(plain)) plain = plain.replace(/^\s*(?:wip:|\[wip\])\s*/i, '');
  return plain.trim() === '' ? title : plain;
}

async function create(request: RouteRequest, context: RouteContext) {
  const { body } = request;
  const [title, head, base] = [textInput(request, 'title'), textInput(request, 'head'), textInput(request, 'base')];
  if (!title?.trim()) throw invalid('PullRequest', 'title', 'missing_field');
  if (!head) throw invalid('PullRequest', 'head', 'missing_field');
  if (!base) throw invalid('PullRequest', 'base', 'missing_field');
  const json = wishes({
    title: titled(title, body.draft === true || isDraftTitle(title)),
    head,
    base,
    body: textInput(request, 'body'),
  });
  try {
    const { data } = await context.native.send('POST', pullsPath(request), { json });
    return { status: 201, data: asPull(context, data) };
  } catch (error) {
    const label = head.includes(':') ? head : `${param(request, 'owner')}:${head}`;
    if (failedWith(error, 409)) {
      const message = `A pull request already exists for ${label}.`;
      throw new RouteFailure(422, 'Validation Failed', {
        errors: [{ resource: 'PullRequest', code: 'custom', message }],
      });
    }
    if (failedWith(error, 404)) throw await whatIsMissing(request, context, head, base);
    throw error;
  }
}

/** The forge says 404 to a branch that is not there, GitHub names it. */
async function whatIsMissing(
  request: RouteRequest,
  context: RouteContext,
  head: string,
  base: string,
): Promise<RouteFailure> {
  if ((await context.native.find(repoPath(request))) === undefined) return notFound();
  const hasBase = (await context.native.find(`${repoPath(request)}/branches/${segment(base)}`)) !== undefined;
  return invalid('PullRequest', hasBase ? 'head' : 'base', 'invalid', `${hasBase ? head : base} is no branch.`);
}

async function update(request: RouteRequest, context: RouteContext) {
  const { body } = request;
  const title = textInput(request, 'title');
  const before =
    title === undefined && body.draft === undefined ? {} : objectOf(await context.native.get(pullPath(request)));
  // A new title does not end a draft on GitHub. `draft` itself is ours: GitHub has it in GraphQL only.
  const isDraft = flagIn(before, 'draft') ?? isDraftTitle(textOf(before, 'title'));
  const draft = typeof body.draft === 'boolean' ? body.draft : isDraft || isDraftTitle(title ?? '');
  const json = wishes({
    title: Object.keys(before).length === 0 ? undefined : titled(title ?? textOf(before, 'title'), draft),
    body: body.body === null ? '' : textInput(request, 'body'),
    state: textInput(request, 'state'),
    base: textInput(request, 'base'),
    allow_maintainer_edit: typeof body.maintainer_can_modify === 'boolean' ? body.maintainer_can_modify : undefined,
  });
  if (Object.keys(json).length === 0) return { data: asPull(context, await context.native.get(pullPath(request))) };
  try {
    const { data } = await context.native.send('PATCH', pullPath(request), { json });
    return { data: asPull(context, data) };
  } catch (error) {
    if (failedWith(error, 409, 412)) throw invalid('PullRequest', 'base', 'custom', error.message);
    // The pull request is there, so it is the branch that is not.
    if (failedWith(error, 404) && json.base !== undefined && (await context.native.find(pullPath(request))))
      throw invalid('PullRequest', 'base', 'invalid');
    throw error;
  }
}

async function updateBranch(request: RouteRequest, context: RouteContext) {
  const pull = objectOf(await context.native.get(pullPath(request)));
  const [base, head] = [textOf(objectOf(pull.base), 'ref'), textOf(objectOf(pull.head), 'sha')];
  const expected = textInput(request, 'expected_head_sha');
  if (expected !== undefined && expected !== head)
    throw new RouteFailure(422, 'expected_head_sha does not match the head of the pull request.');
  // Nothing to do is an internal error there.
  if ((await countOf(context, `${repoPath(request)}/commits`, { sha: base, not: head, stat: false })) === 0)
    throw new RouteFailure(422, 'There are no new commits on the base branch.');
  try {
    await context.native.send('POST', `${pullPath(request)}/update`, { query: { style: 'merge' } });
  } catch (error) {
    if (failedWith(error, 409)) throw new RouteFailure(422, 'merge conflict between base and head');
    throw error;
  }
  const url = `${context.base.api}${pullPath(request)}`;
  return { status: 202, data: { message: 'Updating pull request branch.', url } };
}

export const pulls: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls',
    'The filters by head and base read the whole list.',
    list,
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}, GET /repos/{owner}/{repo}/pulls/{index}.{diffType}',
    get,
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/files': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/files, GET /repos/{owner}/{repo}/pulls/{index}.{diffType}',
    'Patches are taken from the diff of the whole pull request, SHAs from the tree of its head.',
    listFiles,
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/commits': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/commits',
    listCommits,
  ),
  'POST /repos/{owner}/{repo}/pulls': emulated(
    'findable',
    'repository: POST /repos/{owner}/{repo}/pulls',
    'A draft is a title that begins with WIP:.',
    create,
  ),
  'PATCH /repos/{owner}/{repo}/pulls/{pull_number}': exact(
    'idempotent',
    'repository: PATCH /repos/{owner}/{repo}/pulls/{index}',
    update,
  ),
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch': exact(
    'unsafe',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/update',
    updateBranch,
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/merge': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/merge',
    async (request, context) => {
      await context.native.send('GET', `${pullPath(request)}/merge`);
      return { status: 204 };
    },
  ),
};
