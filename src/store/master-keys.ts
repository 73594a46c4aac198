/** The master keys of a database: which of those that were given it knows, and what else is derived from them. */
import { randomBytes } from 'node:crypto';
import { ForgewayError } from '../lib/errors.js';
import { decryptBytes, encryptBytes, NONCE_BYTES, TAG_BYTES } from './cipher.js';
import { deriveKey, masterKeyCheck } from './derive-key.js';

export interface MasterKeys {
  /**
   * 32 bytes from which is derived what must stay when master keys are rotated: passwords of database roles, links that
   * stand on forges for good, markers. It is the first master key.
   */
  readonly root: Buffer;
  /** Keys that open secrets, by version. Which of them seals is in the database: see `sealSecrets`. */
  readonly versions: ReadonlyMap<number, Buffer>;
  /** The version that was sealed with when this process started: what it signs for a while comes from it, see {@link passingKeys}. */
  readonly active: number;
}

/** Keys of what is signed for a while: the first signs, all are accepted, so that what was signed before a rotation goes on. */
export function passingKeys({
  versions,
  active,
}: Pick<MasterKeys, 'versions' | 'active'>): readonly [Buffer, ...Buffer[]] {
  const newest = versions.get(active);
  if (newest === undefined) throw new RangeError(`the encryption key of version ${active} is missing`);
  return [newest, ...[...versions].filter(([version]) => version !== active).map(([, key]) => key)];
}

/** Those of a new database. */
export const firstKeys = (key: Buffer): MasterKeys => ({
  root: key,
  versions: new Map([[FIRST_VERSION, key]]),
  active: FIRST_VERSION,
});

/** A row of `master_key`. */
export interface KeyRecord {
  version: number;
  /** See `masterKeyCheck`. */
  check: string;
  sealedRoot: string | null;
  /** Secrets are, or were, sealed with it. */
  activated: boolean;
}

/** As they were given; see FORGEWAY_ENCRYPTION_KEY and FORGEWAY_ENCRYPTION_KEYS_PREVIOUS. */
export interface GivenKeys {
  current: Buffer;
  previous: readonly Buffer[];
}

export interface ResolvedKeys {
  keys: MasterKeys;
  /** What secrets are sealed with until `forgeway vault rotate`. */
  active: KeyRecord;
  /** The given current key, when the database does not know it yet. */
  announced: KeyRecord | undefined;
  /** Version of the given current key. */
  wanted: number;
  /** Recorded versions whose key was not given. */
  missing: readonly number[];
  /** How many of the previous keys this database never had. */
  strangers: number;
}

export const FIRST_VERSION = 1;

const PREVIOUS = 'FORGEWAY_ENCRYPTION_KEYS_PREVIOUS';

/**
 * Finds the version of each key.
 * @param records all of the database's, none when it is new
 * @throws ForgewayError FORGEWAY_KEY_MISSING when the key that secrets are sealed with was not given, or was given as an
 *   earlier one
 */
export function resolveMasterKeys(records: readonly KeyRecord[], { current, previous }: GivenKeys): ResolvedKeys {
  const check = masterKeyCheck(current);
  if (records.length === 0) {
    const active = { version: FIRST_VERSION, check, sealedRoot: null, activated: true };
    const of = { keys: firstKeys(current), active, wanted: FIRST_VERSION };
    return { ...of, announced: undefined, missing: [], strangers: previous.length };
  }
  const active = newestActive(records);
  const versionOf = new Map(records.map((record) => [record.check, record.version]));
  const given = [current, ...previous].map((key) => ({ key, version: versionOf.get(masterKeyCheck(key)) }));
  const versions = new Map(
    given.flatMap(({ key, version }) => (version === undefined ? [] : [[version, key] as const])),
  );
  const wanted = versionOf.get(check);
  const activeKey = versions.get(active.version);
  if (wanted !== undefined && wanted < active.version)
    throw refused(
      `The encryption key is version ${wanted} of this database's keys, which version ${active.version} has replaced. ` +
        `Give version ${active.version}, and this one in ${PREVIOUS} if rows still need it.`,
    );
  if (activeKey === undefined)
    throw refused(
      'This database was set up with another encryption key, and what is stored in it cannot be opened with this one. ' +
        `To change the key, give the one that it has now (version ${active.version}) in ${PREVIOUS}.`,
    );
  const root = active.sealedRoot === null ? activeKey : openRoot(activeKey, active.version, active.sealedRoot);
  const missing = records.map(({ version }) => version).filter((version) => !versions.has(version));
  const strangers = given.slice(1).filter(({ version }) => version === undefined).length;
  if (wanted !== undefined)
    return {
      keys: { root, versions, active: active.version },
      active,
      announced: undefined,
      wanted,
      missing,
      strangers,
    };
  const version = Math.max(...records.map((record) => record.version)) + 1;
  versions.set(version, current);
  const announced = { version, check, sealedRoot: sealRoot(current, version, root), activated: false };
  return { keys: { root, versions, active: active.version }, active, announced, wanted: version, missing, strangers };
}

function newestActive(records: readonly KeyRecord[]): KeyRecord {
  const active = records.filter((record) => record.activated).sort((a, b) => b.version - a.version)[0];
  if (active === undefined)
    throw refused('No encryption key of this database is in use: its table master_key was changed.');
  return active;
}

const refused = (message: string, cause?: unknown) => new ForgewayError('FORGEWAY_KEY_MISSING', message, { cause });

const NO_SALT = Buffer.alloc(0);
const placeOf = (version: number) => `forgeway/v1/root-key/${version}`;

/** For {@link KeyRecord.sealedRoot}: nonce, tag and ciphertext in one, base64. */
export function sealRoot(masterKey: Buffer, version: number, root: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES);
  const place = placeOf(version);
  const { ciphertext, tag } = encryptBytes(deriveKey(masterKey, NO_SALT, place), nonce, Buffer.from(place), root);
  return Buffer.concat([nonce, tag, ciphertext]).toString('base64');
}

function openRoot(masterKey: Buffer, version: number, sealed: string): Buffer {
  const bytes = Buffer.from(sealed, 'base64');
  const place = placeOf(version);
  const [nonce, rest] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)];
  try {
    return decryptBytes(deriveKey(masterKey, NO_SALT, place), nonce, Buffer.from(place), {
      tag: rest.subarray(0, TAG_BYTES),
      ciphertext: rest.subarray(TAG_BYTES),
    });
  } catch (cause) {
    throw refused(`The table master_key was changed: what belongs to version ${version} cannot be opened.`, cause);
  }
}
