/**
 * What a cluster refuses (a right, a quota, a policy) is tried again by itself, after longer and longer pauses: nobody tells us that
 * the cause has gone. Nobody waits for that without knowing why and until when.
 */
import type { ForgewayError } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import type { PreviewRecord } from './preview-record.js';

export interface RefusedPauses {
  baseMs: number;
  capMs: number;
}

/** The longest is half an hour: each try may say something new in the comment and as a status, of which a commit has at most 1,000. */
export const REFUSED_PAUSES: RefusedPauses = { baseMs: 5_000, capMs: 1_800_000 };
/** Of many that were refused at once not all come back at once. */
const SPREAD = 0.2;

/** What only somebody who acts can change. */
const REFUSALS: ReadonlySet<string> = new Set([
  'FORGEWAY_CLUSTER_QUOTA',
  'FORGEWAY_CLUSTER_ADMISSION',
  'FORGEWAY_CLUSTER_FORBIDDEN',
  'FORGEWAY_CLUSTER_UNUSABLE',
]);

export const isRefusal = (error: ForgewayError): boolean => REFUSALS.has(error.code);

/** @param attempts how often it was tried before, in a row */
export function refusedPause(attempts: number, { baseMs, capMs }: RefusedPauses): number {
  return Math.min(capMs, baseMs * 2 ** attempts * (1 + SPREAD * Math.random()));
}

/** What is said to people until then. */
export function refusedMessage(error: ForgewayError, { serving }: Pick<PreviewRecord, 'serving'>, at: Date): string {
  const older =
    serving?.answered === true && serving.failure === null
      ? ` The preview of ${shortSha(serving.sha)} is still there.`
      : '';
  const time = at.toISOString().slice(11, 19);
  return `${error.message.replace(/\.$/, '')}. Tried again by itself at ${time} UTC, and at once by \`/preview rebuild\`.${older}`;
}
