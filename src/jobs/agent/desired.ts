/** What is wanted of agents. Written by commands and the API in their transaction; the reconciler makes it so. */
import { randomUUID } from 'node:crypto';
import type { PoolClient } from 'pg';
import { ForgewayError } from '../../lib/errors.js';
import type { Wanted } from '../report/desired.js';
import { agentNamed, type PlannedAgents } from './agents.js';
import { drive } from './drive.js';
import { liveStatuses, type SessionStatus } from './machine.js';
import { readSession, type SessionRecord, type WorkItemText } from './session-record.js';
import { type AskedWhen, lockWorkItem, noteStopped, stopMeantFor } from './stops.js';
import { tellThreads } from './tell.js';

/** What to poke once the transaction has committed. */
export interface SessionWish {
  session: SessionRecord;
  agents: { organizationId: string; id: string; version: bigint }[];
  reports: Wanted[];
}

export interface Assignment {
  organizationId: string;
  repositoryId: string;
  forge: string;
  host: string;
  remoteRepositoryId: bigint;
  number: number;
  onPullRequest: boolean;
  kind: 'task' | 'review';
  /** Identity of what asked, such as a command of a comment. The same again is the same session. */
  commandKey: string;
  retryOf?: string;
  requester: { id: bigint; login: string } | null;
  userId?: string;
  /** As the trail names them. */
  requestedBy: string;
  agent: string;
  /** It is the forge's own. */
  handOff?: boolean;
  instructions: string;
  /** When it was asked for, by the forge's clock where that is known. */
  triggeredAt: Date;
  /** When we were told of that, by our clock, and when it was by the forge's. Absent: it is asked for now, and not on a forge. */
  asked?: AskedWhen;
  /** Of a pull request: the head that was looked at. If it moves before the agent begins, nothing begins (R6). */
  headSha: string | null;
  baseBranch: string | null;
  /** What it says now. */
  context: WorkItemText;
  limits: { seconds: number; tokens: number | null; costMicros: number | null };
}

const contextJson = ({ title, body, author }: WorkItemText): string =>
  JSON.stringify({ title, body, author: author && { id: author.id.toString(), login: author.login } });

const wishOf = (session: SessionRecord, version: bigint, reports: Wanted[]): SessionWish => ({
  session,
  agents: [{ organizationId: session.organizationId, id: session.id, version }],
  reports,
});

/**
 * Wants an agent on an issue or pull request. Whatever works on it already is to stop: the new one begins when that is
 * known to be dead. `created` is false for a command that was carried out before. What somebody has said to stop since it was
 * asked for is over at once.
 */
