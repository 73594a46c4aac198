/** Agents' sessions: how they stand, what was said, and what people want of them. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import {
  type Asked,
  assignAgent,
  assignmentOfMirror,
  cancelSession,
  replyToSession,
  type SessionWish,
} from '../../jobs/agent/desired.js';
import { isLive, sessionStatuses } from '../../jobs/agent/machine.js';
import { readSession } from '../../jobs/agent/session-record.js';
import { ForgewayError } from '../../lib/errors.js';
import { notFound } from '../authorize.js';
import {
  afterPlace,
  bigNumber,
  id,
  instant,
  listOf,
  microsecondsOf,
  page,
  pageOf,
  placeOf,
  scope,
  text,
} from './fields.js';
import { type ProcedureMeta, procedure, router } from './procedure.js';
import type { Services } from './services.js';

const session = z.object({
  id,
  repositoryId: id,
  forge: z.string(),
  host: z.string(),
  owner: z.string(),
  name: z.string(),
  number: z.number().describe('Of the issue or pull request that it works on.'),
  onPullRequest: z.boolean(),
  kind: z.enum(['task', 'review']),
  agent: z.string(),
  instructions: z.string(),
  requestedBy: z.string().nullable().describe('Login of who asked for it, where that was on the forge.'),
  status: z.enum(sessionStatuses),
  stopping: z.boolean().describe('It is to end, and is not known to be dead yet.'),
  question: z.object({ id: z.string(), text: z.string(), choices: z.array(z.string()) }).nullable(),
  message: z.string().nullable().describe('What the agent said last.'),
  failure: z.string().nullable(),
  round: z.number(),
  runner: z.string().nullable(),
  branch: z.string().nullable(),
  sha: z.string().nullable().describe('What it has pushed last.'),
  pullRequestId: id.nullable(),
  pullRequestNumber: z.number().nullable(),
  pullRequestUrl: z.string().nullable(),
  tokens: bigNumber,
  costMicros: bigNumber.describe('In millionths of a US dollar, as far as the agent tells.'),
  retryOf: id.nullable(),
  createdAt: instant,
  startedAt: instant.nullable(),
  endedAt: instant.nullable(),
  updatedAt: instant,
});
type Row = z.input<typeof session> & { place: string };

const SELECT = `SELECT s.id, s.repository_id AS "repositoryId", s.forge, s.host, r.remote_owner AS owner, r.remote_name AS name,
    s.number, s.on_pull_request AS "onPullRequest", s.kind, s.agent, s.instructions, s.requester_login AS "requestedBy",
    s.status, s.stop_wanted IS NOT NULL AS stopping, s.question, s.message, s.failure, s.round, s.runner, s.branch,
    s.result_sha AS sha, s.pull_request_id AS "pullRequestId", s.pull_request_number AS "pullRequestNumber",
    s.pull_request_url AS "pullRequestUrl", s.tokens, s.cost_micros AS "costMicros", s.retry_of AS "retryOf",
    s.created_at AS "createdAt", s.started_at AS "startedAt", s.ended_at AS "endedAt", s.updated_at AS "updatedAt",
    ${microsecondsOf('s.updated_at')} AS place
  FROM agent_session s JOIN repository r ON r.id = s.repository_id`;

const event = z.object({
  sequence: bigNumber,
  kind: z.string(),
  data: z.record(z.string(), z.unknown()),
  at: instant,
});
const worktree = z.object({
  id,
  worktreeId: z.string().describe('The session and the number of its start.'),
  taskId: id.nullable(),
  pullRequestId: id.nullable(),
  createdAt: instant,
});
const SPOKEN = ['message', 'question', 'reply', 'done', 'status', 'pr.created', 'pr.updated', 'reviewed'];

const one = z.strictObject({ ...scope, id });
const read = (path: string, summary: string) => procedure({ action: 'agent.read', method: 'GET', path, summary });
const run = (path: string, summary: string, more: Pick<ProcedureMeta, 'status'> = {}) =>
  procedure({ action: 'agent.assign', method: 'POST', path, summary, ...more });

async function shown(services: Services, organizationId: string, sessionId: string): Promise<Row> {
  const { rows } = await services.store.tenant(organizationId, (tx) =>
    tx.query<Row>(`${SELECT} WHERE s.id = $1`, [sessionId]),
  );
  const [found] = rows;
  if (found === undefined) throw notFound();
  return found;
}

interface Context {
  services: Services;
  organizationId: string;
  by: string;
}

/** Told and written down; the session as it is then. */
async function carriedOut({ services, organizationId, by }: Context, what: string, wish: SessionWish): Promise<Row> {
  await services.store.tenant(organizationId, (tx) => audit(tx, organizationId, what, wish.session.id, {}, by));
  await services.sessionSoon(wish);
  return shown(services, organizationId, wish.session.id);
}

