/** What people see of a session where they are: a line in the sticky comment of its issue, and of its pull request. */
import type { PoolClient } from 'pg';
import { type ReportRow, type ReportThread, type Wanted, wantReport } from '../report/desired.js';
import { escapeText } from '../report/escape.js';
import { isLive, type SessionStatus } from './machine.js';
import { readSession, type SessionRecord } from './session-record.js';

const TOPIC = 'agent';
/** Of what an agent writes, in a comment that everybody on the issue is shown. */
const MOST_SAID = 500;

const WORDS: Record<SessionStatus, { icon: string; status: string }> = {
  assigned: { icon: '⏳', status: 'Waits for its turn' },
  provisioning: { icon: '🟡', status: 'Getting ready' },
  running: { icon: '🟡', status: 'Working' },
  blocked: { icon: '❓', status: 'Asks a question' },
  pushing: { icon: '🟡', status: 'Pushing its work' },
  in_review: { icon: '✅', status: 'Ready for review' },
  merged: { icon: '🟣', status: 'Merged' },
  completed: { icon: '⚪', status: 'Finished' },
  failed: { icon: '❌', status: 'Failed' },
  cancelled: { icon: '⚪', status: 'Cancelled' },
};

const STOPPING = { icon: '🟠', status: 'Stopping' };

const short = (text: string): string => (text.length > MOST_SAID ? `${text.slice(0, MOST_SAID)}…` : text);

/** What it says, or why it ended. */
function noteOf({ status, stop, question, message, failure }: SessionRecord): string | undefined {
  if (stop !== null) return undefined;
  switch (status) {
    case 'blocked': {
      if (question === null) return undefined;
      const choices = question.choices.length === 0 ? '' : ` (${question.choices.join(', ')})`;
      return `${short(question.text)}${choices}`;
    }
    case 'failed':
      return short(failure ?? 'It failed.');
    case 'cancelled':
      return short(failure ?? 'It was cancelled.');
    case 'merged':
    case 'assigned':
    case 'provisioning':
      return undefined;
    default:
      return message === null ? undefined : short(message);
  }
}

/** What a person can do now. */
function hintOf({ status, stop, question, handOff }: SessionRecord): string | undefined {
  if (stop !== null) return 'It ends as soon as nothing of it runs any more.';
  const stopIt = 'to stop it, `/cancel`';
  // It is told in its own pull request.
  if (handOff) return isLive(status) ? `In a comment: ${stopIt}.` : undefined;
  switch (status) {
    case 'blocked':
      return `To answer, comment \`/reply${answerTo(question)}; ${stopIt}.`;
    case 'assigned':
    case 'provisioning':
    case 'running':
      return `In a comment: to tell it something, \`/reply\` and what; ${stopIt}.`;
    case 'pushing':
      return `In a comment: ${stopIt}.`;
    case 'in_review':
      return 'To have it go on, comment `/reply` and what it should change.';
    case 'failed':
      return 'To have it try again, comment `/retry`; to have it go on where it stopped, `/reply` and what to do.';
    case 'cancelled':
      return 'To have it try again, comment `/retry`.';
    case 'completed':
      return 'To have it go on, comment `/reply` and what it should do.';
    case 'merged':
      return undefined;
  }
}

/** The end of a command that can be typed as it stands; what cannot is for people to find words for. */
function answerTo(question: SessionRecord['question']): string {
  const first = question?.choices[0] ?? '';
  return /^[a-z0-9-]{1,40}(?: [a-z0-9-]{1,40}){0,2}$/.test(first) ? ` ${first}\`` : '` and your answer';
}

/** For whoever asks how it stands: a few short sentences. What an agent wrote is escaped. */
export function statusOf(session: SessionRecord): string {
  const { agent, status, stop, question, failure, message, pullRequestUrl, branch, resultSha } = session;
  const { icon, status: words } = stop === null ? WORDS[status] : STOPPING;
  const where = branch === null || resultSha === null ? '' : `, on \`${branch}\``;
  const said = question?.text ?? failure ?? (isLive(status) ? message : null);
  const [who, cost] = [session.requester?.login ?? session.requestedBy, costOf(session)];
  const parts = [
    `${agent}: ${icon} ${words}${where}.`,
    ...(said === null ? [] : [escapeText(short(said))]),
    ...(pullRequestUrl === null ? [] : [pullRequestUrl]),
    `Asked for by ${escapeText(who)}${session.round === 1 ? '' : `, round ${session.round}`}${cost}.`,
  ];
  return [parts.join(' '), ...(hintOf(session) === undefined ? [] : [hintOf(session)])].join('\n\n');
}

