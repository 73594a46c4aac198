import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/commit.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { fileInput, type NativeCommit, nativeCommit, nativeDiff } from '../convert/commit.js';
import { nativeProject } from '../convert/project.js';
import { read } from '../convert/read.js';
import { projectPath } from '../references.js';
import { withShas } from './blob-facts.js';
import { commitAt } from './commit-at.js';
import { commitsShown, shownCommit, shownCommits } from './commit-people.js';
import { gitDiff, mailbox } from './patch.js';
import { everything, type Place, page, param, placeOf, projectAt, slice } from './place.js';

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'commits: GET /projects/:id/repository/commits',
  async run(request, context) {
    const place = placeOf(request);
    const { sha, path, author, since, until } = request.query;
    const { items, pages } = await page(request, context, `${place.api}/repository/commits`, nativeCommit, {
      ref_name: sha,
      path,
      author,
      since,
      until,
    });
    return { data: await shownCommits(context, place, items), pages };
  },
};

const diffText = (bytes: string, kind: 'diff' | 'patch') => ({
  body: { contentType: `application/vnd.github.${kind}; charset=utf-8`, bytes },
});

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'commits: GET /projects/:id/repository/commits/:sha, GET .../diff; graphql: Repository.blobs',
  note: 'Files have no SHA where GraphQL may not be asked.',
  async run(request, context) {
    const place = placeOf(request);
    const commit = await commitAt(context, place, param(request, 'ref'));
    if (request.media === 'sha')
      return { body: { contentType: 'application/vnd.github.sha; charset=utf-8', bytes: commit.id } };
    if (request.media === 'patch') return diffText(await mailbox(context, place, [commit]), 'patch');
    const diffs = await everything(context, `${place.api}/repository/commits/${commit.id}/diff`, nativeDiff);
    if (request.media === 'diff') return diffText(diffs.map(gitDiff).join(''), 'diff');
    const { items, pages } = slice(request.perPage === 30 ? { ...request, perPage: 300 } : request, diffs);
    const files = await withShas(context, place, items.map(fileInput), {
      now: commit.id,
      before: commit.parent_ids?.[0],
    });
    const stats = commit.stats ?? {
      additions: files.reduce((sum, file) => sum + file.additions, 0),
      deletions: files.reduce((sum, file) => sum + file.deletions, 0),
    };
    return { data: await shownCommit(context, place, commit, { stats, files }), pages };
  },
};

const comparison = z.looseObject({ commits: z.array(nativeCommit).nullish(), diffs: z.array(nativeDiff).nullish() });

/** `owner:branch` of a fork, or a ref of this repository. */
interface Side {
  ref: string;
  /** Project of the fork. */
  project: number | string | undefined;
}

async function sideOf(context: RouteContext, place: Place, text: string): Promise<Side> {
  const colon = text.indexOf(':');
  const owner = text.slice(0, Math.max(0, colon));
  if (colon < 0 || owner === place.owner) return { ref: text.slice(colon + 1), project: undefined };
  const fork = await context.native.find(`/projects/${segment(projectPath(owner, place.repo))}`);
  if (fork === undefined) throw notFound();
  return { ref: text.slice(colon + 1), project: read(nativeProject, fork, 'project').id };
}

interface End {
  commit: NativeCommit;
  api: string;
  /** Set for a fork, and for the other end of a comparison with one. */
  project?: number | string;
}

/** What is in `to` and not in `from`. */
async function between(context: RouteContext, from: End, to: End) {
  const query = { from: from.commit.id, to: to.commit.id, straight: false, from_project_id: from.project };
  return read(comparison, await context.native.get(`${to.api}/repository/compare`, query), 'comparison');
}

const commitsOf = (side: z.output<typeof comparison>): readonly NativeCommit[] => side.commits ?? [];

/**
 * Where two histories met, from what each has alone. A project and its fork need not have each other's commits, and of a ref
 * that it does not have GitLab says 400; but what is ahead grew from there. Undefined when they have nothing in common.
 */
async function forkPoint(
  context: RouteContext,
  from: End,
  to: End,
  ahead: readonly NativeCommit[],
  behind: readonly NativeCommit[],
): Promise<NativeCommit | undefined> {
  if (behind.length === 0) return from.commit;
  if (ahead.length === 0) return to.commit;
  const own = new Set(ahead.map(({ id }) => id));
  const parents = new Set(ahead.flatMap(({ parent_ids }) => parent_ids ?? []).filter((id) => !own.has(id)));
  const place = `${to.api}/repository/commits`;
  const found: NativeCommit[] = [];
  for (const id of parents) found.push(read(nativeCommit, await context.native.get(`${place}/${id}`), 'commit'));
  // More than one after merges from the other side: the last of them is the nearest.
  const dateOf = ({ committed_date }: NativeCommit) => Date.parse(committed_date ?? '') || 0;
  return found.sort((a, b) => dateOf(b) - dateOf(a))[0];
}

