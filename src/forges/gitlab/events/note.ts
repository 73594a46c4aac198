/** Notes: comments on merge requests, on lines of them, on issues and on commits. GitLab tells of no deleted one. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { commitComment, issueComment, reviewComment } from '../../kit/shapes/comment.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import type { AccountInput, CommentInput } from '../../kit/shapes/inputs.js';
import { issue as issueShape } from '../../kit/shapes/issue.js';
import { simplePullRequest } from '../../kit/shapes/pull-request.js';
import { COMMIT_COMMENT, placeOfCommitComment } from '../convert/commit-comment.js';
import { linesOf } from '../convert/note.js';
import { time } from '../convert/read.js';
import { toGitHubBody } from '../quick-actions.js';
import { issueNumber } from '../references.js';
import { anyEvent, type NoteEvent, noteEvent } from '../schema.js';
import { toGitHubSuggestions } from '../suggestions.js';
import { accountInput, accountWithId } from './account.js';
import { askObject } from './ask.js';
import { associationOf } from './association.js';
import { hook } from './hook.js';
import { issueAuthor, issueInput, knownIssue } from './issue-input.js';
import { conversationInput, mergeRequestHook, pullRequestInput, pullWithPlace } from './merge-request-input.js';
import { firstId, hasPlace, NO_PLACE, type Place, placeOf, repositoryInput } from './place.js';
import { CONFIDENTIAL, rawFinding, rawPayload } from './raw.js';

/** Where GitHub's id-only routes find the place of a comment; shared with `routes/`. */
const COMMENT_PLACES = 'comment';

const repositoryIdOf = ({ project, project_id: id }: NoteEvent) => project?.id ?? id;
const positionOf = ({ object_attributes: note }: NoteEvent) => note.position ?? note.original_position;
const isOnLine = ({ object_attributes: note }: NoteEvent) => note.type === 'DiffNote' || note.position != null;
const isEdit = ({ object_attributes: note }: NoteEvent) => note.action === 'update';

/** Confidential issues, and notes that only members may read. */
function isConfidential({ event_type: type, object_attributes: note, issue }: NoteEvent): boolean {
  return (
    (type ?? '').startsWith('confidential_') ||
    note.internal === true ||
    note.confidential === true ||
    issue?.confidential === true
  );
}

/** GitHub's name for a comment on such a thing; undefined where it knows no comments, or tells no edits. */
function eventName(payload: NoteEvent): string | undefined {
  if (payload.merge_request) return isOnLine(payload) ? 'pull_request_review_comment' : 'issue_comment';
  if (payload.issue) return 'issue_comment';
  const { commit, object_attributes: note } = payload;
  return (commit?.id ?? note.commit_id) && note.noteable_type === 'Commit' && !isEdit(payload)
    ? 'commit_comment'
    : undefined;
}

function threadNumber({ merge_request: mr, issue }: NoteEvent): number | undefined {
  return mr?.iid ?? (issue ? issueNumber(issue.iid) : undefined);
}

async function commentInput(
  payload: NoteEvent,
  place: Place,
  author: AccountInput | undefined,
  ports: TranslatePorts,
): Promise<CommentInput> {
  const { object_attributes: note } = payload;
  return {
    id: note.id,
    number: threadNumber(payload) ?? 0,
    htmlUrl: note.url ?? `${place.repository.htmlUrl}#note_${note.id}`,
    body: toGitHubBody(note.note),
    author,
    association: await associationOf('comment.author_association', author, place, ports),
    createdAt: time(note.created_at),
    updatedAt: time(note.updated_at),
  };
}

/** GitHub's routes name a comment by its id alone; an event is often the first that anybody hears of it. */
async function remember({ object_attributes: note, ...payload }: NoteEvent, ports: TranslatePorts): Promise<void> {
  const sha = payload.commit?.id ?? note.commit_id;
  const project = firstId(repositoryIdOf({ object_attributes: note, ...payload }));
  if (ports.records !== undefined && note.noteable_type === 'Commit' && sha && project !== undefined) {
    await ports.records.put(COMMIT_COMMENT, placeOfCommitComment(project, note.id), { sha });
    return;
  }
  const iid = payload.merge_request?.iid ?? payload.issue?.iid;
  if (ports.records === undefined || iid === undefined) return;
  const key = String(note.id);
  if ((await ports.records.get(COMMENT_PLACES, key)) !== undefined) return;
  await ports.records.put(COMMENT_PLACES, key, {
    kind: payload.merge_request ? 'merge_request' : 'issue',
    iid,
    ...(note.discussion_id && { discussion: note.discussion_id }),
  });
}

