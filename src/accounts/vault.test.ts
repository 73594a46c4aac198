import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { decryptBytes, encryptBytes } from '../store/cipher.js';
import { deriveKey } from '../store/derive-key.js';
import { createVault, newSecretSalt, placeBytes, type SealedSecret, type SecretPlace } from './vault.js';

const hex = (text: string) => Buffer.from(text, 'hex');
const fixture = <T>(name: string): T[] =>
  (JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')) as { vectors: T[] }).vectors;

interface GcmVector {
  source: string;
  key: string;
  iv: string;
  aad: string;
  plaintext: string;
  ciphertext: string;
  tag: string;
}

const masterKey = randomBytes(32);
const vault = createVault(new Map([[1, masterKey]]));
const place: SecretPlace = {
  organizationId: 'a1a1a1a1-0000-4000-8000-000000000001',
  table: 'connection',
  rowId: 'b2b2b2b2-0000-4000-8000-000000000002',
  column: 'access_token',
  salt: newSecretSalt(),
  version: 3,
};
const unreadable = expect.objectContaining({ code: 'FORGEWAY_SECRET_UNREADABLE' });

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Every copy of `bytes` that differs in one bit. */
function flips(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return copy;
  });
}

describe('deriveKey', () => {
  it.each(fixture<{ source: string; ikm: string; salt: string; info: string; okm: string }>('hkdf-sha256.json'))(
    'gives the answer of RFC 5869 $source',
    ({ ikm, salt, info, okm }) => {
      expect(deriveKey(hex(ikm), hex(salt), hex(info), okm.length / 2).toString('hex')).toBe(okm);
    },
  );
});

describe('the cipher', () => {
  const vectors = fixture<GcmVector>('aes-256-gcm.json');

  it('is held against at least 100 vectors of NIST', () => {
    expect(vectors.filter(({ source }) => source.startsWith('NIST')).length).toBeGreaterThanOrEqual(100);
  });

  it.each(vectors)('gives the answer of $source, both ways', (v) => {
    const sealed = encryptBytes(hex(v.key), hex(v.iv), hex(v.aad), hex(v.plaintext));
    expect({ ciphertext: sealed.ciphertext.toString('hex'), tag: sealed.tag.toString('hex') }).toEqual({
      ciphertext: v.ciphertext,
      tag: v.tag,
    });
    expect(decryptBytes(hex(v.key), hex(v.iv), hex(v.aad), sealed).toString('hex')).toBe(v.plaintext);
  });

  it('refuses every flipped bit of key, nonce, associated data, ciphertext and tag', () => {
    const last = vectors.at(-1) as GcmVector;
    const names = ['key', 'iv', 'aad', 'ciphertext', 'tag'] as const;
    const right = Object.fromEntries(names.map((name) => [name, hex(last[name])])) as Record<string, Buffer>;
    const open = (v: Record<string, Buffer>) =>
      decryptBytes(v.key as Buffer, v.iv as Buffer, v.aad as Buffer, {
        ciphertext: v.ciphertext as Buffer,
        tag: v.tag as Buffer,
      });
    expect(open(right).toString('hex')).toBe(last.plaintext);
    for (const name of names) {
      const opened = flips(right[name] as Buffer).filter(
        (flipped) => thrownBy(() => open({ ...right, [name]: flipped })) === undefined,
      );
      expect(opened).toEqual([]);
    }
  });

  it.each([0, 1, 4, 8, 12, 13, 14, 15, 17])('refuses a tag of %i bytes', (length) => {
    const [key, iv] = [randomBytes(32), randomBytes(12)];
    const { ciphertext, tag } = encryptBytes(key, iv, Buffer.alloc(0), Buffer.from('secret'));
    const cut = Buffer.concat([tag, Buffer.alloc(1)]).subarray(0, length);
    expect(() => decryptBytes(key, iv, Buffer.alloc(0), { ciphertext, tag: cut })).toThrow(RangeError);
  });
});

