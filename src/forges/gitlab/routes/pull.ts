/** A merge request as GitHub's pull request, with what GitLab keeps elsewhere: the projects of both sides, and the counts. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import type { RouteContext } from '../../kit/route.js';
import type { PullRequestInput } from '../../kit/shapes/inputs.js';
import * as shape from '../../kit/shapes/pull-request.js';
import { nativeDiff } from '../convert/commit.js';
import type { NativeLabel } from '../convert/label.js';
import { type NativeMergeRequest, nativeMergeRequest, pullRequestInput } from '../convert/merge-request.js';
import { type NativeProject, nativeProject } from '../convert/project.js';
import { read } from '../convert/read.js';
import { autoMergeOf } from './auto-merge.js';
import { everything, labelsAt, type Place, projectAt, type Thread } from './place.js';
import { pullFiles } from './pull-files.js';

const key = (id: number | string | null | undefined): string => String(id ?? '');

/** Projects of the sources that are not the target; a fork that is gone is null. */
async function sourcesOf(context: RouteContext, mrs: readonly NativeMergeRequest[], target: NativeProject) {
  const ids = new Set(mrs.map((mr) => key(mr.source_project_id)));
  const found = new Map<string, NativeProject | null>([[key(target.id), target]]);
  const others = [...ids].filter((id) => id !== '' && !found.has(id));
  const projects = await Promise.all(others.map((id) => context.native.find(`/projects/${segment(id)}`)));
  others.forEach(
    (id, at) => void found.set(id, projects[at] === undefined ? null : read(nativeProject, projects[at], 'project')),
  );
  return (mr: NativeMergeRequest) => found.get(key(mr.source_project_id)) ?? null;
}

const branch = z.looseObject({ commit: z.looseObject({ id: z.string() }) });

/** Heads of the branches that a list of merge requests goes into, since only a single one tells its base commit. */
async function headsOf(
  context: RouteContext,
  place: Place,
  mrs: readonly NativeMergeRequest[],
): Promise<Map<string, string>> {
  const names = [...new Set(mrs.filter((mr) => !mr.diff_refs?.base_sha).map((mr) => mr.target_branch))];
  const heads = await Promise.all(
    names.map((name) => context.native.find(`${place.api}/repository/branches/${segment(name)}`)),
  );
  return new Map(
    names.flatMap((name, at) => (heads[at] === undefined ? [] : [[name, read(branch, heads[at], 'branch').commit.id]])),
  );
}

async function inputs(
  context: RouteContext,
  place: Place,
  mrs: readonly NativeMergeRequest[],
  target: NativeProject,
  known: readonly NativeLabel[],
): Promise<PullRequestInput[]> {
  const [sourceOf, heads] = await Promise.all([sourcesOf(context, mrs, target), headsOf(context, place, mrs)]);
  return Promise.all(
    mrs.map(async (mr) => {
      const input = pullRequestInput(mr, { target, source: sourceOf(mr) }, known);
      const base = { ...input.base, sha: input.base.sha || heads.get(mr.target_branch) || '' };
      return { ...input, base, autoMerge: await autoMergeOf(context, mr) };
    }),
  );
}

/** As in lists: without the counts. Their labels have been asked for with details. */
export async function simplePulls(
  context: RouteContext,
  place: Place,
  mrs: readonly NativeMergeRequest[],
): Promise<JsonObject[]> {
  if (mrs.length === 0) return [];
  const target = await projectAt(context, place.api);
  const known = await labelsAt(
    context,
    place,
    mrs.flatMap((mr) => mr.labels ?? []),
  );
  return (await inputs(context, place, mrs, target, known)).map((input) =>
    shape.simplePullRequest(context.base, input),
  );
}

/** Lines and commits, which GitLab does not count. */
async function counts(context: RouteContext, thread: Thread): Promise<Partial<PullRequestInput>> {
  const [diffs, commits] = await Promise.all([
    everything(context, `${thread.api}/diffs`, nativeDiff, {}, 5),
    context.native.send('GET', `${thread.api}/commits`, { query: { page: 1, per_page: 100 } }),
  ]);
  const files = await pullFiles(context, thread, diffs, { shas: false });
  const listed = Array.isArray(commits.data) ? commits.data.length : 0;
  return {
    additions: files.reduce((sum, file) => sum + file.additions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
    commits: Number(commits.headers.get('x-total') ?? listed),
    changedFiles: files.length,
  };
}

/** The full object. `data` is what GitLab answered about it; without `counted` the counts that cost requests are left out. */
export async function shownPull(
  context: RouteContext,
  place: Place,
  thread: Thread,
  data: unknown,
  counted = true,
): Promise<JsonObject> {
  const mr = read(nativeMergeRequest, data, 'merge request');
  const [target, known, more] = await Promise.all([
    projectAt(context, place.api),
    labelsAt(context, place, mr.labels),
    counted ? counts(context, thread) : {},
  ]);
  const [input] = await inputs(context, place, [mr], target, known);
  return shape.pullRequest(context.base, { ...(input as PullRequestInput), ...more });
}

export const readMergeRequest = async (context: RouteContext, thread: Thread): Promise<NativeMergeRequest> =>
  read(nativeMergeRequest, await context.native.get(thread.api), 'merge request');
