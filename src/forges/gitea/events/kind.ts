import type { JsonObject } from '../../forge.js';
import { isObject } from './fields.js';

/** What a delivery is about, whatever its headers call it. */
export type Kind =
  | 'push'
  | 'create'
  | 'delete'
  | 'fork'
  | 'issues'
  | 'comment'
  | 'pull_request'
  | 'review'
  | 'repository'
  | 'release'
  | 'wiki'
  | 'package'
  | 'status'
  | 'workflow_run'
  | 'workflow_job'
  | 'action_run';

/** By the precise name, and by the group of servers that send no other. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['push', 'push'],
  ['create', 'create'],
  ['delete', 'delete'],
  ['fork', 'fork'],
  ['issues', 'issues'],
  ['issue_assign', 'issues'],
  ['issue_label', 'issues'],
  ['issue_milestone', 'issues'],
  ['issue_comment', 'comment'],
  ['pull_request', 'pull_request'],
  ['pull_request_assign', 'pull_request'],
  ['pull_request_label', 'pull_request'],
  ['pull_request_milestone', 'pull_request'],
  ['pull_request_sync', 'pull_request'],
  ['pull_request_review_request', 'pull_request'],
  ['pull_request_comment', 'comment'],
  ['pull_request_approved', 'review'],
  ['pull_request_rejected', 'review'],
  ['pull_request_review_approved', 'review'],
  ['pull_request_review_rejected', 'review'],
  ['pull_request_review_comment', 'review'],
  ['repository', 'repository'],
  ['release', 'release'],
  ['wiki', 'wiki'],
  ['package', 'package'],
  ['status', 'status'],
  ['workflow_run', 'workflow_run'],
  ['workflow_job', 'workflow_job'],
  ['action_run_failure', 'action_run'],
  ['action_run_success', 'action_run'],
  ['action_run_recover', 'action_run'],
]);

/** `eventType` as transport.ts puts it together. Undefined for what is not translated. */
export function kindOf(eventType: string, payload: JsonObject): Kind | undefined {
  const [group = '', type = group] = eventType.split('/');
  const kind = KINDS.get(type) ?? KINDS.get(group);
  // Alone, `pull_request_comment` may be either; and a review is sent by the name of a pull request now and then.
  if (payload.action === 'reviewed' && (kind === 'pull_request' || kind === 'comment')) return 'review';
  if (type === 'pull_request_comment' && !isObject(payload.comment) && isObject(payload.review)) return 'review';
  return kind;
}
