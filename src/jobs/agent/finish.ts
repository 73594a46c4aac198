/** From what an agent has done to what others see of it: its commit pushed, its pull request opened. */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import type { AgentResult, AgentResultRequest } from '../../effects/agents/runner.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import { repositoryById } from '../../store/mirror/repository.js';
import { askPreview } from '../preview/desired.js';
import { createDraftPr, markAgentCommit, rememberPullRequest, updatePr } from '../pull-request/service.js';
import type { Settlement } from '../reconcile.js';
import { refusalOf, saysNo } from '../sync/denied.js';
import { wantPullRequestSync } from '../sync/desired.js';
import type { ForgeOctokit } from '../sync/octokit.js';
import { quietWords } from './agent-words.js';
import { baseNow } from './base-branch.js';
import { type AgentContext, move, refOf } from './context.js';
import { readLastWords } from './follow.js';
import { hasArrived, NO_PUSH, noteArrived } from './landed.js';
import { isOwnText, signedText } from './own-text.js';
import { writeReview } from './review.js';
import type { SessionRecord } from './session-record.js';
import { untilStopped } from './stop-watch.js';

/** Of every pull request that an agent has made. */
const LABEL = 'agent';
const AUTHOR = { name: 'Forgeway agent', email: 'agent@forgeway.invalid' };
/** A title of a forge's own making may be no longer. */
const MOST_TITLE = 200;

const pullText = z.object({ body: z.string().nullish() });

interface Words {
  title: string;
  summary: string;
}

/** As it was said. */
async function spokenWords(context: AgentContext, session: SessionRecord): Promise<Words> {
  const { rows } = await context.store.tenant(session.organizationId, (tx) =>
    tx.query<{ data: { title?: unknown; summary?: unknown } }>(
      `SELECT data FROM session_event WHERE session_id = $1 AND kind IN ('done', 'push') ORDER BY sequence DESC LIMIT 2`,
      [session.id],
    ),
  );
  const text = (value: unknown) => (typeof value === 'string' ? value.trim() : '');
  // What a person wrote when they had it pushed goes before what the agent said.
  const said = (key: 'title' | 'summary') => rows.map(({ data }) => text(data[key])).find((one) => one !== '');
  const title = said('title') ?? (session.context.title || `Work on #${session.number}`);
  return {
    title: (title.split('\n', 1)[0] ?? '').slice(0, MOST_TITLE),
    summary: said('summary') ?? session.message ?? '',
  };
}

async function wordsOf(context: AgentContext, session: SessionRecord): Promise<Words> {
  const { title, summary } = await spokenWords(context, session);
  return { title: quietWords(title, session.number), summary: quietWords(summary, session.number) };
}

const requesterOf = ({ requester, requestedBy }: SessionRecord): string => requester?.login ?? requestedBy;

/** Names the issue by its number, which the forge's own words make of it where issues and pull requests are counted apart. */
function bodyOf(session: SessionRecord, { summary }: Words): string {
  const about = session.onPullRequest ? `For #${session.number}.` : `Closes #${session.number}.`;
  const by = `Made by the agent ${session.agent}, asked for by ${requesterOf(session)}. Session \`${session.id}\`.`;
  return signedText([summary, about, `---\n${by}`].filter((part) => part !== '').join('\n\n'));
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
  let base = baseBranch;
  const { data, created } = await createDraftPr(octokit, place, wanted, signal).catch(async (error: unknown) => {
    if (!saysNo(error, context.clock.now())) throw error;
    base = await baseNow(octokit, session, signal);
    if (base === baseBranch) throw error;
    return createDraftPr(octokit, place, { ...wanted, base }, signal);
  });
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
    return { pull, sync, preview: await lookAgain(tx, session, pull.id) };
  });
  await context.pokes.sync.poke(written.sync, { version: written.sync.version });
  if (written.preview !== null) {
    const { id, version } = written.preview;
    await context.pokes.preview.poke({ organizationId, id }, { version });
  }
  const { id: pullRequestId, url, number, title } = written.pull;
  await mark(context, octokit, { ...place, issue_number: number });
  // What a person has written there stays.
  if (!created && session.round > 1 && isOwnText(pullText.parse(data).body ?? ''))
    await updatePr(octokit, place, number, { body: wanted.body });
  const isFirst = session.pullRequestId === null;
  await move(context, session, [{ kind: isFirst ? 'pr.created' : 'pr.updated', pullRequestId, url, number, title }], {
    columns: { base_branch: base },
  });
  return 'again';
}

/** Said on the forge, too, where people look for what agents have made (R16). Without labels it is a pull request all the same. */
async function mark(
  context: AgentContext,
  octokit: ForgeOctokit,
  place: { owner: string; repo: string; issue_number: number },
): Promise<void> {
  try {
    await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', { ...place, labels: [LABEL] });
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
    context.log.warn({ number: place.issue_number, err: messageOf(error) }, 'a pull request of an agent has no label');
  }
}

