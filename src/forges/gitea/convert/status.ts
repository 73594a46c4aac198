import type { CommitStatusInput } from '../../kit/shapes/inputs.js';
import { unmarked } from '../../kit/status-name.js';
import { nativeStatus, read } from '../schema.js';
import { time } from './time.js';
import { accountIfTold } from './user.js';

const STATES: Readonly<Record<string, CommitStatusInput['state']>> = {
  pending: 'pending',
  success: 'success',
  failure: 'failure',
  error: 'error',
  // GitHub has no such state. A warning does not stop a merge here, nor does a skipped job.
  warning: 'success',
  skipped: 'success',
};

/** `sha` where the status does not name its commit. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function statusInput(native: unknown, sha?: string): CommitStatusInput {
  const status = read('status', nativeStatus, native);
  const word = status.state || status.status || '';
  const description = status.description || null;
  return {
    id: status.id,
    sha: sha ?? status.sha ?? '',
    state: (Object.hasOwn(STATES, word) ? STATES[word] : undefined) ?? 'error',
    context: unmarked(status.context || 'default'),
    description: word === 'warning' ? `Warning: ${description ?? 'no description'}` : description,
    targetUrl: status.target_url || null,
    creator: accountIfTold(status.creator),
    createdAt: time(status.created_at),
    updatedAt: time(status.updated_at),
  };
}
