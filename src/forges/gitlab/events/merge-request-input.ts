/** A merge request of a hook, and what is known of it besides, as GitHub's pull request. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import type {
  AccountInput,
  Id,
  IssueInput,
  LabelInput,
  MilestoneInput,
  PullRequestInput,
  SideInput,
} from '../../kit/shapes/inputs.js';
import { isOpen, mergeability } from '../convert/merge-request.js';
import { time } from '../convert/read.js';
import { toGitHubBody } from '../quick-actions.js';
import { toGitHubText } from '../references.js';
import type { MergeRequestAttributes, NativeAccount, NativeProject, NativeReviewer } from '../schema.js';
import { accountInput, accountWithId } from './account.js';
import { askObject, object } from './ask.js';
import { labelInput } from './label.js';
import { hasPlace, type Place, placeOf, repositoryInput } from './place.js';

/** What GitLab reads as "not ready" at the beginning of a title; `WIP` until 14.8. */
const DRAFT = /^\s*(?:\[(?:draft|wip)\]|\((?:draft|wip)\)|(?:draft|wip):)/i;

export const isDraftTitle = (title: string): boolean => DRAFT.test(title);

export const isDraft = (mr: Pick<MergeRequestAttributes, 'draft' | 'work_in_progress' | 'title'>): boolean =>
  mr.draft ?? mr.work_in_progress ?? isDraftTitle(mr.title);

/** Whoever has answered is asked no more. */
const isPending = ({ state }: NativeReviewer) =>
  state === null || state === undefined || state === 'unreviewed' || state === 'review_started';

/** All that a hook tells of one merge request. */
interface MergeRequestHook {
  mr: MergeRequestAttributes;
  actor: AccountInput | undefined;
  labels?: LabelInput[];
  assignees?: AccountInput[];
  reviewers?: AccountInput[];
  /** People named anywhere in the hook: one of them may be the author. */
  people: readonly (AccountInput | undefined)[];
  /** SHA in the target branch that the changes are counted from, where the hook has it. */
  baseSha?: string;
}

export function mergeRequestHook(
  ports: TranslatePorts,
  mr: MergeRequestAttributes,
  more: {
    actor: AccountInput | undefined;
    labels?: MergeRequestAttributes['labels'];
    assignees?: readonly NativeAccount[] | null;
    reviewers?: readonly NativeReviewer[] | null;
    baseSha?: string | null;
  },
): MergeRequestHook {
  const all = (list: readonly NativeAccount[] | null | undefined) =>
    list?.map((one) => accountInput(ports.base, one)).filter((one) => one !== undefined);
  const labels = more.labels ?? mr.labels;
  return {
    mr,
    actor: more.actor,
    labels: labels?.map(labelInput),
    assignees: all(more.assignees),
    reviewers: all(more.reviewers?.filter(isPending)),
    people: [more.actor, ...(all(more.assignees) ?? []), ...(all(more.reviewers) ?? [])],
    baseSha: more.baseSha ?? undefined,
  };
}

/** Fields of a pull request that the forge is asked for one by one. */
const COUNTS = ['additions', 'deletions', 'changed_files', 'commits'];

/**
 * The pull request as the forge has it now (who wrote it and where it branched off, which no hook tells), and the place of
 * it, which knows its owner by it.
 */
export async function pullWithPlace(
  ports: TranslatePorts,
  project: NativeProject | null | undefined,
  id: Id | null | undefined,
  people: { person: AccountInput | undefined; sender?: AccountInput },
  number: number,
): Promise<{ place: Place; known: JsonObject | undefined }> {
  const named = repositoryInput(ports.base, project ?? {}, id ?? 0, people.person);
  const known = await askObject(ports, 'GET /repos/{owner}/{repo}/pulls/{pull_number}', {
    owner: named.owner.login,
    repo: named.name,
    pull_number: number,
    // Each of them costs requests of its own.
    ...(COUNTS.some((field) => ports.wanted.has(`pull_request.${field}`)) ? {} : { counts: 0 }),
  });
  const repository = object(object(known?.base)?.repo);
  const owned = repositoryInput(ports.base, project ?? {}, id ?? 0, people.person, repository);
  return { place: placeOf(ports, owned, people.sender ?? people.person, repository), known };
}

/**
 * Where the hook gives only the milestone's id: null when there is none, undefined when it is what `known` says.
 * A milestone that is known under this id only is named by it.
 */
