/** Small checks and words of the demo's steps. */
import type { JsonObject } from './emulated-github/json.js';

/** Seven characters of a SHA, as git shows it. */
export const short = (sha: string) => sha.slice(0, 7);

export function assertThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Ends of a delivery; `dead` is one too, but not a good one. */
export const settledStates = ['done', 'ignored'];

export function namesOf(listed: readonly { event: string; action: string | null }[]): string {
  return listed.map(({ event, action }) => (action === null ? event : `${event}.${action}`)).join(', ') || 'nothing';
}

/** Login of whoever wrote a comment or, by `creator`, set a status. */
export function authorOf(object: JsonObject, key = 'user'): string | undefined {
  const user = object[key];
  return typeof user === 'object' && user !== null && 'login' in user ? String(user.login) : undefined;
}
