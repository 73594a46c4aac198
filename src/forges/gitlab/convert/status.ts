import { z } from 'zod';
import type { CheckRunInput, CommitStatusInput } from '../../kit/shapes/inputs.js';
import { unmarked } from '../../kit/status-name.js';
import { id, time } from './read.js';
import { accountOrNull, nativeUser } from './user.js';

export const nativeStatus = z.looseObject({
  id,
  sha: z.string(),
  ref: z.string().nullish(),
  status: z.string(),
  name: z.string(),
  target_url: z.string().nullish(),
  description: z.string().nullish(),
  created_at: z.string().nullish(),
  started_at: z.string().nullish(),
  finished_at: z.string().nullish(),
  allow_failure: z.boolean().optional(),
  author: nativeUser.nullish(),
});
export type NativeStatus = z.output<typeof nativeStatus>;

/** GitLab's columns of a status; a longer value is refused. */
const LONGEST = 255;

/** Cut to what GitLab keeps, with an ellipsis where something is missing. */
export const shortened = (text: string): string => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`);

/** GitHub's state as GitLab's, so that it reads back as itself: what was canceled did not fail, and stops a merge as well. */
export const nativeState: Readonly<Record<CommitStatusInput['state'], string>> = {
  pending: 'pending',
  success: 'success',
  failure: 'failed',
  error: 'canceled',
};

/** A job that may fail is no reason against a merge, as a skipped one. */
export function statusState(status: { status: string; allow_failure?: boolean }): CommitStatusInput['state'] {
  if (status.status === 'success' || status.status === 'skipped') return 'success';
  if (status.status === 'failed') return status.allow_failure === true ? 'success' : 'failure';
  if (status.status === 'canceled' || status.status === 'canceling') return 'error';
  return 'pending';
}

export const statusInput = (status: NativeStatus): CommitStatusInput => ({
  id: status.id,
  sha: status.sha,
  state: statusState(status),
  context: unmarked(status.name),
  description: status.description ?? null,
  targetUrl: status.target_url ?? null,
  creator: accountOrNull(status.author),
  createdAt: time(status.created_at),
  updatedAt: time(status.finished_at ?? status.started_at ?? status.created_at),
});

type Progress = Pick<CheckRunInput, 'status' | 'conclusion'>;

/** The state of a job or pipeline as a check's. */
export function progress(native: { status: string; allow_failure?: boolean }): Progress {
  switch (native.status) {
    case 'success':
      return { status: 'completed', conclusion: 'success' };
    case 'failed':
      return { status: 'completed', conclusion: native.allow_failure === true ? 'neutral' : 'failure' };
    case 'canceled':
    case 'canceling':
      return { status: 'completed', conclusion: 'cancelled' };
    case 'skipped':
      return { status: 'completed', conclusion: 'skipped' };
    case 'manual':
      return { status: 'completed', conclusion: native.allow_failure === true ? 'neutral' : 'action_required' };
    case 'running':
      return { status: 'in_progress', conclusion: null };
    default:
      return { status: 'queued', conclusion: null };
  }
}
