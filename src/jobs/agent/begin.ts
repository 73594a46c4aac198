/** From being asked for to being at work: its turn, a last look at the forge, and the start. */
import type { PoolClient } from 'pg';
import { forgeActor } from '../../accounts/access/access.js';
import { isApproved } from '../../accounts/access/trusted-commits.js';
import { agentBranch } from '../../effects/agents/branch.js';
import type { AgentStart } from '../../effects/agents/runner.js';
import { shortSha } from '../../lib/ids.js';
import { isUniqueViolation } from '../../store/unique.js';
import { peopleBehind } from '../behind-head.js';
import type { Settlement } from '../reconcile.js';
import type { ForgeOctokit } from '../sync/octokit.js';
import { overBudget } from './budget.js';
import { type AgentContext, move, refOf, type TaskFacts, tellMoved } from './context.js';
import { type Driven, drive } from './drive.js';
import { previewOf } from './preview-told.js';
import { readAgentRules } from './repository-rules.js';
import { BRIEFLY, type SessionRecord } from './session-record.js';
import { untilStopped } from './stop-watch.js';
import { pullRequestNow, readConversation, readWorkItem, type WorkItemNow } from './work-item.js';

const TURN_RETRY_MS = 1_000;

/** SQL: rows of the same work item. */
const SAME_ITEM = `(forge, host, remote_repository_id, number) =
  (SELECT forge, host, remote_repository_id, number FROM agent_session WHERE id = $1)`;

async function leaseFree(tx: PoolClient, session: SessionRecord, atOnce: number): Promise<boolean> {
  const { rows } = await tx.query<{ taken: boolean; running: number }>(
    `SELECT EXISTS (SELECT FROM agent_session WHERE ${SAME_ITEM} AND lease_held AND id <> $1) AS taken,
       (SELECT count(*)::int FROM agent_session WHERE lease_held AND id <> $1) AS running`,
    [session.id],
  );
  return rows[0] !== undefined && !rows[0].taken && rows[0].running < atOnce;
}

/** One after the other of an organization: two that look at the same moment must not both find the last place free. */
const lockTurns = (tx: PoolClient): Promise<unknown> =>
  tx.query(`SELECT ${BRIEFLY}, pg_advisory_xact_lock(hashtextextended('agent turns ' || current_organization(), 0))`);

/**
 * Takes the one lease of the work item, with a number above all before it. Another session that still holds it is waited for:
 * it lets go when nothing of it runs any more.
 */
export async function takeTurn(context: AgentContext, session: SessionRecord): Promise<Settlement> {
  try {
    const driven = await context.store.tenant(session.organizationId, (tx) => lease(context, tx, session));
    if (driven === undefined) return { retryInMs: TURN_RETRY_MS };
    await tellMoved(context, driven);
  } catch (error) {
    // Somebody has had what another session left pushed, under its lease, in the same moment.
    if (isUniqueViolation(error)) return { retryInMs: TURN_RETRY_MS };
    throw error;
  }
  return 'again';
}

/**
 * Undefined while there is no room, or another session has the work item. What a day may cost is looked at in the same moment: a place that
 * was waited for is no place any more when others have used that up meanwhile.
 */
async function lease(context: AgentContext, tx: PoolClient, session: SessionRecord): Promise<Driven | undefined> {
  await lockTurns(tx);
  const over = await overBudget(tx, session, context.agents);
  if (over !== undefined)
    return drive(tx, session.id, [{ kind: 'failed', reason: over }], { wakes: false, fence: session.fence });
  if (!(await leaseFree(tx, session, context.agents.atOnce))) return undefined;
  const { rows } = await tx.query<{ fence: bigint }>(
    `SELECT coalesce(max(fence), 0) + 1 AS fence FROM agent_session WHERE ${SAME_ITEM}`,
    [session.id],
  );
  const fence = rows[0]?.fence ?? 1n;
  return drive(tx, session.id, [{ kind: 'leased', fence: fence.toString() }], {
    ...{ wakes: false, fence: session.fence },
    columns: {
      ...{ lease_held: true, fence, line_cursor: 0, work_removed_at: null, heartbeat_at: context.clock.now() },
      runner: session.handOff ? session.agent : runnerOf(context, session.agent),
    },
  });
}

