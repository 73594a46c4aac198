/**
 * The vault (decision 16): seals secrets for the columns of a row. Every row has a key of its own, and a sealed value
 * opens only in the place it was sealed for: this tenant, table, row, column, key and version.
 */
import { randomBytes } from 'node:crypto';
import { ForgewayError } from '../lib/errors.js';
import { keepSecret } from '../lib/known-secrets.js';
import { decryptBytes, encryptBytes, NONCE_BYTES } from '../store/cipher.js';
import { deriveKey } from '../store/derive-key.js';

const KEY_BYTES = 32;
const SALT_BYTES = 32;

/** Where a secret lives. Every field is bound into the seal. */
export interface SecretPlace {
  organizationId: string;
  table: string;
  rowId: string;
  column: string;
  /** The row's 32 random bytes, base64; see {@link newSecretSalt}. */
  salt: string;
  /** Grows with every write of the row's secrets, so that an older value put back is refused. */
  version: number;
}

/** What is stored, each part base64. */
export interface SealedSecret {
  ciphertext: string;
  iv: string;
  tag: string;
  keyVersion: number;
}

export interface Vault {
  /**
   * @param keyVersion the master key to seal with: what the database says, see `sealSecrets`
   * @throws RangeError when the salt is not 32 bytes or the version is not a positive integer
   * @throws ForgewayError FORGEWAY_KEY_MISSING (no master key of that version)
   */
  seal(place: SecretPlace, plaintext: string, keyVersion: number): SealedSecret;
  /** @throws ForgewayError FORGEWAY_SECRET_UNREADABLE, FORGEWAY_KEY_MISSING (no master key of that version) */
  open(place: SecretPlace, sealed: SealedSecret): string;
}

/** The salt of a new row, base64. */
export function newSecretSalt(): string {
  return randomBytes(SALT_BYTES).toString('base64');
}

/**
 * @param masterKeys 32 bytes each, by version
 * @throws ForgewayError FORGEWAY_KEY_MISSING when there is none or one has another length
 */
export function createVault(masterKeys: ReadonlyMap<number, Buffer>): Vault {
  const usable = [...masterKeys].every(([version, key]) => isVersion(version) && key.length === KEY_BYTES);
  if (masterKeys.size === 0 || !usable) {
    throw new ForgewayError('FORGEWAY_KEY_MISSING', 'Secrets cannot be stored or read without a 32-byte master key.');
  }
  const rowKey = (place: SecretPlace, version: number): Buffer => {
    const masterKey = masterKeys.get(version);
    if (masterKey === undefined) {
      throw new ForgewayError(
        'FORGEWAY_KEY_MISSING',
        `The encryption key of version ${version} was not given to this process: give it, and start it again.`,
      );
    }
    const salt = Buffer.from(place.salt, 'base64');
    if (salt.length !== SALT_BYTES) throw new RangeError('the row has no salt of 32 bytes');
    return deriveKey(masterKey, salt, `forgeway/v1/${place.table}/${place.column}`);
  };

  return {
    seal(place, plaintext, keyVersion) {
      keepSecret(plaintext);
      if (!isVersion(place.version)) throw new RangeError('a sealed secret needs a version from 1');
      const key = rowKey(place, keyVersion);
      const iv = randomBytes(NONCE_BYTES);
      try {
        const { ciphertext, tag } = encryptBytes(
          key,
          iv,
          placeBytes(place, keyVersion),
          Buffer.from(plaintext, 'utf8'),
        );
        return {
          ciphertext: ciphertext.toString('base64'),
          iv: iv.toString('base64'),
          tag: tag.toString('base64'),
          keyVersion,
        };
      } finally {
        key.fill(0);
      }
    },
    open(place, sealed) {
      try {
        const key = rowKey(place, sealed.keyVersion);
        try {
          const plaintext = decryptBytes(key, bytesOf(sealed.iv), placeBytes(place, sealed.keyVersion), {
            ciphertext: bytesOf(sealed.ciphertext),
            tag: bytesOf(sealed.tag),
          });
          const secret = plaintext.toString('utf8');
          plaintext.fill(0);
          keepSecret(secret);
          return secret;
        } finally {
          key.fill(0);
        }
      } catch (cause) {
        if (cause instanceof ForgewayError) throw cause;
        throw new ForgewayError(
          'FORGEWAY_SECRET_UNREADABLE',
          `The secret in ${place.table}.${place.column} of row ${place.rowId} cannot be opened.`,
          { cause, details: { table: place.table, column: place.column, rowId: place.rowId } },
        );
      }
    },
  };
}

const isVersion = (version: number): boolean => Number.isSafeInteger(version) && version > 0;

/** Base64 as we write it. Other spellings of the same bytes are refused, so that a stored value has one form. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new RangeError('a sealed value is not base64');
  return bytes;
}

/** The place as bytes. Each part is preceded by its length, so that no two places have the same bytes. */
export function placeBytes(place: SecretPlace, keyVersion: number): Buffer {
  const { organizationId, table, rowId, column, version } = place;
  const parts = ['forgeway/v1', organizationId, table, rowId, column, String(keyVersion), String(version)];
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}
