import { createHash } from 'node:crypto';
import { parseId } from '../../lib/ids.js';
import type { Classification, JsonObject } from '../forge.js';

/** What must be in an event, and what tells one happening from another of the same kind. */
interface EventShape {
  needs: readonly ('repository' | 'number' | 'installation')[];
  /** Dotted paths whose values together name the object and its version. */
  identity: readonly string[];
}

/** Present in events that change one thing of an object; two changes in one second differ only here. */
const CHANGE = [
  'changes',
  'before',
  'after',
  'label.id',
  'assignee.id',
  'milestone.id',
  'requested_reviewer.id',
  'requested_team.id',
  'requested_action.identifier',
];
const ofRepository = ['repository'] as const;
const ofNumber = ['repository', 'number'] as const;
const ofRef = { needs: ofRepository, identity: ['ref_type', 'ref', 'repository.pushed_at'] };
const ofInstallation = ['installation'] as const;

const shapes: Readonly<Record<string, EventShape>> = {
  pull_request: { needs: ofNumber, identity: ['pull_request.id', 'pull_request.updated_at', 'pull_request.head.sha'] },
  pull_request_review: { needs: ofNumber, identity: ['review.id', 'review.submitted_at', 'review.state'] },
  pull_request_review_comment: { needs: ofNumber, identity: ['comment.id', 'comment.updated_at'] },
  pull_request_review_thread: {
    needs: ofNumber,
    identity: ['thread.node_id', 'thread.comments.0.id', 'pull_request.updated_at'],
  },
  issue_comment: { needs: ofNumber, identity: ['comment.id', 'comment.updated_at'] },
  issues: { needs: ofNumber, identity: ['issue.id', 'issue.updated_at'] },
  commit_comment: { needs: ofRepository, identity: ['comment.id', 'comment.updated_at'] },
  push: { needs: ofRepository, identity: ['ref'] },
  create: ofRef,
  delete: ofRef,
  repository: { needs: ofRepository, identity: ['repository.updated_at'] },
  status: { needs: ofRepository, identity: ['id', 'sha', 'context', 'state', 'updated_at'] },
  check_run: {
    needs: ofRepository,
    identity: ['check_run.id', 'check_run.status', 'check_run.conclusion', 'check_run.head_sha'],
  },
  check_suite: {
    needs: ofRepository,
    identity: ['check_suite.id', 'check_suite.status', 'check_suite.conclusion', 'check_suite.updated_at'],
  },
  installation: { needs: ofInstallation, identity: ['installation.updated_at'] },
  installation_repositories: {
    needs: ofInstallation,
    identity: ['installation.updated_at', 'repositories_added', 'repositories_removed'],
  },
};

/** Each source sends its own of these, so that two of them are never the same happening. */
const NEVER_SHARED: ReadonlySet<string> = new Set(['ping', 'meta', 'github_app_authorization']);
/** Says who reported an event, and so differs between two reports of the same. */
const REPORTER: ReadonlySet<string> = new Set(['installation', 'organization', 'enterprise', 'hook', 'hook_id']);

const EVENT_NAME = /^[a-z][a-z0-9_]{0,49}$/;
/** GitHub's own are words, but whoever sends a `repository_dispatch` makes up its action: no NUL, no half a character. */
const ACTION = /^[^\p{Cc}\p{Cs}]{1,100}$/u;

function field(payload: unknown, path: string): unknown {
  let value: unknown = payload;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The id as a bigint, undefined where there is none, null where something else stands in its place. */
function idAt(payload: JsonObject, object: string): bigint | undefined | null {
  const holder = payload[object];
  if (holder === undefined || holder === null) return undefined;
  const value = field(holder, 'id');
  if (typeof value !== 'number' && typeof value !== 'string') return null;
  try {
    return parseId(value);
  } catch {
    return null;
  }
}

const LOGIN = /^[\x21-\x7e]{1,100}$/;

/** Whose installation it is: an App sees repositories of the account it is installed on, and of no other. */
function accountOf(payload: JsonObject): { id: bigint; login: string } | undefined {
  for (const path of ['installation.account', 'repository.owner', 'organization']) {
    const account = field(payload, path);
    const id = typeof account === 'object' && account !== null ? idAt({ account }, 'account') : undefined;
    // An enterprise has a slug in the place of a login.
    const login = field(account, 'login') ?? field(account, 'slug');
    if (typeof id === 'bigint' && typeof login === 'string' && LOGIN.test(login)) return { id, login };
  }
  return undefined;
}

function numberOf(payload: JsonObject): number | undefined {
  const value =
    field(payload, 'pull_request.number') ?? field(payload, 'issue.number') ?? field(payload, 'discussion.number');
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** Hash of a JSON value that does not depend on the order of keys. */
function digest(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function semanticKey(name: string, action: string | undefined, payload: JsonObject, subject: string): string {
  const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
  const told =
    shape === undefined
      ? Object.fromEntries(Object.entries(payload).filter(([key]) => !REPORTER.has(key)))
      : [...shape.identity, ...CHANGE].map((path) => field(payload, path) ?? null);
  return `${name}${action === undefined ? '' : `.${action}`}:${subject}:${digest(told)}`;
}

const ignored = (reason: string): Classification => ({ kind: 'ignored', reason });

/**
 * Reads what a delivery is about. An event we have never heard of is an event all the same, since an app may listen to
 * it; only what does not have the fields its event needs is ignored.
 */
export function classify(eventType: string, payload: JsonObject): Classification {
  if (!EVENT_NAME.test(eventType)) return ignored('The X-GitHub-Event header is missing or is not an event name.');
  const action = payload.action;
  if (action !== undefined && (typeof action !== 'string' || !ACTION.test(action)))
    return ignored(`${eventType}: action is not a name.`);
  const repositoryId = idAt(payload, 'repository');
  if (repositoryId === null) return ignored(`${eventType}: repository.id is not an exact id.`);
  const installationId = idAt(payload, 'installation');
  if (installationId === null) return ignored(`${eventType}: installation.id is not an exact id.`);
  const number = numberOf(payload);

  const present = { repository: repositoryId, number, installation: installationId };
  const needs = Object.hasOwn(shapes, eventType) ? (shapes[eventType]?.needs ?? []) : [];
  const missing = needs.find((need) => present[need] === undefined);
  if (missing !== undefined) return ignored(`${eventType}: the payload has no ${missing}.`);

  const account = installationId === undefined ? undefined : accountOf(payload);
  const subject = needs.includes('installation') ? `installation ${installationId}` : (repositoryId ?? 'account');
  return {
    kind: 'events',
    events: [action === undefined ? { name: eventType } : { name: eventType, action }],
    ...(repositoryId !== undefined && { repositoryId }),
    ...(repositoryId !== undefined && number !== undefined && { number }),
    ...(installationId !== undefined && { installationId }),
    ...(account !== undefined && { account }),
    ...(!NEVER_SHARED.has(eventType) && { semanticKey: semanticKey(eventType, action, payload, String(subject)) }),
  };
}
