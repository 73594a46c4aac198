/** Mutations of issues. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { notSupported } from '../failures.js';
import { numbered, type Place, repositoryPlace } from '../node-ids.js';
import { given, object, text } from '../rest.js';
import { issue, placed } from '../sources.js';
import { at, labelNames, logins } from './conversations.js';
import type { Mutations } from './mutation.js';

/** What GraphQL calls by ids and REST by names. `null` leaves a field as it is, but for the milestone. */
export interface Attributes {
  title?: string | null;
  body?: string | null;
  state?: string | null;
  labelIds?: readonly string[] | null;
  assigneeIds?: readonly string[] | null;
  milestoneId?: string | null;
  projectIds?: readonly string[] | null;
}

export const ATTRIBUTES =
  'title: String body: String labelIds: [ID!] assigneeIds: [ID!] milestoneId: ID projectIds: [ID!]';

/** The attributes as REST takes them; `undefined` where nothing was said. */
export async function attributes(ask: Ask, place: Place, input: Attributes): Promise<JsonObject> {
  if (input.projectIds && input.projectIds.length > 0)
    throw notSupported('projectIds', `${ask.forge} has no classic projects to put this on.`);
  const { title, body, state, labelIds, assigneeIds, milestoneId } = input;
  return given({
    title: title ?? undefined,
    body: body ?? undefined,
    state: state?.toLowerCase(),
    labels: labelIds ? await labelNames(ask, place, labelIds) : undefined,
    assignees: assigneeIds ? await logins(ask, assigneeIds) : undefined,
    milestone: milestoneId ? numbered(milestoneId, 'Milestone').number : milestoneId,
  });
}

/** Changes an issue. Nothing is sent when nothing is to change. */
export async function patchIssue(ask: Ask, id: string, changes: JsonObject) {
  const { number, ...place } = at(id);
  const where = { ...placed(place), issue_number: number };
  if (Object.keys(changes).length === 0) return issue(ask, place, number);
  const rest = await ask.write('PATCH /repos/{owner}/{repo}/issues/{issue_number}', { ...where, ...changes });
  return issue(ask, place, number, object(rest) ?? {});
}

interface CloseIssue {
  issueId: string;
  stateReason?: string | null;
}

interface CreateIssue extends Attributes {
  repositoryId: string;
}

export const issueMutations: Mutations = {
  createIssue: {
    input: `repositoryId: ID! title: String! body: String labelIds: [ID!] assigneeIds: [ID!] milestoneId: ID projectIds: [ID!]`,
    payload: 'issue: Issue',
    async run({ repositoryId, ...input }: CreateIssue, ask) {
      const place = await repositoryPlace(ask, repositoryId);
      const wanted = await attributes(ask, place, input);
      const rest = await ask.write('POST /repos/{owner}/{repo}/issues', { ...place, ...wanted });
      return { issue: issue(ask, place, Number(rest.number), rest) };
    },
  },
  updateIssue: {
    input: `id: ID! state: IssueState ${ATTRIBUTES}`,
    payload: 'issue: Issue',
    async run({ id, ...input }: Attributes & { id: string }, ask) {
      return { issue: await patchIssue(ask, id, await attributes(ask, at(id), input)) };
    },
  },
  closeIssue: {
    input: 'issueId: ID! stateReason: IssueClosedStateReason',
    payload: 'issue: Issue',
    async run({ issueId, stateReason }: CloseIssue, ask) {
      const reason = text(stateReason)?.toLowerCase() ?? 'completed';
      return { issue: await patchIssue(ask, issueId, { state: 'closed', state_reason: reason }) };
    },
  },
  reopenIssue: {
    input: 'issueId: ID!',
    payload: 'issue: Issue',
    async run({ issueId }: { issueId: string }, ask) {
      return { issue: await patchIssue(ask, issueId, { state: 'open' }) };
    },
  },
};
