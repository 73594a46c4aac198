import { z } from 'zod';
import { CHECK_RUN } from '../../kit/check-run-maker.js';
import { notFound, type Route, type RouteContext, type RouteTable, unprocessable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/check.js';
import type { CheckSuiteInput } from '../../kit/shapes/check-inputs.js';
import { jobCheckInput, type NativeJob, nativeJob, nativePipeline, suiteInput } from '../convert/pipeline.js';
import { read, time } from '../convert/read.js';
import { CHECK_SUITE, keptIn, keyOf, newestOf, shownCheck, suiteOf } from './check-records.js';
import { shownOn } from './check-shown.js';
import { commitAt, findCommit } from './commit-at.js';
import { accept, everything, numberParam, type Place, param, placeOf, projectAt, slice } from './place.js';

const pipelinesOf = (context: RouteContext, place: Place, sha: string) =>
  everything(context, `${place.api}/pipelines`, nativePipeline, { sha });

/** Those that run a script, and those that start another pipeline, which GitLab lists apart. */
async function jobsIn(
  context: RouteContext,
  place: Place,
  pipeline: number | string,
  query: Readonly<Record<string, boolean>> = {},
): Promise<NativeJob[]> {
  const of = `${place.api}/pipelines/${pipeline}`;
  const [jobs, bridges] = await Promise.all([
    everything(context, `${of}/jobs`, nativeJob, query),
    everything(context, `${of}/bridges`, nativeJob),
  ]);
  // By its number alone GitLab does not tell one that starts another pipeline.
  const places = bridges.map(({ id }) => ({ key: String(id), data: { pipeline: String(pipeline) } }));
  await context.records.putAll(BRIDGE, places);
  return [...jobs, ...bridges];
}

/** Record: key is the number of a job that starts another pipeline, data the pipeline that it is in. */
const BRIDGE = 'bridge_job';

/** The job with this number, of either kind; one of the second once a list showed it. @throws RouteFailure 404 */
export async function jobAt(context: RouteContext, place: Place, number: number): Promise<NativeJob> {
  const job = await context.native.find(`${place.api}/jobs/${number}`);
  if (job !== undefined) return read(nativeJob, job, 'job');
  const pipeline = (await context.records.get(BRIDGE, String(number)))?.data.pipeline;
  if (typeof pipeline !== 'string') throw notFound();
  const bridges = await everything(context, `${place.api}/pipelines/${pipeline}/bridges`, nativeJob);
  const found = bridges.find(({ id }) => String(id) === String(number));
  if (found === undefined) throw notFound();
  return found;
}

/** Jobs of the newest pipeline of a commit, as GitHub's `filter=latest`. */
export async function jobsOf(context: RouteContext, place: Place, sha: string): Promise<NativeJob[]> {
  const [newest] = (await pipelinesOf(context, place, sha)).sort((a, b) => Number(BigInt(b.id) - BigInt(a.id)));
  return newest === undefined ? [] : jobsIn(context, place, newest.id);
}

/** Jobs of every pipeline of a commit, also those that were run again. */
export async function everyJobOf(context: RouteContext, place: Place, sha: string): Promise<NativeJob[]> {
  const jobs: NativeJob[] = [];
  // What apps put on the commit is a pipeline to GitLab, too, and one without jobs.
  const own = (await pipelinesOf(context, place, sha)).filter(({ source }) => source !== 'external');
  for (const { id } of own.reverse()) jobs.push(...(await jobsIn(context, place, id, { include_retried: true })));
  return jobs;
}

/** Check runs of apps that the commit shows. */
const ownChecks = async (context: RouteContext, place: Place, project: number | string, sha: string) =>
  shownOn(context, place, sha, await context.records.list(CHECK_RUN, keyOf(project, sha, '')));

/** Our suite of a commit, when an app has made check runs there. */
async function ownSuite(
  context: RouteContext,
  place: Place,
  project: number | string,
  sha: string,
): Promise<CheckSuiteInput | undefined> {
  const record = await context.records.get(CHECK_SUITE, keyOf(project, sha, ''));
  if (record === undefined) return undefined;
  const checks = newestOf(await ownChecks(context, place, project, sha)).map(keptIn);
  return {
    id: record.id,
    headSha: sha,
    headBranch: null,
    ...shape.suiteProgress(checks),
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
    const own = await ownSuite(context, place, (await projectAt(context, place.api)).id, sha);
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
    const own = at && (await ownSuite(context, place, at.project, at.sha));
    if (own) return { data: shape.checkSuite(context.base, place.owner, place.repo, own) };
    const pipeline = read(nativePipeline, await context.native.get(`${place.api}/pipelines/${number}`), 'pipeline');
    return { data: shape.checkSuite(context.base, place.owner, place.repo, suiteInput(pipeline)) };
  },
};

const create: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'commits: GET /projects/:id/repository/commits/:sha',
  note: 'One suite of all apps for each commit.',
  async run(request, context) {
    const place = placeOf(request);
    const { id: project } = await projectAt(context, place.api);
    const { head_sha: given } = accept('CheckSuite', z.looseObject({ head_sha: z.string().min(1) }), request.body);
    const commit = await findCommit(context, place, given);
    if (commit === undefined) throw unprocessable(`No commit found for SHA: ${given}`);
    await suiteOf(context, project, commit.id);
    const own = await ownSuite(context, place, project, commit.id);
    if (own === undefined) throw notFound();
    return { status: 201, data: shape.checkSuite(context.base, place.owner, place.repo, own) };
  },
};

const runs: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/pipelines/:pipeline_id/jobs, .../bridges',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const number = numberParam(request, 'check_suite_id');
    const at = await ownAt(context, place, number);
    const checks = at
      ? newestOf(await ownChecks(context, place, at.project, at.sha)).map((record) =>
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
  'POST /repos/{owner}/{repo}/check-suites': create,
  'GET /repos/{owner}/{repo}/commits/{ref}/check-suites': list,
  'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}': get,
  'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs': runs,
};
