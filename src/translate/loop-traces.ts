/**
 * Loops are cut by what we wrote and not by who sent it: a maintainer's own token may be the bot. A write leaves a trace in
 * the event that it causes: the id of the comment, the name of the label, the SHA that was pushed. Both sides speak GitHub's
 * language, so this knows no forge.
 */
import type { JsonObject } from '../forges/forge.js';
import { storable } from '../forges/kit/storable-text.js';
import { gather } from '../lib/gather.js';
import type { Store } from '../store/database.js';

interface Place {
  organizationId: string;
  forge: string;
  host: string;
}

export interface OwnWrite {
  app: string;
  /** How many of our own writes led to it. */
  depth: number;
}

export interface LoopTraces {
  /** Notes what a write that was answered will cause. */
  note(place: Place, traces: readonly string[], write: OwnWrite): Promise<void>;
  /** The write of ours that caused an event, if one did. */
  causeOf(place: Place, traces: readonly string[]): Promise<OwnWrite | undefined>;
}

/** An event comes within seconds; one that comes after this was somebody else's doing. */
const REMEMBERED = '1 hour';

type Json = Record<string, unknown>;
const objectAt = (value: unknown, key: string): Json => {
  const inner = (value as Json | undefined)?.[key];
  return typeof inner === 'object' && inner !== null ? (inner as Json) : {};
};
const textAt = (value: unknown, key: string): string | undefined => {
  const inner = (value as Json | undefined)?.[key];
  return typeof inner === 'string' || typeof inner === 'number' ? String(inner) : undefined;
};

/** Traces of one write: the route string, its path parameters, what was sent and what was answered. */
export function tracesOfWrite(
  route: string,
  params: Readonly<Record<string, string>>,
  sent: JsonObject,
  answer: unknown,
): string[] {
  const where = `${params.owner ?? ''}/${params.repo ?? ''}`.toLowerCase();
  const number = params.issue_number ?? params.pull_number;
  const [method = '', path = ''] = route.split(' ');
  const of = (kind: string, ...rest: readonly (string | undefined)[]) =>
    rest.some((part) => part === undefined || part === '') ? [] : [`${where} ${kind} ${rest.join(' ')}`];
  const id = textAt(answer, 'id');
  if (path.includes('/comments') && method !== 'DELETE')
    return of('comment', id ?? params.comment_id).concat(of('review', textAt(answer, 'pull_request_review_id')));
  if (path.endsWith('/labels') && number !== undefined) {
    const labels = Array.isArray(answer) ? answer : [];
    return labels.flatMap((label) => of('label', number, textAt(label, 'name')));
  }
  if (path.endsWith('/labels/{name}') && number !== undefined) return of('label', number, params.name);
  if (path.endsWith('/reviews')) return of('review', id);
  if (path.endsWith('/statuses/{sha}')) return of('status', params.sha, textAt(sent, 'context') ?? 'default');
  if (path.includes('/check-runs')) return of('check_run', id);
  if (path.endsWith('/contents/{path}')) return of('push', textAt(objectAt(answer, 'commit'), 'sha'));
  if (path.includes('/git/refs')) return of('push', textAt(sent, 'sha'));
  if (path.endsWith('/merge')) return of('push', textAt(answer, 'sha')).concat(of('state', number, 'closed'));
  // A draft is a title on some forges. What has nothing to wait for is merged at once.
  if (path.endsWith('/draft')) return of('draft', number).concat(of('edit', number));
  if (path.endsWith('/auto-merge'))
    return textAt(answer, 'state') === 'closed'
      ? of('push', textAt(answer, 'merge_commit_sha')).concat(of('state', number, 'closed'))
      : [];
  // Its states are told by its number alone on some forges.
  if (path.endsWith('/deployments') || path.endsWith('/deployments/{deployment_id}/statuses'))
    return of('deployment', params.deployment_id ?? id);
  if (path.endsWith('/merges')) return of('push', textAt(answer, 'sha'));
  if (method === 'POST' && (path.endsWith('/issues') || path.endsWith('/pulls')))
    return of('state', textAt(answer, 'number'), 'open');
  if (method === 'PATCH' && number !== undefined)
    return of('state', number, textAt(answer, 'state')).concat(of('edit', number));
  if (path.endsWith('/requested_reviewers') || path.endsWith('/assignees')) return of('people', number);
  return [];
}

/**
 * The same traces with the account that left them. An app may speak through several connections to one repository, and what it
 * wrote through one is heard of by another (ADR 66).
 */
export const tracesBy = (account: string | number | bigint, traces: readonly string[]): string[] =>
  traces.map((trace) => `${trace} by ${account}`);