async function reviewCommentPayload(
  payload: NoteEvent,
  mr: NonNullable<NoteEvent['merge_request']>,
  actor: AccountInput | undefined,
  ports: TranslatePorts,
): Promise<JsonObject> {
  const at = positionOf(payload);
  const people = { person: actor };
  const { place, known } = await pullWithPlace(ports, payload.project, repositoryIdOf(payload), people, mr.iid);
  const told = mergeRequestHook(ports, mr, { actor, baseSha: at?.base_sha });
  const input = await commentInput(payload, place, actor, ports);
  // Which comment it answers is known to its discussion only.
  const answered = ports.wanted.has('comment.in_reply_to_id')
    ? await askObject(ports, 'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}', {
        ...place.parameters,
        comment_id: input.id,
      })
    : undefined;
  const inReplyTo = answered?.in_reply_to_id;
  const lines = linesOf(at);
  return {
    comment: reviewComment(ports.base, place.owner, place.name, {
      ...input,
      body: toGitHubSuggestions(input.body, lines),
      path: at?.new_path ?? at?.old_path ?? '',
      commitSha: at?.head_sha ?? mr.last_commit?.id ?? NO_COMMIT,
      ...lines,
      ...((typeof inReplyTo === 'number' || typeof inReplyTo === 'string') && { inReplyTo }),
    }),
    pull_request: simplePullRequest(ports.base, pullRequestInput(told, place, ports, known), known),
    ...place.fields,
  };
}

async function issueCommentPayload(
  payload: NoteEvent,
  actor: AccountInput | undefined,
  place: Place,
  ports: TranslatePorts,
): Promise<JsonObject> {
  const { merge_request: mr, issue } = payload;
  const told = mr && mergeRequestHook(ports, mr, { actor });
  const author = told ? accountWithId(told.people, told.mr.author_id) : issue && issueAuthor({ issue, actor }, ports);
  const isComplete = author !== undefined && (mr ?? issue)?.labels != null && !(mr ?? issue)?.milestone_id;
  const known = isComplete ? undefined : await knownIssue(ports, place, threadNumber(payload) ?? 0);
  const input = told
    ? conversationInput(told, place, ports, known)
    : issue && issueInput({ issue, actor }, place, ports, known);
  return {
    issue: input && issueShape(ports.base, place.owner, place.name, input, known),
    comment: issueComment(ports.base, place.owner, place.name, await commentInput(payload, place, actor, ports)),
    ...place.fields,
  };
}

async function commitCommentPayload(
  payload: NoteEvent,
  actor: AccountInput | undefined,
  place: Place,
  ports: TranslatePorts,
): Promise<JsonObject> {
  const { object_attributes: note, commit } = payload;
  const at = positionOf(payload);
  return {
    comment: commitComment(ports.base, place.owner, place.name, {
      ...(await commentInput(payload, place, actor, ports)),
      sha: commit?.id ?? note.commit_id ?? NO_COMMIT,
      path: at?.new_path ?? at?.old_path ?? note.st_diff?.new_path ?? note.st_diff?.old_path ?? null,
      line: at?.new_line ?? at?.old_line ?? null,
    }),
    ...place.fields,
  };
}

function bodyOf(
  payload: NoteEvent,
  event: ForgeEvent,
  actor: AccountInput | undefined,
  ports: TranslatePorts,
): Promise<JsonObject> {
  if (event.name === 'pull_request_review_comment' && payload.merge_request)
    return reviewCommentPayload(payload, payload.merge_request, actor, ports);
  const repository = repositoryInput(ports.base, payload.project ?? {}, repositoryIdOf(payload) ?? 0, actor);
  const place = placeOf(ports, repository, actor);
  return event.name === 'commit_comment'
    ? commitCommentPayload(payload, actor, place, ports)
    : issueCommentPayload(payload, actor, place, ports);
}

const rawNote = (payload: NoteEvent) =>
  rawFinding('note', anyEvent.parse(payload), isEdit(payload) ? 'edited' : 'created');

export const note = hook(noteEvent, {
  classify(payload, options) {
    const { object_attributes: note } = payload;
    if (note.system === true) return { ignored: 'GitLab wrote this note about something else that it tells too.' };
    if (isConfidential(payload) && options.confidential !== true) return { ignored: CONFIDENTIAL };
    const name = eventName(payload);
    if (name === undefined) {
      if (note.noteable_type === 'MergeRequest') return { ignored: 'merge_request is missing or incomplete.' };
      if (note.noteable_type === 'Issue') return { ignored: 'issue is missing or incomplete.' };
      return rawNote(payload);
    }
    const repositoryId = firstId(repositoryIdOf(payload));
    // What is said about an epic of a group is of no project.
    if (repositoryId === undefined) return rawNote(payload);
    if (!hasPlace(payload.project)) return { ignored: NO_PLACE };
    const number = threadNumber(payload);
    return {
      events: [{ name, action: isEdit(payload) ? 'edited' : 'created' }],
      repositoryId,
      ...(number !== undefined && { number }),
      identity: [note.id, note.updated_at, note.action, note.note],
    };
  },
  async payload(payload, event, ports, delivery) {
    if (event.name.startsWith('gitlab.')) return rawPayload(anyEvent.parse(payload), event, ports, delivery.payload);
    await remember(payload, ports);
    const actor = accountInput(ports.base, payload.user);
    return {
      action: event.action,
      // What it said before is told by nobody.
      ...(event.action === 'edited' && { changes: {} }),
      ...(await bodyOf(payload, event, actor, ports)),
    };
  },
});
