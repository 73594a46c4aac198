/**
 * Pull requests as a service, the same on every forge: made, changed, merged, closed, reviewed and commented on through GitHub's
 * routes. What is made is looked for first, so that a step that is repeated makes nothing twice; what comes back is in the
 * mirror before anybody is told of it.
 */
import type { PoolClient } from 'pg';
import { type CommitData, upsertCommits } from '../../store/mirror/commit.js';
import type { MirrorOrigin } from '../../store/mirror/origin.js';
import { upsertPullRequest } from '../../store/mirror/pull-request.js';
import type { StoredRepository } from '../../store/mirror/repository.js';
import { pullRequest as pullRequestShape, readShape } from '../../store/mirror/shape.js';
import { refusalOf } from '../sync/denied.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';

export interface PullRequestPlace {
  owner: string;
  repo: string;
}

export interface NewPullRequest {
  head: string;
  base: string;
  title: string;
  body: string;
}

/** GitHub's own shape of it, to be read with the mirror's. */
type Answer = unknown;

const PULLS = '/repos/{owner}/{repo}/pulls';
const PULL = `${PULLS}/{pull_number}`;
/** A forge that knows no drafts, or not in this repository, says so. */
const NO_DRAFTS = 422;

const pullOf = (data: Answer) => readShape(pullRequestShape, data, 'pull request');

/** The open pull request from `head` into `base`, or undefined. Filtered here too: not every forge does. */
export async function findPullRequest(
  octokit: ForgeOctokit,
  place: PullRequestPlace,
  { head, base }: Pick<NewPullRequest, 'head' | 'base'>,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  let found: Answer;
  const filters = { ...place, state: 'open', head: `${place.owner}:${head}`, base };
  await eachItem(octokit, `GET ${PULLS}`, filters, signal, (item) => {
    const one = pullRequestShape.safeParse(item);
    if (!one.success || one.data.headBranch !== head || one.data.baseBranch !== base) return false;
    found = item;
    return true;
  });
  return found;
}

/** Opens it as a draft where the forge has drafts; one that is open already is the same. */
export async function createDraftPr(
  octokit: ForgeOctokit,
  place: PullRequestPlace,
  pull: NewPullRequest,
  signal: AbortSignal,
): Promise<{ data: Answer; created: boolean }> {
  const known = await findPullRequest(octokit, place, pull, signal);
  if (known !== undefined) return { data: known, created: false };
  // The last look before the one step that cannot be repeated.
  signal.throwIfAborted();
  try {
    const { data } = await octokit.request(`POST ${PULLS}`, { ...place, ...pull, draft: true });
    return { data, created: true };
  } catch (error) {
    if (refusalOf(error)?.status !== NO_DRAFTS) throw error;
    const made = await findPullRequest(octokit, place, pull, signal);
    if (made !== undefined) return { data: made, created: false };
    const { data } = await octokit.request(`POST ${PULLS}`, { ...place, ...pull });
    return { data, created: true };
  }
}

export async function updatePr(
  octokit: ForgeOctokit,
  place: PullRequestPlace,
  number: number,
  change: { title?: string; body?: string; base?: string; state?: 'open' | 'closed' },
): Promise<Answer> {
  return (await octokit.request(`PATCH ${PULL}`, { ...place, pull_number: number, ...change })).data;
}

export interface WrittenPullRequest {
  id: string;
  url: string;
  number: number;
  title: string;
  headSha: string;
}

/** Puts a pull request that a request answered with into the mirror; with a session, as made by it. */
export async function rememberPullRequest(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: StoredRepository,
  answer: Answer,
  sessionId: string | null,
): Promise<WrittenPullRequest> {
  const data = pullOf(answer);
  const { id } = await upsertPullRequest(tx, origin, repository, data, 'keeps-closed');
  if (sessionId !== null) await tx.query('UPDATE pull_request SET session_id = $2 WHERE id = $1', [id, sessionId]);
  const { url, number, title, headSha } = data;
  return { id, url, number, title, headSha };
}

/** What an agent made is known by what was pushed for it, never by a commit's author, which anybody may write. */
export async function markAgentCommit(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: StoredRepository,
  commit: CommitData,
  o: { sessionId: string; branch: string },
): Promise<void> {
  await upsertCommits(tx, origin, repository, [commit], { branch: o.branch });
  await tx.query(
    'UPDATE git_commit SET session_id = $2, is_forgeway_commit = true WHERE repository_id = $1 AND sha = $3',
    [repository.id, o.sessionId, commit.sha],
  );
}
