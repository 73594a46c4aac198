/** Pushes, and refs that come and go. */
import type { JsonObject } from '../../forge.js';
import { PULLS_OF_COMMIT, pullsAt } from '../../kit/pulls-at.js';
import { checkSuite } from '../../kit/shapes/check.js';
import { pushCommit, pushedRepository } from '../../kit/shapes/commit.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { pushCommitInput } from '../convert/commit.js';
import { suiteRecord } from '../routes/check-records.js';
import { nativePushCommit } from '../schema.js';
import { field, isNoCommit, isObject, listAt, textAt } from './fields.js';
import { ask, type Translation } from './translation.js';

const isCommit = (value: unknown): boolean => nativePushCommit.safeParse(value).success;

/** GitHub names the pusher by login and e-mail only. */
function pusher(t: Translation): JsonObject {
  const person = isObject(t.payload.pusher) ? t.payload.pusher : t.payload.sender;
  return {
    name: textAt(person, 'login') ?? textAt(person, 'username') ?? t.owner,
    email: textAt(person, 'email') ?? null,
  };
}

/** Had the old head commits that the new one has not? Asked only when an app reads it: it takes a request. */
async function isForced(t: Translation, before: string, after: string): Promise<boolean> {
  if (!t.ports.wanted.has('forced') || isNoCommit(before) || isNoCommit(after)) return false;
  const lost = await ask(t, 'GET /repos/{owner}/{repo}/compare/{basehead}', { basehead: `${after}...${before}` });
  return Number(field(lost, 'ahead_by')) > 0;
}

export async function push(t: Translation): Promise<JsonObject> {
  const { payload, base, event, repository: of } = t;
  const isBranchDelete = event.change?.deleted === true;
  const before = isBranchDelete ? NO_COMMIT : (textAt(payload, 'before') ?? NO_COMMIT);
  const after = isBranchDelete ? NO_COMMIT : (textAt(payload, 'after') ?? NO_COMMIT);
  const deleted = isNoCommit(after);
  const ref = textAt(payload, 'ref') ?? '';
  const sent = (deleted ? [] : (listAt(payload, 'commits') ?? [])).filter(isCommit).map(pushCommitInput);
  // The server tells the newest first, GitHub the oldest.
  const commits = sent[0]?.sha === after ? sent.toReversed() : sent;
  const told = isCommit(payload.head_commit) ? pushCommitInput(payload.head_commit) : undefined;
  const head = deleted ? undefined : (told ?? commits.find(({ sha }) => sha === after));
  return {
    ref: isBranchDelete ? `refs/heads/${ref.replace(/^refs\/heads\//, '')}` : ref,
    before,
    after,
    created: isNoCommit(before) && !deleted,
    deleted,
    forced: await isForced(t, before, after),
    base_ref: null,
    compare: textAt(payload, 'compare_url') ?? `${of.htmlUrl}/compare/${before}...${after}`,
    commits: commits.map((commit) => pushCommit(base, commit)),
    head_commit: head === undefined ? null : pushCommit(base, head),
    pusher: pusher(t),
    ...t.common,
    repository: pushedRepository(t.common.repository as JsonObject),
  };
}

/**
 * GitHub begins a suite of the App's at the head of every branch that is pushed to, and apps that check commits listen to
 * that alone. The suite has the number by which the routes know it, where somebody keeps it.
 */
export async function suiteRequested(t: Translation): Promise<JsonObject> {
  const { payload, base, ports, repository: of } = t;
  const sha = textAt(payload, 'after') ?? NO_COMMIT;
  const before = textAt(payload, 'before');
  const { records } = ports;
  const told = isCommit(payload.head_commit) ? pushCommitInput(payload.head_commit) : undefined;
  const asks = ports.wanted.has('check_suite.pull_requests');
  const pullRequests = asks ? pullsAt(await ask(t, PULLS_OF_COMMIT, { commit_sha: sha }), sha, of.id) : [];
  const suite = checkSuite(base, t.owner, t.name, {
    id: records === undefined ? 0 : (await suiteRecord(records, String(of.id), sha)).id,
    headSha: sha,
    headBranch: shortRef(t),
    status: 'queued',
    conclusion: null,
    ...(before !== undefined && { before }),
    after: sha,
    pullRequests,
    createdAt: t.received,
    updatedAt: t.received,
    ...(told && { headCommit: told }),
  });
  return { check_suite: suite, ...t.common };
}

const shortRef = (t: Translation): string => (textAt(t.payload, 'ref') ?? '').replace(/^refs\/(?:heads|tags)\//, '');
const refType = (t: Translation): string => (t.payload.ref_type === 'tag' ? 'tag' : 'branch');

export function created(t: Translation): JsonObject {
  return {
    ref: shortRef(t),
    ref_type: refType(t),
    master_branch: t.repository.defaultBranch ?? 'main',
    description: t.repository.description ?? null,
    pusher_type: 'user',
    ...t.common,
  };
}

export function deleted(t: Translation): JsonObject {
  return { ref: shortRef(t), ref_type: refType(t), pusher_type: 'user', ...t.common };
}

/**
 * The server's button sends a push that changes nothing; GitHub has an event for it. Which hook it was is not told: it is the one that
 * the delivery came through, where we made it, and else number 0, which nobody has.
 */
export async function ping(t: Translation): Promise<JsonObject> {
  const id = (await t.ports.hookNumber?.()) ?? 0;
  const url = `${apiOf(t.base, t.owner, t.name)}/hooks/${id}`;
  return {
    zen: 'Keep it logically awesome.',
    hook_id: id,
    hook: {
      type: 'Repository',
      id,
      name: 'web',
      active: true,
      events: ['push'],
      config: { content_type: 'json', insecure_ssl: '0', url },
      updated_at: t.received,
      created_at: t.received,
      url,
      ping_url: `${url}/pings`,
      deliveries_url: `${url}/deliveries`,
    },
    ...t.common,
  };
}
