/**
 * For callers who are no administrators: an address that this server may not connect to, and one where nobody answers, look
 * the same in words and in time, so that nobody explores a network through us.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgewayError } from '../../lib/errors.js';
import { UNREACHABLE } from './probe.js';

const BAND_MS = 3_000;
export const CANNOT_BE_REACHED =
  'The address cannot be reached from this server. Check it; an administrator finds the reason in the log.';

async function untilBand(began: number, bandMs: number): Promise<void> {
  const spent = performance.now() - began;
  await sleep(Math.ceil(spent / bandMs) * bandMs - spent);
}

/** The same for work that answers and does not throw. @param told gets the reason that is taken out */
export async function discreetAnswer<T extends { ok: true } | { ok: false; unreachable: boolean; reason: string }>(
  work: () => Promise<T>,
  told: (reason: string) => void,
  bandMs = BAND_MS,
): Promise<T> {
  const began = performance.now();
  const answer = await work();
  if (answer.ok || !answer.unreachable) return answer;
  told(answer.reason);
  await untilBand(began, bandMs);
  return { ...answer, reason: CANNOT_BE_REACHED };
}

/**
 * Runs `work`, whose refusals for want of a connection are all answered alike, after a whole number of bands.
 * @throws what `work` throws, with the reason taken out where it would tell
 */
export async function discreetly<T>(
  work: () => Promise<T>,
  told: (error: ForgewayError) => void,
  bandMs = BAND_MS,
): Promise<T> {
  const began = performance.now();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ForgewayError) || error.details[UNREACHABLE] !== true) throw error;
    told(error);
    await untilBand(began, bandMs);
    throw new ForgewayError('FORGEWAY_CONNECTION_REFUSED', CANNOT_BE_REACHED, { details: { [UNREACHABLE]: true } });
  }
}
