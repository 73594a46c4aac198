/**
 * Why issues were closed. Forges that keep no such word close every issue as completed; what an app said is kept here, and
 * counts until the issue is closed anew.
 */
import type { JsonObject } from '../forge.js';
import type { Records } from './records.js';

/** Record: key is the id of the issue, data `{ reason, closedAt }`. */
const KIND = 'issue_close_reason';
const ROW = 'PATCH /repos/{owner}/{repo}/issues/{issue_number}';
const KEPT: ReadonlySet<unknown> = new Set(['completed', 'not_planned', 'duplicate']);
/** More than this many closed issues in one answer are looked up together. */
const FEW = 5;

type Json = Record<string, unknown>;

/** A pull request has no reason, and as an issue none that anybody gave. */
const isClosedIssue = (value: unknown): value is Json => {
  const { state, state_reason: reason, pull_request: pull, id } = (value ?? {}) as Json;
  return state === 'closed' && (reason === 'completed' || reason === null) && pull === undefined && id !== undefined;
};

/** Webhooks and the API may differ in fractions of a second; '' where the forge does not say when. */
const second = (time: unknown): string => String(time ?? '').slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);

function closedIn(data: unknown): Json[] {
  const items = (data as { items?: unknown } | null | undefined)?.items;
  return (Array.isArray(data) ? data : Array.isArray(items) ? items : [data]).filter(isClosedIssue);
}

async function reasonsOf(records: Records, issues: readonly Json[]): Promise<ReadonlyMap<string, JsonObject>> {
  const ids = issues.map(({ id }) => String(id));
  if (ids.length > FEW) {
    const all = await records.list(KIND, '');
    // A list that is full may lack some.
    if (all.length < 1_000) return new Map(all.map(({ key, data }) => [key, data]));
  }
  const found = await Promise.all(ids.map((id) => records.get(KIND, id)));
  return new Map(found.flatMap((record) => (record === undefined ? [] : [[record.key, record.data] as const])));
}

/** Keeps what a request said, when it was one that closes an issue. */
export async function keepCloseReason(records: Records, row: string, sent: JsonObject, answer: unknown): Promise<void> {
  if (row !== ROW || sent.state_reason === undefined || !isClosedIssue(answer)) return;
  const { state_reason: reason } = sent;
  const { id, closed_at: closedAt = null } = answer;
  if (KEPT.has(reason)) await records.put(KIND, String(id), { reason, closedAt });
}

/** Writes into the issues of an answer, or into one, why they were closed. */
export async function tellCloseReasons(records: Records, data: unknown): Promise<void> {
  const issues = closedIn(data);
  if (issues.length === 0) return;
  const reasons = await reasonsOf(records, issues);
  for (const issue of issues) {
    const known = reasons.get(String(issue.id));
    if (known !== undefined && second(known.closedAt) === second(issue.closed_at))
      Object.assign(issue, { state_reason: known.reason });
  }
}
