/** What people see of a session where they are: a line in the sticky comment of its issue, and of its pull request. */
import type { PoolClient } from 'pg';
import { type ReportRow, type ReportThread, type Wanted, wantReport } from '../report/desired.js';
import type { SessionStatus } from './machine.js';
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

const short = (text: string): string => (text.length > MOST_SAID ? `${text.slice(0, MOST_SAID)}…` : text);

/** One line that says what a person can do now. */
function noteOf(session: SessionRecord): string | undefined {
  const { status, question, message, failure } = session;
  if (session.stop !== null) return 'It is being stopped.';
  switch (status) {
    case 'blocked': {
      if (question === null) return undefined;
      const choices = question.choices.length === 0 ? '' : ` (${question.choices.join(', ')})`;
      const answer = question.choices[0] ?? 'your answer';
      return `${short(question.text)}${choices} To answer, comment: /reply ${answer}`;
    }
    case 'assigned':
    case 'provisioning':
      return 'To stop it, comment: /cancel';
    case 'running':
    case 'pushing':
      return message === null ? 'To stop it, comment: /cancel' : short(message);
    case 'in_review':
      return `${message === null ? '' : `${short(message)} `}To have it go on, comment: /reply what it should change`;
    case 'failed':
      return `${short(failure ?? 'It failed.')} To try again, comment: /retry`;
    case 'cancelled':
      return short(failure ?? 'It was cancelled.');
    case 'completed':
      return message === null ? undefined : short(message);
    case 'merged':
      return undefined;
  }
}

/** @param preview of the session's pull request, where there is one to see */
function lineOf(session: SessionRecord, preview: string | null): ReportRow {
  const words = session.stop === null ? WORDS[session.status] : { icon: '🟠', status: 'Stopping' };
  const { pullRequestUrl, branch, repository } = session;
  const links = [
    ...(pullRequestUrl === null ? [] : [{ label: 'Pull request', url: pullRequestUrl }]),
    ...(preview === null ? [] : [{ label: 'Preview', url: preview }]),
  ];
  const note = noteOf(session);
  return {
    component: `${session.kind === 'review' ? 'review' : 'agent'}/${session.agent}`,
    ...words,
    status: branch === null || session.resultSha === null ? words.status : `${words.status}, on ${branch}`,
    links,
    ...(session.resultSha !== null && { sha: session.resultSha }),
    updatedAt: session.updatedAt,
    ...(note !== undefined && { note }),
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
