/** Check runs and check suites. */
import type { JsonObject } from '../../forge.js';
import type { ForgeRecord } from '../../kit/records.js';
import { invalid, type RouteContext, type RouteRequest, type RouteTable, unprocessable } from '../../kit/route.js';
import { checkSuite, suiteProgress } from '../../kit/shapes/check.js';
import { commitInput } from '../convert/commit.js';
import { statusInput } from '../convert/status.js';
import {
  addCheck,
  asCheckRun,
  checkById,
  checkFields,
  jobAsCheckRun,
  repositoryId,
  saveCheck,
  showCheck,
  sortedOut,
  suiteById,
  suiteRecord,
} from './check-records.js';
import { nativeCommit, shaOf } from './commit-objects.js';
import { failedWith, itemsOf, objectOf, param, textIn, textInput, textOf } from './native.js';
import { pageIn } from './pages.js';
import { emulated } from './row.js';
import { statusesOf } from './statuses.js';

const KEPT =
  'Kept by Forgeway and shown as a commit status of the same name whose link leads to a page with the details, and with buttons for its `actions` and to run it again.';

async function create(request: RouteRequest, context: RouteContext) {
  const name = textInput(request, 'name');
  const given = textInput(request, 'head_sha');
  if (!name) throw invalid('CheckRun', 'name', 'missing_field');
  if (!given) throw invalid('CheckRun', 'head_sha', 'missing_field');
  const data = checkFields(request, context);
  const repository = await repositoryId(request, context);
  const sha = await shaOf(request, context, given).catch((error: unknown) => {
    throw failedWith(error, 404, 422) ? unprocessable(`No commit found for SHA: ${given}`) : error;
  });
  const record = await showCheck(request, context, await addCheck(context, repository, sha, data));
  return { status: 201, data: await asCheckRun(request, context, record) };
}

async function update(request: RouteRequest, context: RouteContext) {
  const before = await checkById(request, context);
  const record = await saveCheck(context, before, checkFields(request, context, before.data));
  return { data: await asCheckRun(request, context, await showCheck(request, context, record)) };
}

/** Of the suite's commit, the newest of each name, with the jobs of Actions. */
async function runsOf(request: RouteRequest, context: RouteContext, suite: ForgeRecord): Promise<JsonObject[]> {
  const sha = textOf(suite.data, 'head_sha');
  const all = (await statusesOf(request, context, sha)).map((native) => statusInput(native, sha));
  const { checks: kept, jobs } = await sortedOut(context, String(suite.data.repository), sha, all);
  const ours = new Map<string, ForgeRecord>();
  for (const record of kept) ours.set(textOf(record.data, 'name'), record);
  const shown = request.query.filter === 'all' ? kept : [...ours.values()];
  const newestJobs = new Map<string, JsonObject>();
  for (const job of jobs) {
    if (!newestJobs.has(job.context)) newestJobs.set(job.context, jobAsCheckRun(request, context, job, suite));
  }
  const { check_name: name, status } = request.query;
  return [
    ...(await Promise.all(shown.map((record) => asCheckRun(request, context, record)))),
    ...newestJobs.values(),
  ].filter((run) => (name === undefined || run.name === name) && (status === undefined || run.status === status));
}

const counted = (request: RouteRequest, key: string, all: readonly unknown[]) => {
  const { data, pages } = pageIn(request, all);
  return { data: { total_count: all.length, [key]: data }, pages };
};

async function asSuite(
  request: RouteRequest,
  context: RouteContext,
  record: ForgeRecord,
  runs: readonly JsonObject[],
): Promise<JsonObject> {
  const sha = textOf(record.data, 'head_sha');
  const started = record.createdAt.toISOString().replace(/\.\d+Z$/, 'Z');
  const repository = await context.github('GET /repos/{owner}/{repo}', request.params);
  const suite = checkSuite(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: record.id,
    headSha: sha,
    headBranch: null,
    ...suiteProgress(runs),
    createdAt: started,
    updatedAt: record.updatedAt.toISOString().replace(/\.\d+Z$/, 'Z'),
    app: { id: String(context.account.id), slug: context.account.login, name: context.account.login },
    headCommit: commitInput(await nativeCommit(request, context, sha)),
    checkRunCount: runs.length,
  });
  return { ...suite, repository };
}

async function suiteAt(request: RouteRequest, context: RouteContext, ref: string): Promise<ForgeRecord> {
  const sha = await shaOf(request, context, ref);
  return suiteRecord(context.records, await repositoryId(request, context), sha);
}

async function suitesOf(request: RouteRequest, context: RouteContext) {
  const record = await suiteAt(request, context, param(request, 'ref'));
  const runs = await runsOf(request, context, record);
  return counted(request, 'check_suites', runs.length === 0 ? [] : [await asSuite(request, context, record, runs)]);
}

async function createSuite(request: RouteRequest, context: RouteContext) {
  const given = textIn(request.body, 'head_sha');
  if (!given) throw invalid('CheckSuite', 'head_sha', 'missing_field');
  const record = await suiteAt(request, context, given);
  return { status: 201, data: await asSuite(request, context, record, await runsOf(request, context, record)) };
}

const SOURCE = 'repository: POST /repos/{owner}/{repo}/statuses/{sha}';
const READ = 'repository: GET /repos/{owner}/{repo}/commits/{ref}/statuses';

export const checks: RouteTable = {
  'POST /repos/{owner}/{repo}/check-runs': emulated('findable', SOURCE, KEPT, create),
  'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}': emulated('idempotent', SOURCE, KEPT, update),
  'GET /repos/{owner}/{repo}/check-runs/{check_run_id}': emulated('read', READ, KEPT, async (request, context) => ({
    data: await asCheckRun(request, context, await checkById(request, context)),
  })),
  'GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations': emulated(
    'read',
    READ,
    KEPT,
    async (request, context) => {
      const { data } = await checkById(request, context);
      return pageIn(request, itemsOf(objectOf(data.output).annotations));
    },
  ),
  'GET /repos/{owner}/{repo}/commits/{ref}/check-runs': emulated(
    'read',
    READ,
    'Those kept by Forgeway, and the jobs of Actions.',
    async (request, context) =>
      counted(
        request,
        'check_runs',
        await runsOf(request, context, await suiteAt(request, context, param(request, 'ref'))),
      ),
  ),
  'GET /repos/{owner}/{repo}/commits/{ref}/check-suites': emulated(
    'read',
    READ,
    'One suite for each commit.',
    suitesOf,
  ),
  'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}': emulated(
    'read',
    READ,
    'One suite for each commit.',
    async (request, context) => {
      const record = await suiteById(request, context);
      return { data: await asSuite(request, context, record, await runsOf(request, context, record)) };
    },
  ),
  'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs': emulated(
    'read',
    READ,
    'One suite for each commit.',
    async (request, context) => {
      const record = await suiteById(request, context);
      return counted(request, 'check_runs', await runsOf(request, context, record));
    },
  ),
  'POST /repos/{owner}/{repo}/check-suites': emulated('idempotent', READ, 'One suite for each commit.', createSuite),
};
