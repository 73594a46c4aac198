/** What GitLab keeps of what people did, noted from what it tells its webhooks. */
import type { Project, World } from './state.js';

interface Told {
  object_kind?: string;
  user_id?: number;
  user?: { id: number };
  ref?: string;
  before?: string;
  after?: string;
  total_commits_count?: number;
  object_attributes?: {
    id: number;
    iid?: number;
    title?: string;
    action?: string;
    note?: string;
    type?: string | null;
    noteable_type?: string;
  };
  issue?: { iid: number; title: string };
  merge_request?: { iid: number; title: string };
}

/** One entry of a feed, without who and where. */
export interface FakeEvent {
  id: number;
  projectId: number;
  userId: number;
  createdAt: string;
  shown: Readonly<Record<string, unknown>>;
}

const NOTHING = /^0+$/;
const ACTIONS: Readonly<Record<string, string>> = {
  open: 'opened',
  close: 'closed',
  reopen: 'reopened',
  merge: 'accepted',
  approved: 'approved',
};

function pushEvent({ ref = '', before = '', after = '', total_commits_count: count }: Told) {
  const isTag = ref.startsWith('refs/tags/');
  const action = NOTHING.test(before) ? 'created' : NOTHING.test(after) ? 'removed' : 'pushed';
  return {
    action_name: { created: 'pushed new', removed: 'deleted', pushed: 'pushed to' }[action],
    target_id: null,
    target_iid: null,
    target_type: null,
    target_title: null,
    push_data: {
      commit_count: count ?? 0,
      action,
      ref_type: isTag ? 'tag' : 'branch',
      commit_from: NOTHING.test(before) ? null : before,
      commit_to: NOTHING.test(after) ? null : after,
      ref: ref.replace(/^refs\/(?:heads|tags)\//, ''),
      commit_title: null,
      ref_count: null,
    },
  };
}

function shownOf(told: Told): FakeEvent['shown'] | undefined {
  const { object_kind: kind, object_attributes: of } = told;
  if (kind === 'push' || kind === 'tag_push') return pushEvent(told);
  if (of === undefined) return undefined;
  if (kind === 'note') {
    if (of.action === 'update') return undefined;
    const on = told.issue ?? told.merge_request;
    return {
      action_name: 'commented on',
      target_id: of.id,
      target_iid: of.id,
      target_type: of.type ?? 'Note',
      target_title: on?.title ?? null,
      note: { id: of.id, type: of.type ?? null, body: of.note, noteable_type: of.noteable_type, noteable_iid: on?.iid },
    };
  }
  const action = ACTIONS[of.action ?? ''];
  if (action === undefined || (kind !== 'issue' && kind !== 'merge_request')) return undefined;
  return {
    action_name: action,
    target_id: of.id,
    target_iid: of.iid,
    target_type: kind === 'issue' ? 'Issue' : 'MergeRequest',
    target_title: of.title,
  };
}

/** Of a webhook's payload; nothing for what is in no feed. */
export function noteEvent(world: World, project: Project, payload: unknown): void {
  const told = payload as Told;
  const shown = shownOf(told);
  const userId = told.user?.id ?? told.user_id;
  if (shown === undefined || userId === undefined) return;
  const { events } = world.state;
  events.push({ id: events.length + 1, projectId: project.id, userId, createdAt: world.now(), shown });
}
