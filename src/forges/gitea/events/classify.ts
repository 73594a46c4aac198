/** What a delivery is about: GitHub's events in it, its repository, its number, and what tells it from its repetition. */
import type { Classification, ClassifyOptions, ForgeEvent, JsonObject } from '../../forge.js';
import { storable } from '../../kit/storable-text.js';
import {
  assigneeChanges,
  type Change,
  draftChange,
  type Found,
  headBefore,
  labelChanges,
  milestoneChanges,
  reviewerChanges,
} from './changes.js';
import { digest, field, idAt, isNoCommit, isObject, numberAt, textAt } from './fields.js';
import { type Kind, kindOf } from './kind.js';
import { packageKind } from './package-kind.js';
import { unreadable } from './readable.js';
import { reviewState } from './review-state.js';

interface Reading {
  eventType: string;
  payload: JsonObject;
  previous: JsonObject | undefined;
}

interface KindReader {
  /** Where the object stands that the event is about; without it there is no event. */
  needs?: string;
  /** Where the repository's id stands; '' when it may be missing. */
  repository?: string;
  numbered?: 'issue' | 'pull_request';
  /** Dotted paths whose values together name the object and its version; the whole payload when there are none. */
  identity: readonly string[];
  read(reading: Reading): Found;
}

const one = (name: string, action?: string, change?: JsonObject): ForgeEvent[] => [
  { name, ...(action !== undefined && { action }), ...(change !== undefined && { change }) },
];

const unmapped = (what: string, action: unknown): string =>
  `${what}: GitHub has no event for the action ${JSON.stringify(action)?.slice(0, 60) ?? 'that is missing'}.`;

const ON_LINE = 'pull_request_review_comment';
const isOnPull = (eventType: string, payload: JsonObject): boolean =>
  payload.is_pull === true || eventType.includes('pull_request') || isObject(field(payload, 'issue.pull_request'));

/** Actions of issues and pull requests that say what they are by themselves. */
const PLAIN: ReadonlySet<unknown> = new Set(['opened', 'closed', 'reopened']);

function conversation(name: Change['name'], key: string): KindReader['read'] {
  return ({ payload, previous }) => {
    const holder = payload[key];
    if (!isObject(holder)) return `${name}: the payload has no ${key}.`;
    const change: Change = { name, holder, payload, previous };
    const { action } = payload;
    if (PLAIN.has(action)) return one(name, String(action));
    if (action === 'label_updated' || action === 'label_cleared') return labelChanges(change);
    if (action === 'assigned' || action === 'unassigned') return assigneeChanges(change);
    if (action === 'milestoned' || action === 'demilestoned') return milestoneChanges(change);
    if (name === 'issues')
      return action === 'edited' || action === 'deleted' ? one(name, action) : unmapped(name, action);
    if (action === 'review_requested' || action === 'review_request_removed') return reviewerChanges(change);
    if (action === 'synchronized') return one(name, 'synchronize', headBefore(change));
    if (action !== 'edited') return unmapped(name, action);
    const { baseSha } = previous ?? {};
    return [...one(name, 'edited', typeof baseSha === 'string' ? { baseSha } : undefined), ...draftChange(change)];
  };
}

const CONVERSATION = ['updated_at', 'state', 'labels', 'assignees', 'milestone.id', 'title'];
const within = (key: string, paths: readonly string[]) => paths.map((path) => `${key}.${path}`);

