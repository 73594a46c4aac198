/** What runs of workflows consist of and left, and how they are stopped and begun again. Each came with another version. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { accept } from '../../kit/accept.js';
import { logArchive } from '../../kit/log-archive.js';
import { segment } from '../../kit/native-client.js';
import {
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import { artifact } from '../../kit/shapes/artifact.js';
import type { Id } from '../../kit/shapes/inputs.js';
import { workflow } from '../../kit/shapes/workflow.js';
import { time } from '../convert/time.js';
import { workflowNumber } from '../convert/workflow.js';
import { actionsPath, asJob, nativeJobs, runAt, runsOf } from './actions.js';
import {
  countIn,
  failedWith,
  flagIn,
  folderEntries,
  idOf,
  newerOr,
  numberParam,
  objectOf,
  objectsOf,
  param,
  repoPath,
  textIn,
  textOf,
} from './native.js';
import { pageIn } from './pages.js';
import { emulated } from './row.js';

/** As the server gives them at most. */
const MOST = 50;

/**
 * What a newer server does. An older one says 404 to it, as it does to what is not there: then that is looked for.
 * @throws RouteFailure 501 where the run, or the job, is there and the call is not
 */
const sinceVersion = <T>(
  request: RouteRequest,
  context: RouteContext,
  call: () => Promise<T>,
  words: string,
  find: (request: RouteRequest, context: RouteContext) => Promise<unknown> = runAt,
) =>
  newerOr(call, async (): Promise<T> => {
    await find(request, context);
    throw new RouteFailure(501, `This server cannot ${words}.`);
  });

const runPath = (request: RouteRequest): string => `${actionsPath(request)}/runs/${numberParam(request, 'run_id')}`;

async function jobAt(request: RouteRequest, context: RouteContext): Promise<{ native: JsonObject; run: Id }> {
  const id = numberParam(request, 'job_id');
  const native = await newerOr(
    async () => objectOf(await context.native.get(`${actionsPath(request)}/jobs/${id}`)),
    async () => {
      const found = (await runsOf(request, context)).find((one) => String(one.id) === String(id));
      if (found === undefined) throw notFound();
      return found;
    },
  );
  return { native, run: countIn(native, 'run_id') ?? id };
}

async function job(request: RouteRequest, context: RouteContext) {
  const { native, run } = await jobAt(request, context);
  return { data: asJob(request, context, native, run) };
}

async function logOf(request: RouteRequest, context: RouteContext, id: Id): Promise<string> {
  const { data } = await context.native.send('GET', `${actionsPath(request)}/jobs/${id}/logs`, { as: 'text' });
  return String(data ?? '');
}

async function jobLog(request: RouteRequest, context: RouteContext) {
  const read = () => logOf(request, context, numberParam(request, 'job_id'));
  const words = 'show the log of a job by its API: Gitea 1.24 can';
  const bytes = await sinceVersion(request, context, read, words, jobAt);
  return { body: { contentType: 'text/plain; charset=utf-8', bytes } };
}

async function rerunJob(request: RouteRequest, context: RouteContext) {
  const { native, run } = await jobAt(request, context);
  const call = () => context.native.send('POST', `${actionsPath(request)}/runs/${run}/jobs/${idOf(native)}/rerun`);
  await sinceVersion(request, context, call, 'rerun jobs by its API: Gitea 1.26 can', jobAt);
  return { status: 201, data: {} };
}

async function logs(request: RouteRequest, context: RouteContext) {
  const read = async () => {
    const texts: { name: string; text: string }[] = [];
    for (const native of (await nativeJobs(request, context)).slice(0, MOST)) {
      texts.push({ name: textOf(native, 'name'), text: await logOf(request, context, idOf(native)) });
    }
    return logArchive(texts);
  };
  const bytes = await sinceVersion(request, context, read, 'show the logs of runs by its API: Gitea 1.24 can');
  return { body: { contentType: 'application/zip', bytes } };
}

function shownArtifact(request: RouteRequest, context: RouteContext, native: JsonObject, runId: Id) {
  const run = objectOf(native.workflow_run);
  return artifact(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: idOf(native),
    name: textOf(native, 'name'),
    size: countIn(native, 'size_in_bytes') ?? 0,
    expired: flagIn(native, 'expired') ?? false,
    createdAt: time(native.created_at) ?? null,
    updatedAt: time(native.updated_at) ?? null,
    expiresAt: time(native.expires_at) ?? null,
    run: { id: runId, headBranch: textIn(run, 'head_branch') ?? null, headSha: textOf(run, 'head_sha') },
  });
}

const artifactPath = (request: RouteRequest): string =>
  `${actionsPath(request)}/artifacts/${numberParam(request, 'artifact_id')}`;