describe('the vault', () => {
  it.each(['', 'a', 'ghs_0123456789', 'pässwörd 🗝️', 'x'.repeat(100_000)])('opens what it sealed', (text) => {
    expect(vault.open(place, vault.seal(place, text, 1))).toBe(text);
  });

  it('refuses every flipped bit of what is stored', () => {
    for (const text of ['', 'k', 'a-token-of-some-length']) {
      const sealed = vault.seal(place, text, 1);
      for (const part of ['ciphertext', 'iv', 'tag'] as const) {
        const errors = flips(Buffer.from(sealed[part], 'base64')).map((flipped) =>
          thrownBy(() => vault.open(place, { ...sealed, [part]: flipped.toString('base64') })),
        );
        expect(errors).toEqual(errors.map(() => unreadable));
      }
    }
  });

  it.each([4, 8, 12, 15])('refuses a tag cut to %i bytes', (length) => {
    const sealed = vault.seal(place, 'secret', 1);
    const tag = Buffer.from(sealed.tag, 'base64').subarray(0, length).toString('base64');
    expect(thrownBy(() => vault.open(place, { ...sealed, tag }))).toEqual(unreadable);
  });

  it.each<[string, Partial<SecretPlace>]>([
    ['tenant', { organizationId: 'a1a1a1a1-0000-4000-8000-000000000009' }],
    ['table', { table: 'hook' }],
    ['row', { rowId: 'b2b2b2b2-0000-4000-8000-000000000009' }],
    ['column', { column: 'refresh_token' }],
    ['salt', { salt: newSecretSalt() }],
    ['version, an older one put back', { version: 4 }],
    ['version, a newer one put back', { version: 2 }],
  ])('refuses a value moved to another %s', (_what, other) => {
    const moved = { ...place, ...other };
    expect(thrownBy(() => vault.open(moved, vault.seal(place, 'secret', 1)))).toEqual(unreadable);
    expect(vault.open(moved, vault.seal(moved, 'secret', 1))).toBe('secret');
  });

  it('refuses every swap among 1,000 secrets', () => {
    const many = Array.from({ length: 1_000 }, (_, index): SecretPlace => {
      const [tenant, row, column] = [index % 10, Math.floor(index / 20) % 10, Math.floor(index / 10) % 2];
      return {
        ...place,
        organizationId: `tenant-${tenant}`,
        table: index % 3 === 0 ? 'hook' : 'connection',
        rowId: `row-${row}`,
        column: column === 0 ? 'access_token' : 'refresh_token',
        version: 1 + Math.floor(index / 200),
      };
    });
    const sealed = many.map((at) => vault.seal(at, JSON.stringify(at), 1));
    const opened = many.filter((at, index) => {
      const other = (index + 1 + (index % 997)) % many.length;
      if (placeBytes(at, 1).equals(placeBytes(many[other] as SecretPlace, 1))) return false;
      return thrownBy(() => vault.open(at, sealed[other] as SealedSecret)) === undefined;
    });
    expect(opened).toEqual([]);
    expect(new Set(many.map((at) => placeBytes(at, 1).toString('hex'))).size).toBeGreaterThan(500);
  });

  it('writes places so that no two have the same bytes', () => {
    const shifted = { ...place, table: 'connectionb', rowId: place.rowId.slice(1) };
    expect(placeBytes(shifted, 1)).not.toEqual(placeBytes({ ...place, rowId: place.rowId.slice(1) }, 1));
    expect(placeBytes({ ...place, table: 'ab', rowId: 'c' }, 1)).not.toEqual(
      placeBytes({ ...place, table: 'a', rowId: 'bc' }, 1),
    );
    expect(placeBytes({ ...place, version: 12 }, 1)).not.toEqual(placeBytes({ ...place, version: 2 }, 11));
  });

  it('refuses another master key, and one that is not there', () => {
    const sealed = vault.seal(place, 'secret', 1);
    const other = createVault(new Map([[1, randomBytes(32)]]));
    expect(thrownBy(() => other.open(place, sealed))).toEqual(unreadable);
    const missing = expect.objectContaining({ code: 'FORGEWAY_KEY_MISSING' });
    expect(thrownBy(() => vault.open(place, { ...sealed, keyVersion: 2 }))).toEqual(missing);
    expect(thrownBy(() => createVault(new Map()))).toEqual(missing);
    expect(thrownBy(() => createVault(new Map([[1, randomBytes(16)]])))).toEqual(missing);
  });

  it('seals with the newest master key, opens with each, and binds the key’s version', () => {
    const rotated = createVault(
      new Map([
        [1, masterKey],
        [2, randomBytes(32)],
      ]),
    );
    const old = vault.seal(place, 'old', 1);
    expect(rotated.open(place, old)).toBe('old');
    expect(rotated.seal(place, 'new', 2).keyVersion).toBe(2);
    const same = createVault(
      new Map([
        [1, masterKey],
        [2, masterKey],
      ]),
    );
    expect(thrownBy(() => same.open(place, { ...old, keyVersion: 2 }))).toEqual(unreadable);
  });

  it('refuses a row without a salt, or a version that does not count', () => {
    expect(() => vault.seal({ ...place, salt: '' }, 'x', 1)).toThrow(RangeError);
    expect(() => vault.seal({ ...place, version: 0 }, 'x', 1)).toThrow(RangeError);
    expect(() => vault.seal({ ...place, version: 1.5 }, 'x', 1)).toThrow(RangeError);
  });

  it('never uses a nonce twice with a key, in 100,000 seals', () => {
    const nonces = new Set(Array.from({ length: 100_000 }, () => vault.seal(place, 'x', 1).iv));
    expect(nonces.size).toBe(100_000);
    expect(Buffer.from([...nonces][0] as string, 'base64')).toHaveLength(12);
  });

  it('never puts the secret into an error', () => {
    const sealed = vault.seal(place, 'hunter2-hunter2', 1);
    const error = thrownBy(() => vault.open({ ...place, rowId: 'x' }, sealed));
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('hunter2');
  });
});
