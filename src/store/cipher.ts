/** AES-256-GCM with a random 96-bit nonce and the full 128-bit tag. */
import { createCipheriv, createDecipheriv } from 'node:crypto';

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

const ALGORITHM = 'aes-256-gcm';

export interface Encrypted {
  ciphertext: Buffer;
  tag: Buffer;
}

/** @param key 32 bytes @param nonce 12 bytes that were never used with this key @param aad bound into the tag */
export function encryptBytes(key: Buffer, nonce: Buffer, aad: Buffer, plaintext: Buffer): Encrypted {
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** Throws for any tag but the right one in full length, and for a nonce of another length. */
export function decryptBytes(key: Buffer, nonce: Buffer, aad: Buffer, { ciphertext, tag }: Encrypted): Buffer {
  if (nonce.length !== NONCE_BYTES) throw new RangeError('the nonce has the wrong length');
  // Node would accept a shorter tag, which is easier to guess.
  if (tag.length !== TAG_BYTES) throw new RangeError('the tag has the wrong length');
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}
