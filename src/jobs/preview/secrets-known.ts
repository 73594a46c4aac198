/**
 * What a preview prints is hidden by value where it is one of the secrets that it was given. A process that did not start it has never
 * seen them, and reads them from the vault before it shows a line of it.
 */
import type { Place } from './driver.js';

/** Reading them tells what hides secrets of them. */
export type ReadsSecrets = (
  of: { organizationId: string; repositoryId: string },
  names: readonly string[],
) => Promise<unknown>;

const KNOWN_MS = 60_000;
const REMEMBERED = 5_000;

/** Answers what makes sure that those of some places are known. Of strangers' code there are none. */
export function createSecretsKnown(read: ReadsSecrets) {
  const until = new Map<string, number>();
  return async (
    of: { organizationId: string; repositoryId: string },
    places: readonly (Pick<Place, 'trusted' | 'config'> | null)[],
  ): Promise<void> => {
    const given = places.flatMap((place) => (place?.trusted ? place.config.services : []));
    const names = [...new Set(given.flatMap(({ secrets }) => secrets))].sort();
    if (names.length === 0) return;
    const key = JSON.stringify([of.organizationId, of.repositoryId, names]);
    const now = performance.now();
    if ((until.get(key) ?? 0) > now) return;
    await read(of, names);
    if (until.size >= REMEMBERED) until.clear();
    until.set(key, now + KNOWN_MS);
  };
}
