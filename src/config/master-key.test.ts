import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { readMasterKey, weaknessOf } from './master-key.js';

const weakness = (text: string): string | undefined => {
  const key = readMasterKey(text);
  if (key === undefined) throw new Error('that is no key');
  return weaknessOf(key, text);
};
const bytes = (make: (index: number) => number) => Buffer.from(Array.from({ length: 32 }, (_, index) => make(index)));
const written = (key: Buffer) => [key.toString('hex'), key.toString('hex').toUpperCase(), key.toString('base64')];

describe('readMasterKey', () => {
  it('reads hex, base64 and base64url, with and without the sign at the end', () => {
    for (let n = 0; n < 100; n++) {
      const key = randomBytes(32);
      const texts = [...written(key), key.toString('base64url'), key.toString('base64').replace('=', '')];
      for (const text of texts) expect(readMasterKey(text)).toEqual(key);
    }
  });

  it.each([
    ['nothing', ''],
    ['16 bytes', randomBytes(16).toString('hex')],
    ['31 bytes', randomBytes(31).toString('base64')],
    ['33 bytes', randomBytes(33).toString('base64')],
    ['64 bytes', randomBytes(64).toString('hex')],
    ['a passphrase', 'correct horse battery staple'],
    ['a passphrase of 43 letters and a space', 'correcthorsebatterystaplecorrecthorsebatter y'],
    ['32 characters', 'abcdefghijklmnopqrstuvwxyz012345'],
    ['hex with a 0x', `0x${randomBytes(32).toString('hex')}`],
    ['two keys', `${randomBytes(32).toString('base64')},${randomBytes(32).toString('base64')}`],
  ])('refuses %s', (_what, text) => {
    expect(readMasterKey(text)).toBeUndefined();
  });
});

describe('weaknessOf', () => {
  it('finds none in 20,000 random keys', () => {
    for (let n = 0; n < 20_000; n++) {
      const key = randomBytes(32);
      expect(weaknessOf(key, key.toString(n % 2 === 0 ? 'hex' : 'base64'))).toBeUndefined();
    }
  });

  it.each([
    ['zeros', bytes(() => 0), 'is all zeros'],
    ['one byte', bytes(() => 0xa5), 'repeats itself'],
    ['two halves', bytes((index) => (index % 16) * 37 + 5), 'repeats itself'],
    ['a repeated text', Buffer.from('deadbeef'.repeat(8), 'hex'), 'repeats itself'],
    ['counted', bytes((index) => index), 'counts up or down'],
    ['counted down', bytes((index) => 255 - index * 3), 'counts up or down'],
    ['a passphrase in bytes', Buffer.from('correct-horse-battery-staple-123'), 'typed'],
    ['few bytes', bytes((index) => ((index * index + (index >> 2)) % 13) * 19), 'too few'],
    ['the hash of a word', createHash('sha256').update('changeme').digest(), 'everybody can read'],
    ['the hash of nothing', createHash('sha256').digest(), 'everybody can read'],
    [
      'the key of our own tests',
      Buffer.from('8f2b1d5c7a90e364f1186bd27ca53e0994d8f07b316e52ac0bc7e94d1f2a6385', 'hex'),
      'everybody can read',
    ],
  ])('refuses %s', (_what, key, reason) => {
    for (const text of written(key)) expect(weakness(text)).toContain(reason);
  });

  it('refuses base64 that somebody typed', () => {
    expect(weakness('correcthorsebatterystaplecorrecthorsebatter')).toContain('typed');
    expect(weakness('CORRECTHORSEBATTERYSTAPLECORRECTHORSEBATTERA'.slice(0, 43))).toContain('typed');
  });
});
