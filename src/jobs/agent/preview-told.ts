/** Where the preview of a session's pull request runs, and telling its agent of it. */
import { createHash } from 'node:crypto';
import type { PoolClient } from 'pg';
import { type AgentContext, move, refOf } from './context.js';
import type { SessionRecord } from './session-record.js';

/** Of the pull request that the session works on or has opened; null where there is none to see. */
export async function previewOf(tx: PoolClient, session: SessionRecord): Promise<string | null> {
  const { rows } = await tx.query<{ url: string | null }>(
    `SELECT v.url FROM preview v JOIN pull_request p ON p.id = v.pull_request_id
     WHERE v.phase IN ('ready', 'sleeping') AND p.repository_id = $1 AND p.number = $2`,
    [session.repositoryId, session.pullRequestNumber ?? (session.onPullRequest ? session.number : -1)],
  );
  return rows[0]?.url ?? null;
}

/** A preview that came up, or moved, since its agent was told of one. */
export async function untoldPreview(
  context: Pick<AgentContext, 'store'>,
  session: SessionRecord,
): Promise<string | undefined> {
  const url = await context.store.tenant(session.organizationId, (tx) => previewOf(tx, session));
  return url === null || url === session.toldPreviewUrl ? undefined : url;
}

/** As it stands behind a reply, for an agent that does not listen while it works. */
export const previewNote = (url: string): string => `(A preview of the pull request runs at ${url})`;

export async function noteTold(context: AgentContext, session: SessionRecord, url: string): Promise<void> {
  await move(context, session, [{ kind: 'preview', url }], { columns: { told_preview_url: url } });
}

/** Tells an agent that listens of a preview that it does not know, once each. */
export async function tellPreview(context: AgentContext, session: SessionRecord): Promise<void> {
  // One that waits for an answer takes the next line for it, if it was written carelessly.
  if (session.status !== 'running') return;
  const url = await untoldPreview(context, session);
  if (url === undefined) return;
  const clientInputId = `preview:${createHash('sha256').update(url).digest('hex').slice(0, 16)}`;
  const taken = await context.runner.reply(refOf(session), { text: url, clientInputId, secrets: {}, kind: 'preview' });
  if (taken === 'accepted' || taken === 'known') await noteTold(context, session, url);
}
