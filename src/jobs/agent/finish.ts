/** From what an agent has done to what others see of it: its commit pushed, its pull request opened. */
import type { AgentResult } from '../../effects/agents/runner.js';
import { ForgewayError } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import { repositoryById } from '../../store/mirror/repository.js';
import { createDraftPr, markAgentCommit, rememberPullRequest, updatePr } from '../pull-request/service.js';
import type { Settlement } from '../reconcile.js';
import { wantPullRequestSync } from '../sync/desired.js';
import { type AgentContext, move, refOf } from './context.js';
import { readLines } from './follow.js';
import { writeReview } from './review.js';
import type { SessionRecord } from './session-record.js';

const AUTHOR = { name: 'Forgeway agent', email: 'agent@forgeway.invalid' };
/** A title of a forge's own making may be no longer. */
const MOST_TITLE = 200;

interface Words {
  title: string;
  summary: string;
}

async function wordsOf(context: AgentContext, session: SessionRecord): Promise<Words> {
  const { rows } = await context.store.tenant(session.organizationId, (tx) =>
    tx.query<{ data: { title?: unknown; summary?: unknown } }>(
      `SELECT data FROM session_event WHERE session_id = $1 AND kind = 'done' ORDER BY sequence DESC LIMIT 1`,
      [session.id],
    ),
  );
  const told = rows[0]?.data;
  const text = (value: unknown) => (typeof value === 'string' ? value.trim() : '');
  const title = text(told?.title) || session.context.title || `Work on #${session.number}`;
  return {
    title: (title.split('\n', 1)[0] ?? '').slice(0, MOST_TITLE),
    summary: text(told?.summary) || (session.message ?? ''),
  };
}

const requesterOf = ({ requester, requestedBy }: SessionRecord): string => requester?.login ?? requestedBy;

/** Names the issue by its number, which the forge's own words make of it where issues and pull requests are counted apart. */
function bodyOf(session: SessionRecord, { summary }: Words): string {
  const about = session.onPullRequest ? `For #${session.number}.` : `Closes #${session.number}.`;
  const by = `Made by the agent ${session.agent}, asked for by ${requesterOf(session)}. Session \`${session.id}\`.`;
  return [summary, about, `---\n${by}`].filter((part) => part !== '').join('\n\n');
}

const problemsOf = ({ problems }: Extract<AgentResult, { kind: 'refused' }>): string => {
  const shown = problems.slice(0, 5).map(({ message }) => message);
  const more = problems.length > shown.length ? ` And ${problems.length - shown.length} more.` : '';
  return `What it changed is not pushed: ${shown.join(' ')}${more}`;
};

