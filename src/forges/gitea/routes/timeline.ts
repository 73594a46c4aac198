/** What happened to an issue or a pull request. */
import type { JsonObject } from '../../forge.js';
import { ISSUE_EVENT_NOTE, issueEventById, rememberIssueEvents } from '../../kit/repository-issue-events.js';
import type { RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { time } from '../convert/time.js';
import { flagIn, idOf, issuePath, numberParam, objectOf, objectsOf, textIn, textOf, wishes } from './native.js';
import { apiBase, asComment, asUser } from './objects.js';
import { everything, pageIn } from './pages.js';
import { emulated } from './row.js';

type Told = { event: string } & JsonObject;

const label = (native: JsonObject): JsonObject => {
  const { name, color } = objectOf(native.label);
  return { name, color: String(color ?? '').replace(/^#/, '') };
};

const milestone = (native: JsonObject): JsonObject => ({ title: textOf(objectOf(native), 'title') });

/** GitHub's event for each of the forge's types; what has none is left out. */
const EVENTS: Readonly<Record<string, (native: JsonObject, context: RouteContext) => Told | undefined>> = {
  close: () => ({ event: 'closed' }),
  reopen: () => ({ event: 'reopened' }),
  merge_pull: () => ({ event: 'merged' }),
  label: (native) => ({ event: textOf(native, 'body') === '1' ? 'labeled' : 'unlabeled', label: label(native) }),
  milestone: (native) =>
    native.milestone != null
      ? { event: 'milestoned', milestone: milestone(objectOf(native.milestone)) }
      : { event: 'demilestoned', milestone: milestone(objectOf(native.old_milestone)) },
  assignees: (native, context) => ({
    event: flagIn(native, 'removed_assignee') ? 'unassigned' : 'assigned',
    ...(native.assignee != null && { assignee: asUser(context, native.assignee) }),
  }),
  review_request: (native, context) => ({
    event: flagIn(native, 'removed_assignee') ? 'review_request_removed' : 'review_requested',
    ...(native.assignee != null && { requested_reviewer: asUser(context, native.assignee) }),
  }),
  change_title: (native) => ({
    event: 'renamed',
    rename: { from: textOf(native, 'old_title'), to: textOf(native, 'new_title') },
  }),
  change_target_branch: () => ({ event: 'base_ref_changed' }),
  delete_branch: () => ({ event: 'head_ref_deleted' }),
  lock: () => ({ event: 'locked', lock_reason: null }),
  unlock: () => ({ event: 'unlocked' }),
  pin: () => ({ event: 'pinned' }),
  unpin: () => ({ event: 'unpinned' }),
  pull_scheduled_merge: () => ({ event: 'auto_merge_enabled' }),
  pull_cancel_scheduled_merge: () => ({ event: 'auto_merge_disabled' }),
  dismiss_review: () => ({ event: 'review_dismissed' }),
  commit_ref: (native) => ({ event: 'referenced', commit_id: textIn(native, 'ref_commit_sha') ?? null }),
};

/** In the timeline only: on GitHub these are no issue events. */
const ONLY_TIMELINE: Readonly<Record<string, string>> = {
  comment: 'commented',
  review: 'reviewed',
  issue_ref: 'cross-referenced',
  pull_ref: 'cross-referenced',
  comment_ref: 'cross-referenced',
};

function asEvent(
  request: RouteRequest,
  context: RouteContext,
  native: JsonObject,
  inTimeline: boolean,
): JsonObject | undefined {
  const type = textOf(native, 'type');
  const id = idOf(native);
  const actor = native.user == null ? null : asUser(context, native.user);
  const created = time(native.created_at);
  const word = Object.hasOwn(ONLY_TIMELINE, type) ? ONLY_TIMELINE[type] : undefined;
  if (word !== undefined) {
    if (!inTimeline) return undefined;
    if (word === 'commented')
      return { ...asComment(request, context, native, numberParam(request, 'issue_number')), event: word, actor };
    return {
      id,
      node_id: nodeId('TimelineEvent', id),
      event: word,
      actor,
      user: actor,
      body: textOf(native, 'body'),
      created_at: created,
    };
  }
  const told = Object.hasOwn(EVENTS, type) ? EVENTS[type]?.(native, context) : undefined;
  if (told === undefined) return undefined;
  return {
    id,
    node_id: nodeId('IssueEvent', id),
    url: `${apiBase(request, context)}/issues/events/${id}`,
    actor,
    commit_id: null,
    commit_url: null,
    ...wishes({ created_at: created }),
    performed_via_github_app: null,
    ...told,
  };
}

const list = (inTimeline: boolean) => async (request: RouteRequest, context: RouteContext) => {
  const events = objectsOf(await everything(context, `${issuePath(request)}/timeline`))
    .map((native) => asEvent(request, context, native, inTimeline))
    .filter((event) => event !== undefined);
  const answer = pageIn(request, events);
  await rememberIssueEvents(context, numberParam(request, 'issue_number'), objectsOf(answer.data));
  return answer;
};

const SOURCE = 'issue: GET /repos/{owner}/{repo}/issues/{index}/timeline';
const NOTE = "The forge's own events by GitHub's names; those that GitHub has no name for are left out.";

export const timeline: RouteTable = {
  'GET /repos/{owner}/{repo}/issues/{issue_number}/timeline': emulated('read', SOURCE, NOTE, list(true)),
  'GET /repos/{owner}/{repo}/issues/{issue_number}/events': emulated('read', SOURCE, NOTE, list(false)),
  'GET /repos/{owner}/{repo}/issues/events/{event_id}': emulated('read', SOURCE, ISSUE_EVENT_NOTE, issueEventById),
};
