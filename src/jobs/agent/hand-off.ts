/**
 * A session whose agent is the forge's own: the issue is handed to it with the own token of whoever asked (R17), since no
 * other may, and what it does is read from the pull request that it opens. Lease, machine, record and comments are those
 * of every session.
 */
import type { PoolClient } from 'pg';
import { messageOf } from '../../lib/errors.js';
import type { Settlement } from '../reconcile.js';
import { stopOfBudget } from './budget.js';
import { type AgentContext, move } from './context.js';
import type { SessionInput } from './machine.js';
import { readAgentRules } from './repository-rules.js';
import type { SessionRecord } from './session-record.js';
import { readWorkItem } from './work-item.js';

/** What can be asked of the forge's agent, in the name of one person. */
export interface HandOff {
  /** `unavailable`: the forge did not take it. */
  assign(o: { baseBranch: string; instructions: string }): Promise<'assigned' | 'unavailable'>;
  unassign(): Promise<void>;
}

export interface HandOffs {
  /** With the own connection of whoever asked; or why there is none, for them. */
  of(session: SessionRecord): Promise<HandOff | { missing: string }>;
  /** Whether a pull request is what the agent made for the session's issue, and whether it has finished with it. */
  isItsWork(session: SessionRecord, pull: HandedBack): boolean;
  isFinished(session: SessionRecord, pull: HandedBack): boolean;
}

export interface HandedBack {
  id: string;
  number: number;
  url: string;
  title: string;
  body: string;
  authorLogin: string | null;
  headBranch: string;
  headSha: string;
  draft: boolean;
  state: 'open' | 'closed' | 'merged';
  commits: number;
}

const LOOK_MS = 5_000;
const MOST = 50;
/** Nobody waits longer for a forge that does not take it back. */
const PATIENCE_MS = 60_000;

/** Hands the issue over, or finds that it was: an agent that is assigned twice is assigned. */
export async function handOver(
  context: AgentContext,
  session: SessionRecord,
  signal: AbortSignal,
): Promise<Settlement> {
  const octokit = await context.octokitFor(session.organizationId, session.repositoryId);
  const item = await readWorkItem(octokit, session, signal);
  const fail = async (reason: string): Promise<Settlement> => {
    await move(context, session, [{ kind: 'failed', reason }]);
    return 'again';
  };
  if (!item.open) return fail('The issue is closed.');
  const refused = (await readAgentRules(octokit, session.repository, signal)).objection(session.agent);
  if (refused !== undefined) return fail(refused);
  const handOff = await context.handOffs.of(session);
  if ('missing' in handOff) return fail(handOff.missing);
  signal.throwIfAborted();
  const { baseBranch } = item;
  const taken = await handOff.assign({ baseBranch, instructions: session.instructions });
  if (taken === 'unavailable')
    return fail(
      `The forge did not assign ${session.agent}: it is not switched on for this repository, or not part of what you pay for there.`,
    );
  await move(context, session, [{ kind: 'started', runner: session.agent, branch: null, headSha: item.sha }], {
    columns: { base_branch: baseBranch, base_sha: item.baseSha, head_sha: item.sha, heartbeat_at: context.clock.now() },
  });
  return 'again';
}

async function candidates(tx: PoolClient, session: SessionRecord): Promise<HandedBack[]> {
  const { rows } = await tx.query<HandedBack>(
    `SELECT p.id, p.number, p.url, p.title, coalesce(p.body, '') AS body, p.author_login AS "authorLogin",
       p.head_branch AS "headBranch", p.head_sha AS "headSha", p.draft, p.state,
       (SELECT count(*)::int FROM git_commit c WHERE c.pull_request_id = p.id) AS commits
     FROM pull_request p WHERE p.repository_id = $1 AND (p.id = $2 OR ($2::uuid IS NULL AND p.created_at >= $3))
     ORDER BY p.created_at DESC LIMIT $4`,
    [session.repositoryId, session.pullRequestId, session.triggeredAt, MOST],
  );
  return rows;
}

/** One look at what the mirror knows of its pull request. */
export async function followHandOff(context: AgentContext, session: SessionRecord): Promise<Settlement> {
  const stop = stopOfBudget(session, context.clock.now());
  if (stop !== undefined) {
    await move(context, session, [stop]);
    return 'again';
  }
  const listed = await context.store.tenant(session.organizationId, (tx) => candidates(tx, session));
  const pull = listed.find((one) => one.id === session.pullRequestId || context.handOffs.isItsWork(session, one));
  if (pull === undefined) return { retryInMs: LOOK_MS };
  const { id: pullRequestId, url, number, title, headSha } = pull;
  const inputs: SessionInput[] = [];
  if (headSha !== session.resultSha)
    inputs.push({ kind: 'message', text: `${title} (${pull.commits} ${pull.commits === 1 ? 'commit' : 'commits'})` });
  const isOver = pull.state !== 'open' || context.handOffs.isFinished(session, pull);
  if (isOver)
    inputs.push(
      { kind: 'done', ok: true, title, summary: '' },
      { kind: 'pr.created', pullRequestId, url, number, title },
      { kind: 'pull-request', state: pull.state },
    );
  if (inputs.length === 0) return { retryInMs: LOOK_MS };
  await context.store.tenant(session.organizationId, (tx) =>
    tx.query('UPDATE pull_request SET session_id = $2 WHERE id = $1', [pullRequestId, session.id]),
  );
  await move(context, session, inputs, {
    columns: {
      ...{ result_sha: headSha, heartbeat_at: context.clock.now() },
      // The record's own event sets them when it has finished; people see the link from the first commit on.
      ...(!isOver && { pull_request_id: pullRequestId, pull_request_number: number, pull_request_url: url }),
    },
  });
  return 'again';
}

/** Takes the agent off the issue. What it is at work on it may still push: nobody but the forge can end that. */
export async function takeBack(context: AgentContext, session: SessionRecord): Promise<Settlement> {
  try {
    const handOff = await context.handOffs.of(session);
    if (!('missing' in handOff)) await handOff.unassign();
  } catch (error) {
    if (context.clock.now().getTime() - session.updatedAt.getTime() < PATIENCE_MS) throw error;
    context.log.warn({ session: session.id, err: messageOf(error) }, 'an issue could not be taken back');
  }
  await move(context, session, [{ kind: 'dead' }]);
  return 'again';
}
