/** Tells the world where a preview stands: its row, the sticky comment's line and the commit status, in one transaction. */
import type { PoolClient } from 'pg';
import { shortSha } from '../../lib/ids.js';
import { type ReportRow, type Wanted, wantCommitStatus, wantReport } from '../report/desired.js';
import type { PreviewRecord } from './preview-record.js';
import type { Phase } from './state.js';

export interface Announcement {
  phase: Phase;
  /** For a person; null when the phase says it all. */
  message: string | null;
  log: string | null;
  /** Where the preview is reached; null when there is nothing to see. */
  url: string | null;
  at: Date;
}

const TOPIC = 'preview';
const CONTEXT = 'forgeway/preview';

const WORDS: Record<
  Phase,
  { icon: string; status: string; state: 'pending' | 'success' | 'failure'; description: string }
> = {
  waiting: { icon: '⏸️', status: 'Waiting', state: 'pending', description: 'The preview waits' },
  building: { icon: '🟡', status: 'Building', state: 'pending', description: 'The preview is being built' },
  ready: { icon: '✅', status: 'Ready', state: 'success', description: 'The preview is ready' },
  failed: { icon: '❌', status: 'Failed', state: 'failure', description: 'The preview failed' },
  sleeping: { icon: '💤', status: 'Sleeping', state: 'success', description: 'The preview sleeps; a visit wakes it' },
  gone: { icon: '⚪', status: 'Removed', state: 'success', description: 'The preview was removed' },
};

function lineOf(record: PreviewRecord, what: Announcement): ReportRow {
  const { phase, url, message, at } = what;
  const { icon, status } = WORDS[phase];
  return {
    component: `preview/${record.repository.name}`,
    icon,
    status,
    links: url === null ? [] : [{ label: 'Visit', url }],
    sha: phase === 'ready' || phase === 'sleeping' ? (record.serving?.sha ?? record.desiredSha) : record.desiredSha,
    updatedAt: at,
    ...(message === null ? {} : { note: message }),
  };
}

/** A branch has no conversation to stand in; its commits have a status all the same. */
function reportOf(tx: PoolClient, record: PreviewRecord, row: ReportRow | null): Promise<Wanted | undefined> {
  const { organizationId, pullRequestId } = record;
  if (pullRequestId === null) return Promise.resolve(undefined);
  return wantReport(tx, { organizationId, pullRequestId, topic: TOPIC, row });
}

/** What has been told about this preview so far may need to be taken back or finished. */
async function announceGone(
  tx: PoolClient,
  record: PreviewRecord,
  what: Announcement,
): Promise<(Wanted | undefined)[]> {
  const { organizationId, pullRequestId, repositoryId, endedReason } = record;
  if (record.phase === 'pending' || record.phase === 'gone') return [];
  const closed = record.desiredState === 'absent';
  const report = await reportOf(
    tx,
    record,
    // A repository that no longer asks for previews is not told about them.
    closed ? lineOf(record, { ...what, message: endedReason }) : null,
  );
  if (record.phase !== 'building' && record.phase !== 'waiting') return [report];
  const description = closed
    ? (endedReason ?? 'Closed before the preview was ready')
    : 'No preview is asked for any more';
  const status = await wantCommitStatus(tx, {
    ...{ organizationId, repositoryId, pullRequestId, sha: record.desiredSha, context: CONTEXT },
    ...{ state: 'error', description },
  });
  return [report, status];
}

/** @returns what to poke once the transaction has committed */
export async function announce(tx: PoolClient, record: PreviewRecord, what: Announcement): Promise<Wanted[]> {
  const { phase, message, log, url } = what;
  const { organizationId, pullRequestId, repositoryId, desiredSha } = record;
  await tx.query(
    `UPDATE preview SET phase = $2, message = $3, log_tail = $4, url = $5, observed_sha = $6, trusted_sha = $7,
       ready_at = CASE WHEN $2 = 'ready' THEN now() ELSE ready_at END,
       driver_state = CASE WHEN $2 = 'gone' THEN '{}'::jsonb ELSE driver_state END, updated_at = now()
     WHERE id = $1`,
    [record.id, phase, message, log, url, record.serving?.sha ?? null, record.trustedSha],
  );
  if (phase === 'gone') return (await announceGone(tx, record, what)).filter((wanted) => wanted !== undefined);
  const { state, description } = WORDS[phase];
  const report = await reportOf(tx, record, lineOf(record, what));
  // An older commit that went to sleep says nothing about the wanted one.
  if (phase === 'sleeping' && record.serving?.sha !== desiredSha) return report === undefined ? [] : [report];
  const wanted = [
    report,
    await wantCommitStatus(tx, {
      ...{ organizationId, repositoryId, pullRequestId, sha: desiredSha, context: CONTEXT, state },
      description: message === null ? description : `${description}: ${message}`,
      ...(url === null ? {} : { targetUrl: url }),
    }),
  ];
  return wanted.filter((one) => one !== undefined);
}

/** A failure as one line, and what is still there to see. */
export function failureMessage(record: PreviewRecord): string {
  const { serving, candidate } = record;
  const cause = candidate?.failure?.cause ?? serving?.failure?.cause ?? 'The preview failed';
  const good = candidate !== null && serving !== null && serving.failure === null;
  return good ? `${cause}. The preview of ${shortSha(serving.sha)} is still there.` : cause;
}
