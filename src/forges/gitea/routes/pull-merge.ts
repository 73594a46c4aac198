/** Merging pull requests, and who is asked to review them. */
import { pause } from '../../../lib/clock.js';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { invalid, type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { pullRequestInput } from '../convert/pull-request.js';
import { teamReferences } from '../convert/user.js';
import { shaOf } from './commit-objects.js';
import {
  failedWith,
  flagIn,
  inputOf,
  newerOr,
  objectOf,
  objectsOf,
  param,
  pullPath,
  repoPath,
  textInput,
  textOf,
  textsOf,
  wishes,
} from './native.js';
import { asListedPull, asUser } from './objects.js';
import { everything } from './pages.js';
import { emulated, exact } from './row.js';

const METHODS: ReadonlySet<string> = new Set(['merge', 'squash', 'rebase']);
/** The server works out in the background whether a new head can be merged, and says "try again later" until then. */
const WAITS_MS: readonly number[] = [200, 400, 800];

export const shaChanged = (): RouteFailure =>
  new RouteFailure(409, 'Head branch was modified. Review and try the merge again.');
export const notMergeable = (): RouteFailure => new RouteFailure(405, 'Pull Request is not mergeable');

async function tryMerge(request: RouteRequest, context: RouteContext, json: JsonObject): Promise<void> {
  for (const wait of [...WAITS_MS, undefined]) {
    try {
      await context.native.send('POST', `${pullPath(request)}/merge`, { json });
      return;
    } catch (error) {
      if (!failedWith(error, 404, 405, 409, 422, 423)) throw error;
      const pull = objectOf(await context.native.get(pullPath(request)));
      const { state, draft, merged } = pullRequestInput(pull);
      const expected = textInput(request, 'sha');
      if (expected !== undefined && textOf(objectOf(pull.head), 'sha') !== expected) throw shaChanged();
      // Only a state that may still change is worth waiting for.
      const mayChange = error.status === 405 && state === 'open' && !draft && !merged && !flagIn(pull, 'mergeable');
      if (!mayChange || wait === undefined) throw notMergeable();
      await pause(wait);
    }
  }
}

async function merge(request: RouteRequest, context: RouteContext) {
  const method = textInput(request, 'merge_method') ?? 'merge';
  if (!METHODS.has(method)) throw invalid('PullRequest', 'merge_method', 'invalid');
  await context.native.get(pullPath(request));
  await tryMerge(
    request,
    context,
    wishes({
      Do: method,
      MergeTitleField: textInput(request, 'commit_title'),
      MergeMessageField: textInput(request, 'commit_message'),
      head_commit_id: textInput(request, 'sha'),
    }),
  );
  const sha = textOf(objectOf(await context.native.get(pullPath(request))), 'merge_commit_sha');
  return { data: { sha, merged: true, message: 'Pull Request successfully merged' } };
}

/** Teams are asked by their names here and by slugs on GitHub. */
async function teamNames(request: RouteRequest, context: RouteContext, slugs: readonly string[]): Promise<string[]> {
  if (slugs.length === 0) return [];
  const teams = teamReferences(await everything(context, `/orgs/${segment(param(request, 'owner'))}/teams`)) ?? [];
  return slugs.map((slug) => teams.find((team) => team.slug === slug.toLowerCase())?.name ?? slug);
}

async function changeReviewers(request: RouteRequest, context: RouteContext, method: 'POST' | 'DELETE') {
  const reviewers = textsOf(inputOf(request, 'reviewers'));
  const teams = await teamNames(request, context, textsOf(inputOf(request, 'team_reviewers')));
  if (reviewers.length + teams.length > 0) {
    const json = { reviewers, team_reviewers: teams };
    try {
      await context.native.send(method, `${pullPath(request)}/requested_reviewers`, { json });
    } catch (error) {
      await context.native.get(pullPath(request));
      // The pull request is there, so it is one of them who is not, or who may not review.
      if (failedWith(error, 404, 422))
        throw new RouteFailure(422, 'Reviews may only be requested from collaborators.', { cause: error });
      throw error;
    }
  }
  const data = asListedPull(context, await context.native.get(pullPath(request)));
  return { status: method === 'POST' ? 201 : 200, data };
}

export const pullMerge: RouteTable = {
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge': exact(
    'findable',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/merge',
    merge,
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}',
    async (request, context) => {
      const native = objectOf(await context.native.get(pullPath(request)));
      const { requested_teams } = asListedPull(context, native);
      return {
        data: {
          users: objectsOf(native.requested_reviewers).map((one) => asUser(context, one)),
          teams: requested_teams,
        },
      };
    },
  ),
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers': exact(
    'idempotent',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/requested_reviewers',
    (request, context) => changeReviewers(request, context, 'POST'),
  ),
  'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/requested_reviewers',
    (request, context) => changeReviewers(request, context, 'DELETE'),
  ),
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/commits/{sha}/pull; before 1.22 GET /repos/{owner}/{repo}/pulls',
    'At most one pull request where the server finds it itself; else by the heads and merge commits of all.',
    async (request, context) => ({ data: await pullsOfCommit(request, context) }),
  ),
};

/** One in new servers, which tell the one that brought the commit; all whose ends it is in old ones. */
async function pullsOfCommit(request: RouteRequest, context: RouteContext): Promise<JsonObject[]> {
  const sha = await shaOf(request, context, param(request, 'commit_sha'));
  const base = repoPath(request);
  return newerOr(
    async () => [asListedPull(context, await context.native.get(`${base}/commits/${sha}/pull`))],
    async () =>
      objectsOf(await everything(context, `${base}/pulls`, { state: 'all', sort: 'recentupdate' }))
        .filter((pull) => textOf(pull, 'merge_commit_sha') === sha || textOf(objectOf(pull.head), 'sha') === sha)
        .map((pull) => asListedPull(context, pull)),
  );
}
