/**
 * What whoever asked for a session is told by a comment that names them: an edited comment tells nobody. Written down in
 * the transaction of what happened, and posted once by the reconciler; it never stands in the way of the session.
 */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.js';
import { escapeText } from '../report/escape.js';
import { isRateLimited, refusalOf } from '../sync/denied.js';
import { eachItem } from '../sync/octokit.js';
import type { AgentContext } from './context.js';
import { isLive, type SessionStatus } from './machine.js';
import type { SessionRecord } from './session-record.js';

export type NoticeKind = 'question' | 'reminder' | 'ready' | 'finished' | 'failed' | 'cancelled' | 'merged';
/** Of these whoever asked is told where they asked; the others they have done themselves, or see there. */
const TOLD_BY_COMMENT: readonly NoticeKind[] = ['question', 'reminder', 'ready', 'finished', 'failed'];

const COMMENTS = '/repos/{owner}/{repo}/issues/{issue_number}/comments';
const MOST_TEXT = 400;
const LOGIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
/** The forge does not take it, whoever asks again, where it was not merely asked too often. */
const REFUSALS: readonly number[] = [401, 403, 404, 410, 422, 501];
/** An address that is gone for longer is told what happens then, and not what happened. */
const HOOK_PATIENCE_MS = 86_400_000;

const written = z.object({ body: z.string().nullish() });

const cut = (text: string): string => escapeText(text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text);

/** What somebody is to be told of a change; undefined when it is nothing that they wait for. */
export function noticeFor(session: SessionRecord, before: SessionStatus): NoticeKind | undefined {
  switch (session.status) {
    case 'blocked':
      return 'question';
    case 'in_review':
      // Not of one that was closed and is open again, or that somebody opened by hand.
      return isLive(before) ? 'ready' : undefined;
    case 'failed':
    case 'cancelled':
    case 'merged':
      return session.status;
    case 'completed':
      return before === 'pushing' && session.kind === 'task' ? 'finished' : undefined;
    default:
      return undefined;
  }
}

/** A sentence has one end. */
const ended = (text: string): string => (/[.?!…:]$/.test(text) ? text : `${text}.`);

const offered = (choices: readonly string[]): string =>
  choices.length === 0 ? '' : ` It offers: ${ended(cut(choices.join(', ')))}`;

function wordsOf(session: SessionRecord, kind: NoticeKind): string {
  const { agent, question, failure, pullRequestUrl } = session;
  const asked = question === null ? '.' : `: ${ended(cut(question.text))}${offered(question.choices)}`;
  const answer = 'Comment `/reply` and your answer here, or `/cancel`.';
  switch (kind) {
    case 'question':
      return `${agent} asks${asked} ${answer}`;
    case 'reminder':
      return `${agent} still waits for an answer${asked} ${answer}`;
    case 'ready':
      return `the work of ${agent} is ready for your review: ${pullRequestUrl ?? 'see above'}`;
    case 'finished':
      return `${agent} has finished, and had nothing to change.`;
    case 'cancelled':
      return `${agent} was stopped: ${cut(failure ?? 'nobody knows why.')}`;
    case 'merged':
      return `the work of ${agent} was merged: ${pullRequestUrl ?? 'see above'}`;
    case 'failed':
      return `${agent} failed: ${cut(failure ?? 'nobody knows why.')}`;
  }
}

/** Where people see it; a number alone is not the same for them as for us on every forge. */
async function addressOf(
  tx: PoolClient,
  { onPullRequest, repositoryId, number }: SessionRecord,
): Promise<string | null> {
  const { rows } = await tx.query<{ url: string | null }>(
    `SELECT url FROM ${onPullRequest ? 'pull_request' : 'issue'} WHERE repository_id = $1 AND number = $2`,
    [repositoryId, number],
  );
  return rows[0]?.url ?? null;
}

/** What the operator's address is told, as it is at this moment. */
async function toldOf(tx: PoolClient, session: SessionRecord, kind: NoticeKind): Promise<Record<string, unknown>> {
  const { id, organizationId, agent, status, question, failure, number, onPullRequest, branch, requester } = session;
  const { forge, host, owner, name, url: repositoryUrl } = session.repository;
  const url = await addressOf(tx, session);
  const where = url === null ? '' : ` ${url}`;
  return {
    type: `session.${kind}`,
    timestamp: new Date().toISOString(),
    text: `${owner}/${name}, ${cut(session.context.title)}: ${wordsOf(session, kind)}${where}`,
    data: {
      ...{ organizationId, sessionId: id, agent, status, forge, host, repository: `${owner}/${name}` },
      ...{ repositoryUrl, url, number, onPullRequest, branch },
      requestedBy: requester?.login ?? session.requestedBy,
      ...{ question, failure, pullRequestNumber: session.pullRequestNumber, pullRequestUrl: session.pullRequestUrl },
    },
  };
}

