/** Check runs and check suites. */
import type { JsonObject } from '../../forge.js';
import type { ForgeRecord } from '../../kit/records.js';
import { invalid, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { checkSuite } from '../../kit/shapes/check.js';
import type { CheckSuiteInput } from '../../kit/shapes/inputs.js';
import { commitInput } from '../convert/commit.js';
import { statusInput } from '../convert/status.js';
import {
  addCheck,
  asCheckRun,
  checkById,
  checkFields,
  checksOf,
  isShown,
  noteShown,
  repositoryId,
  saveCheck,
  showCheck,
  statusAsCheckRun,
  suiteById,
  suiteRecord,
} from './check-records.js';
import { nativeCommit, shaOf } from './commit-objects.js';
import { failedWith, itemsOf, objectOf, param, textIn, textInput, textOf } from './native.js';
import { pageIn } from './pages.js';
import { emulated } from './row.js';
import { statusesOf } from './statuses.js';

const KEPT = 'Kept by Forgeway and shown as a commit status of the same name whose link leads to the details.';

async function create(request: RouteRequest, context: RouteContext) {
  const name = textInput(request, 'name');
  const given = textInput(request, 'head_sha');
  if (!name) throw invalid('CheckRun', 'name', 'missing_field');
  if (!given) throw invalid('CheckRun', 'head_sha', 'missing_field');
  const data = checkFields(request, context);
  const repository = await repositoryId(request, context);
  const sha = await shaOf(request, context, given).catch((error: unknown) => {
    throw failedWith(error, 404, 422)
      ? invalid('CheckRun', 'head_sha', 'custom', `No commit found for SHA: ${given}`)
      : error;
  });
  const added = await addCheck(context, repository, sha, data);
  await showCheck(request, context, added);
  const record = await noteShown(context, added);
  return { status: 201, data: await asCheckRun(request, context, record) };
}

async function update(request: RouteRequest, context: RouteContext) {
  const before = await checkById(request, context);
  const record = await saveCheck(context, before, checkFields(request, context, before.data));
  await showCheck(request, context, record);
  return { data: await asCheckRun(request, context, await noteShown(context, record)) };
}

/** Of the suite's commit, the newest of each name, with what others put on it as statuses. */
async function runsOf(request: RouteRequest, context: RouteContext, suite: ForgeRecord): Promise<JsonObject[]> {
  const sha = textOf(suite.data, 'head_sha');
  const statuses = (await statusesOf(request, context, sha)).map((native) => statusInput(native, sha));
  const all = await checksOf(context, String(suite.data.repository), sha);
  const kept = all.filter((record) => isShown(context, record, statuses));
  const ours = new Map<string, ForgeRecord>();
  for (const record of kept) ours.set(textOf(record.data, 'name'), record);
  const shown = request.query.filter === 'all' ? kept : [...ours.values()];
  const foreign = new Map<string, JsonObject>();
  for (const status of statuses) {
    if (!ours.has(status.context) && !foreign.has(status.context))
      foreign.set(status.context, statusAsCheckRun(request, context, status, suite));
  }
  const { check_name: name, status } = request.query;
  return [
    ...(await Promise.all(shown.map((record) => asCheckRun(request, context, record)))),
    ...foreign.values(),
  ].filter((run) => (name === undefined || run.name === name) && (status === undefined || run.status === status));
}

const counted = (request: RouteRequest, key: string, all: readonly unknown[]) => {
  const { data, pages } = pageIn(request, all);
  return { data: { total_count: all.length, [key]: data }, pages };
};

/** Worst first: what a suite concludes when its runs conclude this. */
const WORST: readonly string[] = [
  'failure',
  'timed_out',
  'cancelled',
  'action_required',
  'stale',
  'success',
  'neutral',
  'skipped',
];

async function asSuite(
  request: RouteRequest,
  context: RouteContext,
  record: ForgeRecord,
  runs: readonly JsonObject[],
): Promise<JsonObject> {
  const sha = textOf(record.data, 'head_sha');
  const states = new Set(runs.map((run) => run.status));
  const done = runs.length > 0 && states.size === 1 && states.has('completed');
  const conclusion = WORST.find((one) => runs.some((run) => run.conclusion === one)) as CheckSuiteInput['conclusion'];
  const started = record.createdAt.toISOString().replace(/\.\d+Z$/, 'Z');
  const repository = await context.github('GET /repos/{owner}/{repo}', request.params);
  const suite = checkSuite(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: record.id,
    headSha: sha,
    headBranch: null,
    status: done
      ? 'completed'
      : states.size === 0 || (states.size === 1 && states.has('queued'))
        ? 'queued'
        : 'in_progress',
    conclusion: done ? (conclusion ?? null) : null,
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
  return suiteRecord(context, await repositoryId(request, context), sha);
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
    'Those kept by Forgeway, and the commit statuses that others made.',
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
