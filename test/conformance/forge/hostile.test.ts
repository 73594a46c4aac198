import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/forges/forge.js';
import { survives } from '../../fuzz/survive.js';
import { isSkipped } from './skips.js';
import { subjects, table } from './subjects.js';

const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });

/** Dropped, null, another type, or far too large. Text that PostgreSQL does not store is among it. */
const replacements: readonly unknown[] = [
  undefined,
  null,
  '',
  'x'.repeat(100_000),
  'a\u0000b',
  '\ud800',
  '__proto__',
  0,
  -1,
  1.5,
  '9007199254740993123',
  Number.MAX_SAFE_INTEGER,
  true,
  [],
  {},
  [null],
  [1, 'two', { three: 3 }],
  { constructor: 'x', toString: 1 },
  deep(60),
  Array.from({ length: 2_000 }, (_, id) => ({ id, login: `u${id}`, name: `l${id}` })),
];

/** Every place of a payload, as the object that holds it and its key there. */
function placesIn(node: unknown): [Record<string, unknown>, string][] {
  if (typeof node !== 'object' || node === null) return [];
  const holder = node as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [[holder, key] as [typeof holder, string], ...placesIn(holder[key])]);
}

/** While `run` runs, exactly one place of the payload is replaced: copying it for every key would take minutes. */
async function replacedAt(
  [holder, key]: readonly [Record<string, unknown>, string],
  value: unknown,
  run: () => Promise<void>,
): Promise<void> {
  const before = holder[key];
  if (value === undefined) delete holder[key];
  else holder[key] = structuredClone(value);
  try {
    await run();
  } finally {
    holder[key] = before;
  }
}

describe.each(table)('hostile deliveries of %s', (id, subject) => {
  it('are survived whichever of all their keys is not what it should be', async () => {
    // Flavours of one forge have the same fixtures, and share their keys between them.
    const flavours = subjects.filter(({ folder }) => folder === subject.folder);
    const mine = flavours.indexOf(subject);
    const count = { all: 0, reached: 0 };
    for (const { name, eventType, payload, previous } of subject.fixtures) {
      const copy = structuredClone(payload);
      for (const place of placesIn(copy)) {
        const at = count.all;
        count.all += 1;
        if (at % flavours.length !== mine) continue;
        // Another replacement with every key: the same key stands in many fixtures and meets most of them.
        const which = Math.floor(at / flavours.length) % replacements.length;
        const tokens = [Math.floor(at / replacements.length) % 2 === 0];
        await replacedAt(place, replacements[which], async () => {
          await survives(subject, eventType, copy, { previous, tokens, most: 2 }).catch((cause: unknown) => {
            throw new Error(`${name}: ${place[1]} with replacement ${which}`, { cause });
          });
        });
        count.reached += 1;
      }
    }
    expect(Math.abs(count.reached - count.all / flavours.length)).toBeLessThan(1);
    expect(count.reached).toBeGreaterThan(subject.fixtures.length);
  });

  it.each([
    ['no object', '[1]'],
    ['no JSON', '{"a":'],
    ['nothing', ''],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['too deep', '{"a":'.repeat(100_000)],
  ])('whose body is %s are invalid for every content type', (_what, body) => {
    for (const type of [...subject.descriptor.contentTypes, '', 'text/plain'])
      expect(subject.descriptor.parse(type, Buffer.from(body))).toEqual({ invalid: expect.stringMatching(/\S/) });
  });

  it.each(['', 'nonsense', 'x'.repeat(10_000), '__proto__', 'constructor'])('of the event %p are ignored', (type) => {
    if (isSkipped(id, 'events')) return;
    for (const payload of [{}, { action: 'opened' }, JSON.parse('{"__proto__":{"a":1}}') as JsonObject])
      expect(subject.descriptor.classify(type, payload)).toMatchObject({ kind: 'ignored' });
  });
});
