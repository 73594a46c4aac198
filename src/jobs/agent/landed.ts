/**
 * Pushes whose end nobody has seen: the worker was killed, somebody has said to stop, the answer was lost. What is public is
 * written down all the same, so that people find it and the next round goes on from there.
 */
import { messageOf } from '../../lib/errors.js';
import type { Settlement } from '../reconcile.js';
import { refusalOf } from '../sync/denied.js';
import { type AgentContext, move } from './context.js';
import type { SessionRecord } from './session-record.js';
import { headOf } from './work-item.js';

/** A forge may still be at work on what was sent to it. */
const ARRIVES_MS = 60_000;
const LOOK_MS = 5_000;
/** Of a forge that is down, or of a repository that is not ours any more, nobody asks for ever. */
const PATIENCE_MS = 86_400_000;
const RETRY_MS = 30_000;
const MISSING = 404;

/** The columns of a session of which no push is under way. */
export const NO_PUSH = { push_sha: null, push_begun_at: null } as const;

/** Whether the branch is, on the forge, at the commit that a push was begun with. */
export async function hasArrived(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<boolean> {
  const { pushSha, branch, organizationId, repositoryId } = session;
  if (pushSha === null || branch === null) return false;
  const octokit = await context.octokitFor(organizationId, repositoryId);
  try {
    return (await headOf(octokit, session, branch, signal)) === pushSha;
  } catch (error) {
    if (refusalOf(error)?.status === MISSING) return false;
    throw error;
  }
}

/** Writes down what has arrived, as if its push had just ended. */
export async function noteArrived(context: AgentContext, session: SessionRecord): Promise<void> {
  const { pushSha: sha, branch } = session;
  if (sha === null || branch === null) return;
  await move(context, session, [{ kind: 'pushed', branch, sha, commits: 1 }], {
    columns: { result_sha: sha, ...NO_PUSH },
  });
}

/** Of a session that is over, or is to begin anew: finds out what became of its push. */
export async function settlePush(
  context: AgentContext,
  session: SessionRecord,
  signal: AbortSignal,
): Promise<Settlement> {
  const waitedMs = context.clock.now().getTime() - (session.pushBegunAt?.getTime() ?? 0);
  const forget = async (): Promise<Settlement> => {
    await context.store.tenant(session.organizationId, (tx) =>
      tx.query('UPDATE agent_session SET push_sha = NULL, push_begun_at = NULL WHERE id = $1 AND fence = $2', [
        ...[session.id, session.fence],
      ]),
    );
    return 'again';
  };
  if (session.repository.status === 'removed') return forget();
  let arrived: boolean;
  try {
    arrived = await hasArrived(context, session, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    context.log.warn({ session: session.id, err: messageOf(error) }, 'nobody knows whether a push has arrived');
    return waitedMs < PATIENCE_MS ? { retryInMs: RETRY_MS } : forget();
  }
  if (!arrived) return waitedMs < ARRIVES_MS ? { retryInMs: LOOK_MS } : forget();
  await noteArrived(context, session);
  return 'again';
}
