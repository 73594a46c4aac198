/** A build that something kept from ending which passes is begun again by itself, a few times; one that failed by itself is not. */
import type { Place } from './driver.js';

/** How long before each time that it is begun again. */
export const AGAIN_AFTER_MS: readonly number[] = [15_000, 60_000, 240_000];

/** Milliseconds until the build of this place is begun again; undefined: it is not. */
export function againIn(place: Place | null, now: Date, afterMs: readonly number[]): number | undefined {
  if (place === null || place.built || !place.failure?.passing) return undefined;
  const after = afterMs[place.tries];
  if (after === undefined) return undefined;
  return Math.max(0, Date.parse(place.failure.at ?? '') + after - now.getTime() || 0);
}

/** While it waits for that. */
export function againMessage({ failure, tries }: Place, inMs: number, afterMs: readonly number[]): string {
  const seconds = Math.max(1, Math.round(inMs / 1_000));
  return `Not this commit’s fault: built again in ${seconds} s, for the ${tries + 2}. of ${afterMs.length + 1} times. ${failure?.cause ?? ''}`;
}

/** After the last time. */
export const givenUpCause = ({ cause }: { cause: string }, tries: number): string =>
  `${cause}. This is not the commit’s fault, and came ${tries + 1} times; \`/preview rebuild\` tries it again`;
