/** Issues and pull requests. */
import type { JsonObject } from '../../forge.js';
import { user } from '../../kit/shapes/account.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import type { IssueInput, LabelInput, MilestoneInput, PullRequestInput } from '../../kit/shapes/inputs.js';
import { issue } from '../../kit/shapes/issue.js';
import { label } from '../../kit/shapes/label.js';
import { milestone } from '../../kit/shapes/milestone.js';
import { pullRequest } from '../../kit/shapes/pull-request.js';
import { team } from '../../kit/shapes/team.js';
import { issueInput } from '../convert/issue.js';
import { labelInput } from '../convert/label.js';
import { milestoneInput } from '../convert/milestone.js';
import { pullRequestInput } from '../convert/pull-request.js';
import { accountIfTold, teamReferences } from '../convert/user.js';
import { field, isObject, textAt } from './fields.js';
import { accountOf, ask, isWanted, ownedIn, part, type Translation } from './translation.js';

/** GitHub's schema has a time of closing for everything that is closed; old servers send none. */
function closedTimes(t: Translation, input: { state: string; closedAt?: string | null; updatedAt?: string }) {
  if (input.state !== 'closed') return { closedAt: input.closedAt ?? null };
  return { closedAt: input.closedAt ?? input.updatedAt ?? t.received };
}

/** One delivery may say that a milestone was replaced: between its two events there is none. */
const milestoneOf = (t: Translation) => (t.event.action === 'demilestoned' ? { milestone: null } : {});

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function issueOf(t: Translation): IssueInput {
  const native = part(t.payload, 'issue');
  const input = issueInput(native, t.repository);
  const isPull = t.payload.is_pull === true || input.pullRequest !== undefined;
  const now = { ...input, ...milestoneOf(t), ...closedTimes(t, input) };
  if (!isPull) return t.event.action === 'reopened' ? { ...now, stateReason: 'reopened' } : now;
  const { htmlUrl } = input;
  return { ...now, pullRequest: input.pullRequest ?? { htmlUrl, mergedAt: null } };
}

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function pullRequestOf(t: Translation): PullRequestInput {
  const input = pullRequestInput(part(t.payload, 'pull_request'), t.repository);
  const { head, base } = input;
  const { closedAt } = closedTimes(t, input);
  const merged = input.merged === true;
  const { milestone: removed } = t.event.change ?? {};
  return {
    ...input,
    // GitHub's pull request still shows the milestone that it lost; its issue does not.
    ...(t.event.action === 'demilestoned' && { milestone: isObject(removed) ? milestoneInput(removed) : null }),
    closedAt,
    ...(merged && {
      mergedAt: input.mergedAt ?? closedAt,
      mergedBy: input.mergedBy ?? accountIfTold(t.payload.sender),
    }),
    head: { ...head, repository: head.repository && ownedIn(t, head.repository) },
    base: { ...base, repository: ownedIn(t, base.repository ?? t.repository) },
  };
}

const ASKED_FOR = ['commits', 'additions', 'deletions', 'changed_files', 'comments', 'review_comments'];

/** The full pull request, with what the app reads and the server did not send: one request at most. */
async function fullPullRequest(t: Translation, input: PullRequestInput): Promise<JsonObject> {
  const known = isWanted(t, 'pull_request', part(t.payload, 'pull_request'), ASKED_FOR)
    ? await ask(t, 'GET /repos/{owner}/{repo}/pulls/{pull_number}', { pull_number: input.number })
    : undefined;
  return pullRequest(t.base, input, isObject(known) ? known : undefined);
}

const inList = <T extends { id: unknown }>(list: readonly T[] | undefined, entry: JsonObject): T | undefined =>
  list?.find(({ id }) => String(id) === entry.id);

/** The one thing that an event is about, as it is now, or as it was kept when it is gone. */
function changed(t: Translation, now: IssueInput | PullRequestInput): JsonObject {
  const { base, owner, name } = t;
  const { label: ofLabel, assignee, milestone: ofMilestone, reviewer, team: ofTeam } = t.event.change ?? {};
  if (isObject(ofLabel)) {
    const input: LabelInput = inList(now.labels, ofLabel) ?? labelInput(ofLabel);
    return { label: label(base, owner, name, input) };
  }
  if (isObject(assignee)) {
    const account = inList(now.assignees, assignee);
    return { assignee: account ? user(base, account) : accountOf(base, assignee) };
  }
  if (isObject(ofMilestone)) {
    const current = String(now.milestone?.id) === ofMilestone.id ? now.milestone : undefined;
    const input: MilestoneInput = current ?? milestoneInput(ofMilestone);
    return { milestone: milestone(base, owner, name, input) };
  }
  if (isObject(reviewer)) {
    const account =
      accountIfTold(t.payload.requested_reviewer) ?? inList('reviewers' in now ? now.reviewers : [], reviewer);
    return { requested_reviewer: account ? user(base, account) : accountOf(base, reviewer) };
  }
  const [reference] = teamReferences(isObject(ofTeam) ? [ofTeam] : []) ?? [];
  return reference === undefined ? {} : { requested_team: team(base, { ...reference, organization: owner }) };
}

/** `changes` of an edited event, of which GitHub knows only these. */
export function textChanges(t: Translation, keys: readonly ('title' | 'body')[]): JsonObject {
  const entries = keys.flatMap((key) => {
    const from = field(t.payload, `changes.${key}.from`);
    return typeof from === 'string' ? [[key, { from }] as const] : [];
  });
  return Object.fromEntries(entries);
}

export function issues(t: Translation): JsonObject {
  const input = issueOf(t);
  return {
    ...(t.event.action === 'edited' && { changes: textChanges(t, ['title', 'body']) }),
    issue: issue(t.base, t.owner, t.name, input),
    ...changed(t, input),
    ...t.common,
  };
}

export async function pullRequests(t: Translation): Promise<JsonObject> {
  const input = pullRequestOf(t);
  const { action, change } = t.event;
  const retargeted = textAt(t.payload, 'changes.ref.from');
  const baseSha = typeof change?.baseSha === 'string' ? change.baseSha : input.base.sha;
  // Without an older head the place where the branch began is told: whoever compares sees too much, never too little.
  const before = change?.before ?? textAt(t.payload, 'pull_request.merge_base') ?? (input.base.sha || NO_COMMIT);
  return {
    number: input.number,
    ...(action === 'edited' && {
      changes: {
        ...textChanges(t, ['title', 'body']),
        ...(retargeted !== undefined && { base: { ref: { from: retargeted }, sha: { from: baseSha } } }),
      },
    }),
    ...(action === 'synchronize' && { before, after: input.head.sha }),
    pull_request: await fullPullRequest(t, input),
    ...changed(t, input),
    ...t.common,
  };
}
