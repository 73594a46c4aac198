/**
 * Who did what a difference tells. The object itself says it of openings, comments, reviews and merges; of the rest the
 * forge's list of what happened to it does, as far as it keeps one. That is asked once, and only where it is needed.
 */
import type { JsonObject } from '../../forges/forge.js';
import type { Finding } from './difference.js';
import type { Visit } from './ports.js';
import { isMissing, listed, statusOf } from './read-object.js';

export const HAPPENED = 'GET /repos/{owner}/{repo}/issues/{issue_number}/events';
/** Clocks of one instance's machines differ. */
const OVERLAP_MS = 60_000;

type Json = Record<string, unknown>;
const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const sameAt = (key: string, name: string) => (event: JsonObject, fields: Json) =>
  objectOf(event[key])[name] !== undefined &&
  String(objectOf(event[key])[name]) === String(objectOf(fields[key])[name]);

interface Trace {
  /** What GitHub calls it in the list. */
  events: readonly string[];
  isIt?: (event: JsonObject, fields: Json) => boolean;
}

const only = (field: string) => (_event: JsonObject, fields: Json) =>
  Object.keys(objectOf(fields.changes)).join() === field;

/** By action of `pull_request` and `issues`. What is not here, no forge keeps: an edited text, a push. */
const TRACES: Readonly<Record<string, readonly Trace[]>> = {
  labeled: [{ events: ['labeled'], isIt: sameAt('label', 'name') }],
  unlabeled: [{ events: ['unlabeled'], isIt: sameAt('label', 'name') }],
  assigned: [{ events: ['assigned'], isIt: sameAt('assignee', 'login') }],
  unassigned: [{ events: ['unassigned'], isIt: sameAt('assignee', 'login') }],
  milestoned: [{ events: ['milestoned'], isIt: sameAt('milestone', 'title') }],
  demilestoned: [{ events: ['demilestoned'], isIt: sameAt('milestone', 'title') }],
  review_requested: [
    { events: ['review_requested'], isIt: sameAt('requested_reviewer', 'login') },
    { events: ['review_requested'], isIt: sameAt('requested_team', 'slug') },
  ],
  review_request_removed: [
    { events: ['review_request_removed'], isIt: sameAt('requested_reviewer', 'login') },
    { events: ['review_request_removed'], isIt: sameAt('requested_team', 'slug') },
  ],
  edited: [
    { events: ['renamed'], isIt: only('title') },
    { events: ['base_ref_changed'], isIt: only('base') },
  ],
  closed: [{ events: ['merged', 'closed'] }],
  reopened: [{ events: ['reopened'] }],
  converted_to_draft: [{ events: ['convert_to_draft'] }],
  ready_for_review: [{ events: ['ready_for_review'] }],
  locked: [{ events: ['locked'] }],
  unlocked: [{ events: ['unlocked'] }],
};

const tracesOf = ({ name, action = '', sender }: Finding): readonly Trace[] =>
  sender === undefined && (name === 'pull_request' || name === 'issues') ? (TRACES[action] ?? []) : [];

/** Whether asking could tell who did it. */
export const isUnsigned = (finding: Finding): boolean => tracesOf(finding).length > 0;

/** What happened to an object, as far as its forge keeps it and shows it. @throws what asking the forge throws */
export async function readHappened({ access, watched }: Visit, number: number): Promise<JsonObject[]> {
  const where = { owner: watched.owner, repo: watched.name, issue_number: number };
  try {
    return await listed(access.github, HAPPENED, where);
  } catch (error) {
    if (isMissing(error) || statusOf(error) === 403) return [];
    throw error;
  }
}

/** A person: the place holder of an account that is gone has done nothing. */
function personOf({ actor }: JsonObject): Json | undefined {
  const person = objectOf(actor);
  return person.id === undefined || person.login === 'ghost' ? undefined : person;
}

/** Findings with whoever did them, by the newest event that tells the same and is not older than `since`. */
export function signed(findings: readonly Finding[], happened: readonly JsonObject[], since: Date): Finding[] {
  const from = since.getTime() - OVERLAP_MS;
  const timeOf = (event: JsonObject) => Date.parse(String(event.created_at ?? ''));
  const newestFirst = happened.filter((event) => timeOf(event) >= from).sort((a, b) => timeOf(b) - timeOf(a));
  return findings.map((finding) => {
    const traces = tracesOf(finding);
    if (traces.length === 0) return finding;
    const event = newestFirst.find((one) =>
      traces.some(
        ({ events, isIt }) => events.includes(String(one.event)) && (isIt === undefined || isIt(one, finding.fields)),
      ),
    );
    return { ...finding, sender: event && personOf(event) };
  });
}
