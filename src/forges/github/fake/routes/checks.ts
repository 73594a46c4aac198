/** What runs on a commit: statuses, check runs and their suites. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { combinedStatus, statusEvent } from '../../../kit/shapes/status.js';
import {
  counted,
  created,
  doer,
  field,
  holderOf,
  invalid,
  notFound,
  ok,
  pageOf,
  refuse,
  repositoryFor,
  row,
} from '../answers.js';
import { commitInput } from '../git-json.js';
import { checkRunJson, checkSuiteJson, repositoryJson, statusInput, statusJson, suiteState } from '../present.js';
import type { CheckRun, Conclusion, Repository, Status } from '../state.js';
import type { World } from '../world.js';

const STATUS = z.looseObject({
  state: field.text,
  context: field.text,
  description: field.nullable,
  target_url: field.nullable,
});
const CHECK = z.looseObject({
  name: field.text,
  head_sha: field.text,
  status: field.text,
  conclusion: field.text,
  details_url: field.text,
  external_id: field.text,
  started_at: field.text,
  completed_at: field.text,
  output: z
    .looseObject({
      title: field.nullable,
      summary: field.nullable,
      text: field.nullable,
      annotations: z.array(z.looseObject({})).optional(),
    })
    .optional(),
  actions: z.array(z.looseObject({})).optional(),
});

const STATES: readonly string[] = ['pending', 'success', 'failure', 'error'] satisfies Status['state'][];
const RUNNING: readonly string[] = ['queued', 'in_progress', 'completed'] satisfies CheckRun['status'][];
const CONCLUSIONS: readonly string[] = [
  'success',
  'failure',
  'neutral',
  'cancelled',
  'skipped',
  'timed_out',
  'action_required',
  'stale',
] satisfies Conclusion[];

export function checkRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const repo = 'repos/{owner}/{repo}';
  const shaOf = async (repository: Repository, name: string | undefined): Promise<string> =>
    (await repository.git.resolve(name ?? '')) ?? refuse(422, `No commit found for SHA: ${name}`);
  const newestFirst = (repository: Repository, sha: string): Status[] =>
    (repository.statuses.get(sha) ?? []).toReversed();

  async function setStatus(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'write', 'statuses');
    const sha = await shaOf(repository, request.params.sha);
    const body = request.body as z.infer<typeof STATUS>;
    if (!STATES.includes(body.state ?? '')) return invalid('Status', 'state', body.state ? 'custom' : 'missing_field');
    const { login } = doer(request);
    const status: Status = {
      id: state.nextId(),
      state: body.state as Status['state'],
      context: body.context ?? 'default',
      description: body.description ?? null,
      targetUrl: body.target_url ?? null,
      creator: login,
      created: state.now(),
    };
    repository.statuses.set(sha, [...(repository.statuses.get(sha) ?? []), status]);
    const branches = (await repository.git.refs('refs/heads')).filter((ref) => ref.commit === sha);
    const told = statusEvent(world.base, repository.owner, repository.name, statusInput(world, sha, status), {
      commit: await commitInput(world, repository, sha),
      branches: branches.map(({ ref }) => ref.slice('refs/heads/'.length)),
    });
    world.emit(repository, 'status', login, told);
    return created(statusJson(world, repository, sha, status));
  }

  const reading = (request: FakeRequest) => repositoryFor(world, request, 'read', 'statuses', 'contents');

  function suiteOf(repository: Repository, sha: string) {
    const known = repository.checkSuites.find((suite) => suite.sha === sha);
    const suite = known ?? { id: state.nextId(), sha, branch: null, created: state.now() };
    if (known === undefined) repository.checkSuites.push(suite);
    return suite;
  }

  /** Writes what was sent; what was not stays. A conclusion ends the run. */
  function apply(run: CheckRun, body: z.infer<typeof CHECK>): void {
    const { output } = body;
    const status = body.conclusion === undefined ? (body.status ?? run.status) : 'completed';
    if (!RUNNING.includes(status)) invalid('CheckRun', 'status', 'invalid');
    if (body.conclusion !== undefined && !CONCLUSIONS.includes(body.conclusion))
      invalid('CheckRun', 'conclusion', 'invalid');
    if (status === 'completed' && body.conclusion === undefined && run.conclusion === null)
      invalid('CheckRun', 'conclusion', 'missing_field');
    run.name = body.name ?? run.name;
    run.status = status as CheckRun['status'];
    run.conclusion = status === 'completed' ? ((body.conclusion ?? run.conclusion) as Conclusion) : null;
    run.completed = status === 'completed' ? (body.completed_at ?? run.completed ?? state.now()) : null;
    run.started = body.started_at ?? run.started;
    run.detailsUrl = body.details_url ?? run.detailsUrl;
    run.externalId = body.external_id ?? run.externalId;
    if (output === undefined) return;
    run.title = output.title ?? run.title;
    run.summary = output.summary ?? run.summary;
    run.text = output.text ?? run.text;
    run.annotations.push(...(output.annotations ?? []));
  }

  function tell(repository: Repository, run: CheckRun, login: string, isNew: boolean): void {
    const about = (action: string) => ({ action, check_run: checkRunJson(world, repository, run) });
    if (isNew) world.emit(repository, 'check_run', login, about('created'));
    if (run.status !== 'completed') return;
    world.emit(repository, 'check_run', login, about('completed'));
  }

  /** Checks are the App's alone. */
  function asApp(request: FakeRequest): Repository {
    const repository = repositoryFor(world, request, 'write', 'checks');
    if (holderOf(request).installation === undefined) return refuse(403, 'You must authenticate via a GitHub App.');
    return repository;
  }

  async function createRun(request: FakeRequest) {
    const repository = asApp(request);
    const body = request.body as z.infer<typeof CHECK>;
    if (!body.name) return invalid('CheckRun', 'name', 'missing_field');
    if (!body.head_sha) return invalid('CheckRun', 'head_sha', 'missing_field');
    const sha = await shaOf(repository, body.head_sha);
    const run: CheckRun = {
      id: state.nextId(),
      suite: suiteOf(repository, sha).id,
      sha,
      name: body.name,
      status: 'queued',
      conclusion: null,
      detailsUrl: null,
      externalId: '',
      title: null,
      summary: null,
      text: null,
      annotations: [],
      started: state.now(),
      completed: null,
    };
    apply(run, body);
    repository.checkRuns.push(run);
    tell(repository, run, doer(request).login, true);
    return created(checkRunJson(world, repository, run));
  }

  const runAt = (repository: Repository, request: FakeRequest): CheckRun =>
    repository.checkRuns.find(({ id }) => String(id) === request.params.check_run_id) ?? notFound();

  function updateRun(request: FakeRequest) {
    const repository = asApp(request);
    const run = runAt(repository, request);
    const wasDone = run.status === 'completed';
    apply(run, request.body as z.infer<typeof CHECK>);
    if (!wasDone) tell(repository, run, doer(request).login, false);
    return ok(checkRunJson(world, repository, run));
  }

  /** The newest of each name unless all are asked for. */
  function listRuns(request: FakeRequest, repository: Repository, all: readonly CheckRun[]) {
    const { query } = request;
    const newest = [...new Map(all.map((run) => [run.name, run])).values()];
    const shown = (query.get('filter') === 'all' ? all : newest).filter(
      (run) => (query.get('check_name') ?? run.name) === run.name && (query.get('status') ?? run.status) === run.status,
    );
    return counted(world, request, 'check_runs', shown.toReversed(), (run) => checkRunJson(world, repository, run));
  }

  const readingChecks = (request: FakeRequest) => repositoryFor(world, request, 'read', 'checks');
  const suiteAt = (repository: Repository, request: FakeRequest) =>
    repository.checkSuites.find(({ id }) => String(id) === request.params.check_suite_id) ?? notFound();

  return [
    row(`POST /${repo}/statuses/{sha}`, setStatus, { body: STATUS }),
    row(`GET /${repo}/commits/{ref}/statuses`, async (request) => {
      const repository = reading(request);
      const sha = (await repository.git.resolve(request.params.ref ?? '')) ?? notFound();
      const all = newestFirst(repository, sha);
      return pageOf(world, request, all, (status) => statusJson(world, repository, sha, status));
    }),
    row(`GET /${repo}/commits/{ref}/status`, async (request) => {
      const repository = reading(request);
      const sha = (await repository.git.resolve(request.params.ref ?? '')) ?? notFound();
      const shown = newestFirst(repository, sha).map((status) => statusJson(world, repository, sha, status));
      return ok(combinedStatus(world.base, repositoryJson(world, repository), sha, shown));
    }),
    row(`POST /${repo}/check-runs`, createRun, { body: CHECK }),
    row(`PATCH /${repo}/check-runs/{check_run_id}`, updateRun, { body: CHECK }),
    row(`GET /${repo}/check-runs/{check_run_id}`, (request) => {
      const repository = readingChecks(request);
      return ok(checkRunJson(world, repository, runAt(repository, request)));
    }),
    row(`GET /${repo}/check-runs/{check_run_id}/annotations`, (request) => {
      const { annotations } = runAt(readingChecks(request), request);
      return pageOf(world, request, annotations, (annotation) => annotation);
    }),
    row(`GET /${repo}/commits/{ref}/check-runs`, async (request) => {
      const repository = readingChecks(request);
      const sha = await shaOf(repository, request.params.ref);
      return listRuns(
        request,
        repository,
        repository.checkRuns.filter((run) => run.sha === sha),
      );
    }),
    row(`GET /${repo}/commits/{ref}/check-suites`, async (request) => {
      const repository = readingChecks(request);
      const sha = await shaOf(repository, request.params.ref);
      const suites = repository.checkSuites.filter((suite) => suite.sha === sha);
      const shown = suites.filter((suite) => suiteState(repository, suite).runs.length > 0);
      return counted(world, request, 'check_suites', shown, (suite) => checkSuiteJson(world, repository, suite));
    }),
    row(`GET /${repo}/check-suites/{check_suite_id}`, (request) => {
      const repository = readingChecks(request);
      return ok(checkSuiteJson(world, repository, suiteAt(repository, request)));
    }),
    row(`GET /${repo}/check-suites/{check_suite_id}/check-runs`, (request) => {
      const repository = readingChecks(request);
      return listRuns(request, repository, suiteState(repository, suiteAt(repository, request)).runs);
    }),
    row(
      `POST /${repo}/check-suites`,
      async (request) => {
        const repository = asApp(request);
        const { head_sha: given } = request.body as z.infer<typeof CHECK>;
        if (!given) return invalid('CheckSuite', 'head_sha', 'missing_field');
        return created(checkSuiteJson(world, repository, suiteOf(repository, await shaOf(repository, given))));
      },
      { body: CHECK },
    ),
  ];
}