/** Names are parts of an address with a list in it, which a map of parameters cannot say. */
async function mergeBase(context: RouteContext, from: End, to: End): Promise<NativeCommit | undefined> {
  const refs = `refs[]=${segment(from.commit.id)}&refs[]=${segment(to.commit.id)}`;
  const found = await context.native.find(`${to.api}/repository/merge_base?${refs}`);
  return found === undefined ? undefined : read(nativeCommit, found, 'commit');
}

async function endsOf(request: RouteRequest, context: RouteContext, place: Place): Promise<{ from: End; to: End }> {
  const [left, right, ...more] = param(request, 'basehead').split('...');
  if (!left || !right || more.length > 0) throw invalid('Comparison', 'basehead', 'invalid');
  const sides = await Promise.all([left, right].map((text) => sideOf(context, place, text)));
  const isForked = sides.some((side) => side.project !== undefined);
  const own = isForked ? (await projectAt(context, place.api)).id : undefined;
  const [from, to] = await Promise.all(
    sides.map(async (side): Promise<End> => {
      const api = side.project === undefined ? place.api : `/projects/${side.project}`;
      const commit = await commitAt(context, { ...place, api }, side.ref);
      return { commit, api, project: side.project ?? own };
    }),
  );
  return { from: from as End, to: to as End };
}

const compare: Route = {
  support: 'emulated',
  retry: 'read',
  source:
    'repositories: GET /projects/:id/repository/compare, GET /projects/:id/repository/merge_base; graphql: Repository.blobs',
  note: 'Files have no SHA where GraphQL may not be asked, and none in a comparison with a fork.',
  async run(request, context) {
    const place = placeOf(request);
    const { from, to } = await endsOf(request, context, place);
    const isForked = from.api !== to.api;
    const [ahead, behind, met] = await Promise.all([
      between(context, from, to),
      between(context, to, from),
      isForked ? undefined : mergeBase(context, from, to),
    ]);
    const base = isForked ? await forkPoint(context, from, to, commitsOf(ahead), commitsOf(behind)) : met;
    if (base === undefined) throw notFound(`No common ancestor between ${from.commit.id} and ${to.commit.id}.`);
    const diffs = ahead.diffs ?? [];
    if (request.media === 'diff') return diffText(diffs.map(gitDiff).join(''), 'diff');
    const commits = commitsOf(ahead);
    if (request.media === 'patch') return diffText(await mailbox(context, place, commits), 'patch');
    const aheadBy = commits.length;
    const behindBy = commitsOf(behind).length;
    const { items, pages } = slice(
      request.query.page === undefined && request.page === 1 ? { ...request, perPage: 250 } : request,
      commits,
    );
    const show = await commitsShown(context, place, [from.commit, base, ...items]);
    const changed = diffs.map(fileInput);
    const ofHead = { now: to.commit.id, before: base.id };
    const files = isForked ? changed : await withShas(context, place, changed, ofHead);
    const ends = `${from.commit.id}...${to.commit.id}`;
    const url = `${apiOf(context.base, place.owner, place.repo)}/compare/${ends}`;
    const page = `${context.base.web}/${place.path}/-/compare/${ends}`;
    return {
      data: {
        url,
        html_url: page,
        permalink_url: page,
        diff_url: `${page}.diff`,
        patch_url: `${page}.patch`,
        base_commit: show(from.commit),
        merge_base_commit: show(base),
        status: aheadBy > 0 ? (behindBy > 0 ? 'diverged' : 'ahead') : behindBy > 0 ? 'behind' : 'identical',
        ahead_by: aheadBy,
        behind_by: behindBy,
        total_commits: aheadBy,
        commits: items.map((commit) => show(commit)),
        files: files.map((one) => shape.file(context.base, place.owner, place.repo, to.commit.id, one)),
      },
      pages,
    };
  },
};

export const commits: RouteTable = {
  'GET /repos/{owner}/{repo}/commits': list,
  'GET /repos/{owner}/{repo}/commits/{ref}': get,
  'GET /repos/{owner}/{repo}/compare/{basehead}': compare,
};
