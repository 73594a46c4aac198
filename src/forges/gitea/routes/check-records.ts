/** Check runs. The forge has none: they are kept in records and shown as commit statuses of the same name. */
import type { JsonObject } from '../../forge.js';
import { currentMaker, isOfMaker, CHECK_RUN as KIND } from '../../kit/check-run-maker.js';
import type { ForgeRecord, Records } from '../../kit/records.js';
import { invalid, notFound, type RouteContext, type RouteRequest } from '../../kit/route.js';
import { checkRun } from '../../kit/shapes/check.js';
import type { CheckRunInput, CommitStatusInput, Id } from '../../kit/shapes/inputs.js';
import { statusName } from '../../kit/status-name.js';
import { recordsOf as deploymentRecordsOf, shownAmong } from './deployment-records.js';
import { idOf, itemsOf, numberParam, objectOf, param, repoPath, textIn, textOf, wishes } from './native.js';

// Of a check run the key is `repository id:sha:name:how many-th`, and the data are its fields by GitHub's names.
/** Record: key is `repository id:sha`. It exists to give the suite an id. */
const SUITE = 'check_suite';

type Status = CheckRunInput['status'];
type Conclusion = NonNullable<CheckRunInput['conclusion']>;

const STATUSES: readonly string[] = ['queued', 'in_progress', 'completed', 'waiting', 'requested', 'pending'];

/** What a conclusion means to a rule that waits for the status of this name. */
const STATES: Readonly<Record<Conclusion, CommitStatusInput['state']>> = {
  success: 'success',
  neutral: 'success',
  skipped: 'success',
  failure: 'failure',
  cancelled: 'failure',
  timed_out: 'failure',
  action_required: 'failure',
  stale: 'error',
};

const isConclusion = (value: unknown): value is Conclusion => typeof value === 'string' && Object.hasOwn(STATES, value);

const stateOf = ({ conclusion }: JsonObject): CommitStatusInput['state'] =>
  isConclusion(conclusion) ? STATES[conclusion] : 'pending';

export const repositoryId = async (request: RouteRequest, context: RouteContext): Promise<Id> =>
  idOf(objectOf(await context.native.get(repoPath(request))));

/** The fields of a request laid over those before it. A conclusion completes; annotations are added, as on GitHub. */
export function checkFields(request: RouteRequest, context: RouteContext, before: JsonObject = {}): JsonObject {
  const { body } = request;
  const now = context.clock
    .now()
    .toISOString()
    .replace(/\.\d+Z$/, 'Z');
  if (body.conclusion != null && !isConclusion(body.conclusion)) throw invalid('CheckRun', 'conclusion', 'invalid');
  const conclusion = isConclusion(body.conclusion) ? body.conclusion : null;
  const given = conclusion ? 'completed' : (textIn(body, 'status') ?? textIn(before, 'status') ?? 'queued');
  if (!STATUSES.includes(given)) throw invalid('CheckRun', 'status', 'invalid');
  const status: Status = given === 'completed' || given === 'in_progress' ? given : 'queued';
  if (status === 'completed' && !conclusion && !isConclusion(before.conclusion))
    throw invalid('CheckRun', 'conclusion', 'missing_field');
  const [told, earlier] = [objectOf(body.output), objectOf(before.output)];
  const done = status === 'completed';
  return {
    ...before,
    ...wishes({
      name: textIn(body, 'name'),
      details_url: textIn(body, 'details_url'),
      external_id: textIn(body, 'external_id'),
      started_at: textIn(body, 'started_at') ?? textIn(before, 'started_at') ?? (status === 'queued' ? undefined : now),
      actions: body.actions,
    }),
    status,
    conclusion: done ? (conclusion ?? before.conclusion) : null,
    completed_at: done ? (textIn(body, 'completed_at') ?? textIn(before, 'completed_at') ?? now) : null,
    output: {
      ...earlier,
      ...wishes({ title: textIn(told, 'title'), summary: textIn(told, 'summary'), text: textIn(told, 'text') }),
      annotations: [...itemsOf(earlier.annotations), ...itemsOf(told.annotations)],
    },
  };
}

