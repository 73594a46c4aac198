/**
 * What is kept of an issue or a pull request from one delivery to the next: a delivery says "labels were updated" and
 * lists those of now, so which came and which went is the difference to what was known before.
 */
import type { z } from 'zod';
import type { JsonObject, Snapshot } from '../../forge.js';
import { storable } from '../../kit/storable-text.js';
import { labelInputs } from '../convert/label.js';
import { milestoneIfTold } from '../convert/milestone.js';
import { isDraftTitle } from '../convert/pull-request.js';
import { time } from '../convert/time.js';
import { accountInputs, teamReferences } from '../convert/user.js';
import { nativeLabel, nativeMilestone, nativeTeam, nativeUser } from '../schema.js';
import { field, idAt, isObject, listAt, numberAt, textAt } from './fields.js';
import { kindOf } from './kind.js';

/** An entry of a set: enough to find it again, and to speak of it when it is gone. Plain JSON that PostgreSQL stores. */
export type Entry = { id: string } & JsonObject;

export const labelEntries = (native: readonly unknown[] | undefined): Entry[] =>
  labelInputs(native).map(({ id, name, color }) => ({ id: String(id), name: storable(name), color }));

export const accountEntries = (native: readonly unknown[] | undefined): Entry[] =>
  (accountInputs(native) ?? []).map(({ id, login }) => ({ id: String(id), login: storable(login) }));

export const teamEntries = (native: readonly unknown[] | undefined): Entry[] =>
  (teamReferences(native) ?? []).map(({ id, name }) => ({ id: String(id), name: storable(name) }));

export function milestoneEntry(native: unknown): Entry | null {
  const milestone = milestoneIfTold(native);
  return milestone ? { id: String(milestone.id), title: storable(milestone.title), state: milestone.state } : null;
}

/** Older servers send one assignee, newer ones all of them and the first. */
export function assigneesOf(holder: JsonObject): readonly unknown[] {
  return listAt(holder, 'assignees') ?? (isObject(holder.assignee) ? [holder.assignee] : []);
}

function stateOf(holder: JsonObject): JsonObject {
  return {
    labels: labelEntries(listAt(holder, 'labels')),
    assignees: accountEntries(assigneesOf(holder)),
    milestone: milestoneEntry(holder.milestone),
  };
}

function pullRequestState(pull: JsonObject): JsonObject {
  return {
    ...stateOf(pull),
    reviewers: accountEntries(listAt(pull, 'requested_reviewers')),
    teams: teamEntries(listAt(pull, 'requested_reviewers_teams')),
    draft: typeof pull.draft === 'boolean' ? pull.draft : isDraftTitle(textAt(pull, 'title') ?? ''),
    ...(textAt(pull, 'head.sha') && { head: storable(textAt(pull, 'head.sha') ?? '') }),
    ...(textAt(pull, 'base.sha') && { baseSha: storable(textAt(pull, 'base.sha') ?? '') }),
  };
}

/** See ForgeDescriptor.snapshot. A comment tells its issue too, but of a pull request only when it is sent along. */
export function snapshot(eventType: string, payload: JsonObject): Snapshot | undefined {
  const kind = kindOf(eventType, payload);
  const repositoryId = idAt(payload, 'repository.id');
  if (kind === undefined || repositoryId === undefined || payload.action === 'deleted') return undefined;
  if (kind === 'pull_request' || kind === 'review' || kind === 'comment') {
    const pull = payload.pull_request;
    const number = numberAt(pull, 'number');
    if (isObject(pull) && number !== undefined)
      return {
        repositoryId,
        kind: 'pull_request',
        number,
        updatedAt: time(pull.updated_at),
        state: pullRequestState(pull),
      };
  }
  const { issue } = payload;
  const number = numberAt(issue, 'number');
  if ((kind !== 'issues' && kind !== 'comment') || !isObject(issue) || number === undefined) return undefined;
  if (payload.is_pull === true || isObject(field(issue, 'pull_request'))) return undefined;
  return { repositoryId, kind: 'issue', number, updatedAt: time(issue.updated_at), state: stateOf(issue) };
}

const SETS = { labels: nativeLabel, assignees: nativeUser, reviewers: nativeUser, teams: nativeTeam } as const;

/** What an older version of ours has kept may look otherwise, and then does not count. */
const isEntry = (entry: unknown, schema: z.ZodType): entry is Entry =>
  isObject(entry) && typeof entry.id === 'string' && schema.safeParse(entry).success;

/** The set of that name in what was kept; undefined when nothing was. */
export function entriesIn(previous: JsonObject | undefined, name: keyof typeof SETS): Entry[] | undefined {
  const list = listAt(previous, name);
  return list?.filter((entry): entry is Entry => isEntry(entry, SETS[name]));
}

/** The milestone in what was kept. */
export function keptMilestone(previous: JsonObject | undefined): Entry | undefined {
  const kept = previous?.milestone;
  return isEntry(kept, nativeMilestone) ? kept : undefined;
}
