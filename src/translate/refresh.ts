/**
 * Before a replayed event is told again, what it is about is read from the forge as it is now, in GitHub's shape and through
 * the same requests as an app's, and put in place of what was stored: a title, a state or a comment of last week cannot act.
 */
import type { JsonObject } from '../forges/forge.js';
import { RouteFailure } from '../forges/kit/route.js';

/** Asks GitHub's API, or what stands for it. Rejects as Octokit does, or with a RouteFailure. */
type Ask = (route: string, parameters: Readonly<Record<string, unknown>>) => Promise<{ data: unknown }>;

/** `headMoved`: the pull request is at another commit than it was, which whoever caused the event need not have brought. */
type Refreshed = { kind: 'payload'; payload: JsonObject; headMoved: boolean } | { kind: 'ignored'; reason: string };

/** One object of a payload that can be read. */
interface Readable {
  /** Where it is in the payload. */
  key: string;
  /** For a person. */
  what: string;
  route: string;
  /** Parameters of the route beside owner and repo; undefined when the payload does not have them. */
  parameters(payload: JsonObject, stored: JsonObject): Readonly<Record<string, unknown>> | undefined;
  /** What a webhook writes otherwise than the API. */
  asInEvents?(fresh: JsonObject): JsonObject;
  /** Nobody can delete it alone: where it is not found, the forge has no number for it, and it stays as it was stored. */
  lasting?: boolean;
}

/** They tell that what they are about is no longer there, or no longer what it was: reading it would say something else. */
const GONE: ReadonlySet<unknown> = new Set(['deleted', 'transferred', 'dismissed']);
const NOT_THERE: ReadonlySet<unknown> = new Set([404, 410]);
/** The forge has no such request: the event is told as it was stored. */
const NOT_SERVED = 501;

const present = (name: string, value: unknown) =>
  typeof value === 'number' || typeof value === 'string' ? { [name]: value } : undefined;
const objectAt = (payload: JsonObject, key: string): JsonObject | undefined => {
  const value = payload[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
};

const headOf = (payload: JsonObject) => objectAt(objectAt(payload, 'pull_request') ?? {}, 'head')?.sha;

const byId = (key: string, what: string, path: string, parameter: string): Readable => ({
  key,
  what,
  route: `GET /repos/{owner}/{repo}${path}/{${parameter}}`,
  parameters: (_payload, { id }) => present(parameter, id),
});
const byNumber = (key: string, what: string, path: string, parameter: string): Readable => ({
  ...byId(key, what, path, parameter),
  parameters: (_payload, { number }) => present(parameter, number),
});

const pullRequest = byNumber('pull_request', 'pull request', '/pulls', 'pull_number');
const issue = byNumber('issue', 'issue', '/issues', 'issue_number');
const review: Readable = {
  key: 'review',
  what: 'review',
  route: 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}',
  parameters(payload, { id }) {
    const [pull, which] = [present('pull_number', objectAt(payload, 'pull_request')?.number), present('review_id', id)];
    return pull && which && { ...pull, ...which };
  },
  lasting: true,
  asInEvents: (fresh) => (typeof fresh.state === 'string' ? { ...fresh, state: fresh.state.toLowerCase() } : fresh),
};

/** By GitHub's event name, in the order of reading. Other events have nothing that could have changed, or cannot be read. */
const readable: Readonly<Record<string, readonly Readable[]>> = {
  pull_request: [pullRequest],
  pull_request_review: [review, pullRequest],
  pull_request_review_comment: [byId('comment', 'comment', '/pulls/comments', 'comment_id'), pullRequest],
  pull_request_review_thread: [pullRequest],
  issues: [issue],
  issue_comment: [byId('comment', 'comment', '/issues/comments', 'comment_id'), issue],
  commit_comment: [byId('comment', 'comment', '/comments', 'comment_id')],
  release: [byId('release', 'release', '/releases', 'release_id')],
  milestone: [byNumber('milestone', 'milestone', '/milestones', 'milestone_number')],
  check_run: [byId('check_run', 'check run', '/check-runs', 'check_run_id')],
  check_suite: [byId('check_suite', 'check suite', '/check-suites', 'check_suite_id')],
  workflow_run: [byId('workflow_run', 'workflow run', '/actions/runs', 'run_id')],
  deployment: [byId('deployment', 'deployment', '/deployments', 'deployment_id')],
};

function statusOf(error: unknown): unknown {
  if (error instanceof RouteFailure) return error.status;
  return error instanceof Error && error.name === 'HttpError' && 'status' in error ? error.status : undefined;
}

/**
 * The payload as it would be today. Ignored with a reason when what it is about is no longer there.
 * @param askAs how to ask in the name of the payload's installation; undefined when it has none, and nobody can be asked
 * @throws what asking throws when the forge cannot be reached or refuses
 */
export async function refreshed(
  askAs: () => Promise<Ask | undefined>,
  eventName: string,
  payload: JsonObject,
): Promise<Refreshed> {
  const repository = objectAt(payload, 'repository');
  const [owner, repo] = [objectAt(repository ?? {}, 'owner')?.login, repository?.name];
  if (typeof owner !== 'string' || typeof repo !== 'string') return { kind: 'payload', payload, headMoved: false };
  const all = readable[eventName] ?? [];
  // What such an event is about comes first; the rest is still there.
  const wanted = GONE.has(payload.action) ? all.slice(1) : all;
  const ask = wanted.length > 0 ? await askAs() : undefined;
  if (ask === undefined) return { kind: 'payload', payload, headMoved: false };
  let now = payload;
  for (const { key, what, route, parameters, asInEvents, lasting } of wanted) {
    const stored = objectAt(payload, key);
    const asked = stored && parameters(payload, stored);
    if (stored === undefined || asked === undefined) continue;
    let data: unknown;
    try {
      data = (await ask(route, { owner, repo, ...asked })).data;
    } catch (error) {
      const status = statusOf(error);
      if (status === NOT_SERVED || (lasting && NOT_THERE.has(status))) continue;
      if (NOT_THERE.has(status)) return { kind: 'ignored', reason: `The ${what} is no longer there (${status}).` };
      throw error;
    }
    const read = objectAt({ data }, 'data');
    if (read === undefined) continue;
    if (String(read.id) !== String(stored.id))
      return { kind: 'ignored', reason: `The ${what} is no longer there: another one has its place.` };
    // Some fields are only in events.
    now = { ...now, [key]: { ...stored, ...(asInEvents?.(read) ?? read) } };
  }
  return { kind: 'payload', payload: now, headMoved: headOf(now) !== headOf(payload) };
}
