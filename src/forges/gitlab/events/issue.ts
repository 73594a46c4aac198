/** Issues, and the work items that are issues to GitHub. */
import type { ForgeEvent, JsonObject, Snapshot } from '../../forge.js';
import { issue as issueShape } from '../../kit/shapes/issue.js';
import { time } from '../convert/read.js';
import { issueNumber } from '../references.js';
import { anyEvent, type IssueEvent, issueEvent } from '../schema.js';
import { accountInput } from './account.js';
import { changeFields } from './change-details.js';
import {
  assigneeEvents,
  editedEvent,
  keptAccounts,
  keptLabels,
  labelEvents,
  lockEvents,
  milestoneEvents,
} from './changes.js';
import { asOpened, checked, hook, isOver, OVER } from './hook.js';
import { issueAuthor, issueInput, knownIssue } from './issue-input.js';
import { type KeptState, readKeptState } from './kept-state.js';
import { firstId, hasPlace, NO_PLACE, placeOf, repositoryInput } from './place.js';
import { CONFIDENTIAL, rawFinding, rawPayload } from './raw.js';

const NAME = 'issues';
/** Types of work items that GitHub would call an issue. Older hooks name no type; some write it in capitals. */
const ISSUE_TYPES: ReadonlySet<string> = new Set(['issue', 'incident', 'ticket']);

const isIssue = ({ object_attributes: issue }: IssueEvent) => !issue.type || ISSUE_TYPES.has(issue.type.toLowerCase());
const isConfidential = ({ event_type: type, object_attributes: issue }: IssueEvent) =>
  issue.confidential === true || (type ?? '').startsWith('confidential_');
const repositoryIdOf = ({ project, object_attributes: issue }: IssueEvent) => project?.id ?? issue.project_id;

function updates(hook: IssueEvent, kept: KeptState | undefined): ForgeEvent[] {
  const changes = hook.changes ?? undefined;
  return [
    ...editedEvent(NAME, changes),
    ...labelEvents(NAME, changes?.labels, hook.labels ?? hook.object_attributes.labels, kept),
    ...assigneeEvents(NAME, changes?.assignees, hook.assignees, kept),
    ...milestoneEvents(NAME, changes?.milestone_id),
    ...lockEvents(NAME, changes?.discussion_locked),
    // GitHub's `transferred` names the new issue, of which this hook has the id only.
    ...(changes?.moved_to_id?.current ? [{ name: 'gitlab.issue', action: 'moved' }] : []),
  ];
}

function issueEvents(hook: IssueEvent, kept: KeptState | undefined): ForgeEvent[] {
  switch (hook.object_attributes.action) {
    case 'open':
      return [{ name: NAME, action: 'opened' }];
    case 'close':
      return [{ name: NAME, action: 'closed' }, ...updates(hook, kept)];
    case 'reopen':
      return [{ name: NAME, action: 'reopened' }, ...updates(hook, kept)];
    case 'update':
      return updates(hook, kept);
    default:
      return [];
  }
}

const isRaw = (event: ForgeEvent) => event.name.startsWith('gitlab.');

export const issue = (kind: string) =>
  hook(issueEvent, {
    classify(payload, options) {
      const { object_attributes: issue } = payload;
      if (isConfidential(payload) && options.confidential !== true) return { ignored: CONFIDENTIAL };
      const repositoryId = firstId(repositoryIdOf(payload));
      // Epics belong to a group; tasks and the like to no one who works with issues.
      if (!isIssue(payload) || (kind !== 'issue' && repositoryId === undefined))
        return rawFinding(kind, anyEvent.parse(payload));
      if (repositoryId === undefined) return { ignored: 'project.id is missing.' };
      if (!hasPlace(payload.project)) return { ignored: NO_PLACE };
      if (isOver(issue)) return { ignored: OVER };
      const events = issueEvents(payload, readKeptState(options.previous, time(issue.updated_at)));
      if (events.length === 0) return { ignored: 'Nothing changed that GitHub would tell.' };
      return {
        events,
        repositoryId,
        number: issueNumber(issue.iid),
        identity: [issue.id, issue.action, issue.state, issue.updated_at, payload.user, payload.changes],
      };
    },

    async payload(payload, event, ports, delivery) {
      if (isRaw(event)) return rawPayload(anyEvent.parse(payload), event, ports, delivery.payload);
      const { labels, assignees } = payload;
      const attributes = asOpened(payload.object_attributes);
      const actor = accountInput(ports.base, payload.user);
      const repository = repositoryInput(ports.base, payload.project ?? {}, repositoryIdOf(payload) ?? 0, actor);
      const place = placeOf(ports, repository, actor);
      const told = { issue: attributes, actor, labels, assignees };
      // Whoever opens an issue wrote it; of anybody else only the id is told, as of a milestone.
      const complete = issueAuthor(told, ports) !== undefined && !attributes.milestone_id && labels != null;
      const known = complete ? undefined : await knownIssue(ports, place, issueNumber(attributes.iid));
      const input = {
        ...issueInput(told, place, ports, known),
        // Between a milestone that goes and one that comes there is none.
        ...(event.action === 'demilestoned' && { milestone: null }),
      };
      return {
        action: event.action,
        ...(await changeFields(event, place, ports, known)),
        issue: issueShape(ports.base, place.owner, place.name, input, known),
        ...place.fields,
      };
    },
  });

/** What the next hook about this issue is compared with. */
export function issueSnapshot(payload: JsonObject): Snapshot | undefined {
  const parsed = checked(issueEvent, payload);
  if (!parsed.success || !isIssue(parsed.data)) return undefined;
  const { object_attributes: issue, assignees, labels } = parsed.data;
  const repositoryId = firstId(repositoryIdOf(parsed.data));
  if (repositoryId === undefined) return undefined;
  const own = labels ?? issue.labels;
  const updatedAt = time(issue.updated_at);
  return {
    repositoryId,
    kind: 'issue',
    number: issueNumber(issue.iid),
    updatedAt,
    state: {
      ...(updatedAt !== undefined && { updatedAt }),
      ...(issue.state && { state: issue.state }),
      ...(own && { labels: keptLabels(own) }),
      ...(assignees && { assignees: keptAccounts(assignees) }),
    },
  };
}