export async function assignAgent(tx: PoolClient, o: Assignment): Promise<SessionWish & { created: boolean }> {
  await lockWorkItem(tx, o);
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
       kind, command_key, retry_of, requester_id, requester_login, user_id, requested_by, agent, instructions, triggered_at,
       head_sha, base_branch, limit_seconds, limit_tokens, limit_cost_micros, context, hand_off, round_asked_at,
       round_told_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
       coalesce($25, clock_timestamp()), $26, clock_timestamp())
     ON CONFLICT (organization_id, command_key) DO NOTHING RETURNING id`,
    [
      ...[o.organizationId, o.repositoryId, o.forge, o.host, o.remoteRepositoryId, o.number, o.onPullRequest],
      ...[o.kind, o.commandKey, o.retryOf ?? null, o.requester?.id ?? null, o.requester?.login ?? null],
      ...[o.userId ?? null, o.requestedBy, o.agent, o.instructions, o.triggeredAt, o.headSha, o.baseBranch],
      ...[o.limits.seconds, o.limits.tokens, o.limits.costMicros, contextJson(o.context), o.handOff ?? false],
      ...[o.asked?.at ?? null, o.asked?.toldAt ?? null],
    ],
  );
  const [made] = rows;
  if (made === undefined) return { ...(await known(tx, o)), created: false };
  await tx.query(`INSERT INTO task_run (organization_id, user_id, session_id, repository_id) VALUES ($1, $2, $3, $4)`, [
    o.organizationId,
    o.userId ?? null,
    made.id,
    o.repositoryId,
  ]);
  const superseded = await supersede(tx, o, made.id);
  const session = await readSession(tx, made.id);
  if (session === undefined) throw new Error('a session was written and is not there');
  const stop = await stopMeantFor(tx, o, { asked: o.asked, requesterId: o.requester?.id ?? null });
  const stopped = stop && (await cancelSession(tx, made.id, stop.by));
  if (stop !== undefined) await noteStopped(tx, o.organizationId, stop.key);
  const wish = stopped?.ok ? stopped.wish : wishOf(session, 1n, await tellThreads(tx, session));
  return {
    ...wish,
    agents: [...superseded.flatMap(({ agents }) => agents), ...wish.agents],
    reports: [...superseded.flatMap(({ reports }) => reports), ...wish.reports],
    created: true,
  };
}

/**
 * Whether a command has done here what it asked for, whatever has become of that since: one whose worker was killed before it could
 * say so is run again.
 * @param o.number of the issue or pull request that it was given in
 */
export async function commandWasCarriedOut(
  tx: PoolClient,
  o: { repositoryId: string; number: number; commandKey: string },
): Promise<boolean> {
  const { rows } = await tx.query<{ was: boolean }>(
    `SELECT EXISTS (
       SELECT FROM agent_session s WHERE s.repository_id = $1 AND (s.number = $2 OR s.pull_request_number = $2) AND (
         s.command_key = $3
         OR EXISTS (SELECT FROM client_input i WHERE i.session_id = s.id AND i.client_input_id = $3)
         OR EXISTS (SELECT FROM session_event e WHERE e.session_id = s.id AND e.kind = 'push' AND e.data ->> 'commandKey' = $3))
     ) AS was`,
    [o.repositoryId, o.number, o.commandKey],
  );
  return rows[0]?.was === true;
}

async function known(tx: PoolClient, o: Assignment): Promise<SessionWish> {
  const { rows } = await tx.query<{ id: string; version: bigint }>(
    'SELECT id, desired_version AS version FROM agent_session WHERE organization_id = $1 AND command_key = $2',
    [o.organizationId, o.commandKey],
  );
  const [found] = rows;
  const session = found && (await readSession(tx, found.id));
  if (found === undefined || session === undefined) throw new Error('a session vanished inside a transaction');
  return wishOf(session, found.version, []);
}

async function supersede(tx: PoolClient, o: Assignment, except: string): Promise<SessionWish[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM agent_session WHERE repository_id = $1 AND number = $2 AND id <> $3 AND status = ANY($4) ORDER BY id`,
    [o.repositoryId, o.number, except, liveStatuses],
  );
  const wishes: SessionWish[] = [];
  for (const { id } of rows) {
    const driven = await drive(tx, id, [{ kind: 'stop', why: 'superseded', by: o.requestedBy }]);
    if (driven?.changed) wishes.push(wishOf(driven.session, driven.version, driven.reports));
  }
  return wishes;
}

const placeOf = ({ repository: { forge, host, remoteId } }: SessionRecord) => ({
  forge,
  host,
  remoteRepositoryId: remoteId,
});

/** As columns. */
const roundOf = (asked: AskedWhen | undefined) => ({
  round_asked_at: asked?.at ?? new Date(),
  round_told_at: asked?.toldAt ?? null,
});

/** From where a reply begins another round. */
const GOES_ON: readonly SessionStatus[] = ['in_review', 'completed', 'failed'];

export type Asked = { ok: true; wish: SessionWish } | { ok: false; why: string };

