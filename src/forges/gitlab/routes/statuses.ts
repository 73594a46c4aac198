import { z } from 'zod';
import { CHECK_RUN } from '../../kit/check-run-maker.js';
import { segment } from '../../kit/native-client.js';
import {
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import * as shapeRepository from '../../kit/shapes/repository.js';
import * as shape from '../../kit/shapes/status.js';
import { statusName } from '../../kit/status-name.js';
import { repositoryInput } from '../convert/project.js';
import { read } from '../convert/read.js';
import { type NativeStatus, nativeState, nativeStatus, shortened, statusInput } from '../convert/status.js';
import { keyOf, shows } from './check-records.js';
import { everyJobOf } from './check-suites.js';
import { commitAt, findCommit, shaAt } from './commit-at.js';
import { statusesOf } from './commit-statuses.js';
import { accept, type Place, param, placeOf, projectAt, refused, slice } from './place.js';

const wish = z.looseObject({
  state: z.enum(['pending', 'success', 'failure', 'error']),
  context: z.string().min(1).default('default'),
  description: z.string().nullish(),
  target_url: z.string().nullish(),
});

interface StatusWish {
  state: string;
  name: string;
  description?: string;
  targetUrl?: string;
}

const UNFINISHED: ReadonlySet<string> = new Set(['pending', 'running']);

/**
 * Sets a commit's status. GitLab refuses to set `pending` or `running` where the status is in that state already, also with
 * another description: then it goes through the next state that GitHub calls pending too, or begins anew.
 * @throws RouteFailure
 */
export async function setStatus(
  context: RouteContext,
  place: Place,
  sha: string,
  wished: StatusWish,
): Promise<NativeStatus> {
  const name = shortened(wished.name);
  const target = wished.targetUrl;
  const json = {
    state: wished.state,
    name,
    description: wished.description === undefined ? undefined : shortened(wished.description),
    // A cut address leads nowhere: none is better.
    target_url: target !== undefined && target.length <= 255 ? target : undefined,
  };
  const send = async (state: string) => {
    const path = `${place.api}/statuses/${segment(sha)}`;
    return read(nativeStatus, (await context.native.send('POST', path, { json: { ...json, state } })).data, 'status');
  };
  try {
    return await send(wished.state);
  } catch (error) {
    if (!(error instanceof RouteFailure) || error.status !== 422 || !UNFINISHED.has(wished.state)) throw error;
    const there = (await statusesOf(context, place, sha, false)).find((status) => status.name === name);
    if (there === undefined || !UNFINISHED.has(there.status)) throw error;
    const same =
      (there.description ?? undefined) === json.description && (there.target_url ?? undefined) === json.target_url;
    if (same) return there;
    if (there.status === 'pending') return send('running');
    await send('canceled');
    return send(wished.state);
  }
}

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'commits: POST /projects/:id/statuses/:sha',
  note: 'An error is shown as canceled; names and descriptions are cut at 255 characters.',
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('Status', wish, request.body);
    const sha = param(request, 'sha');
    const set = async () =>
      setStatus(context, place, sha, {
        state: nativeState[body.state],
        name: await statusName(context, 'status', sha, body.context),
        description: body.description ?? undefined,
        targetUrl: body.target_url ?? undefined,
      });
    const status = await refused(set, [404], async (failure) => {
      // A repository that is not there is a 404 on GitHub too, a commit is not.
      await projectAt(context, place.api);
      if ((await findCommit(context, place, sha)) !== undefined) throw failure;
      throw unprocessable(`No commit found for SHA: ${sha}`);
    });
    return { status: 201, data: shape.commitStatus(context.base, place.owner, place.repo, statusInput(status)) };
  },
};

/** What apps and other systems put on a commit. On GitHub a check run is no status, nor is a job. */
async function shown(request: RouteRequest, context: RouteContext, all: boolean) {
  const place = placeOf(request);
  const sha = await shaAt(context, place, param(request, 'ref'));
  const found = await statusesOf(context, place, sha, all);
  // Without statuses nobody has looked whether there is such a commit.
  if (found.length === 0) await commitAt(context, place, sha);
  const project = await projectAt(context, place.api);
  const records = found.length === 0 ? [] : await context.records.list(CHECK_RUN, keyOf(project.id, sha, ''));
  const others = found.filter((status) => !records.some((record) => shows(context, record, status)));
  const jobs = others.length === 0 ? [] : await everyJobOf(context, place, sha);
  const ofJobs = new Set(jobs.map(({ id }) => String(id)));
  const statuses = others.filter(({ id }) => !ofJobs.has(String(id)));
  return {
    project,
    sha,
    statuses: statuses.map((status) => shape.commitStatus(context.base, place.owner, place.repo, statusInput(status))),
  };
}

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'commits: GET /projects/:id/repository/commits/:sha/statuses',
  async run(request, context) {
    const { items, pages } = slice(request, (await shown(request, context, true)).statuses);
    return { data: items, pages };
  },
};

const combined: Route = {
  support: 'exact',
  retry: 'read',
  source: 'commits: GET /projects/:id/repository/commits/:sha/statuses',
  async run(request, context) {
    const { project, sha, statuses } = await shown(request, context, true);
    const repository = shapeRepository.minimalRepository(context.base, repositoryInput(project));
    const whole = shape.combinedStatus(context.base, repository, sha, statuses);
    const { items, pages } = slice(request, Array.isArray(whole.statuses) ? whole.statuses : []);
    return { data: { ...whole, statuses: items }, pages };
  },
};

export const statuses: RouteTable = {
  'POST /repos/{owner}/{repo}/statuses/{sha}': create,
  'GET /repos/{owner}/{repo}/commits/{ref}/statuses': list,
  'GET /repos/{owner}/{repo}/commits/{ref}/status': combined,
};