async function openPullRequest(
  context: AgentContext,
  session: SessionRecord,
  words: Words,
  signal: AbortSignal,
): Promise<Settlement> {
  const { organizationId, repositoryId, repository, branch, baseBranch } = session;
  if (branch === null || baseBranch === null) throw new Error('a session was pushed without a branch');
  const octokit = await context.octokitFor(organizationId, repositoryId);
  const place = { owner: repository.owner, repo: repository.name };
  const wanted = { head: branch, base: baseBranch, title: words.title, body: bodyOf(session, words) };
  const { data, created } = await createDraftPr(octokit, place, wanted, signal);
  const written = await context.store.tenant(organizationId, async (tx) => {
    const stored = await repositoryById(tx, repositoryId);
    if (stored === undefined) throw new Error('a repository vanished while its pull request was opened');
    const { forge, host } = repository;
    const { rows } = await tx.query<{ url: string | null }>(
      'SELECT remote_instance_url AS url FROM repository WHERE id = $1',
      [repositoryId],
    );
    const origin = { organizationId, forge, host, instanceUrl: rows[0]?.url ?? null };
    const pull = await rememberPullRequest(tx, origin, stored, data, session.id);
    if (session.resultSha !== null) {
      const message = words.title;
      const commit = { sha: session.resultSha, message, committedAt: context.clock.now() };
      await markAgentCommit(
        tx,
        origin,
        stored,
        { ...commit, authorName: AUTHOR.name, authorEmail: AUTHOR.email },
        { sessionId: session.id, branch },
      );
    }
    await tx.query(
      `INSERT INTO worktree_link (organization_id, session_id, worktree_id, pull_request_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [organizationId, session.id, `${session.id}/${session.fence}`, pull.id],
    );
    const sync = await wantPullRequestSync(tx, { organizationId, pullRequestId: pull.id });
    return { pull, sync };
  });
  await context.pokes.sync.poke(written.sync, { version: written.sync.version });
  const { id: pullRequestId, url, number, title } = written.pull;
  if (!created && session.round > 1) await updatePr(octokit, place, number, { body: wanted.body });
  const isFirst = session.pullRequestId === null;
  await move(context, session, [{ kind: isFirst ? 'pr.created' : 'pr.updated', pullRequestId, url, number, title }], {
    columns: { pull_request_id: pullRequestId, pull_request_number: number, pull_request_url: url },
  });
  return 'again';
}

/** The result of a review task is a review; whatever the agent changed in its work tree stays there. */
async function finishReview(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const found = await context.runner.review(refOf(session));
  if (found.kind === 'unreadable') {
    await move(context, session, [{ kind: 'failed', reason: `Its remarks cannot be read: ${found.reason}` }]);
    return 'again';
  }
  const { summary } = await wordsOf(context, session);
  const review =
    found.kind === 'none' ? { summary, comments: [] } : { ...found, summary: found.summary.trim() || summary };
  const octokit = await context.octokitFor(session.organizationId, session.repositoryId);
  const url = await writeReview(octokit, session, review, signal);
  await move(context, session, [{ kind: 'reviewed', url, comments: review.comments.length }]);
  return 'again';
}

/** Pushes what the agent has done, and opens its pull request. Each step finds what an earlier try has done already. */
export async function finish(context: AgentContext, start: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const { runner, agents } = context;
  const { organizationId, repositoryId } = start;
  const ref = refOf(start);
  await runner.stop(ref);
  const session = await readLines(context, start, signal);
  if (session.kind === 'review') return finishReview(context, session, signal);
  const words = await wordsOf(context, session);
  const sha = await pushedSha(context, session);
  if (sha !== undefined) return openPullRequest(context, { ...session, resultSha: sha }, words, signal);
  const result = await runner.result(ref, {
    message: `${words.title}\n\n${words.summary}\n\nRequested-by: ${requesterOf(session)}\n`,
    author: AUTHOR,
    // The same result twice is the same commit.
    date: session.triggeredAt,
    limits: agents.changes,
    secrets: await keysOf(context, session),
    mayChangeWorkflows: agents.mayChangeWorkflows,
  });
  if (result.kind === 'refused') {
    await move(context, session, [{ kind: 'failed', reason: problemsOf(result) }]);
    return 'again';
  }
  if (result.kind === 'unchanged') {
    await move(context, session, [{ kind: 'unchanged' }]);
    return 'again';
  }
  const { branch } = session;
  if (branch === null) throw new Error('a session has finished without a branch');
  const source = await context.gitAccess(organizationId, repositoryId, { write: true });
  if (!(await holdsLease(context, session)))
    throw new ForgewayError('FORGEWAY_AGENT_FENCED', 'The lease of the session went to another.');
  signal.throwIfAborted();
  const pushed = await runner.push(ref, { source, branch, commit: result.commit, expected: session.resultSha });
  if (pushed === 'changed-meanwhile') {
    const reason = `Somebody else has pushed to ${branch}, which is left as it is.`;
    await move(context, session, [{ kind: 'failed', reason }]);
    return 'again';
  }
  await move(context, session, [{ kind: 'pushed', branch, sha: result.commit, commits: 1 }], {
    columns: { result_sha: result.commit },
  });
  context.log.info({ session: session.id, branch, sha: shortSha(result.commit) }, 'agent work pushed');
  return 'again';
}

/** What this start of the session has pushed already. */
async function pushedSha(context: AgentContext, session: SessionRecord): Promise<string | undefined> {
  const { rows } = await context.store.tenant(session.organizationId, (tx) =>
    tx.query<{ sha: string }>(
      `SELECT data ->> 'sha' AS sha FROM session_event WHERE session_id = $1 AND kind = 'pushed' AND sequence >
         (SELECT max(sequence) FROM session_event WHERE session_id = $1 AND kind = 'leased')`,
      [session.id],
    ),
  );
  return rows[0]?.sha;
}

/** Values that must not be in what is pushed. */
async function keysOf(context: AgentContext, session: SessionRecord): Promise<string[]> {
  const planned = context.agents.byName.get(session.agent);
  return planned === undefined
    ? []
    : Object.values(await context.secretsOf(session.organizationId, planned.definition));
}

async function holdsLease(context: AgentContext, session: SessionRecord): Promise<boolean> {
  const { rowCount } = await context.store.tenant(session.organizationId, (tx) =>
    tx.query('SELECT FROM agent_session WHERE id = $1 AND lease_held AND fence = $2', [session.id, session.fence]),
  );
  return rowCount === 1;
}
