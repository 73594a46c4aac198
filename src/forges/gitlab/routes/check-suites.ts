import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/check.js';
import type { CheckSuiteInput } from '../../kit/shapes/check-inputs.js';
import { jobCheckInput, type NativeJob, nativeJob, nativePipeline, suiteInput } from '../convert/pipeline.js';
import { read, time } from '../convert/read.js';
import { CHECK_RUN, CHECK_SUITE, keptIn, keyOf, shownCheck } from './check-records.js';
import { commitAt } from './commit-at.js';
import { everything, numberParam, type Place, param, placeOf, projectAt, slice } from './place.js';

const pipelinesOf = (context: RouteContext, place: Place, sha: string) =>
  everything(context, `${place.api}/pipelines`, nativePipeline, { sha });

const jobsIn = (context: RouteContext, place: Place, pipeline: number | string) =>
  everything(context, `${place.api}/pipelines/${pipeline}/jobs`, nativeJob);

/** Jobs of the newest pipeline of a commit, as GitHub's `filter=latest`. */
export async function jobsOf(context: RouteContext, place: Place, sha: string): Promise<NativeJob[]> {
  const [newest] = (await pipelinesOf(context, place, sha)).sort((a, b) => Number(BigInt(b.id) - BigInt(a.id)));
  return newest === undefined ? [] : jobsIn(context, place, newest.id);
}

/** Our suite of a commit, when an app has made check runs there. */
async function ownSuite(
  context: RouteContext,
  project: number | string,
  sha: string,
): Promise<CheckSuiteInput | undefined> {
  const record = await context.records.get(CHECK_SUITE, keyOf(project, sha, ''));
  if (record === undefined) return undefined;
  const checks = (await context.records.list(CHECK_RUN, keyOf(project, sha, ''))).map(keptIn);
  const done = checks.every((check) => check.status === 'completed');
  const bad = checks.find((check) => !['success', 'neutral', 'skipped'].includes(check.conclusion ?? ''));
  return {
    id: record.id,
    headSha: sha,
    headBranch: null,
    status: done ? 'completed' : 'in_progress',
    conclusion: done ? (bad?.conclusion ?? 'success') : null,
    createdAt: time(record.createdAt.toISOString()),
    updatedAt: time(record.updatedAt.toISOString()),
    checkRunCount: checks.length,
  };
}

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'pipelines: GET /projects/:id/pipelines',
  note: 'One suite of all apps together, and one for each pipeline of GitLab CI.',
  async run(request, context) {
    const place = placeOf(request);
    const { id: sha } = await commitAt(context, place, param(request, 'ref'));
    const own = await ownSuite(context, (await projectAt(context, place.api)).id, sha);
    const suites = [...(own ? [own] : []), ...(await pipelinesOf(context, place, sha)).map(suiteInput)];
    const { items, pages } = slice(request, suites);
    const shown = items.map((suite) => shape.checkSuite(context.base, place.owner, place.repo, suite));
    return { data: { total_count: suites.length, check_suites: shown }, pages };
  },
};

const NOTE = 'A suite of the apps, or a pipeline of GitLab CI.';

/** Project and commit of a suite of ours in this repository. */
async function ownAt(context: RouteContext, place: Place, number: number) {
  const record = await context.records.byId(CHECK_SUITE, number);
  if (record === undefined) return undefined;
  const { id } = await projectAt(context, place.api);
  const { project, sha } = record.data;
  return String(project) === String(id) && typeof sha === 'string' ? { project: id, sha } : undefined;
}

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'pipelines: GET /projects/:id/pipelines/:pipeline_id',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const number = numberParam(request, 'check_suite_id');
    const at = await ownAt(context, place, number);
    const own = at && (await ownSuite(context, at.project, at.sha));
    if (own) return { data: shape.checkSuite(context.base, place.owner, place.repo, own) };
    const pipeline = read(nativePipeline, await context.native.get(`${place.api}/pipelines/${number}`), 'pipeline');
    return { data: shape.checkSuite(context.base, place.owner, place.repo, suiteInput(pipeline)) };
  },
};

const runs: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/pipelines/:pipeline_id/jobs',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const number = numberParam(request, 'check_suite_id');
    const at = await ownAt(context, place, number);
    const checks = at
      ? (await context.records.list(CHECK_RUN, keyOf(at.project, at.sha, ''))).map((record) =>
          shownCheck(context, place, record),
        )
      : (await jobsIn(context, place, number)).map((job) =>
          shape.checkRun(context.base, place.owner, place.repo, jobCheckInput(job)),
        );
    const { items, pages } = slice(request, checks);
    return { data: { total_count: checks.length, check_runs: items }, pages };
  },
};

export const checkSuites: RouteTable = {
  'GET /repos/{owner}/{repo}/commits/{ref}/check-suites': list,
  'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}': get,
  'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs': runs,
};