async function oneArtifact(request: RouteRequest, context: RouteContext) {
  const native = objectOf(await context.native.get(artifactPath(request)));
  return { data: shownArtifact(request, context, native, idOf(objectOf(native.workflow_run))) };
}

async function packedArtifact(request: RouteRequest, context: RouteContext) {
  if (param(request, 'archive_format') !== 'zip') throw notFound();
  if (flagIn(objectOf(await context.native.get(artifactPath(request))), 'expired'))
    throw new RouteFailure(410, 'Artifact has expired');
  const { data } = await context.native.send('GET', `${artifactPath(request)}/zip`, { as: 'bytes' });
  return { body: { contentType: 'application/zip', bytes: data as Buffer } };
}

async function artifacts(request: RouteRequest, context: RouteContext) {
  const read = async () =>
    objectOf(await context.native.get(`${runPath(request)}/artifacts`, { page: 1, limit: MOST }));
  const answer = await sinceVersion(request, context, read, 'list artifacts by its API: Gitea 1.23 can');
  const wanted = textIn(request.query, 'name');
  const all = objectsOf(answer.artifacts)
    .filter((native) => wanted === undefined || textOf(native, 'name') === wanted)
    .map((native) => shownArtifact(request, context, native, numberParam(request, 'run_id')));
  const { data, pages } = pageIn(request, all);
  return { data: { total_count: all.length, artifacts: data }, pages };
}

const act = (verb: 'cancel' | 'rerun' | 'rerun-failed-jobs', status: number, since: string, note: string): Route =>
  emulated(
    'unsafe',
    `repository: POST /repos/{owner}/{repo}/actions/runs/{run}/${verb}`,
    note,
    async (request, context) => {
      const call = () => context.native.send('POST', `${runPath(request)}/${verb}`);
      const words = verb === 'rerun-failed-jobs' ? 'rerun the failed jobs of runs' : `${verb} runs`;
      await sinceVersion(request, context, call, `${words} by its API: ${since} can`);
      return { status, data: {} };
    },
  );

const FOLDERS = ['.gitea/workflows', '.forgejo/workflows', '.github/workflows'];

/** Files of workflows on servers that do not list workflows: the first folder that is there counts, as with the server. */
async function workflowFiles(request: RouteRequest, context: RouteContext): Promise<readonly JsonObject[]> {
  for (const folder of FOLDERS) {
    const found = folderEntries((await context.native.find(`${repoPath(request)}/contents/${folder}`)) ?? []);
    const files = found.filter((entry) => /\.ya?ml$/.test(textOf(entry, 'name')));
    if (files.length > 0) return files;
  }
  return [];
}

interface KnownWorkflow {
  native: JsonObject;
  path: string;
  file: string;
}

async function knownWorkflows(request: RouteRequest, context: RouteContext): Promise<KnownWorkflow[]> {
  const all = await newerOr(
    async () => objectsOf(objectOf(await context.native.get(`${actionsPath(request)}/workflows`)).workflows),
    () => workflowFiles(request, context),
  );
  return all.map((native) => {
    const path = textOf(native, 'path');
    return { native, path, file: path.split('/').at(-1) ?? path };
  });
}

function shownWorkflow(
  request: RouteRequest,
  context: RouteContext,
  { native, path, file }: KnownWorkflow,
  id: number,
) {
  const isListed = textIn(native, 'state') !== undefined;
  return workflow(context.base, param(request, 'owner'), param(request, 'repo'), {
    id,
    name: (isListed ? textIn(native, 'name') : undefined) ?? file,
    path,
    ...(isListed && { state: textOf(native, 'state') === 'active' ? 'active' : 'disabled_manually' }),
    ...(textIn(native, 'html_url') && { htmlUrl: textOf(native, 'html_url') }),
    ...(isListed && { createdAt: time(native.created_at), updatedAt: time(native.updated_at) }),
  });
}

async function wantedWorkflow(request: RouteRequest, context: RouteContext) {
  const wanted = param(request, 'workflow_id');
  const repository = objectOf(await context.native.get(repoPath(request)));
  // Runs and events name a workflow by its path or its file alone; the number is made of what they named.
  const found = (await knownWorkflows(request, context))
    .flatMap((known) => [known.path, known.file].map((name) => ({ known, id: workflowNumber(idOf(repository), name) })))
    .find(({ known, id }) => known.file === wanted || String(id) === wanted);
  if (found === undefined) throw notFound();
  return found;
}

async function workflowAt(request: RouteRequest, context: RouteContext) {
  const { known, id } = await wantedWorkflow(request, context);
  return { data: shownWorkflow(request, context, known, id) };
}