/** Writes down that the operator's address is to be told, and whoever asked for the session where that was on the forge. */
export async function wantNotice(
  tx: PoolClient,
  session: SessionRecord,
  kind: NoticeKind,
  sequence: bigint,
): Promise<void> {
  const { requester, organizationId, id } = session;
  const write = (channel: Notice['channel'], body: string) =>
    tx.query(
      `INSERT INTO session_notice (organization_id, session_id, kind, sequence, channel, body)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
      [organizationId, id, kind, sequence, channel, body],
    );
  await write('hook', JSON.stringify(await toldOf(tx, session, kind)));
  if (TOLD_BY_COMMENT.includes(kind) && requester !== null && LOGIN.test(requester.login))
    await write('comment', `@${requester.login} ${wordsOf(session, kind)}`);
}

interface Notice {
  id: string;
  kind: NoticeKind;
  channel: 'comment' | 'hook';
  body: string;
  tried: boolean;
  /** It failed a moment ago. */
  rests: boolean;
  createdAt: Date;
}

const markOf = ({ id }: Notice): string => `<!-- forgeway:notice ${id} -->`;

async function post(context: AgentContext, session: SessionRecord, notice: Notice, signal: AbortSignal): Promise<void> {
  const octokit = await context.octokitFor(session.organizationId, session.repositoryId);
  const { owner, name: repo } = session.repository;
  const place = { owner, repo, issue_number: session.number };
  let isThere = false;
  // It may have been written by a process that was killed before it could say so.
  if (notice.tried)
    await eachItem(octokit, `GET ${COMMENTS}`, place, signal, (item) => {
      const { success, data } = written.safeParse(item);
      isThere ||= success && data.body?.includes(markOf(notice)) === true;
      return isThere;
    });
  if (isThere) return;
  signal.throwIfAborted();
  await octokit.request(`POST ${COMMENTS}`, { ...place, body: `${notice.body}\n\n${markOf(notice)}` });
}

/** Tells the operator's address, if there is one. @returns false when it has to be tried again */
async function tellHook(
  { notify, clock, log }: AgentContext,
  session: SessionRecord,
  notice: Notice,
  o: {
    settle(column: 'tried_at' | 'told_at', id: string): Promise<unknown>;
    drop(id: string, why: string): Promise<unknown>;
    signal: AbortSignal;
  },
): Promise<boolean> {
  const waitedMs = clock.now().getTime() - notice.createdAt.getTime();
  if (notify === undefined || waitedMs > HOOK_PATIENCE_MS) {
    await o.drop(
      notice.id,
      notify === undefined ? 'no AGENT_NOTIFY_URL is set' : 'AGENT_NOTIFY_URL did not take it for a day',
    );
    return true;
  }
  // An address that does not answer must not take a session's time.
  if (notice.rests) return false;
  try {
    await o.settle('tried_at', notice.id);
    const answer = await notify.send(notice.id, JSON.parse(notice.body) as Record<string, unknown>, o.signal);
    if (answer === 'taken') await o.settle('told_at', notice.id);
    else await o.drop(notice.id, answer.refused);
    return true;
  } catch (error) {
    if (o.signal.aborted) throw error;
    log.warn({ session: session.id, notice: notice.kind, err: messageOf(error) }, 'AGENT_NOTIFY_URL could not be told');
    return false;
  }
}

/** Posts what waits. @returns false when something has to be tried again */
export async function postNotices(
  context: AgentContext,
  session: SessionRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, agents, log } = context;
  const { organizationId, id: sessionId } = session;
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Notice>(
      `SELECT id, kind, channel, body, tried_at IS NOT NULL AS tried,
         coalesce(tried_at > now() - interval '30 seconds', false) AS rests, created_at AS "createdAt" FROM session_notice
       WHERE session_id = $1 AND told_at IS NULL AND refused IS NULL ORDER BY sequence, created_at`,
      [sessionId],
    ),
  );
  const settle = (column: 'tried_at' | 'told_at', id: string) =>
    store.tenant(organizationId, (tx) => tx.query(`UPDATE session_notice SET ${column} = now() WHERE id = $1`, [id]));
  const drop = (id: string, why: string) =>
    store.tenant(organizationId, (tx) => tx.query('UPDATE session_notice SET refused = $2 WHERE id = $1', [id, why]));
  let allTold = true;
  for (const notice of rows) {
    if (notice.channel === 'hook') {
      allTold = (await tellHook(context, session, notice, { settle, drop, signal })) && allTold;
      continue;
    }
    const isQuestion = notice.kind === 'question' || notice.kind === 'reminder';
    const wanted = agents.mentions === 'all' || (agents.mentions === 'questions' && isQuestion);
    if (!wanted || session.repository.status === 'removed') {
      await drop(notice.id, wanted ? 'the repository is not connected any more' : 'mentions are switched off');
      continue;
    }
    if (isQuestion && session.status !== 'blocked') {
      await drop(notice.id, 'it was answered before');
      continue;
    }
    try {
      if (!notice.tried) await settle('tried_at', notice.id);
      await post(context, session, notice, signal);
      await settle('told_at', notice.id);
    } catch (error) {
      if (signal.aborted) throw error;
      const refusal = refusalOf(error);
      const isLimited = isRateLimited(error, context.clock.now());
      const isFinal = refusal !== undefined && REFUSALS.includes(refusal.status) && !isLimited;
      log.warn({ session: sessionId, notice: notice.kind, err: messageOf(error) }, 'nobody could be told of a session');
      if (isFinal) await drop(notice.id, `the forge answers ${refusal.status}`);
      else allTold = false;
    }
  }
  return allTold;
}
