import { z } from 'zod';
import { pause } from '../../../lib/clock.js';
import { segment } from '../../kit/native-client.js';
import {
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import { nativeCommit } from '../convert/commit.js';
import { isOpen, type NativeMergeRequest, nativeMergeRequest } from '../convert/merge-request.js';
import { read } from '../convert/read.js';
import { toNativeText } from '../references.js';
import { shownCommit } from './commit-people.js';
import { gitOf, repositoryAt } from './git-place.js';
import { accept, placeOf, pullOf, refused, type Thread } from './place.js';
import { readMergeRequest } from './pull.js';

export const mergeWish = z.looseObject({
  commit_title: z.string().nullish(),
  commit_message: z.string().nullish(),
  sha: z.string().nullish(),
  merge_method: z.enum(['merge', 'squash', 'rebase']).default('merge'),
});

/** GitLab rebases in the background. */
const REBASE_TRIES = 20;
const REBASE_PAUSE_MS = 500;

/**
 * Answers the merge request as it is after.
 * @throws RouteFailure 409 when the branch cannot be rebased, or GitLab does not get to it in time
 */
async function rebase(context: RouteContext, pull: Thread): Promise<NativeMergeRequest> {
  await context.native.send('PUT', `${pull.api}/rebase`);
  for (let tried = 0; tried < REBASE_TRIES; tried += 1) {
    const query = { include_rebase_in_progress: true };
    const mr = read(nativeMergeRequest, await context.native.get(pull.api, query), 'merge request');
    if (mr.rebase_in_progress !== true) {
      if (mr.merge_error) throw new RouteFailure(409, mr.merge_error);
      return mr;
    }
    await pause(REBASE_PAUSE_MS);
  }
  throw new RouteFailure(409, 'GitLab has not finished the rebase.');
}

export const notMergeable = () => new RouteFailure(405, 'Pull Request is not mergeable');
export const shaChanged = () => new RouteFailure(409, 'Head branch was modified. Review and try the merge again.');

const merge: Route = {
  support: 'emulated',
  retry: 'findable',
  source: 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid/merge, .../rebase',
  note: 'The merge method of the project decides whether there is a merge commit; `rebase` rebases the source branch first.',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const body = accept('PullRequest', mergeWish, request.body);
    const message = [body.commit_title, body.commit_message].filter((text) => text).join('\n\n');
    const text = message === '' ? undefined : toNativeText(message);
    const before = await readMergeRequest(context, pull);
    if (!isOpen(before)) throw notMergeable();
    if (body.sha && body.sha !== before.sha) throw shaChanged();
    const isRebased = body.merge_method === 'rebase';
    const ready = isRebased ? await rebase(context, pull) : before;
    const squash = body.merge_method === 'squash';
    // Always with the head that was looked at: a group may refuse merges that do not name theirs.
    const mergeAt = (sha: string | null | undefined) =>
      context.native.send('PUT', `${pull.api}/merge`, {
        json: {
          sha: sha ?? undefined,
          squash,
          merge_commit_message: squash ? undefined : text,
          squash_commit_message: squash ? text : undefined,
        },
      });
    const answer = await refused(
      async () => {
        if (!isRebased) return mergeAt(ready.sha);
        // GitLab may learn of the head that it rebased itself a moment after it says that it is done.
        return refused(
          () => mergeAt(ready.sha),
          [409],
          async (failure) => {
            const { sha } = await readMergeRequest(context, pull);
            if (sha === ready.sha) throw failure;
            return mergeAt(sha);
          },
        );
      },
      [401, 405, 406, 409, 422],
      (failure) => {
        if (failure.status === 409) throw shaChanged();
        // GitLab says 401 when the token may not merge.
        throw failure.status === 401 ? new RouteFailure(403, 'Resource not accessible by integration') : notMergeable();
      },
    );
    const mr = read(nativeMergeRequest, answer.data, 'merge request');
    const sha = mr.merge_commit_sha ?? mr.squash_commit_sha ?? mr.sha ?? '';
    return { data: { sha, merged: true, message: 'Pull Request successfully merged' } };
  },
};

const isMerged: Route = {
  support: 'exact',
  retry: 'read',
  source: 'merge_requests: GET /projects/:id/merge_requests/:merge_request_iid',
  async run(request, context) {
    const mr = await readMergeRequest(context, pullOf(request, placeOf(request)));
    if (mr.state !== 'merged') throw notFound();
    return { status: 204 };
  },
};

const updateBranch: Route = {
  support: 'emulated',
  // Once it is done there is nothing new, and that is refused.
  retry: 'unsafe',
  source: 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid/rebase',
  note: 'GitLab rebases the source branch where GitHub merges the base into it.',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const { expected_head_sha: expected } = accept(
      'PullRequest',
      z.looseObject({ expected_head_sha: z.string().optional() }),
      request.body,
    );
    const query = { include_diverged_commits_count: true };
    const mr = read(nativeMergeRequest, await context.native.get(pull.api, query), 'merge request');
    if (expected !== undefined && mr.sha !== expected)
      throw unprocessable('expected head sha didn’t match current head ref.');
    if (mr.diverged_commits_count === 0) throw new RouteFailure(422, 'There are no new commits on the base branch.');
    if (mr.has_conflicts === true) throw new RouteFailure(422, 'merge conflict between base and head');
    await context.native.send('PUT', `${pull.api}/rebase`);
    const url = `${context.base.web}/${place.path}/-/merge_requests/${pull.iid}`;
    return { status: 202, data: { message: 'Updating pull request branch.', url } };
  },
};

const branches = z.looseObject({
  base: z.string().min(1),
  head: z.string().min(1),
  commit_message: z.string().nullish(),
});

/** Merging one branch into another without a pull request, which GitLab's API cannot: by git. */
const mergeBranches: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'commits: GET /projects/:id/repository/commits/:sha; the merge itself by git push',
  note: 'Done in a mirror and pushed.',
  async run(request, context) {
    const place = placeOf(request);
    const git = gitOf(context);
    const { base, head, commit_message } = accept('Merge', branches, request.body);
    const commitOf = (ref: string) => context.native.find(`${place.api}/repository/commits/${segment(ref)}`);
    if ((await commitOf(base)) === undefined) throw notFound('Base does not exist');
    const from = await commitOf(head);
    if (from === undefined) throw notFound('Head does not exist');
    const { repository, author } = await repositoryAt(context, place);
    const message = toNativeText(commit_message ?? `Merge ${head} into ${base}`);
    const result = await git.merge(repository, base, read(nativeCommit, from, 'commit').id, message, author);
    if (result === undefined) return { status: 204 };
    if ('conflict' in result) throw new RouteFailure(409, 'Merge conflict');
    const merged = read(
      nativeCommit,
      await context.native.get(`${place.api}/repository/commits/${result.merged}`),
      'commit',
    );
    return {
      status: 201,
      data: await shownCommit(context, place, merged),
    };
  },
};

export const merges: RouteTable = {
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge': merge,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/merge': isMerged,
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch': updateBranch,
  'POST /repos/{owner}/{repo}/merges': mergeBranches,
};