async function workflows(request: RouteRequest, context: RouteContext) {
  const repository = objectOf(await context.native.get(repoPath(request)));
  const all = await knownWorkflows(request, context);
  const shown = all.map((one) => shownWorkflow(request, context, one, workflowNumber(idOf(repository), one.path)));
  const { data, pages } = pageIn(request, shown);
  return { data: { total_count: shown.length, workflows: data }, pages };
}

const dispatched = z.looseObject({
  ref: z.string().min(1),
  inputs: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullish(),
});

async function dispatch(request: RouteRequest, context: RouteContext) {
  const { known } = await wantedWorkflow(request, context);
  const { ref, inputs } = accept('WorkflowDispatch', dispatched, request.body);
  const path = `${actionsPath(request)}/workflows/${segment(known.file)}/dispatches`;
  const entries = Object.entries(inputs ?? {}).map(([name, value]) => [name, String(value)] as const);
  const json = { ref, ...(entries.length > 0 && { inputs: Object.fromEntries(entries) }) };
  try {
    await context.native.send('POST', path, { json });
  } catch (error) {
    if (!failedWith(error, 404, 405)) throw error;
    // The workflow is there: either nothing of that name is, or the call is not.
    await context
      .github('GET /repos/{owner}/{repo}/commits/{ref}', { ...ownerOf(request), ref: plainRef(ref) })
      .catch((missing: unknown) => {
        throw failedWith(missing, 404, 422) ? unprocessable(`No ref found for: ${ref}`) : missing;
      });
    throw new RouteFailure(501, 'This server cannot begin workflows by its API: Gitea 1.24 and Forgejo 8 can.');
  }
  return { status: 204 };
}

const plainRef = (ref: string): string => ref.replace(/^refs\/(?:heads|tags)\//, '');
const ownerOf = (request: RouteRequest) => ({ owner: param(request, 'owner'), repo: param(request, 'repo') });

const ARTIFACT = 'repository: GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}';
const ELSE_NONE = 'From Gitea 1.23 on; older servers and Forgejo know of no artifacts (404).';

export const runDetails: RouteTable = {
  'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}': emulated('read', ARTIFACT, ELSE_NONE, oneArtifact),
  'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}': emulated(
    'read',
    `${ARTIFACT}/zip`,
    `The bytes themselves, where GitHub redirects to them. ${ELSE_NONE}`,
    packedArtifact,
  ),
  'GET /repos/{owner}/{repo}/actions/jobs/{job_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/jobs/{job_id}, …/actions/tasks',
    'Before Gitea 1.24 and on Forgejo a run is one job.',
    job,
  ),
  'GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs',
    'Answered at once where GitHub redirects. From Gitea 1.24 on; older servers and Forgejo have no such call and answer 501.',
    jobLog,
  ),
  'POST /repos/{owner}/{repo}/actions/jobs/{job_id}/rerun': emulated(
    'unsafe',
    'repository: POST /repos/{owner}/{repo}/actions/runs/{run}/jobs/{job_id}/rerun',
    'From Gitea 1.26 on; older servers and Forgejo have no such call and answer 501.',
    rerunJob,
  ),
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}/artifacts': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/runs/{run}/artifacts',
    'The first 50. From Gitea 1.23 on; older servers and Forgejo have no such call and answer 501.',
    artifacts,
  ),
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}/logs': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/runs/{run}/jobs, GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs',
    'Packed by us and answered at once. From Gitea 1.24 on; older servers and Forgejo have no such call and answer 501.',
    logs,
  ),
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel': act(
    'cancel',
    202,
    'Gitea 1.28 and Forgejo 16',
    'From Gitea 1.28 and Forgejo 16 on; older servers have no such call and answer 501.',
  ),
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun': act(
    'rerun',
    201,
    'Gitea 1.26',
    'From Gitea 1.26 on; older servers and Forgejo have no such call and answer 501.',
  ),
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs': act(
    'rerun-failed-jobs',
    201,
    'Gitea 1.27',
    'From Gitea 1.27 on at the latest; servers that have no such call answer 501, as Forgejo does.',
  ),
  'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/workflows, GET /repos/{owner}/{repo}/contents/{filepath}',
    'Its number is made of its file; before Gitea 1.24 and on Forgejo the files are all that is known.',
    workflowAt,
  ),
  'GET /repos/{owner}/{repo}/actions/workflows': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/workflows, GET /repos/{owner}/{repo}/contents/{filepath}',
    'Their numbers are made of their files; before Gitea 1.24 and on Forgejo the files are all that is known.',
    workflows,
  ),
  'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches': emulated(
    'unsafe',
    'repository: POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
    'From Gitea 1.24 and Forgejo 8 on; older servers have no such call and answer 501.',
    dispatch,
  ),
};
