import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import { invalid, type Route, type RouteContext, RouteFailure, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/commit.js';
import { nativeCommit, nativeDiff } from '../convert/commit.js';
import { nativeMergeRequest } from '../convert/merge-request.js';
import { type NativeProject, nativeProject } from '../convert/project.js';
import { read } from '../convert/read.js';
import { toNativeBody } from '../quick-actions.js';
import { ownerOf, projectPath, toNativeText } from '../references.js';
import { shownCommits } from './commit-people.js';
import { updateThread } from './issues.js';
import { gitDiff, mailbox } from './patch.js';
import { accept, everything, type Place, page, placeOf, projectAt, pullOf, refused, slice } from './place.js';
import { readMergeRequest, shownPull, simplePulls } from './pull.js';
import { pullFiles } from './pull-files.js';

const states = { open: ['opened'], closed: ['closed', 'merged'], all: ['opened', 'closed', 'merged'] } as const;

/** `owner:branch` or `branch`. */
function headOf(text: string): { owner: string | undefined; branch: string } {
  const colon = text.indexOf(':');
  return colon < 0
    ? { owner: undefined, branch: text }
    : { owner: text.slice(0, colon), branch: text.slice(colon + 1) };
}

/** A merge request's project, when the list is to hold those of one owner only. */
async function sourceIds(
  context: RouteContext,
  place: Place,
  owner: string | undefined,
): Promise<ReadonlySet<string> | undefined> {
  if (owner === undefined) return undefined;
  if (owner === place.owner) return new Set([String((await projectAt(context, place.api)).id)]);
  const forks = await forksOf(context, place);
  return new Set(forks.filter((fork) => ownerOf(fork.path_with_namespace) === owner).map((fork) => String(fork.id)));
}

const forksOf = (context: RouteContext, place: Place) =>
  everything(context, `${place.api}/forks`, nativeProject, { simple: true });

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'merge_requests: GET /projects/:id/merge_requests',
  async run(request, context) {
    const place = placeOf(request);
    const {
      state = 'open',
      sort = 'created',
      direction = sort === 'created' ? 'desc' : 'asc',
      head,
      base,
    } = request.query;
    if (!Object.hasOwn(states, state)) throw invalid('PullRequest', 'state', 'invalid');
    if (sort !== 'created' && sort !== 'updated')
      throw invalid('PullRequest', 'sort', 'invalid', 'GitLab sorts by created or updated.');
    const from = head === undefined ? undefined : headOf(head);
    const query = {
      source_branch: from?.branch,
      target_branch: base,
      order_by: sort === 'updated' ? 'updated_at' : 'created_at',
      sort: direction === 'asc' ? 'asc' : 'desc',
      with_labels_details: 'true',
    };
    const wanted = states[state as keyof typeof states];
    const ids = await sourceIds(context, place, from?.owner);
    const keep = (mr: { source_project_id?: number | string | null }) =>
      ids === undefined || ids.has(String(mr.source_project_id));
    const path = `${place.api}/merge_requests`;
    if (wanted.length === 1) {
      const { items, pages } = await page(request, context, path, nativeMergeRequest, { ...query, state: wanted[0] });
      return { data: await simplePulls(context, place, items.filter(keep)), pages };
    }
    // What GitHub calls closed are two states of GitLab, so their lists are merged from the beginning.
    const most = Math.ceil((request.page * request.perPage + 1) / 100);
    const lists = await Promise.all(
      wanted.map((one) => everything(context, path, nativeMergeRequest, { ...query, state: one }, most)),
    );
    const at = sort === 'updated' ? 'updated_at' : 'created_at';
    const sign = direction === 'asc' ? 1 : -1;
    const merged = lists
      .flat()
      .filter(keep)
      .sort((a, b) => sign * (Date.parse(a[at]) - Date.parse(b[at])));
    const { items, pages } = slice(request, merged);
    return { data: await simplePulls(context, place, items), pages: { next: pages.next } };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'merge_requests: GET /projects/:id/merge_requests/:merge_request_iid, .../diffs, .../commits, .../raw_diffs',
  note: 'Before GitLab 17.9 the lines of files that GitLab collapses or finds too large are counted as none.',
  /** Our own translator asks with `counts: 0` where nobody reads additions, deletions, commits and changed files: two requests less. */
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    if (request.media === 'diff') {
      const bytes = await refused(
        async () => String((await context.native.send('GET', `${pull.api}/raw_diffs`, { as: 'text' })).data),
        [404],
        // Before GitLab 17.9 there is no such call.
        async () => (await everything(context, `${pull.api}/diffs`, nativeDiff)).map(gitDiff).join(''),
      );
      return { body: { contentType: 'application/vnd.github.diff; charset=utf-8', bytes } };
    }
    if (request.media === 'patch') {
      const commits = await everything(context, `${pull.api}/commits`, nativeCommit);
      return {
        body: {
          contentType: 'application/vnd.github.patch; charset=utf-8',
          bytes: await mailbox(context, place, commits.reverse()),
        },
      };
    }
    const data = await context.native.get(pull.api);
    return { data: await shownPull(context, place, pull, data, request.query.counts !== '0') };
  },
};

/** How GitLab knows a draft. */
const DRAFT = /^\s*(\[draft\]|\(draft\)|draft:)/i;

const newPull = z.looseObject({
  title: z.string().min(1),
  head: z.string().min(1),
  base: z.string().min(1),
  body: z.string().nullish(),
  draft: z.boolean().optional(),
  maintainer_can_modify: z.boolean().optional(),
  head_repo: z.string().optional(),
});