const readers: Readonly<Record<Kind, KindReader>> = {
  push: {
    identity: ['ref', 'before', 'after'],
    read({ payload }) {
      const before = textAt(payload, 'before');
      const after = textAt(payload, 'after');
      if (textAt(payload, 'ref') === undefined || before === undefined || after === undefined)
        return 'push: the payload has no ref, before or after.';
      // Only the button "test delivery" pushes nothing; to an empty repository it even pushes no commit.
      if (before === after) return one('ping');
      const begins = textAt(payload, 'ref')?.startsWith('refs/heads/') === true && !isNoCommit(after);
      return [...one('push'), ...(begins ? one('check_suite', 'requested') : [])];
    },
  },
  create: { needs: 'ref', identity: ['ref', 'ref_type', 'sha', 'repository.updated_at'], read: () => one('create') },
  delete: {
    needs: 'ref',
    identity: ['ref', 'ref_type', 'repository.updated_at'],
    // The push that takes a tag away is sent by the server, the one that takes a branch away is not.
    read: ({ payload }) => [
      ...one('delete'),
      ...(payload.ref_type === 'branch' ? one('push', undefined, { deleted: true }) : []),
    ],
  },
  fork: {
    // What GitHub calls the repository is the "forkee" here, and the other way round.
    needs: 'repository.id',
    repository: 'forkee.id',
    identity: ['forkee.id', 'repository.id'],
    read: () => one('fork'),
  },
  issues: {
    numbered: 'issue',
    identity: ['issue.id', ...within('issue', CONVERSATION), 'changes'],
    read: conversation('issues', 'issue'),
  },
  pull_request: {
    numbered: 'pull_request',
    identity: [
      'pull_request.id',
      ...within('pull_request', CONVERSATION),
      'pull_request.head.sha',
      'requested_reviewer.id',
      'pull_request.requested_reviewers_teams',
      'changes',
    ],
    read: conversation('pull_request', 'pull_request'),
  },
  review: {
    numbered: 'pull_request',
    needs: 'review',
    identity: ['pull_request.id', 'pull_request.updated_at', 'review.type', 'review.content', 'sender.id'],
    read({ eventType, payload }) {
      const state = reviewState(eventType, payload);
      return state === undefined
        ? 'The review has no type that is known.'
        : [...one('pull_request_review', 'submitted', { state }), ...one(ON_LINE, 'created')];
    },
  },
  comment: {
    numbered: 'issue',
    needs: 'comment.id',
    identity: ['comment.id', 'comment.updated_at', 'comment.body'],
    read({ eventType, payload }) {
      const { action } = payload;
      if (action !== 'created' && action !== 'edited' && action !== 'deleted') return unmapped('issue_comment', action);
      // Nothing but the forge's lists tells a comment on a line from another: which of the two it is shows when it is translated.
      const mayBeOnLine = isOnPull(eventType, payload) && field(payload, 'pull_request.review_comments') !== 0;
      return [...one('issue_comment', action), ...(mayBeOnLine ? one(ON_LINE, action) : [])];
    },
  },
  repository: {
    identity: ['repository.id', 'repository.updated_at'],
    read: ({ payload: { action } }) =>
      action === 'created' || action === 'deleted' ? one('repository', action) : unmapped('repository', action),
  },
  release: {
    needs: 'release.id',
    identity: ['release.id', 'release.tag_name', 'release.name', 'release.body', 'release.draft', 'release.prerelease'],
    read({ payload }) {
      const { action } = payload;
      if (action === 'updated') return one('release', 'edited');
      if (action === 'deleted') return one('release', 'deleted');
      if (action !== undefined && action !== 'published') return unmapped('release', action);
      const kind = field(payload, 'release.prerelease') === true ? 'prereleased' : 'released';
      return field(payload, 'release.draft') === true
        ? one('release', 'created')
        : [...one('release', 'published'), ...one('release', kind)];
    },
  },
  wiki: {
    needs: 'page',
    identity: [],
    read: ({ payload: { action } }) =>
      action === 'created' || action === 'edited' ? one('gollum') : unmapped('wiki', action),
  },
  package: {
    needs: 'package.id',
    identity: ['package.id', 'package.version'],
    read({ payload }) {
      const { action } = payload;
      if (action !== 'created') return unmapped('package', action);
      const kind = field(payload, 'package.type');
      if (packageKind(kind) !== undefined) return one('package', 'published');
      return `package: GitHub has no packages of the kind ${JSON.stringify(kind)?.slice(0, 60) ?? 'that is missing'}.`;
    },
  },
  status: { needs: 'sha', identity: ['id', 'sha', 'context', 'state', 'updated_at'], read: () => one('status') },
  workflow_run: {
    needs: 'workflow_run.id',
    identity: within('workflow_run', ['id', 'run_attempt', 'status', 'conclusion']),
    read({ payload: { action } }) {
      if (action === 'in_progress' || action === 'completed') return one('workflow_run', action);
      return typeof action === 'string' ? one('workflow_run', 'requested') : unmapped('workflow_run', action);
    },
  },
  workflow_job: {
    needs: 'workflow_job.id',
    identity: within('workflow_job', ['id', 'run_attempt', 'status', 'conclusion']),
    read({ payload: { action } }) {
      if (action === 'in_progress' || action === 'completed' || action === 'waiting')
        return one('workflow_job', action);
      return typeof action === 'string' ? one('workflow_job', 'queued') : unmapped('workflow_job', action);
    },
  },
  action_run: {
    needs: 'run.id',
    repository: 'run.repository.id',
    identity: ['run.id', 'run.status', 'run.stopped'],
    read({ payload: { action } }) {
      if (action === 'recover') return 'action_run_recover: the success that is sent beside it tells the same.';
      return action === 'success' || action === 'failure'
        ? one('workflow_run', 'completed')
        : unmapped('action_run', action);
    },
  },
};

const ignored = (reason: string): Classification => ({ kind: 'ignored', reason });

/** See ForgeDescriptor.classify. */
export function classify(eventType: string, payload: JsonObject, options: ClassifyOptions = {}): Classification {
  if (eventType === '') return ignored('No header names the event.');
  const kind = kindOf(eventType, payload);
  if (kind === undefined) return ignored(`GitHub has no event for ${eventType.slice(0, 110)}.`);
  const reader = readers[kind];
  const where = reader.repository ?? 'repository.id';
  const repositoryId = idAt(payload, where);
  if (repositoryId === undefined) return ignored(`${kind}: ${where} is missing or is not an exact id.`);
  const number = reader.numbered && numberAt(payload[reader.numbered], 'number');
  if (reader.numbered && number === undefined)
    return ignored(`${kind}: ${reader.numbered}.number is missing or is not an exact number.`);
  if (reader.needs !== undefined && field(payload, reader.needs) == null)
    return ignored(`${kind}: the payload has no ${reader.needs}.`);
  const problem = unreadable(kind, payload);
  if (problem !== undefined) return ignored(`${kind}: ${problem}.`);

  const events = reader.read({ eventType, payload, previous: options.previous });
  if (typeof events === 'string') return ignored(events);
  const action = typeof payload.action === 'string' ? `.${storable(payload.action)}` : '';
  const told = reader.identity.length === 0 ? payload : reader.identity.map((path) => field(payload, path) ?? null);
  const isTest = events[0]?.name === 'ping';
  return {
    kind: 'events',
    events,
    repositoryId,
    ...(number !== undefined && { number }),
    ...(!isTest && { semanticKey: `${kind}${action}:${repositoryId}:${digest(told)}` }),
  };
}