/** What it has used so far, as far as it says. */
function costOf({ tokens, costMicros }: SessionRecord): string {
  const usd = costMicros === 0n ? '' : `, ${(Number(costMicros) / 1_000_000).toFixed(2)} US dollars`;
  return tokens === 0n ? usd : `, ${tokens} tokens${usd}`;
}

/** @param preview of the session's pull request, where there is one to see */
function lineOf(session: SessionRecord, preview: string | null): ReportRow {
  const words = session.stop === null ? WORDS[session.status] : STOPPING;
  const { pullRequestUrl, branch, repository } = session;
  const links = [
    ...(pullRequestUrl === null ? [] : [{ label: 'Pull request', url: pullRequestUrl }]),
    ...(preview === null ? [] : [{ label: 'Preview', url: preview }]),
  ];
  const [note, hint] = [noteOf(session), hintOf(session)];
  return {
    component: `${session.kind === 'review' ? 'review' : 'agent'}/${session.agent}`,
    ...words,
    status: branch === null || session.resultSha === null ? words.status : `${words.status}, on ${branch}`,
    links,
    ...(session.resultSha !== null && { sha: session.resultSha }),
    updatedAt: session.updatedAt,
    ...(note !== undefined && { note }),
    ...(hint !== undefined && { hint }),
    ...(repository.status === 'removed' && { skipped: true }),
  };
}

async function threadsOf(tx: PoolClient, session: SessionRecord): Promise<ReportThread[]> {
  const { id: sessionId, repositoryId, number, onPullRequest } = session;
  // Of a conversation's line the newest session has the word.
  const newer = await tx.query(
    `SELECT FROM agent_session WHERE repository_id = $1 AND number = $2
       AND (created_at, id) > (SELECT created_at, id FROM agent_session WHERE id = $3) LIMIT 1`,
    [repositoryId, number, sessionId],
  );
  if (newer.rowCount !== 0) return [];
  const table = onPullRequest ? 'pull_request' : 'issue';
  const { rows } = await tx.query<{ id: string }>(`SELECT id FROM ${table} WHERE repository_id = $1 AND number = $2`, [
    repositoryId,
    number,
  ]);
  const own = rows.map(({ id }): ReportThread => (onPullRequest ? { pullRequestId: id } : { issueId: id }));
  const made = session.pullRequestId;
  if (made === null || rows.some(({ id }) => id === made)) return own;
  return [...own, { pullRequestId: made }];
}

async function previewOf(tx: PoolClient, pullRequestId: string | null): Promise<string | null> {
  if (pullRequestId === null) return null;
  const { rows } = await tx.query<{ url: string | null }>(
    `SELECT url FROM preview WHERE pull_request_id = $1 AND phase IN ('ready', 'sleeping')`,
    [pullRequestId],
  );
  return rows[0]?.url ?? null;
}

/** Sets the session's line wherever it is shown. @returns what to poke once the transaction has committed */
export async function tellThreads(tx: PoolClient, session: SessionRecord): Promise<Wanted[]> {
  const { organizationId } = session;
  const row = lineOf(session, await previewOf(tx, session.pullRequestId));
  const wanted: Wanted[] = [];
  for (const thread of await threadsOf(tx, session)) {
    const one = await wantReport(tx, { organizationId, topic: TOPIC, row, ...thread });
    if (one !== undefined) wanted.push(one);
  }
  return wanted;
}

/** A preview came or went: sessions whose pull request it shows say so. */
export async function tellSessionsOf(tx: PoolClient, pullRequestId: string): Promise<Wanted[]> {
  const { rows } = await tx.query<{ id: string }>('SELECT id FROM agent_session WHERE pull_request_id = $1', [
    pullRequestId,
  ]);
  const wanted: Wanted[] = [];
  for (const { id } of rows) {
    const session = await readSession(tx, id);
    if (session !== undefined) wanted.push(...(await tellThreads(tx, session)));
  }
  return wanted;
}