/** The project that `owner:branch` names: the one itself, one of the same name, or its fork under that owner. */
async function sourceOf(
  context: RouteContext,
  place: Place,
  owner: string | undefined,
  name: string | undefined,
): Promise<NativeProject | undefined> {
  if (owner === undefined || (owner === place.owner && name === undefined)) return undefined;
  const named = await context.native.find(`/projects/${segment(projectPath(owner, name ?? place.repo))}`);
  if (named !== undefined) return read(nativeProject, named, 'project');
  const fork = (await forksOf(context, place)).find((one) => ownerOf(one.path_with_namespace) === owner);
  if (fork === undefined) throw invalid('PullRequest', 'head', 'invalid');
  return fork;
}

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'merge_requests: POST /projects/:id/merge_requests',
  async run(request, context) {
    const place = placeOf(request);
    if (request.body.issue !== undefined)
      throw invalid('PullRequest', 'issue', 'invalid', 'GitLab cannot turn an issue into a merge request.');
    const body = accept('PullRequest', newPull, request.body);
    const { owner, branch } = headOf(body.head);
    const source = await sourceOf(context, place, owner, body.head_repo);
    const target = source && (await projectAt(context, place.api));
    const json = {
      title: toNativeText(body.draft === true && !DRAFT.test(body.title) ? `Draft: ${body.title}` : body.title),
      description: toNativeBody(body.body ?? ''),
      source_branch: branch,
      target_branch: body.base,
      target_project_id: target?.id,
      // Only a merge request across projects may have it.
      allow_collaboration: source ? (body.maintainer_can_modify ?? true) : undefined,
    };
    const api = source ? `/projects/${source.id}` : place.api;
    const answer = await refused(
      () => context.native.send('POST', `${api}/merge_requests`, { json }),
      [409],
      () => {
        throw new RouteFailure(422, 'Validation Failed', {
          errors: [
            {
              resource: 'PullRequest',
              code: 'custom',
              message: `A pull request already exists for ${owner ?? place.owner}:${branch}.`,
            },
          ],
        });
      },
    );
    const made = read(nativeMergeRequest, answer.data, 'merge request');
    const pull = {
      kind: 'merge_request',
      iid: made.iid,
      number: made.iid,
      api: `${place.api}/merge_requests/${made.iid}`,
    } as const;
    return { status: 201, data: await shownPull(context, place, pull, answer.data) };
  },
};

const changes = z.looseObject({
  title: z.string().min(1).optional(),
  body: z.string().nullish(),
  state: z.enum(['open', 'closed']).optional(),
  base: z.string().optional(),
  maintainer_can_modify: z.boolean().optional(),
});

const update: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const { base, maintainer_can_modify, title, ...body } = accept('PullRequest', changes, request.body);
    // GitLab answers as if it had been opened again.
    if (body.state === 'open' && (await readMergeRequest(context, pull)).state === 'merged')
      throw invalid('PullRequest', 'state', 'custom', 'The merge request is merged.');
    // A draft is one by its title: an app that writes another title has not said that the draft is over.
    const isDraft = title !== undefined && !DRAFT.test(title) && (await readMergeRequest(context, pull)).draft === true;
    const data = await updateThread(
      context,
      place,
      pull,
      { ...body, title: isDraft ? `Draft: ${title}` : title },
      {
        target_branch: base,
        allow_collaboration: maintainer_can_modify,
      },
    );
    return { data: await shownPull(context, place, pull, data) };
  },
};

const files: Route = {
  support: 'exact',
  retry: 'read',
  source: 'merge_requests: GET /projects/:id/merge_requests/:merge_request_iid/diffs, .../raw_diffs',
  note: 'Before GitLab 17.9 files have no SHA, and the lines of those that GitLab collapses or finds too large are counted as none.',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const [{ items, pages }, mr] = await Promise.all([
      page(request, context, `${pull.api}/diffs`, nativeDiff),
      readMergeRequest(context, pull),
    ]);
    const sha = mr.sha ?? mr.source_branch;
    const listed = await pullFiles(context, pull, items, { shas: true });
    return {
      data: listed.map((file) => shape.file(context.base, place.owner, place.repo, sha, file)),
      pages,
    };
  },
};

const commits: Route = {
  support: 'exact',
  retry: 'read',
  source: 'merge_requests: GET /projects/:id/merge_requests/:merge_request_iid/commits',
  async run(request, context) {
    const place = placeOf(request);
    const all = await everything(context, `${pullOf(request, place).api}/commits`, nativeCommit);
    // GitLab lists the newest first.
    const { items, pages } = slice(request, all.reverse());
    return { data: await shownCommits(context, place, items), pages };
  },
};

const ofCommit: Route = {
  support: 'exact',
  retry: 'read',
  source: 'commits: GET /projects/:id/repository/commits/:sha/merge_requests',
  async run(request, context) {
    const place = placeOf(request);
    const path = `${place.api}/repository/commits/${segment(request.params.commit_sha ?? '')}/merge_requests`;
    const { items, pages } = await page(request, context, path, nativeMergeRequest);
    return { data: await simplePulls(context, place, items), pages };
  },
};

export const pulls: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls': list,
  'POST /repos/{owner}/{repo}/pulls': create,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}': get,
  'PATCH /repos/{owner}/{repo}/pulls/{pull_number}': update,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/files': files,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/commits': commits,
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls': ofCommit,
};