/** Why the agent may not begin now, for a person; undefined when it may. */
async function objection(
  context: AgentContext,
  session: SessionRecord,
  item: WorkItemNow,
  octokit: ForgeOctokit,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { onPullRequest, headSha, repository, number } = session;
  if (!item.open) return `The ${onPullRequest ? 'pull request' : 'issue'} is closed.`;
  if (!onPullRequest || headSha === null || session.resultSha !== null) return undefined;
  // It was asked for after a look at one commit; what came later nobody has looked at (R6).
  if (item.sha !== headSha)
    return `The pull request has moved from ${shortSha(headSha)} to ${shortSha(item.sha)} since. Look at it, then ask again.`;
  const place = { repositoryId: session.repositoryId, number, sha: headSha };
  if (await context.store.tenant(session.organizationId, (tx) => isApproved(tx, place))) return undefined;
  const ask = `Someone who may decide that here comments /ok-to-test ${shortSha(headSha)} first.`;
  if (item.isFork) return `It comes from a fork. ${ask}`;
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...{ owner: repository.owner, repo: repository.name, pull_number: number, request: { signal } },
  });
  const { user } = pullRequestNow.parse(data);
  if (user === null) return `Nobody knows who opened it. ${ask}`;
  const people = await context.store.tenant(session.organizationId, (tx) => peopleBehind(tx, place, user));
  if (people === undefined) return `Nobody knows who pushed ${shortSha(headSha)}. ${ask}`;
  for (const { did, ...one } of people) {
    const question = { repository, user: one, octokit };
    const answer = await context.permissions.levelOf(question);
    if (answer.level === undefined && answer.because === 'error') throw answer.error;
    const decision = await context.access.check(forgeActor(question, answer), 'agent.assign', {
      organizationId: session.organizationId,
      name: `${repository.owner}/${repository.name}#${number} at ${shortSha(headSha)}`,
    });
    if (!decision.allowed) return `${one.login}, who ${did}, may not write to this repository. ${ask}`;
  }
  return undefined;
}

/** SQL: where this start of the session began in its record. What came later it is told by itself, and not in its task. */
const BEGUN = `(SELECT max(sequence) FROM session_event WHERE session_id = $1 AND kind = 'leased')`;

/**
 * What was said in earlier rounds, so that the agent goes on instead of beginning again. The same however often its start is tried: one
 * whose worker was killed may have begun with what was read then.
 */
async function earlierWords(tx: PoolClient, session: SessionRecord): Promise<TaskFacts['earlier']> {
  const { rows } = await tx.query<{ kind: string; data: Record<string, unknown> }>(
    `SELECT kind, data FROM session_event WHERE session_id = $1 AND kind IN ('message', 'question', 'reply', 'done')
       AND sequence < ${BEGUN}
     ORDER BY sequence DESC LIMIT 100`,
    [session.id],
  );
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return rows
    .reverse()
    .map(({ kind, data }) => ({
      by: kind === 'reply' ? text(data.by) : session.agent,
      text: text(kind === 'done' ? data.summary : data.text),
      isPerson: kind === 'reply',
    }))
    .filter(({ text: said }) => said !== '');
}

const runnerOf = ({ runner, agents }: AgentContext, agent: string) => {
  const planned = agents.byName.get(agent);
  return planned === undefined ? runner.kind : (runner.kindFor?.(planned.definition) ?? runner.kind);
};