/** Traces that an event may have been left by one of our writes. */
export function tracesOfEvent(name: string, payload: JsonObject): string[] {
  const repository = objectAt(payload, 'repository');
  const where =
    `${textAt(objectAt(repository, 'owner'), 'login') ?? ''}/${textAt(repository, 'name') ?? ''}`.toLowerCase();
  const subject = payload.pull_request ?? payload.issue;
  const number = textAt(subject, 'number');
  const action = textAt(payload, 'action') ?? '';
  const of = (kind: string, ...rest: readonly (string | undefined)[]) =>
    rest.some((part) => part === undefined || part === '') ? [] : [`${where} ${kind} ${rest.join(' ')}`];
  // A comment on a line may be told as part of a review of ours, whose answer named the review alone.
  if (payload.comment !== undefined)
    return of('comment', textAt(payload.comment, 'id')).concat(
      of('review', textAt(payload.comment, 'pull_request_review_id')),
    );
  if (payload.review !== undefined) return of('review', textAt(payload.review, 'id'));
  if (payload.label !== undefined && number !== undefined) return of('label', number, textAt(payload.label, 'name'));
  if (name === 'status') return of('status', textAt(payload, 'sha'), textAt(payload, 'context'));
  // Somebody has pressed a button of it, whoever wrote the check.
  if (name === 'check_run' && (action === 'requested_action' || action === 'rerequested')) return [];
  if (name === 'check_run') return of('check_run', textAt(payload.check_run, 'id'));
  if (name === 'push') return of('push', textAt(payload, 'after'));
  if (name === 'repository_dispatch') return of('dispatch', action);
  if (payload.deployment !== undefined) return of('deployment', textAt(payload.deployment, 'id'));
  if (action === 'synchronize') return of('push', textAt(objectAt(subject, 'head'), 'sha'));
  if (action === 'opened' || action === 'reopened') return of('state', number, 'open');
  if (action === 'closed') return of('state', number, 'closed');
  if (action === 'converted_to_draft' || action === 'ready_for_review') return of('draft', number);
  if (action === 'edited' || action.endsWith('ilestoned')) return of('edit', number);
  if (action.startsWith('review_request') || action.endsWith('assigned')) return of('people', number);
  return [];
}

interface Question {
  place: Place;
  traces: readonly string[];
}

/** The deepest cause of each, all of one organization. */
async function causesOf(store: Store, questions: readonly Question[]): Promise<(OwnWrite | undefined)[]> {
  const asked = questions.flatMap(({ place, traces }, at) => traces.map((trace) => ({ ...place, trace, at })));
  const found = await store.glance<OwnWrite & { question: number }>(questions[0]?.place.organizationId ?? '', {
    name: 'loop_causes',
    // A look into the index for each, whatever the planner believes of the table's size.
    text: `SELECT DISTINCT ON (k.question) k.question, w.app, w.depth
      FROM unnest($2::int[], $3::text[], $4::text[], $5::text[]) AS k(question, forge, host, trace)
      CROSS JOIN LATERAL (
        SELECT app, depth FROM own_write
        WHERE organization_id = $1 AND forge = k.forge AND host = k.host AND trace = k.trace
          AND created_at > now() - interval '${REMEMBERED}'
        LIMIT 1
      ) w ORDER BY k.question, w.depth DESC`,
    values: [
      questions[0]?.place.organizationId,
      asked.map(({ at }) => at),
      asked.map(({ forge }) => forge),
      asked.map(({ host }) => host),
      asked.map(({ trace }) => storable(trace)),
    ],
  });
  const causes = new Map(found.map(({ question, app, depth }) => [question, { app, depth }]));
  return questions.map((_, at) => causes.get(at));
}

export function createLoopTraces(store: Store): LoopTraces {
  // Handlers begin together, and each asks: one statement for all is a tenth of what the statements cost.
  const gathered = gather<Question, OwnWrite | undefined>(
    ({ place }) => place.organizationId,
    (questions) => causesOf(store, questions),
  );
  return {
    async note({ organizationId, forge, host }, traces, { app, depth }) {
      if (traces.length === 0) return;
      await store.tenant(organizationId, (tx) =>
        tx.query(
          `INSERT INTO own_write AS w (organization_id, forge, host, trace, app, depth)
           SELECT $1, $2, $3, t, $5, $6 FROM unnest($4::text[]) AS t
           ON CONFLICT (organization_id, forge, host, trace) DO UPDATE SET
             app = excluded.app, depth = greatest(w.depth, excluded.depth), created_at = now()`,
          [organizationId, forge, host, [...new Set(traces.map(storable))].sort(), app, depth],
        ),
      );
    },
    causeOf(place, traces) {
      return traces.length === 0 ? Promise.resolve(undefined) : gathered.ask({ place, traces });
    },
  };
}
