/** Mutations of issues and pull requests that REST calls issues both: comments, labels, assignees, locks. */
import type { Ask } from '../ask.js';
import { hasStatus } from '../failures.js';
import { everyItem, routeListing } from '../listing.js';
import { conversationAt, inRepository, login, numbered, type Place, readGlobalId, unresolved } from '../node-ids.js';
import { text } from '../rest.js';
import { conversation, type Numbered, placed, spoken } from '../sources.js';
import type { Mutations } from './mutation.js';

interface Conversation extends Place {
  number: number;
}

const issueRoute = ({ number, ...place }: Conversation) => ({ ...placed(place), issue_number: number });

/** Where a conversation is, by its global id. */
export function at(id: string): Conversation {
  const { place, number } = conversationAt(id);
  return { ...place, number };
}

/** The conversation as it is now. */
export async function conversationNow(ask: Ask, where: Conversation): Promise<Numbered> {
  const rest = await ask.get('GET /repos/{owner}/{repo}/issues/{issue_number}', issueRoute(where));
  return conversation(ask, where, rest);
}

/** Names of labels by their global ids; an id that does not say its name is looked for in the repository. */
export async function labelNames(ask: Ask, place: Place, ids: readonly string[]): Promise<readonly string[]> {
  return Promise.all(
    ids.map(async (id) => {
      const read = readGlobalId(id);
      if (read.type === 'Label' && read.detail !== undefined) return read.detail;
      const labels = await everyItem(routeListing(ask, 'GET /repos/{owner}/{repo}/labels', placed(place)));
      const name = text(labels.find((label) => read.type === 'Label' && String(label.id) === read.id)?.name);
      if (name === undefined) throw unresolved(id);
      return name;
    }),
  );
}

export const logins = (ask: Ask, ids: readonly string[]): Promise<readonly string[]> =>
  Promise.all(ids.map((id) => login(ask, id)));

interface LabelsInput {
  labelableId: string;
  labelIds: readonly string[];
}

interface AssigneesInput {
  assignableId: string;
  assigneeIds: readonly string[];
}

const LABELS = 'labelableId: ID! labelIds: [ID!]!';
const ASSIGNEES = 'assignableId: ID! assigneeIds: [ID!]!';

export const conversationMutations: Mutations = {
  addComment: {
    input: 'subjectId: ID! body: String!',
    payload: 'commentEdge: IssueCommentEdge subject: Node',
    async run({ subjectId, body }: { subjectId: string; body: string }, ask) {
      const where = at(subjectId);
      const route = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';
      const rest = await ask.write(route, { ...issueRoute(where), body });
      const node = spoken('IssueComment', where, where.number, rest);
      return { commentEdge: { cursor: null, node }, subject: () => conversationNow(ask, where) };
    },
  },
  updateIssueComment: {
    input: 'id: ID! body: String!',
    payload: 'issueComment: IssueComment',
    async run({ id, body }: { id: string; body: string }, ask) {
      const comment = numbered(id, 'IssueComment');
      const route = 'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}';
      const rest = await ask.write(route, { ...comment.place, comment_id: comment.id, body });
      return { issueComment: spoken('IssueComment', comment.place, comment.number, rest) };
    },
  },
  deleteIssueComment: {
    input: 'id: ID!',
    payload: '',
    async run({ id }: { id: string }, ask) {
      const comment = inRepository(id, 'IssueComment');
      const where = { ...comment.place, comment_id: comment.id };
      await ask.write('DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}', where);
      return {};
    },
  },
  addLabelsToLabelable: {
    input: LABELS,
    payload: 'labelable: Labelable',
    async run({ labelableId, labelIds }: LabelsInput, ask) {
      const where = at(labelableId);
      const labels = await labelNames(ask, where, labelIds);
      await ask.write('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', { ...issueRoute(where), labels });
      return { labelable: () => conversationNow(ask, where) };
    },
  },
  removeLabelsFromLabelable: {
    input: LABELS,
    payload: 'labelable: Labelable',
    async run({ labelableId, labelIds }: LabelsInput, ask) {
      const where = at(labelableId);
      for (const name of await labelNames(ask, where, labelIds)) {
        try {
          const route = 'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}';
          await ask.write(route, { ...issueRoute(where), name });
        } catch (error) {
          // It is off already, which is what was asked for.
          if (!hasStatus(error, 404)) throw error;
        }
      }
      return { labelable: () => conversationNow(ask, where) };
    },
  },
  clearLabelsFromLabelable: {
    input: 'labelableId: ID!',
    payload: 'labelable: Labelable',
    async run({ labelableId }: { labelableId: string }, ask) {
      const where = at(labelableId);
      await ask.write('DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels', issueRoute(where));
      return { labelable: () => conversationNow(ask, where) };
    },
  },
  addAssigneesToAssignable: {
    input: ASSIGNEES,
    payload: 'assignable: Assignable',
    async run({ assignableId, assigneeIds }: AssigneesInput, ask) {
      const where = at(assignableId);
      const assignees = await logins(ask, assigneeIds);
      const route = 'POST /repos/{owner}/{repo}/issues/{issue_number}/assignees';
      await ask.write(route, { ...issueRoute(where), assignees });
      return { assignable: () => conversationNow(ask, where) };
    },
  },
  removeAssigneesFromAssignable: {
    input: ASSIGNEES,
    payload: 'assignable: Assignable',
    async run({ assignableId, assigneeIds }: AssigneesInput, ask) {
      const where = at(assignableId);
      const assignees = await logins(ask, assigneeIds);
      const route = 'DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees';
      await ask.write(route, { ...issueRoute(where), assignees });
      return { assignable: () => conversationNow(ask, where) };
    },
  },
  lockLockable: {
    input: 'lockableId: ID! lockReason: LockReason',
    payload: 'lockedRecord: Lockable',
    async run({ lockableId, lockReason }: { lockableId: string; lockReason?: string | null }, ask) {
      const where = at(lockableId);
      const reasons: Readonly<Record<string, string>> = { OFF_TOPIC: 'off-topic', TOO_HEATED: 'too heated' };
      const reason = lockReason ? { lock_reason: reasons[lockReason] ?? lockReason.toLowerCase() } : {};
      await ask.write('PUT /repos/{owner}/{repo}/issues/{issue_number}/lock', { ...issueRoute(where), ...reason });
      return { lockedRecord: () => conversationNow(ask, where) };
    },
  },
  unlockLockable: {
    input: 'lockableId: ID!',
    payload: 'unlockedRecord: Lockable',
    async run({ lockableId }: { lockableId: string }, ask) {
      const where = at(lockableId);
      await ask.write('DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock', issueRoute(where));
      return { unlockedRecord: () => conversationNow(ask, where) };
    },
  },
};
