import { expect, it } from '@jest/globals';
import { hashedName, plainName } from './name.js';

/** The same numbers in every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const COUNT = 1_000_000;
const ALPHABET = [...'abcABC019-_.~漢é/ '];

it('gives a million identities a million names', () => {
  const next = random(20_261_126);
  const letter = () => ALPHABET[Math.floor(next() * ALPHABET.length)] ?? '';
  const words = Array.from({ length: 4_096 }, () =>
    Array.from({ length: 1 + Math.floor(next() * 12) }, letter).join(''),
  );
  const word = () => words[Math.floor(next() * words.length)] ?? '';
  const names = new Set<string>();
  let invalid = 0;
  for (let index = 0; index < COUNT; index += 1) {
    const identity = {
      organizationId: `org-${index % 7}`,
      ...{
        forge: `forge-${index % 3}`,
        host: `host-${index % 5}.example`,
        repositoryRemoteId: BigInt(index),
        tag: 'gh',
      },
      subject: { kind: 'pull-request' as const, number: 1 + Math.floor(next() * 5) },
      ...{ owner: word(), repository: word() },
    };
    const name = hashedName(identity);
    names.add(name);
    const plain = plainName(identity);
    if (
      !/^[a-z][-a-z0-9]{0,50}[a-z0-9]$/.test(name) ||
      (plain !== undefined && !/^[a-z][-a-z0-9]{0,50}[a-z0-9]$/.test(plain))
    )
      invalid += 1;
  }
  expect(names.size).toBe(COUNT);
  expect(invalid).toBe(0);
});