function wished(asked: Asked): SessionWish {
  if (!asked.ok) throw new ForgewayError('FORGEWAY_CONFLICT', asked.why);
  return asked.wish;
}

async function eventsOf(
  services: Services,
  organizationId: string,
  { id: sessionId, after, limit }: { id: string; after?: string | undefined; limit: number },
  kinds: readonly string[] | null,
) {
  return services.store.tenant(organizationId, async (tx) => {
    const known = await tx.query('SELECT FROM agent_session WHERE id = $1', [sessionId]);
    if (known.rowCount === 0) throw notFound();
    const { rows } = await tx.query<z.input<typeof event>>(
      `SELECT sequence, kind, data, created_at AS at FROM session_event
       WHERE session_id = $1 AND sequence > $2 AND ($3::text[] IS NULL OR kind = ANY($3)) ORDER BY sequence LIMIT $4`,
      [sessionId, after ?? '0', kinds, limit],
    );
    return { items: rows, next: rows.at(-1)?.sequence ?? BigInt(after ?? '0') };
  });
}

const eventPage = {
  after: z
    .string()
    .regex(/^\d{1,18}$/)
    .optional()
    .describe('`next` of the page before; without it, from the beginning.'),
  limit: z.coerce.number().int().min(1).max(500).default(100).describe('How many at most, 1 to 500.'),
};
const events = z.object({ items: z.array(event), next: bigNumber.describe('Ask again with it as `after`.') });