export function milestoneOf(
  id: string | number | null | undefined,
  known: JsonObject | undefined,
): MilestoneInput | null | undefined {
  if (id === null || id === undefined) return id;
  const milestone = object(known?.milestone);
  if (milestone !== undefined && String(milestone.id) === String(id)) return undefined;
  return { id, number: 0, title: '', state: 'open' };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function sides(hook: MergeRequestHook, place: Place, ports: TranslatePorts, known: JsonObject | undefined) {
  const { mr } = hook;
  const base = object(known?.base);
  const sourceId = mr.source_project_id;
  const isFork = String(sourceId) !== String(mr.target_project_id ?? sourceId);
  // The fork was deleted, or the hook is as old as those that tell of one side only.
  const source = isFork
    ? mr.source && hasPlace(mr.source) && repositoryInput(ports.base, mr.source, sourceId ?? 0, hook.actor)
    : place.repository;
  const head: SideInput = {
    ref: mr.source_branch,
    sha: mr.last_commit?.id ?? text(object(known?.head)?.sha) ?? NO_COMMIT,
    repository: source ? { ...source, ...(isFork && { fork: true }) } : null,
  };
  const sameBase = base?.ref === mr.target_branch;
  return {
    head,
    base: {
      ref: mr.target_branch,
      sha: hook.baseSha ?? (sameBase ? text(base?.sha) || undefined : undefined) ?? NO_COMMIT,
      repository: place.repository,
    } satisfies SideInput,
  };
}

/** `merged`, `closed` and when, by whom; `known` says it where the hook is about something else. */
function ending(hook: MergeRequestHook, known: JsonObject | undefined): Partial<PullRequestInput> {
  const { mr, actor } = hook;
  if (mr.state !== 'merged' && mr.state !== 'closed')
    return { merged: false, closedAt: null, mergedAt: null, mergedBy: null, mergeCommitSha: null };
  const merged = mr.state === 'merged';
  const ended = mr.action === 'merge' || mr.action === 'close';
  const at = time(mr.updated_at) ?? null;
  const when = (key: string) => (ended ? at : (text(known?.[key]) ?? at));
  if (!merged) return { merged, closedAt: when('closed_at'), mergedAt: null, mergedBy: null, mergeCommitSha: null };
  // A fast-forward makes no merge commit: the head itself is what was merged.
  const sha =
    mr.merge_commit_sha ?? mr.squash_commit_sha ?? text(known?.merge_commit_sha) ?? mr.last_commit?.id ?? null;
  return {
    merged,
    closedAt: when('closed_at'),
    mergedAt: when('merged_at'),
    mergedBy: ended ? (actor ?? null) : undefined,
    mergeCommitSha: sha,
  };
}

/** Older than 15.6: only whether there is a conflict. */
function oldMergeStatus(status: string | null | undefined): string {
  if (status === 'can_be_merged') return 'mergeable';
  return status === 'cannot_be_merged' ? 'conflict' : 'unchecked';
}

export function pullRequestInput(
  hook: MergeRequestHook,
  place: Place,
  ports: TranslatePorts,
  known: JsonObject | undefined,
): PullRequestInput {
  const { mr } = hook;
  const status = mr.detailed_merge_status ?? oldMergeStatus(mr.merge_status);
  return {
    id: mr.id,
    number: mr.iid,
    htmlUrl: mr.url ?? `${place.repository.htmlUrl}/-/merge_requests/${mr.iid}`,
    title: toGitHubText(mr.title),
    body: mr.description ? toGitHubBody(mr.description) : null,
    state: isOpen({ state: mr.state ?? 'opened' }) ? 'open' : 'closed',
    draft: isDraft(mr),
    locked: mr.discussion_locked ?? (mr.discussion_locked === null ? false : undefined),
    author: accountWithId(hook.people, mr.author_id),
    ...sides(hook, place, ports, known),
    labels: hook.labels,
    // GitLab leaves the key out when nobody is assigned.
    assignees: hook.assignees,
    reviewers: hook.reviewers,
    teams: [],
    milestone: milestoneOf(mr.milestone_id, known),
    createdAt: time(mr.created_at),
    updatedAt: time(mr.updated_at),
    ...ending(hook, known),
    ...mergeability({ detailed_merge_status: status }),
    autoMerge: mr.merge_when_pipeline_succeeds ?? undefined,
  };
}

/** The same as GitHub's issue, for comments in the conversation. */
export function conversationInput(
  hook: MergeRequestHook,
  place: Place,
  ports: TranslatePorts,
  known: JsonObject | undefined,
): IssueInput {
  const pull = pullRequestInput(hook, place, ports, known);
  const { id, number, htmlUrl, title, body, state, locked, author, labels, assignees, milestone } = pull;
  const { createdAt, updatedAt, closedAt } = pull;
  return {
    ...{ id, number, htmlUrl, title, body, state, locked, author, labels, assignees, milestone },
    ...{ createdAt, updatedAt, closedAt, stateReason: null },
    pullRequest: { htmlUrl, mergedAt: pull.mergedAt, draft: pull.draft },
  };
}