/** Shows a check run on its commit, and keeps which status that is. @throws RouteFailure 422 when there is no such commit */
export async function showCheck(
  request: RouteRequest,
  context: RouteContext,
  record: ForgeRecord,
): Promise<ForgeRecord> {
  const { data } = record;
  const output = objectOf(data.output);
  const state = stateOf(data);
  const word = String(data.conclusion ?? data.status).replaceAll('_', ' ');
  const sha = textOf(data, 'head_sha');
  const path = `${repoPath(request)}/statuses/${sha}`;
  const answer = await context.native.send('POST', path, {
    json: wishes({
      state,
      context: await statusName(context, 'check', sha, textOf(data, 'name')),
      description: (textIn(output, 'title') ?? word).slice(0, 255),
      target_url: context.checkRunUrl(record.id) ?? textIn(data, 'details_url'),
    }),
  });
  return noteShown(context, record, idOf(objectOf(answer.data)));
}

const appOf = (context: RouteContext) => ({
  id: String(context.account.id),
  slug: context.account.login,
  name: context.account.login,
});

/** Of a commit; made when nobody has asked for it before. */
export async function suiteRecord(records: Records, repository: Id, sha: string): Promise<ForgeRecord> {
  const key = `${repository}:${sha}`;
  return (await records.get(SUITE, key)) ?? records.put(SUITE, key, { repository, head_sha: sha });
}

export async function suiteById(request: RouteRequest, context: RouteContext): Promise<ForgeRecord> {
  const found = await context.records.byId(SUITE, numberParam(request, 'check_suite_id'));
  if (String(found?.data.repository) !== String(await repositoryId(request, context))) throw notFound();
  if (found === undefined) throw notFound();
  return found;
}

const word = (data: JsonObject): Status =>
  data.status === 'completed' || data.status === 'in_progress' ? data.status : 'queued';

function output(data: JsonObject): NonNullable<CheckRunInput['output']> {
  const told = objectOf(data.output);
  return {
    title: textIn(told, 'title') ?? null,
    summary: textIn(told, 'summary') ?? null,
    text: textIn(told, 'text') ?? null,
    annotationCount: itemsOf(told.annotations).length,
  };
}

/** A check run that is kept here, as GitHub's. */
export async function asCheckRun(request: RouteRequest, context: RouteContext, record: ForgeRecord) {
  const { data } = record;
  const sha = textOf(data, 'head_sha');
  const suite = await suiteRecord(context.records, String(data.repository), sha);
  return checkRun(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: record.id,
    name: textOf(data, 'name'),
    headSha: sha,
    status: word(data),
    conclusion: isConclusion(data.conclusion) ? data.conclusion : null,
    detailsUrl: textIn(data, 'details_url') ?? context.checkRunUrl(record.id) ?? null,
    ...wishes({ htmlUrl: context.checkRunUrl(record.id), externalId: textIn(data, 'external_id') }),
    startedAt: textIn(data, 'started_at') ?? null,
    completedAt: textIn(data, 'completed_at') ?? null,
    output: output(data),
    suiteId: suite.id,
    app: appOf(context),
  });
}

/** A status that a job of Actions set, as the check run that it would be on GitHub. */
export function jobAsCheckRun(
  request: RouteRequest,
  context: RouteContext,
  status: CommitStatusInput,
  suite: ForgeRecord,
): JsonObject {
  const done = status.state !== 'pending';
  return checkRun(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: status.id,
    name: status.context,
    headSha: status.sha,
    status: done ? 'completed' : 'in_progress',
    conclusion: done ? (status.state === 'success' ? 'success' : 'failure') : null,
    // The server links its own pages without its host.
    detailsUrl: status.targetUrl ? new URL(status.targetUrl, context.base.web).href : null,
    startedAt: status.createdAt ?? null,
    completedAt: done ? (status.updatedAt ?? null) : null,
    output: { title: status.description ?? null, summary: null, text: null },
    suiteId: suite.id,
    // The account that set it stands for the app.
    app: {
      id: status.creator?.id ?? 0,
      slug: status.creator?.login ?? 'ghost',
      name: status.creator?.login ?? 'ghost',
    },
  });
}

/** Of a record of which it is not known yet whether the commit shows it. */
const UNSHOWN = 'unshown';

const isSame = (record: ForgeRecord, data: JsonObject): boolean =>
  ['name', 'external_id'].every((key) => textIn(record.data, key) === textIn(data, key));

