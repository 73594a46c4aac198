/** Merge requests: what happened, what is kept for the next time, and the payload of each event. */
import type { ForgeEvent, JsonObject, Snapshot, TranslatePorts } from '../../forge.js';
import type { AccountInput, Id } from '../../kit/shapes/inputs.js';
import { pullRequest, simplePullRequest } from '../../kit/shapes/pull-request.js';
import { review } from '../../kit/shapes/review.js';
import { time } from '../convert/read.js';
import { type MergeRequestEvent, mergeRequestEvent } from '../schema.js';
import { accountInput, forgeItself } from './account.js';
import { askList, object } from './ask.js';
import { associationOf } from './association.js';
import { changeDetails, changedAccount, changeFields } from './change-details.js';
import { keptAccounts, keptLabels } from './changes.js';
import { asOpened, checked, hook, isOver, OVER } from './hook.js';
import { readKeptState } from './kept-state.js';
import { mergeRequestEvents } from './merge-request-events.js';
import { isDraft, mergeRequestHook, pullRequestInput, pullWithPlace } from './merge-request-input.js';
import { firstId, hasPlace, NO_PLACE, type Place } from './place.js';

const repositoryIdOf = ({ project, object_attributes: mr }: MergeRequestEvent) => project?.id ?? mr.target_project_id;
const projectOf = ({ project, object_attributes: mr }: MergeRequestEvent) => project ?? mr.target;

export const mergeRequest = hook(mergeRequestEvent, {
  classify(payload, options) {
    const { object_attributes: mr } = payload;
    const repositoryId = firstId(repositoryIdOf(payload));
    if (repositoryId === undefined) return { ignored: 'project.id is missing.' };
    if (!hasPlace(projectOf(payload))) return { ignored: NO_PLACE };
    if (isOver(mr)) return { ignored: OVER };
    const events = mergeRequestEvents(payload, readKeptState(options.previous, time(mr.updated_at)));
    if (events.length === 0 && mr.action == null)
      return { ignored: 'It says no action, and nothing is known of before.' };
    if (events.length === 0) return { ignored: 'Nothing changed that GitHub would tell.' };
    return {
      events,
      repositoryId,
      number: mr.iid,
      identity: [
        mr.id,
        mr.action,
        mr.state,
        mr.updated_at,
        mr.oldrev,
        mr.last_commit?.id,
        payload.user,
        payload.changes,
      ],
    };
  },

  async payload(payload, event, ports) {
    const mr = asOpened(payload.object_attributes);
    const person = accountInput(ports.base, payload.user);
    // A push that takes approvals back is the person's, taking them back is not.
    const people = { person, ...(mr.system === true && { sender: forgeItself }) };
    const id = repositoryIdOf(payload);
    const { place, known } = await pullWithPlace(ports, projectOf(payload), id, people, mr.iid);
    const input = pullRequestInput(mergeRequestHook(ports, mr, { ...payload, actor: person }), place, ports, known);
    if (event.name === 'pull_request_review')
      return {
        action: event.action,
        review: await reviewOf(payload, event, place, ports),
        pull_request: simplePullRequest(ports.base, input, known),
        ...place.fields,
      };
    const change = await changeFields(event, place, ports, known);
    const pull = pullRequest(ports.base, input, known);
    return {
      action: event.action,
      number: mr.iid,
      ...change,
      // GitHub's schema has the milestone that is gone here, unlike that of issues.
      pull_request: event.action === 'demilestoned' ? { ...pull, milestone: change.milestone } : pull,
      ...place.fields,
    };
  },
});

/** The newest of somebody's reviews that says the same, as routes number it. */
async function reviewId(
  author: AccountInput | null | undefined,
  state: string,
  place: Place,
  number: number,
  ports: TranslatePorts,
): Promise<Id> {
  if (!author) return 0;
  const reviews = await askList(ports, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', {
    ...place.parameters,
    pull_number: number,
    per_page: 100,
  });
  const theirs = reviews.filter(
    (one) => String(object(one.user)?.id) === String(author.id) && one.state === state.toUpperCase(),
  );
  const { id } = theirs.at(-1) ?? {};
  // GitLab keeps one opinion per person and no reviews: where nothing counts them, they go by their author.
  return typeof id === 'number' || typeof id === 'string' ? id : author.id;
}

async function reviewOf(
  payload: MergeRequestEvent,
  event: ForgeEvent,
  place: Place,
  ports: TranslatePorts,
): Promise<JsonObject> {
  const { object_attributes: mr } = payload;
  const { reviewer, state = 'commented' } = changeDetails(event);
  const named = reviewer === undefined ? accountInput(ports.base, payload.user) : changedAccount(ports.base, reviewer);
  const author = mr.system === true && reviewer === undefined ? null : named;
  const htmlUrl = mr.url ?? `${place.repository.htmlUrl}/-/merge_requests/${mr.iid}`;
  return review(
    ports.base,
    place.owner,
    place.name,
    {
      id: await reviewId(author, state, place, mr.iid, ports),
      number: mr.iid,
      htmlUrl,
      pullRequestHtmlUrl: htmlUrl,
      author,
      association: await associationOf('review.author_association', author, place, ports),
      body: null,
      state,
      commitSha: mr.last_commit?.id,
      submittedAt: time(mr.updated_at),
    },
    'webhook',
  );
}

/** What the next hook about this merge request is compared with. */
export function mergeRequestSnapshot(payload: JsonObject): Snapshot | undefined {
  const parsed = checked(mergeRequestEvent, payload);
  if (!parsed.success) return undefined;
  const { object_attributes: mr, assignees, labels } = parsed.data;
  const repositoryId = firstId(repositoryIdOf(parsed.data));
  if (repositoryId === undefined) return undefined;
  const own = labels ?? mr.labels;
  const updatedAt = time(mr.updated_at);
  return {
    repositoryId,
    kind: 'pull_request',
    number: mr.iid,
    updatedAt,
    state: {
      ...(updatedAt !== undefined && { updatedAt }),
      ...(mr.state && { state: mr.state }),
      ...(mr.last_commit && { head: mr.last_commit.id }),
      target: mr.target_branch,
      draft: isDraft(mr),
      ...(own && { labels: keptLabels(own) }),
      ...(assignees && { assignees: keptAccounts(assignees) }),
    },
  };
}
