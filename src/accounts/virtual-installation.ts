import { createHash } from 'node:crypto';

/** Real installation numbers lie below this, virtual ones from here up; both are exact in a JSON number. */
const FIRST_VIRTUAL = 2n ** 52n;

export interface InstallationKey {
  forge: string;
  host: string;
  appId: string;
  /** The forge's own number. */
  installationId: bigint;
}

/**
 * The number under which handlers see an installation of another host or App than the default one, whose numbers could
 * be the same. Computed, so that apps which keep it as a key find it again after the database was set up anew; the
 * UNIQUE column installation.virtual_id refuses the one-in-millions collision.
 */
export function virtualInstallationId(key: InstallationKey): bigint {
  const name = JSON.stringify([key.forge, key.host, key.appId, key.installationId.toString()]);
  const hash = createHash('sha256').update(name).digest().readBigUInt64BE();
  return FIRST_VIRTUAL + (hash % FIRST_VIRTUAL);
}

/** True for numbers made by {@link virtualInstallationId}. */
export function isVirtualInstallationId(id: bigint): boolean {
  return id >= FIRST_VIRTUAL;
}
