import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonObject } from '../../../src/forges/forge.js';
import { ForgewayError } from '../../../src/lib/errors.js';
import { isSkipped } from './skips.js';
import { portsOf, receivedAt, type Subject, subjects, table } from './subjects.js';

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

/** What a column of type jsonb refuses: NUL, and half a character. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/i;

/** Every place of a payload, as the object that holds it and its key there. */
function placesIn(node: unknown): [Record<string, unknown>, string][] {
  if (typeof node !== 'object' || node === null) return [];
  const holder = node as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [[holder, key] as [typeof holder, string], ...placesIn(holder[key])]);
}

const isStorable = (value: unknown): boolean => !UNSTORABLE.test(JSON.stringify(value) ?? '');

function mutated(
  payload: JsonObject,
  choices: readonly (readonly [number, number])[],
  among: readonly unknown[] = replacements,
): JsonObject {
  const copy = structuredClone(payload);
  for (const [place, replacement] of choices) {
    const places = placesIn(copy);
    const [holder, key] = places[place % Math.max(1, places.length)] ?? [];
    if (holder === undefined || key === undefined) continue;
    const value = among[replacement % among.length];
    if (value === undefined) delete holder[key];
    else holder[key] = structuredClone(value);
  }
  return copy;
}

function expectStorable(value: unknown): void {
  expect(JSON.stringify(value) ?? '').not.toMatch(UNSTORABLE);
}

async function survives(
  subject: Subject,
  eventType: string,
  payload: JsonObject,
  previous?: JsonObject,
  { tokens = [true, false], most = 5 }: { tokens?: readonly boolean[]; most?: number } = {},
): Promise<void> {
  const { descriptor } = subject;
  expectStorable(descriptor.snapshot?.(eventType, payload)?.state);
  const classified = descriptor.classify(eventType, payload, { ...(previous && { previous }), confidential: true });
  if (classified.kind === 'ignored') {
    expect(classified.reason).not.toBe('');
    return;
  }
  expect(classified.events.length).toBeGreaterThan(0);
  expectStorable(classified.events);
  expectStorable(classified.semanticKey);
  for (const event of classified.events.slice(0, most))
    for (const connected of tokens)
      try {
        JSON.stringify(
          await descriptor.payload({ eventType, payload, receivedAt }, event, portsOf(subject, {}, connected)),
        );
      } catch (error) {
        if (!(error instanceof ForgewayError)) throw error;
        expect(error.code).toBe('FORGEWAY_PAYLOAD_INVALID');
      }
}

/** Several keys at once, by chance; every key by itself has a test of its own. */
const RUNS = 4;
const choice = fc.tuple(fc.nat(), fc.nat());

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
        const options = { tokens: [Math.floor(at / replacements.length) % 2 === 0], most: 2 };
        await replacedAt(place, replacements[which], async () => {
          await survives(subject, eventType, copy, previous, options).catch((cause: unknown) => {
            throw new Error(`${name}: ${place[1]} with replacement ${which}`, { cause });
          });
        });
        count.reached += 1;
      }
    }
    expect(Math.abs(count.reached - count.all / flavours.length)).toBeLessThan(1);
    expect(count.reached).toBeGreaterThan(subject.fixtures.length);
  });

  it('are ignored or refused with a reason, and nothing crashes', async () => {
    for (const { eventType, payload, previous } of subject.fixtures)
      await fc.assert(
        fc.asyncProperty(fc.array(choice, { minLength: 1, maxLength: 3 }), fc.boolean(), (choices, known) =>
          survives(subject, eventType, mutated(payload, choices), known ? previous : undefined),
        ),
        { numRuns: RUNS, interruptAfterTimeLimit: 20_000 },
      );
  });

  it('of what was kept before are no worse', async () => {
    for (const { eventType, payload, previous } of subject.fixtures)
      if (previous !== undefined)
        await fc.assert(
          fc.asyncProperty(choice, (one) =>
            survives(subject, eventType, payload, mutated(previous, [one], replacements.filter(isStorable))),
          ),
          { numRuns: RUNS, interruptAfterTimeLimit: 20_000 },
        );
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
