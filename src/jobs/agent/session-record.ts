/** A session's row with what belongs to it. */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import type { Question, SessionStatus, StopReason } from './machine.js';

export interface SessionRecord {
  id: string;
  organizationId: string;
  repositoryId: string;
  number: number;
  onPullRequest: boolean;
  kind: 'task' | 'review';
  requester: { id: bigint; login: string } | null;
  /** Of somebody who has signed in here. */
  userId: string | null;
  requestedBy: string;
  agent: string;
  /** The agent is the forge's own, and runs there. */
  handOff: boolean;
  instructions: string;
  triggeredAt: Date;
  createdAt: Date;
  /** When this round of it was asked for, by our clock; and by the forge's, null where it was not asked for there. */
  asked: { at: Date; toldAt: Date | null };
  /** Title and text of the issue or pull request when the agent was asked for. */
  context: WorkItemText;
  round: number;
  baseBranch: string | null;
  headSha: string | null;
  branch: string | null;
  status: SessionStatus;
  stop: StopReason | null;
  question: Question | null;
  message: string | null;
  failure: string | null;
  leaseHeld: boolean;
  fence: bigint | null;
  heartbeatAt: Date | null;
  runner: string | null;
  lineCursor: number;
  limitSeconds: number;
  limitTokens: bigint | null;
  limitCostMicros: bigint | null;
  tokens: bigint;
  costMicros: bigint;
  roundTokens: bigint;
  roundCostMicros: bigint;
  workedSeconds: number;
  workingSince: Date | null;
  pullRequestId: string | null;
  pullRequestNumber: number | null;
  pullRequestUrl: string | null;
  resultSha: string | null;
  /** A push of it was begun, and nobody has seen its end. */
  pushSha: string | null;
  pushBegunAt: Date | null;
  /** Of the preview that the agent knows of. */
  toldPreviewUrl: string | null;
  /** What it left on its runner was removed. */
  workRemovedAt: Date | null;
  /** While it waits for an answer: since when, and since when it was asked for once more. */
  askedAt: Date | null;
  remindedAt: Date | null;
  updatedAt: Date;
  repository: {
    forge: string;
    host: string;
    remoteId: bigint;
    owner: string;
    name: string;
    url: string;
    defaultBranch: string;
    status: string;
  };
}

const workItemText = z.object({
  title: z.string().default(''),
  body: z.string().default(''),
  author: z
    .object({ id: z.string().transform(BigInt), login: z.string() })
    .nullable()
    .default(null),
});
export type WorkItemText = z.output<typeof workItemText>;

/** As the column holds it; anything else there is no question. */
const question = z
  .object({ id: z.string(), text: z.string(), choices: z.array(z.string()) })
  .nullable()
  .catch(null);

type Row = Omit<SessionRecord, 'requester' | 'question' | 'repository' | 'lineCursor' | 'context' | 'asked'> & {
  context: unknown;
  roundAskedAt: Date | null;
  roundToldAt: Date | null;
  requesterId: bigint | null;
  requesterLogin: string | null;
  question: unknown;
  lineCursor: bigint;
  forge: string;
  host: string;
  remoteId: bigint;
  owner: string;
  name: string;
  url: string;
  defaultBranch: string;
  repositoryStatus: string;
};

const SELECT = `SELECT s.id, s.organization_id AS "organizationId", s.repository_id AS "repositoryId", s.number,
    s.on_pull_request AS "onPullRequest", s.kind, s.requester_id AS "requesterId", s.requester_login AS "requesterLogin", s.user_id AS "userId",
    s.requested_by AS "requestedBy", s.agent, s.hand_off AS "handOff", s.instructions, s.triggered_at AS "triggeredAt", s.created_at AS "createdAt", s.context, s.round,
    s.base_branch AS "baseBranch", s.head_sha AS "headSha", s.branch, s.status, s.stop_wanted AS stop, s.question,
    s.message, s.failure, s.lease_held AS "leaseHeld", s.fence, s.heartbeat_at AS "heartbeatAt", s.runner,
    s.line_cursor AS "lineCursor", s.limit_seconds AS "limitSeconds", s.limit_tokens AS "limitTokens",
    s.limit_cost_micros AS "limitCostMicros", s.tokens, s.cost_micros AS "costMicros", s.round_tokens AS "roundTokens",
    s.round_cost_micros AS "roundCostMicros", s.worked_seconds AS "workedSeconds", s.working_since AS "workingSince",
    s.pull_request_id AS "pullRequestId", s.pull_request_number AS "pullRequestNumber",
    s.pull_request_url AS "pullRequestUrl", s.result_sha AS "resultSha", s.push_sha AS "pushSha", s.push_begun_at AS "pushBegunAt", s.told_preview_url AS "toldPreviewUrl",
    s.work_removed_at AS "workRemovedAt", s.asked_at AS "askedAt", s.reminded_at AS "remindedAt", s.updated_at AS "updatedAt",
    s.round_asked_at AS "roundAskedAt", s.round_told_at AS "roundToldAt",
    r.forge, r.host, r.remote_id AS "remoteId", r.remote_owner AS owner, r.remote_name AS name, r.remote_url AS url,
    r.default_branch AS "defaultBranch", r.status AS "repositoryStatus"
  FROM agent_session s JOIN repository r ON r.id = s.repository_id`;

function recordOf(row: Row): SessionRecord {
  const { requesterId, requesterLogin, forge, host, remoteId, owner, name, url, defaultBranch, ...most } = row;
  const { roundAskedAt, roundToldAt, ...same } = most;
  // Of a session from before this was written down, the time that it was asked for is by the clock of where that was.
  const told = roundAskedAt === null && requesterId !== null ? row.triggeredAt : roundToldAt;
  return {
    ...same,
    asked: { at: roundAskedAt ?? row.createdAt, toldAt: told },
    requester: requesterId === null ? null : { id: requesterId, login: requesterLogin ?? '' },
    question: question.parse(row.question),
    context: workItemText.parse(row.context),
    lineCursor: Number(row.lineCursor),
    repository: { forge, host, remoteId, owner, name, url, defaultBranch, status: row.repositoryStatus },
  };
}

/**
 * SQL: whoever is frozen in the middle of a transaction must not keep people from stopping a session. Far longer than any of these
 * takes, and shorter than a statement may wait for a row.
 */
export const BRIEFLY = `set_config('idle_in_transaction_session_timeout', '15s', true)`;

/** @param o.lock keeps the row to this transaction until it ends */
export async function readSession(
  tx: PoolClient,
  sessionId: string,
  o: { lock?: boolean } = {},
): Promise<SessionRecord | undefined> {
  if (o.lock) await tx.query(`SELECT ${BRIEFLY}`);
  const { rows } = await tx.query<Row>(`${SELECT} WHERE s.id = $1${o.lock ? ' FOR UPDATE OF s' : ''}`, [sessionId]);
  return rows[0] && recordOf(rows[0]);
}

/** The newest session of a conversation: of the issue or pull request itself, or the one that opened the pull request. */
export async function sessionOfConversation(
  tx: PoolClient,
  place: { repositoryId: string; number: number },
): Promise<SessionRecord | undefined> {
  const { rows } = await tx.query<Row>(
    `${SELECT} WHERE s.repository_id = $1 AND (s.number = $2 OR s.pull_request_number = $2)
     ORDER BY s.status IN ('assigned', 'provisioning', 'running', 'blocked', 'pushing') DESC, s.created_at DESC, s.id LIMIT 1`,
    [place.repositoryId, place.number],
  );
  return rows[0] && recordOf(rows[0]);
}