/** A preview that was told of the push before we had written down whose it is waits for a person in vain. */
async function lookAgain(tx: PoolClient, session: SessionRecord, pullRequestId: string) {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM preview WHERE pull_request_id = $1 AND phase = 'waiting' AND desired_sha = $2`,
    [pullRequestId, session.resultSha],
  );
  return rows[0] === undefined ? null : askPreview(tx, { previewId: rows[0].id, to: 'look-again' });
}

/** The result of a review task is a review; whatever the agent changed in its work tree stays there. */
async function finishReview(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const found = await context.runner.review(refOf(session));
  if (found.kind === 'unreadable') {
    await move(context, session, [{ kind: 'failed', reason: `Its remarks cannot be read: ${found.reason}` }]);
    return 'again';
  }
  const { summary } = await spokenWords(context, session);
  const review =
    found.kind === 'none'
      ? { summary, comments: [], omitted: 0, unreadable: 0 }
      : { ...found, summary: found.summary.trim() || summary };
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
  await runner.stop(ref, { keeps: true, signal });
  const session = await readLastWords(context, start, signal);
  if (session.kind === 'review') return finishReview(context, session, signal);
  const words = await wordsOf(context, session);
  const sha = await pushedSha(context, session);
  if (!(await mayGoOut(context, session))) return 'again';
  if (sha !== undefined) return openPullRequest(context, { ...session, resultSha: sha }, words, signal);
  // What has arrived is not looked at anew: rules and keys may be others by now, and it is public.
  if (await hasArrived(context, session, signal)) {
    await noteArrived(context, session);
    return 'again';
  }
  const request: AgentResultRequest = {
    message: `${words.title}\n\n${words.summary}\n\nRequested-by: ${requesterOf(session)}\n`,
    author: AUTHOR,
    // The same result twice is the same commit.
    date: session.triggeredAt,
    limits: agents.changes,
    secrets: await keysOf(context, session),
    mayChangeWorkflows: agents.mayChangeWorkflows,
  };
  const result = await untilStopped(context, session, (stopped) => runner.result(ref, request, stopped));
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
  signal.throwIfAborted();
  if (!(await beginPush(context, session, result.commit))) return 'again';
  const push = { source, branch, commit: result.commit, expected: session.resultSha };
  const pushed = await untilStopped(context, session, (stopped) => runner.push(ref, push, stopped));
  if (pushed === 'changed-meanwhile') {
    const reason = `Somebody else has pushed to ${branch}, which is left as it is.`;
    await move(context, session, [{ kind: 'failed', reason }], { columns: NO_PUSH });
    return 'again';
  }
  await move(context, session, [{ kind: 'pushed', branch, sha: result.commit, commits: 1 }], {
    columns: { result_sha: result.commit, ...NO_PUSH },
  });
  context.log.info({ session: session.id, branch, sha: shortSha(result.commit) }, 'agent work pushed');
  return 'again';
}

/** What this start of the session has pushed already. */
export async function pushedSha(context: AgentContext, session: SessionRecord): Promise<string | undefined> {
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
async function keysOf(context: AgentContext, session: SessionRecord): Promise<readonly string[]> {
  const planned = context.agents.byName.get(session.agent);
  return planned === undefined ? [] : context.everySecretOf(session.organizationId, planned.definition);
}

/**
 * Asked right before something is made public: false when somebody has said to stop meanwhile, which is then carried out.
 * @throws ForgewayError FORGEWAY_AGENT_FENCED when the lease went to another
 */
async function mayGoOut(context: AgentContext, session: SessionRecord): Promise<boolean> {
  const { rows } = await context.store.tenant(session.organizationId, (tx) =>
    tx.query<{ stops: boolean }>(
      'SELECT stop_wanted IS NOT NULL AS stops FROM agent_session WHERE id = $1 AND lease_held AND fence = $2',
      [session.id, session.fence],
    ),
  );
  if (rows[0] === undefined)
    throw new ForgewayError('FORGEWAY_AGENT_FENCED', 'The lease of the session went to another.');
  return !rows[0].stops;
}

/** The same in the moment before a push, whose commit is written down: whoever is killed in the middle of it leaves something public. */
async function beginPush(context: AgentContext, session: SessionRecord, commit: string): Promise<boolean> {
  const { rowCount } = await context.store.tenant(session.organizationId, (tx) =>
    tx.query(
      `UPDATE agent_session SET push_sha = $3, push_begun_at = clock_timestamp()
       WHERE id = $1 AND lease_held AND fence = $2 AND stop_wanted IS NULL`,
      [session.id, session.fence, commit],
    ),
  );
  if (rowCount === 1) return true;
  await mayGoOut(context, session);
  return false;
}
