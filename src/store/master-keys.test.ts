import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { masterKeyCheck } from './derive-key.js';
import { firstKeys, type KeyRecord, resolveMasterKeys, sealRoot } from './master-keys.js';

const [first, second, third, stranger] = Array.from({ length: 4 }, () => randomBytes(32)) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
];
const record = (version: number, key: Buffer, activated: boolean): KeyRecord => ({
  version,
  check: masterKeyCheck(key),
  sealedRoot: version === 1 ? null : sealRoot(key, version, first),
  activated,
});
const one = [record(1, first, true)];
const announced = [...one, record(2, second, false)];
const rotated = [...one, record(2, second, true)];
const resolve = (records: readonly KeyRecord[], current: Buffer, ...previous: Buffer[]) =>
  resolveMasterKeys(records, { current, previous });
const refusal = expect.objectContaining({ code: 'FORGEWAY_KEY_MISSING' });

describe('resolveMasterKeys', () => {
  it('gives a new database its first key', () => {
    expect(resolve([], first, stranger)).toMatchObject({
      keys: firstKeys(first),
      wanted: 1,
      strangers: 1,
      missing: [],
    });
  });

  it('announces a key that is not known yet beside the one in use', () => {
    const found = resolve(one, second, first);
    expect(found).toMatchObject({ active: { version: 1 }, announced: { version: 2 }, wanted: 2 });
    expect(found.keys).toEqual({
      root: first,
      versions: new Map([
        [1, first],
        [2, second],
      ]),
      active: 1,
    });
    // What is announced is what the next start reads.
    const next = resolve([...one, found.announced as KeyRecord], second, first);
    expect(next).toMatchObject({ announced: undefined, wanted: 2, active: { version: 1 }, keys: { root: first } });
  });

  it('needs the key in use, in whichever place, and keeps the root when the first is gone', () => {
    expect(resolve(announced, first)).toMatchObject({ wanted: 1, missing: [2] });
    expect(resolve(announced, second, first)).toMatchObject({ wanted: 2, missing: [] });
    expect(resolve(rotated, second)).toMatchObject({ wanted: 2, missing: [1], keys: { root: first } });
    expect(resolve(rotated, third, second)).toMatchObject({ wanted: 3, missing: [1], keys: { root: first } });
    expect(resolve(rotated, second, first, stranger)).toMatchObject({ strangers: 1, missing: [] });
  });

  it.each<[string, () => unknown]>([
    ['a key that was never this database’s', () => resolve(one, stranger)],
    ['one beside another stranger', () => resolve(one, stranger, third)],
    ['a new key alone', () => resolve(announced, second)],
    ['an earlier key alone', () => resolve(rotated, first)],
    ['the earlier key in the place of the new one', () => resolve(rotated, first, second)],
    ['a new key beside an earlier one', () => resolve(rotated, third, first)],
    ['a table in which no key is in use', () => resolve([record(1, first, false)], first)],
    ['a root that was changed', () => resolve([...one, { ...record(2, second, true), sealedRoot: 'AAAA' }], second)],
    ['the root of another version', () => resolve([...one, { ...record(3, second, true), version: 2 }], second)],
  ])('refuses %s', (_what, run) => {
    expect(run).toThrow(refusal as never);
  });

  it('never shows a key', () => {
    const texts: string[] = [];
    for (const run of [() => resolve(one, stranger), () => resolve(rotated, first, second)])
      try {
        run();
      } catch (error) {
        texts.push(String(error), JSON.stringify(error));
      }
    expect(texts).toHaveLength(4);
    for (const key of [first, second, stranger])
      for (const form of ['hex', 'base64', 'base64url'] as const)
        expect(texts.join('\n')).not.toContain(key.toString(form).slice(0, 20));
  });
});