export const sessions = router({
  list: read('/sessions', 'Sessions of agents, last changed first.')
    .input(
      z
        .strictObject({
          ...scope,
          repositoryId: id.optional(),
          pullRequestId: id.optional().describe('That they opened.'),
          status: z.enum(sessionStatuses).optional(),
          live: z.enum(['true', 'false']).optional().describe('Those that are not over yet, or those that are.'),
          ...page,
        })
        .prefault({}),
    )
    .output(listOf(session))
    .query(async ({ ctx, input }) => {
      const { repositoryId, pullRequestId, status, live, limit } = input;
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<Row>(
          `${SELECT} WHERE ($1::uuid IS NULL OR s.repository_id = $1) AND ($2::uuid IS NULL OR s.pull_request_id = $2)
             AND ($3::text IS NULL OR s.status = $3)
             AND ($4::boolean IS NULL OR (s.status = ANY($5)) = $4) AND ${afterPlace('s.updated_at', 's.id', 6)}
           ORDER BY s.updated_at DESC, s.id DESC LIMIT $8`,
          [
            ...[repositoryId ?? null, pullRequestId ?? null, status ?? null, live ?? null],
            ...[sessionStatuses.filter(isLive), ...placeOf(input.cursor), limit + 1],
          ],
        ),
      );
      return pageOf(rows, limit, (row) => [row.place, row.id]);
    }),

  get: read('/sessions/{id}', 'One session.')
    .input(one)
    .output(session)
    .query(({ ctx, input }) => shown(ctx.services, ctx.organizationId, input.id)),

  events: read('/sessions/{id}/events', 'Its record, from the beginning or after a place in it.')
    .input(one.extend(eventPage))
    .output(events)
    .query(({ ctx, input }) => eventsOf(ctx.services, ctx.organizationId, input, null)),

  conversation: read('/sessions/{id}/conversation', 'What the agent and people said to each other.')
    .input(one.extend(eventPage))
    .output(events)
    .query(({ ctx, input }) => eventsOf(ctx.services, ctx.organizationId, input, SPOKEN)),

  worktrees: read(
    '/sessions/{id}/worktrees',
    'Where it has worked, a place for each start, and what that belongs to: a task, or a pull request. The newest first.',
  )
    .input(one.extend(page))
    .output(listOf(worktree))
    .query(async ({ ctx, input: { id: sessionId, limit, cursor } }) => {
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        const known = await tx.query('SELECT FROM agent_session WHERE id = $1', [sessionId]);
        if (known.rowCount === 0) throw notFound();
        return tx.query<z.input<typeof worktree> & { place: string }>(
          `SELECT id, worktree_id AS "worktreeId", task_run_id AS "taskId", pull_request_id AS "pullRequestId",
             created_at AS "createdAt", ${microsecondsOf('created_at')} AS place
           FROM worktree_link WHERE session_id = $1 AND ${afterPlace('created_at', 'id', 2)}
           ORDER BY created_at DESC, id DESC LIMIT $4`,
          [sessionId, ...placeOf(cursor), limit + 1],
        );
      });
      return pageOf(rows, limit, (row) => [row.place, row.id]);
    }),

  reply: run('/sessions/{id}/replies', 'Answers the agent, or tells it what to change.')
    .input(
      one.extend({
        text: text(20_000),
        clientInputId: text(200).optional().describe('Of your own making: the same again is told once.'),
      }),
    )
    .output(session)
    .mutation(async ({ ctx, input }) => {
      const clientInputId = `api:${ctx.by}:${input.clientInputId ?? randomUUID()}`;
      const asked = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        if ((await readSession(tx, input.id)) === undefined) throw notFound();
        return replyToSession(tx, input.id, { clientInputId, by: ctx.by, text: input.text, at: new Date() });
      });
      return carriedOut(ctx, 'session.replied', wished(asked));
    }),

  cancel: run('/sessions/{id}/cancel', 'Stops it; one that is over stays as it is.')
    .input(one)
    .output(session)
    .mutation(async ({ ctx, input }) => {
      const asked = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        if ((await readSession(tx, input.id)) === undefined) throw notFound();
        return cancelSession(tx, input.id, ctx.by);
      });
      // That it is over, or ending, is what was wanted.
      return asked.ok
        ? carriedOut(ctx, 'session.cancelled', asked.wish)
        : shown(ctx.services, ctx.organizationId, input.id);
    }),

  retry: run('/sessions/{id}/retry', 'Has its agent try again, in a session of its own; one at work stays as it is.')
    .input(one.extend({ instructions: z.string().max(20_000).optional().describe('Added to those that it had.') }))
    .output(session)
    .mutation(async ({ ctx, input }) => {
      const wish = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        const last = await readSession(tx, input.id, { lock: true });
        if (last === undefined) throw notFound();
        if (isLive(last.status)) return undefined;
        const instructions = [last.instructions, input.instructions ?? ''].join('\n').trim();
        const assignment = await assignmentOfMirror(tx, last, ctx.services.agents, {
          ...{ agent: last.agent, kind: last.kind, instructions, by: ctx.by, retryOf: last.id },
          ...(ctx.actor.kind === 'user' && { userId: ctx.actor.userId }),
        });
        return assignAgent(tx, assignment);
      });
      return wish === undefined
        ? shown(ctx.services, ctx.organizationId, input.id)
        : carriedOut(ctx, 'session.retried', wish);
    }),

  assign: run('/sessions', 'Has an agent work on an issue or a pull request.', { status: 201 })
    .input(
      z.strictObject({
        ...scope,
        issueId: id.optional(),
        pullRequestId: id.optional().describe('One of the two.'),
        agent: text(100).optional().describe('Without it the first that is configured.'),
        kind: session.shape.kind.default('task'),
        instructions: z.string().max(20_000).default(''),
      }),
    )
    .output(session)
    .mutation(async ({ ctx, input }) => {
      const { issueId, pullRequestId, agent, kind, instructions } = input;
      const wish = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        const { rows } = await tx.query<{ repositoryId: string; number: number; onPullRequest: boolean }>(
          `SELECT repository_id AS "repositoryId", number, false AS "onPullRequest" FROM issue WHERE id = $1
           UNION ALL SELECT repository_id, number, true FROM pull_request WHERE id = $2`,
          [issueId ?? null, pullRequestId ?? null],
        );
        const [place] = rows;
        if (place === undefined || rows.length > 1) throw notFound();
        const assignment = await assignmentOfMirror(tx, place, ctx.services.agents, {
          ...{ agent, kind, instructions, by: ctx.by },
          ...(ctx.actor.kind === 'user' && { userId: ctx.actor.userId }),
        });
        return assignAgent(tx, assignment);
      });
      return carriedOut(ctx, 'session.assigned', wish);
    }),
});
