/** Sessions whose work is done and did not get out: the forge was down, refused the push, or opened no pull request. */
import { messageOf } from '../../lib/errors.js';
import { saysNo } from '../sync/denied.js';
import type { SessionRecord } from './session-record.js';

const NOT_PUSHED = 'It could not be pushed: ';
const NOT_OPENED = 'Its work is pushed, and its pull request could not be opened: ';

/** What a forge says no to, it may still take in a moment, such as a branch that it has just been given. A full disk is a person's to empty. */
const FEW_ATTEMPTS = 5;
/** With the reconciler's waits more than a quarter of an hour: a forge that is started anew costs nobody what an agent has made. */
const PATIENT_ATTEMPTS = 40;

const NO_ROOM = /\b(?:ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded|out of disk ?space/i;

/** Whether it failed for want of room on our disk. */
export const isDiskFull = (error: unknown): boolean => NO_ROOM.test(messageOf(error));

/** How often it is tried to get the work out, when it fails like this. */
export function attemptsAt(error: unknown, now: Date): number {
  return saysNo(error, now) || isDiskFull(error) ? FEW_ATTEMPTS : PATIENT_ATTEMPTS;
}

/** Why the session fails. @param isPushed its commit is on the forge */
export const unpushed = (why: string, { isPushed }: { isPushed: boolean }): string =>
  `${isPushed ? NOT_OPENED : NOT_PUSHED}${why}`;

/** Whether all that is left to do is to push what it has made, which is still there. */
export function isUnpushed({ status, failure, kind, handOff, branch, workRemovedAt }: SessionRecord): boolean {
  if (status !== 'failed' || failure === null || kind !== 'task' || handOff || branch === null) return false;
  return workRemovedAt === null && (failure.startsWith(NOT_PUSHED) || failure.startsWith(NOT_OPENED));
}