/** Wants a session to end. Asked of one that is over, or is ending already, it changes nothing and is well. */
export async function cancelSession(tx: PoolClient, sessionId: string, by: string): Promise<Asked> {
  const driven = await drive(tx, sessionId, [{ kind: 'stop', why: 'cancelled', by }]);
  if (driven === undefined) return { ok: false, why: 'There is no such session.' };
  if (!driven.changed) return { ok: false, why: driven.why ?? 'Nothing changed.' };
  return { ok: true, wish: wishOf(driven.session, driven.version, driven.reports) };
}

/**
 * Tells a session something: the answer to its question, a word on the way, or what is to be changed about what has come back.
 * @param o.clientInputId the sender's own id of it: told twice, it is told once
 * @param o.at when, by the clock of where it was said: what has it go on sees what was written before that
 * @param o.asked the same by each clock, where it was said on a forge
 */
export async function replyToSession(
  tx: PoolClient,
  sessionId: string,
  o: { clientInputId: string; by: string; text: string; at: Date; asked?: AskedWhen },
): Promise<Asked> {
  const session = await readSession(tx, sessionId, { lock: true });
  if (session === undefined) return { ok: false, why: 'There is no such session.' };
  const earlier = await tx.query('SELECT FROM client_input WHERE session_id = $1 AND client_input_id = $2', [
    sessionId,
    o.clientInputId,
  ]);
  if (session.handOff)
    return { ok: false, why: `${session.agent} is told in its own pull request: write to it there, by its name.` };
  if (earlier.rowCount !== 0) return { ok: true, wish: { session, agents: [], reports: [] } };
  const driven = await drive(tx, sessionId, [{ kind: 'reply', id: o.clientInputId, by: o.by, text: o.text }], {
    ...(GOES_ON.includes(session.status) && { columns: { triggered_at: o.at, ...roundOf(o.asked) } }),
  });
  if (driven === undefined || !driven.changed) return { ok: false, why: driven?.why ?? 'Nothing changed.' };
  await tx.query(
    `INSERT INTO client_input (organization_id, session_id, client_input_id, round, written_by, body)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [session.organizationId, sessionId, o.clientInputId, driven.session.round, o.by, o.text],
  );
  return { ok: true, wish: wishOf(driven.session, driven.version, driven.reports) };
}

/**
 * Wants what a failed session has left in its work tree to be checked, pushed and opened as a draft, under the lease of that
 * start. One whose pull request is open already is answered as it is.
 */
export async function pushAndCreatePr(
  tx: PoolClient,
  sessionId: string,
  o: { by: string; title: string; summary: string; commandKey?: string },
): Promise<Asked> {
  const found = await readSession(tx, sessionId);
  if (found === undefined) return { ok: false, why: 'There is no such session.' };
  await lockWorkItem(tx, { ...found, ...placeOf(found) });
  const session = await readSession(tx, sessionId, { lock: true });
  if (session === undefined) return { ok: false, why: 'There is no such session.' };
  const { status, kind, branch, leaseHeld, pullRequestId } = session;
  if (status === 'pushing' || (pullRequestId !== null && (status === 'in_review' || status === 'merged')))
    return { ok: true, wish: { session, agents: [], reports: [] } };
  if (kind === 'review') return { ok: false, why: 'A review changes nothing that could be pushed.' };
  if (status === 'failed' && branch === null) return { ok: false, why: 'It never began, so it has left nothing.' };
  if (session.handOff) return { ok: false, why: `${session.agent} pushes its work itself.` };
  if (status === 'failed' && session.workRemovedAt !== null)
    return { ok: false, why: 'What it left was removed, since it was kept for long enough. /retry begins anew.' };
  if (status === 'failed' && leaseHeld)
    return { ok: false, why: 'Something of it may still run. Ask again when it is known to be dead.' };
  const { rowCount } = await tx.query(
    `SELECT FROM agent_session WHERE lease_held AND (forge, host, remote_repository_id, number) =
       (SELECT forge, host, remote_repository_id, number FROM agent_session WHERE id = $1)`,
    [sessionId],
  );
  if (rowCount !== 0) return { ok: false, why: 'Another session is at work on the same issue or pull request.' };
  const driven = await drive(tx, sessionId, [{ kind: 'push', ...o }], {
    ...(status === 'failed' && { columns: { lease_held: true, ...roundOf(undefined) } }),
  });
  if (driven === undefined || !driven.changed) return { ok: false, why: driven?.why ?? 'Nothing changed.' };
  return { ok: true, wish: wishOf(driven.session, driven.version, driven.reports) };
}

/** What is in the mirror about an issue or pull request, as an assignment. @throws ForgewayError FORGEWAY_CONFLICT */
export async function assignmentOfMirror(
  tx: PoolClient,
  place: { repositoryId: string; number: number; onPullRequest: boolean },
  agents: PlannedAgents | undefined,
  o: {
    agent: string | undefined;
    kind: Assignment['kind'];
    instructions: string;
    by: string;
    userId?: string;
    retryOf?: string;
  },
): Promise<Assignment> {
  if (o.kind === 'review' && !place.onPullRequest)
    throw new ForgewayError('FORGEWAY_CONFLICT', 'Only a pull request can be reviewed.');
  const head = place.onPullRequest ? 'x.head_sha' : 'NULL';
  const { rows } = await tx.query<{
    forge: string;
    host: string;
    remoteRepositoryId: bigint;
    title: string;
    body: string | null;
    authorId: bigint | null;
    authorLogin: string | null;
    state: string;
    headSha: string | null;
    usable: boolean;
  }>(
    `SELECT r.forge, r.host, r.remote_id AS "remoteRepositoryId", x.title, x.body, x.author_id AS "authorId",
       x.author_login AS "authorLogin", x.state, ${head} AS "headSha", r.status = 'active' AS usable
     FROM ${place.onPullRequest ? 'pull_request' : 'issue'} x JOIN repository r ON r.id = x.repository_id
     WHERE x.repository_id = $1 AND x.number = $2`,
    [place.repositoryId, place.number],
  );
  const [found] = rows;
  if (found === undefined || !found.usable)
    throw new ForgewayError('FORGEWAY_CONFLICT', 'Its repository is not connected any more.');
  if (found.state !== 'open') throw new ForgewayError('FORGEWAY_CONFLICT', 'It is closed, so no agent begins there.');
  const { forge, host, remoteRepositoryId, title, body, authorId, authorLogin, headSha } = found;
  const name = o.agent ?? agents?.default?.definition.name;
  const planned = agents && name !== undefined ? agentNamed(agents, forge, name) : undefined;
  if (planned === undefined || name === undefined) {
    const names = [...(agents?.byName.keys() ?? [])].join(', ');
    throw new ForgewayError(
      'FORGEWAY_CONFLICT',
      `There is no such agent. There ${names ? `are: ${names}` : 'is none'}.`,
    );
  }
  if (planned.handOff && (place.onPullRequest || o.kind === 'review'))
    throw new ForgewayError('FORGEWAY_CONFLICT', `Only issues can be handed over to ${name}.`);
  const { rows: tenant } = await tx.query<{ id: string }>('SELECT current_organization() AS id');
  return {
    ...place,
    ...{ organizationId: tenant[0]?.id ?? '', forge, host, remoteRepositoryId, headSha, baseBranch: null },
    ...{ kind: o.kind, commandKey: `api:${randomUUID()}`, requester: null, requestedBy: o.by },
    ...{ agent: name, handOff: planned.handOff, instructions: o.instructions, triggeredAt: new Date() },
    ...(o.userId !== undefined && { userId: o.userId }),
    ...(o.retryOf !== undefined && { retryOf: o.retryOf }),
    context: { title, body: body ?? '', author: authorId === null ? null : { id: authorId, login: authorLogin ?? '' } },
    limits: planned.limits,
  };
}
