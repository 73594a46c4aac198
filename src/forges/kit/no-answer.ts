/** Questions of our own that the forge will not answer, whenever they are asked. */
import { ForgewayError } from '../../lib/errors.js';

/** The answer lies where nothing is asked, or is more than is read. */
const NEVER_ANSWERED: ReadonlySet<string> = new Set(['FORGEWAY_ORIGIN_REFUSED', 'FORGEWAY_ANSWER_TOO_LARGE']);

/**
 * True when the answer itself cannot be had: a proxy sends the request on to another origin, or the answer is too large. What it
 * was to tell is then unknown, and a delivery that only wanted to know goes on without it.
 */
export const hasNoAnswer = (error: unknown): boolean =>
  error instanceof ForgewayError && NEVER_ANSWERED.has(error.code);
