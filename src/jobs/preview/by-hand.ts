/** What people may want of a preview by the API, beside what the forge says: the same as the comments `/preview …` ask for. */
import type { PoolClient } from 'pg';
import { askPreview, endPreview, type WantedPreview, wantPreview } from './desired.js';

export type PreviewAsk = 'wake' | 'sleep' | 'rebuild' | 'delete';

/** `wanted` is null where it is so already. `why`: it cannot be, and a person is told so. */
export type AskedPreview =
  | { found: false }
  | { found: true; wanted: WantedPreview | null }
  | { found: true; why: string };

interface Row {
  desired_state: 'running' | 'asleep' | 'absent';
  desired_sha: string | null;
  repository_id: string;
  pull_request_id: string | null;
  branch: string | null;
  state: string | null;
  head_sha: string | null;
}

/**
 * Asks for it; the reconciler looks at the forge before it does anything. Who asked is for the trail and not for the comment, which
 * strangers may read.
 */
export async function askPreviewByHand(
  tx: PoolClient,
  o: { organizationId: string; previewId: string; to: PreviewAsk },
): Promise<AskedPreview> {
  const { organizationId, previewId, to } = o;
  const { rows } = await tx.query<Row>(
    `SELECT p.desired_state, p.desired_sha, p.repository_id, p.pull_request_id, p.branch, q.state, q.head_sha
     FROM preview p LEFT JOIN pull_request q ON q.id = p.pull_request_id WHERE p.id = $1 FOR UPDATE OF p`,
    [previewId],
  );
  const [row] = rows;
  if (row === undefined) return { found: false };
  if (to === 'delete') {
    const reason = 'Somebody asked for that by the API; `/preview` brings it back';
    return { found: true, wanted: await endPreview(tx, { previewId, reason }) };
  }
  if (row.desired_state !== 'absent') return { found: true, wanted: await askPreview(tx, { previewId, to }) };
  if (to !== 'rebuild')
    return { found: true, why: `There is no preview that could ${to}. Rebuilding it brings it back.` };
  if (row.pull_request_id !== null && row.state !== 'open')
    return { found: true, why: 'The pull request is closed, so it has no preview.' };
  const { repository_id: repositoryId, pull_request_id: pullRequestId, branch } = row;
  const sha = row.head_sha ?? row.desired_sha;
  if (sha === null) return { found: true, why: 'No commit of it is known here yet. Try again in a minute.' };
  const of = pullRequestId === null ? { branch: branch ?? '' } : { pullRequestId };
  const wish = { organizationId, repositoryId, sha, actor: null, byHand: true, ...of };
  return { found: true, wanted: await wantPreview(tx, wish) };
}