/** One that was made before and never seen to arrive is made again, and not beside itself. */
export async function addCheck(
  context: RouteContext,
  repository: Id,
  sha: string,
  data: JsonObject,
): Promise<ForgeRecord> {
  // Several may be made at once; the name keeps them apart.
  const prefix = `${repository}:${sha}:${textOf(data, 'name')}:`;
  const all = await context.records.list(KIND, prefix);
  const by = currentMaker();
  const before = all.find(
    (record) => record.data[UNSHOWN] === true && isSame(record, data) && isOfMaker(record.data, by),
  );
  const kept = { ...data, ...by, repository: String(repository), head_sha: sha, [UNSHOWN]: true };
  if (before !== undefined) return context.records.put(KIND, before.key, kept);
  // Another one may be made at the same moment: whoever comes second takes the next place.
  for (let place = all.length + 1; ; place += 1) {
    const { record, added } = await context.records.add(KIND, `${prefix}${place}`, kept);
    if (added) return record;
  }
}

/** Numbers of the statuses that show a check run; each change of it is one more. */
const SHOWN_BY = 'statuses';
/** Of a check run that changes all the time, older ones are known by their link. */
const MOST_SHOWN = 100;

/** The commit shows it, by this status. */
function noteShown(context: RouteContext, record: ForgeRecord, status: Id): Promise<ForgeRecord> {
  const { [UNSHOWN]: _unshown, ...data } = record.data;
  return context.records.put(KIND, record.key, {
    ...data,
    [SHOWN_BY]: [...itemsOf(data[SHOWN_BY]), String(status)].slice(-MOST_SHOWN),
  });
}

/** Whether a status is how a check run shows on its commit, also when the answer that said so was lost. */
function shows(context: RouteContext, { id, data }: ForgeRecord, status: CommitStatusInput): boolean {
  if (itemsOf(data[SHOWN_BY]).includes(String(status.id))) return true;
  const page = context.checkRunUrl(id);
  if (page !== undefined && status.targetUrl === page) return true;
  if (data[UNSHOWN] !== true || status.context !== textOf(data, 'name') || status.state !== stateOf(data)) return false;
  const target = page ?? textIn(data, 'details_url');
  return target === undefined || status.targetUrl === target;
}

/** The account under which the server's own Actions report. */
const ACTIONS_ID = '-2';
const ACTIONS_JOB = /\/actions\/runs\/\d+\/jobs\/\d+$/;

/** Older servers do not tell who set it, but where it leads. */
const isJob = ({ creator, targetUrl }: CommitStatusInput): boolean =>
  creator ? String(creator.id) === ACTIONS_ID : ACTIONS_JOB.test(targetUrl ?? '');

/** What stands on a commit. On GitHub a status is never a check run, nor the other way; here everything is a status. */
export interface OnCommit {
  /** Of apps and other systems, the newest first. */
  statuses: readonly CommitStatusInput[];
  /** Of Actions, the newest first. */
  jobs: readonly CommitStatusInput[];
  /** Check runs of apps that the commit shows, the oldest first. */
  checks: readonly ForgeRecord[];
}

/** Tells statuses apart by what made them. `all` are all of one commit. */
export async function sortedOut(
  context: RouteContext,
  repository: Id,
  sha: string,
  all: readonly CommitStatusInput[],
): Promise<OnCommit> {
  const records = await context.records.list(KIND, `${repository}:${sha}:`);
  const deployed = all.length === 0 ? [] : await deploymentRecordsOf(context, repository, sha);
  const { statuses: ofDeployments } = shownAmong(deployed, all);
  const others = all.filter(
    (status) => !ofDeployments.has(status) && !records.some((record) => shows(context, record, status)),
  );
  return {
    statuses: others.filter((status) => !isJob(status)),
    jobs: others.filter(isJob),
    checks: records.filter(
      (record) => record.data[UNSHOWN] !== true || all.some((status) => shows(context, record, status)),
    ),
  };
}

export const saveCheck = (context: RouteContext, record: ForgeRecord, data: JsonObject): Promise<ForgeRecord> =>
  context.records.put(KIND, record.key, data);

/** The check run with the id in the path. @throws RouteFailure 404 also for one of another repository */
export async function checkById(request: RouteRequest, context: RouteContext): Promise<ForgeRecord> {
  const found = await context.records.byId(KIND, numberParam(request, 'check_run_id'));
  if (found === undefined || String(found.data.repository) !== String(await repositoryId(request, context)))
    throw notFound();
  return found;
}
