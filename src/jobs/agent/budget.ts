/** What sessions may use: of time, tokens and money, each session, each person and all of an organization in a day. */
import type { PoolClient } from 'pg';
import type { PlannedAgents } from './agents.js';
import type { SessionInput } from './machine.js';
import type { SessionRecord } from './session-record.js';

interface Limit {
  tokens: number | null;
  costMicros: number | null;
}

const dollars = (micros: number): string => `$${(micros / 1_000_000).toFixed(2)}`;

/** Says what was used up, or undefined. */
function exceeded(used: { tokens: number; costMicros: number }, limit: Limit): string | undefined {
  if (limit.tokens !== null && used.tokens >= limit.tokens) return `${limit.tokens} tokens`;
  if (limit.costMicros !== null && used.costMicros >= limit.costMicros) return dollars(limit.costMicros);
  return undefined;
}

/**
 * Whether the day's budget lets a session begin, or go on. The sentence is for whoever asked for it. A person is one, whether they ask by
 * a comment, on the account's page or with any of their tokens; a machine's token is one by itself.
 */
export async function overBudget(
  tx: PoolClient,
  session: SessionRecord,
  { perPersonPerDay, perDay }: Pick<PlannedAgents, 'perPersonPerDay' | 'perDay'>,
): Promise<string | undefined> {
  // Of a session of before that day counts what its record says of the day: one that is merged after weeks uses nothing.
  const { rows } = await tx.query<Record<'tokens' | 'cost' | 'own_tokens' | 'own_cost', number>>(
    `WITH me AS (
       SELECT coalesce($1::text, (SELECT i.user_id FROM identity i
         WHERE i.forge = $2 AND i.host = $3 AND i.remote_id = $4::bigint)) AS user_id
     ), account AS (
       SELECT $2::text AS forge, $3::text AS host, $4::bigint AS id
       UNION SELECT i.forge, i.host, i.remote_id FROM identity i JOIN me ON i.user_id = me.user_id
     )
     SELECT coalesce(sum(used.tokens), 0)::float8 AS tokens, coalesce(sum(used.cost), 0)::float8 AS cost,
       coalesce(sum(used.tokens) FILTER (WHERE whose.own), 0)::float8 AS own_tokens,
       coalesce(sum(used.cost) FILTER (WHERE whose.own), 0)::float8 AS own_cost
     FROM agent_session s CROSS JOIN LATERAL (
       SELECT s.tokens::numeric, s.cost_micros::numeric AS cost WHERE s.created_at > now() - interval '1 day'
       UNION ALL
       SELECT sum((e.data ->> 'tokens')::numeric), sum((e.data ->> 'costMicros')::numeric) FROM session_event e
       WHERE s.created_at <= now() - interval '1 day' AND e.session_id = s.id AND e.kind = 'cost'
         AND e.created_at > now() - interval '1 day') used (tokens, cost)
       CROSS JOIN LATERAL (SELECT CASE
         WHEN s.requester_id IS NOT NULL
           THEN EXISTS (SELECT FROM account a WHERE a.forge = s.forge AND a.host = s.host AND a.id = s.requester_id)
         WHEN s.user_id IS NOT NULL THEN s.user_id = (SELECT user_id FROM me)
         ELSE $1::text IS NULL AND $4::bigint IS NULL AND s.requested_by = $5 END AS own) whose
     WHERE s.organization_id = $6 AND s.updated_at > now() - interval '1 day'`,
    [
      ...[session.userId, session.repository.forge, session.repository.host, session.requester?.id ?? null],
      ...[session.requestedBy, session.organizationId],
    ],
  );
  const { tokens = 0, cost = 0, own_tokens = 0, own_cost = 0 } = rows[0] ?? {};
  const own = exceeded({ tokens: own_tokens, costMicros: own_cost }, perPersonPerDay);
  if (own !== undefined) return `In the last day you have used the ${own} that one person may use. Ask again later.`;
  const all = exceeded({ tokens, costMicros: cost }, perDay);
  if (all !== undefined) return `In the last day ${all} were used, which is all there is for a day. Ask again later.`;
  return undefined;
}

/** The stop that follows from what all sessions have used since yesterday, this one included. */
export async function stopOfDay(
  tx: PoolClient,
  session: SessionRecord,
  agents: Pick<PlannedAgents, 'perPersonPerDay' | 'perDay'>,
): Promise<Extract<SessionInput, { kind: 'stop' }> | undefined> {
  const detail = await overBudget(tx, session, agents);
  return detail === undefined ? undefined : { kind: 'stop', why: 'budget', by: 'forgeway', detail };
}

/** The stop that follows from what the session itself has used. */
export function stopOfBudget(session: SessionRecord, now: Date): Extract<SessionInput, { kind: 'stop' }> | undefined {
  const working = session.workingSince === null ? 0 : (now.getTime() - session.workingSince.getTime()) / 1_000;
  const seconds = session.workedSeconds + working;
  if (seconds >= session.limitSeconds)
    return { kind: 'stop', why: 'timeout', by: 'forgeway', detail: `It may work for ${session.limitSeconds} s.` };
  const limit = {
    tokens: session.limitTokens === null ? null : Number(session.limitTokens),
    costMicros: session.limitCostMicros === null ? null : Number(session.limitCostMicros),
  };
  const over = exceeded({ tokens: Number(session.tokens), costMicros: Number(session.costMicros) }, limit);
  return over === undefined
    ? undefined
    : { kind: 'stop', why: 'budget', by: 'forgeway', detail: `It may use ${over}.` };
}