/** Starts the agent, or finds that it was started. */
export async function provision(
  context: AgentContext,
  session: SessionRecord,
  signal: AbortSignal,
): Promise<Settlement> {
  const { runner, agents, store } = context;
  const { organizationId, repositoryId, number, onPullRequest, repository } = session;
  const planned = agents.byName.get(session.agent);
  if (planned === undefined) {
    const known = [...agents.byName.keys()].join(', ');
    const reason = `There is no agent ${session.agent} any more. There ${known === '' ? 'is none' : `are: ${known}`}.`;
    await move(context, session, [{ kind: 'failed', reason }]);
    return 'again';
  }
  const octokit = await context.octokitFor(organizationId, repositoryId);
  const item = await readWorkItem(octokit, session, signal);
  const reason = await objection(context, session, item, octokit, signal);
  if (reason !== undefined) {
    await move(context, session, [{ kind: 'failed', reason }]);
    return 'again';
  }
  const rules = await readAgentRules(octokit, repository, signal);
  const refused = rules.objection(session.agent);
  if (refused !== undefined) {
    await move(context, session, [{ kind: 'failed', reason: refused }]);
    return 'again';
  }
  const { text, comments } = await readConversation(octokit, context.permissions, session, signal);
  const { title } = session.context;
  const branch = session.branch ?? agentBranch({ prefix: agents.branchPrefix, sessionId: session.id, title });
  const { earlier, previewUrl } = await store.tenant(organizationId, async (tx) => ({
    earlier: session.round === 1 ? [] : await earlierWords(tx, session),
    previewUrl: await previewOf(tx, session),
  }));
  const source = await context.gitAccess(organizationId, repositoryId, { write: false });
  signal.throwIfAborted();
  const start: AgentStart = {
    ...refOf(session),
    agent: planned.definition,
    repository: {
      id: repositoryId,
      source,
      sha: item.sha,
      fallbackRefs: onPullRequest ? [source.pullRequestRef(number)] : [],
      trustedSha: item.baseSha,
      branch,
    },
    task: context.taskOf({ session, item, title, text, comments, earlier, previewUrl, branch }, planned.definition),
    secrets: await context.secretsOf(organizationId, planned.definition),
  };
  await untilStopped(context, session, (stopped) => runner.start(start, stopped));
  const limits = rules.lowered({
    seconds: session.limitSeconds,
    tokens: session.limitTokens === null ? null : Number(session.limitTokens),
    costMicros: session.limitCostMicros === null ? null : Number(session.limitCostMicros),
  });
  const started = { kind: 'started', runner: runnerOf(context, session.agent), branch, headSha: item.sha } as const;
  await store.tenant(organizationId, async (tx) => {
    await linkWorktree(tx, session);
    await noteTold(tx, session);
  });
  await move(context, session, [started], {
    columns: {
      ...{
        branch,
        told_preview_url: previewUrl,
        base_branch: item.baseBranch,
        base_sha: item.baseSha,
        head_sha: session.headSha ?? item.sha,
      },
      ...{ limit_seconds: limits.seconds, limit_tokens: limits.tokens, limit_cost_micros: limits.costMicros },
      heartbeat_at: context.clock.now(),
    },
  });
  return 'again';
}

/** Replies of before this start are part of its task. One that came while it was made ready is not: it is handed over like any other. */
async function noteTold(tx: PoolClient, session: SessionRecord): Promise<void> {
  if (session.round === 1) return;
  await tx.query(
    `UPDATE client_input i SET delivered_at = now() FROM session_event e
     WHERE i.session_id = $1 AND i.delivered_at IS NULL AND e.session_id = $1 AND e.kind = 'reply'
       AND e.data ->> 'id' = i.client_input_id AND e.sequence < ${BEGUN}`,
    [session.id],
  );
}

/** The place it works in belongs to its task; named by the session and the number of its start. */
async function linkWorktree(tx: PoolClient, session: SessionRecord): Promise<void> {
  const worktree = `${session.id}/${session.fence}`;
  const { rows } = await tx.query<{ id: string }>(
    'UPDATE task_run SET worktree_id = $2 WHERE session_id = $1 RETURNING id',
    [session.id, worktree],
  );
  for (const { id } of rows)
    await tx.query(
      `INSERT INTO worktree_link (organization_id, session_id, worktree_id, task_run_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [session.organizationId, session.id, worktree, id],
    );
}
