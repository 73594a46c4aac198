/** An issue or a merge request as GitHub's issue. */
import type { JsonObject } from '../../forge.js';
import type { RouteContext } from '../../kit/route.js';
import * as shape from '../../kit/shapes/issue.js';
import { issueInput, mergeRequestIssueInput, nativeIssue } from '../convert/issue.js';
import { nativeMergeRequest } from '../convert/merge-request.js';
import { read } from '../convert/read.js';
import { labelsAt, type Place, type Thread } from './place.js';

/** @throws RouteFailure 404 when there is none */
export async function readThread(context: RouteContext, place: Place, thread: Thread): Promise<JsonObject> {
  return shownThread(context, place, thread, await context.native.get(thread.api));
}

/** `data` is what GitLab answered about it. */
export async function shownThread(
  context: RouteContext,
  place: Place,
  thread: Pick<Thread, 'kind'>,
  data: unknown,
): Promise<JsonObject> {
  if (thread.kind === 'issue') {
    const issue = read(nativeIssue, data, 'issue');
    const known = await labelsAt(context, place, issue.labels);
    return shape.issue(context.base, place.owner, place.repo, issueInput(issue, known));
  }
  const mr = read(nativeMergeRequest, data, 'merge request');
  const known = await labelsAt(context, place, mr.labels);
  return shape.issue(context.base, place.owner, place.repo, mergeRequestIssueInput(mr, known));
}
