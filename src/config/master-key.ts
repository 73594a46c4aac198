/** Master keys as people write them, and which of them are too weak to seal anything with. */
import { createHash } from 'node:crypto';

export const MASTER_KEY_BYTES = 32;

/** Of 32 random bytes, fewer than this many differ once in 10^13 keys. */
const LEAST_DISTINCT = 18;
/** Longest text that is repeated in a key made by hand. */
const LONGEST_PERIOD = MASTER_KEY_BYTES / 2;

/** SHA-256 of keys that everybody can know: of our own tests, and what comes of hashing a word that stands for a secret. */
const published = new Set([
  'bf65c3d3afb154dc1ed3a68d4b9b9677fb071ee047f19833568f1110f660201b',
  ...['', 'password', 'secret', 'test', 'changeme', 'development', 'forgeway', 'encryption-key', 'master-key'].map(
    (word) => sha256(createHash('sha256').update(word).digest()),
  ),
]);

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The 32 bytes of hex, base64 or base64url; undefined for anything else. What is left over is never dropped. */
export function readMasterKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.length === MASTER_KEY_BYTES ? key : undefined;
}

/**
 * Why a key must not be used, as the end of a sentence, or undefined. Only what cannot happen to a random key is refused;
 * a strong look is no proof.
 * @param text what it was written as
 */
export function weaknessOf(key: Buffer, text: string): string | undefined {
  if (key.every((byte) => byte === 0)) return 'is all zeros';
  for (let period = 1; period <= LONGEST_PERIOD; period++)
    if (key.every((byte, index) => byte === key[index % period])) return 'repeats itself';
  const step = (index: number) => ((key[index] ?? 0) - (key[index - 1] ?? 0)) & 0xff;
  if (key.every((_, index) => index < 2 || step(index) === step(1))) return 'counts up or down';
  // Either the bytes are what somebody typed, or the base64 is: random base64 has small and capital letters.
  if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'is text that somebody typed, not random bytes';
  if (!/^[0-9a-f]{64}$/i.test(text) && !(/[a-z]/.test(text) && /[A-Z]/.test(text)))
    return 'is text that somebody typed, not random bytes';
  if (new Set(key).size < LEAST_DISTINCT) return 'is not random: too few of its bytes differ';
  if (published.has(sha256(key))) return 'is an example that everybody can read';
  return undefined;
}
