import { z } from 'zod';
import { CHECK_RUN } from '../../kit/check-run-maker.js';
import type { ForgeRecord } from '../../kit/records.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/check.js';
import { statusName } from '../../kit/status-name.js';
import { jobCheckInput } from '../convert/pipeline.js';
import {
  addCheck,
  type annotation,
  fields,
  type KeptCheck,
  keptIn,
  keyOf,
  newestOf,
  noteShown,
  shownCheck,
  statusState,
  suiteOf,
} from './check-records.js';
import { shownOn } from './check-shown.js';
import { everyJobOf, jobAt, jobsOf } from './check-suites.js';
import { commitAt, findCommit } from './commit-at.js';
import { accept, numberParam, type Place, param, placeOf, projectAt, slice } from './place.js';
import { setStatus } from './statuses.js';

/** GitLab's commit status of the check: named as it, leading to our page about it. */
async function show(context: RouteContext, place: Place, record: ForgeRecord, check: KeptCheck): Promise<ForgeRecord> {
  const status = await setStatus(context, place, check.head_sha, {
    state: statusState(check),
    name: await statusName(context, 'check', check.head_sha, check.name),
    description: check.output?.title ?? check.conclusion ?? undefined,
    targetUrl: context.checkRunUrl(record.id) ?? check.details_url ?? undefined,
  });
  return noteShown(context, record, status.id);
}

const stamp = (context: RouteContext): string =>
  context.clock
    .now()
    .toISOString()
    .replace(/\.\d{3}Z$/, 'Z');

/**
 * GitHub completes a check that has a conclusion, and dates what the app does not.
 * @throws RouteFailure 422 for one that is completed and concludes nothing
 */
function settled(context: RouteContext, check: KeptCheck): KeptCheck {
  const concluded = check.conclusion !== undefined && check.conclusion !== null;
  const status = concluded ? 'completed' : check.status;
  if (status === 'completed' && !concluded) throw invalid('CheckRun', 'conclusion', 'missing_field');
  return {
    ...check,
    status,
    conclusion: concluded ? check.conclusion : null,
    started_at: check.started_at ?? (status === 'queued' ? null : stamp(context)),
    completed_at: status === 'completed' ? (check.completed_at ?? stamp(context)) : null,
  };
}

const NOTE =
  'Kept by Forgeway and shown as a commit status that leads to a page with its summary and annotations, and with buttons for its `actions` and to run it again.';

const create: Route = {
  support: 'emulated',
  retry: 'findable',
  source: 'commits: POST /projects/:id/statuses/:sha',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const body = accept(
      'CheckRun',
      fields.extend({ name: z.string().min(1), head_sha: z.string().min(1) }),
      request.body,
    );
    const { id: project } = await projectAt(context, place.api);
    const found = await findCommit(context, place, body.head_sha);
    if (found === undefined) throw unprocessable(`No commit found for SHA: ${body.head_sha}`);
    const sha = found.id;
    const suite = (await suiteOf(context, project, sha)).id;
    const check = settled(context, { ...body, head_sha: sha, status: body.status ?? 'queued', project, suite });
    const record = await show(context, place, await addCheck(context, check), check);
    return { status: 201, data: shownCheck(context, place, record) };
  },
};

/** Ours, in this repository. */
async function found(context: RouteContext, place: Place, number: number): Promise<ForgeRecord | undefined> {
  const record = await context.records.byId(CHECK_RUN, number);
  if (record === undefined) return undefined;
  const { id } = await projectAt(context, place.api);
  return String(keptIn(record).project) === String(id) ? record : undefined;
}

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'commits: POST /projects/:id/statuses/:sha',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('CheckRun', fields, request.body);
    const record = await found(context, place, numberParam(request, 'check_run_id'));
    if (record === undefined) throw notFound();
    const before = keptIn(record);
    // GitHub adds the annotations of each request to those that are there.
    const annotations = [...(before.output?.annotations ?? []), ...(body.output?.annotations ?? [])];
    const output = body.output ? { ...before.output, ...body.output, annotations } : before.output;
    const reopened = body.status !== undefined && body.status !== 'completed' && body.conclusion === undefined;
    const check = settled(context, {
      ...before,
      ...body,
      output,
      ...(reopened && { conclusion: null, completed_at: null }),
      head_sha: before.head_sha,
      name: body.name ?? before.name,
      status: body.status ?? before.status,
    });
    // The key keeps the first name, so that the number stays.
    const after = await context.records.put(CHECK_RUN, record.key, check);
    return { data: shownCheck(context, place, await show(context, place, after, check)) };
  },
};

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/jobs/:job_id',
  note: 'A check run of an app, or a job of GitLab CI; one that starts another pipeline once a list showed it.',
  async run(request, context) {
    const place = placeOf(request);
    const number = numberParam(request, 'check_run_id');
    const record = await found(context, place, number);
    if (record !== undefined) return { data: shownCheck(context, place, record) };
    const job = await jobAt(context, place, number);
    return { data: shape.checkRun(context.base, place.owner, place.repo, jobCheckInput(job)) };
  },
};

const annotations: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'kept by Forgeway; GitLab has no annotations',
  note: NOTE,
  async run(request, context) {
    const record = await found(context, placeOf(request), numberParam(request, 'check_run_id'));
    if (record === undefined) throw notFound();
    const list = keptIn(record).output?.annotations ?? [];
    const { items, pages } = slice(request, list);
    const shown = items.map((one: z.output<typeof annotation>) => ({
      start_column: null,
      end_column: null,
      title: null,
      raw_details: null,
      blob_href: '',
      ...one,
    }));
    return { data: shown, pages };
  },
};

/** Ours and GitLab's of one commit, as GitHub lists and filters them. */
async function checksOf(request: RouteRequest, context: RouteContext, place: Place, sha: string) {
  const { id } = await projectAt(context, place.api);
  const kept = await context.records.list(CHECK_RUN, keyOf(id, sha, ''));
  const records = await shownOn(context, place, sha, kept);
  const { check_name: name, status, filter } = request.query;
  const jobs = filter === 'all' ? await everyJobOf(context, place, sha) : await jobsOf(context, place, sha);
  const all = [
    ...(filter === 'all' ? records : newestOf(records)).map((record) => shownCheck(context, place, record)),
    ...jobs.map((job) => shape.checkRun(context.base, place.owner, place.repo, jobCheckInput(job))),
  ];
  return all.filter(
    (check) => (name === undefined || check.name === name) && (status === undefined || check.status === status),
  );
}

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'pipelines: GET /projects/:id/pipelines; jobs: GET /projects/:id/pipelines/:pipeline_id/jobs, .../bridges',
  note: 'Check runs of apps, and the jobs of GitLab CI.',
  async run(request, context) {
    const place = placeOf(request);
    const { id: sha } = await commitAt(context, place, param(request, 'ref'));
    const checks = await checksOf(request, context, place, sha);
    const { items, pages } = slice(request, checks);
    return { data: { total_count: checks.length, check_runs: items }, pages };
  },
};

export const checks: RouteTable = {
  'POST /repos/{owner}/{repo}/check-runs': create,
  'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}': update,
  'GET /repos/{owner}/{repo}/check-runs/{check_run_id}': get,
  'GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations': annotations,
  'GET /repos/{owner}/{repo}/commits/{ref}/check-runs': list,
};
