/** Tells the world where a preview stands: its row, the sticky comment's line and the commit status, in one transaction. */
import type { PoolClient } from 'pg';
import { shortSha } from '../../lib/ids.js';
import { type ReportRow, type Wanted, wantCommitStatus, wantReport } from '../report/desired.js';
import { givenUpCause } from './interrupted.js';
import type { PreviewRecord } from './preview-record.js';
import type { Phase } from './state.js';

export interface Announcement {
  phase: Phase;
  /** For a person; null when the phase says it all. */
  message: string | null;
  log: string | null;
  /** Where the preview is reached; null when there is nothing to see. */
  url: string | null;
  /** Page with what its build and it printed; null where nobody could follow it. */
  logUrl: string | null;
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
  starting: { icon: '🔵', status: 'Rolling out', state: 'pending', description: 'The preview is rolled out' },
  ready: { icon: '✅', status: 'Ready', state: 'success', description: 'The preview is ready' },
  failed: { icon: '❌', status: 'Failed', state: 'failure', description: 'The preview failed' },
  sleeping: { icon: '💤', status: 'Sleeping', state: 'success', description: 'The preview sleeps; a visit wakes it' },
  removing: { icon: '⚪', status: 'Removing', state: 'success', description: 'The preview is being removed' },
  gone: { icon: '⚪', status: 'Removed', state: 'success', description: 'The preview was removed' },
};

/** A phase as people read it, with its sign. */
export const spokenPhase = (phase: PreviewRecord['phase']): string =>
  phase === 'pending' ? '⚪ Not begun' : `${WORDS[phase].icon} ${WORDS[phase].status}`;

const isUnderWay = (phase: PreviewRecord['phase']) => phase === 'building' || phase === 'starting';

/** What the phase does not say by itself. */
const NOTES: Readonly<Partial<Record<Phase, string>>> = { sleeping: 'A visit wakes it, and so does `/preview`.' };

/** While another commit is on its way, or has failed, visitors see the one before it. */
function visitLabel({ serving, desiredSha }: PreviewRecord): string {
  const isOlder = serving !== null && serving.sha !== desiredSha;
  return isOlder ? `Visit ${shortSha(serving.sha)}` : 'Visit';
}

function lineOf(record: PreviewRecord, what: Announcement): ReportRow {
  const { phase, url, logUrl, log, at } = what;
  const message = what.message ?? NOTES[phase] ?? null;
  const hasLog = logUrl !== null && (isUnderWay(phase) || phase === 'failed' || phase === 'ready');
  const { icon, status } = WORDS[phase];
  return {
    component: `preview/${record.repository.name}`,
    icon,
    status,
    links: [
      ...(url === null ? [] : [{ label: visitLabel(record), url }]),
      ...(hasLog ? [{ label: phase === 'building' ? 'Build log' : 'Log', url: logUrl }] : []),
    ],
    sha: phase === 'ready' || phase === 'sleeping' ? (record.serving?.sha ?? record.desiredSha) : record.desiredSha,
    updatedAt: at,
    ...(message === null ? {} : { note: message }),
    ...(phase !== 'failed' || !log
      ? {}
      : { details: { summary: 'The last lines', text: log, ...(logUrl !== null && { url: logUrl }) } }),
  };
}

/** A branch has no conversation to stand in; its commits have a status all the same. */
function reportOf(tx: PoolClient, record: PreviewRecord, row: ReportRow | null): Promise<Wanted | undefined> {
  const { organizationId, pullRequestId } = record;
  if (pullRequestId === null) return Promise.resolve(undefined);
  return wantReport(tx, { organizationId, pullRequestId, topic: TOPIC, row });
}

/** What has been told about this preview so far may need to be taken back or finished: once it goes, or is gone. */
async function announceEnd(tx: PoolClient, record: PreviewRecord, what: Announcement): Promise<(Wanted | undefined)[]> {
  const { organizationId, pullRequestId, repositoryId, endedReason } = record;
  if (record.phase === 'pending' || record.phase === 'gone') return [];
  const closed = record.desiredState === 'absent';
  const report = await reportOf(
    tx,
    record,
    // A repository that no longer asks for previews is not told about them.
    closed ? lineOf(record, { ...what, message: what.message ?? endedReason }) : null,
  );
  if (!isUnderWay(record.phase) && record.phase !== 'waiting') return [report];
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
  const { phase, message, log, url, logUrl } = what;
  const targetUrl = isUnderWay(phase) || phase === 'failed' ? (logUrl ?? url) : url;
  const { organizationId, pullRequestId, repositoryId, desiredSha } = record;
  await tx.query(
    `UPDATE preview SET phase = $2, message = $3, log_tail = $4, url = $5, observed_sha = $6, trusted_sha = $7,
       ready_at = CASE WHEN $2 = 'ready' AND (phase <> 'ready' OR observed_sha IS DISTINCT FROM $6) THEN now() ELSE ready_at END,
       driver_state = CASE WHEN $2 = 'gone' THEN '{}'::jsonb ELSE driver_state END, updated_at = now()
     WHERE id = $1`,
    [record.id, phase, message, log, url, record.serving?.sha ?? null, record.trustedSha],
  );
  if (phase === 'removing' || phase === 'gone')
    return (await announceEnd(tx, record, what)).filter((wanted) => wanted !== undefined);
  const { state, description } = WORDS[phase];
  const report = await reportOf(tx, record, lineOf(record, what));
  // An older commit that went to sleep says nothing about the wanted one.
  if (phase === 'sleeping' && record.serving?.sha !== desiredSha) return report === undefined ? [] : [report];
  const wanted = [
    report,
    await wantCommitStatus(tx, {
      ...{ organizationId, repositoryId, pullRequestId, sha: desiredSha, context: CONTEXT, state },
      description: message === null ? description : `${description}: ${message}`,
      ...(targetUrl === null ? {} : { targetUrl }),
    }),
  ];
  return wanted.filter((one) => one !== undefined);
}

/** A failure as one line, and what is still there to see. */
export function failureMessage(record: PreviewRecord): string {
  const { serving, candidate } = record;
  const interrupted =
    candidate !== null && candidate.tries > 0 && candidate.failure?.passing ? candidate.failure : null;
  const cause =
    interrupted === null
      ? (candidate?.failure?.cause ?? serving?.failure?.cause ?? 'The preview failed')
      : givenUpCause(interrupted, candidate?.tries ?? 0);
  const good = candidate !== null && serving !== null && serving.failure === null;
  return good ? `${cause}. The preview of ${shortSha(serving.sha)} is still there.` : cause;
}
