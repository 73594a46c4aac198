import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseJson, readJsonObject } from './json-body.js';

const read = (text: string) => readJsonObject(Buffer.from(text));
const LONG_TEXT = ' '.repeat(300_000);
const TOO_DEEP = { invalid: 'The body is nested deeper than 64 levels.' };
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('the encoding of a body', () => {
  it('is UTF-8, with or without a byte order mark', () => {
    const payload = { text: 'é – 💥' };
    expect(read(JSON.stringify(payload))).toEqual({ payload });
    expect(read(`\uFEFF${JSON.stringify(payload)}`)).toEqual({ payload });
    const latin = Buffer.from(JSON.stringify({ text: 'é' }), 'latin1');
    expect(readJsonObject(latin)).toEqual({ invalid: 'The body is not UTF-8.' });
  });
});

describe('how deep a body may be', () => {
  it('is 64 levels', () => {
    expect(read(`{"a":${nested(63)}}`)).toHaveProperty('payload');
    expect(read(`{"a":${nested(64)}}`)).toEqual(TOO_DEEP);
  });

  it('is counted before a long body is parsed: each level costs the parser memory, closed or not', () => {
    expect(read('['.repeat(300_000))).toEqual(TOO_DEEP);
  });

  it('is not what stands in texts, however long they are and whatever is escaped in them', () => {
    const piece = fc.constantFrom('[', '{', '"', '\\', '\\"', 'a', 'é', ' '.repeat(61), '['.repeat(70));
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, text, fc.constantFrom(...Array(9).fill(false), true), (left, right, isLong) => {
        // A long body is looked through in another way.
        const end = isLong ? LONG_TEXT : '';
        const body = { [left]: right, last: [right], end };
        expect(read(JSON.stringify(body))).toEqual({ payload: body });
        const deep = `{${JSON.stringify(`${left}.`)}:${JSON.stringify(right)},"last":${nested(64)},"end":"${end}"}`;
        expect(read(deep)).toEqual(TOO_DEEP);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is asked of what is no JSON, too', () => {
    for (const text of ['', '"', '"\\', `"${'a'.repeat(100)}`, `"${'a'.repeat(100)}\\"`])
      expect(read(text)).toEqual({ invalid: 'The body is not JSON.' });
  });
});

describe('keys', () => {
  it('that would change a prototype are left out, also where escapes hide them, and texts that name them stay', () => {
    const body = String.raw`{"__proto__":{"a":1},"b":[{"\u005f_proto_\u005f":1,"c":"__proto__"}],"d":9007199254740993}`;
    const { payload } = read(body) as { payload: object };
    expect(JSON.stringify(payload)).toBe('{"b":[{"c":"__proto__"}],"d":"9007199254740993"}');
  });
});

describe('numbers', () => {
  it('that would be rounded are texts, wherever they stand', () => {
    const [id, exact] = ['9007199254740993', 9007199254740991];
    const body = `{"id":${id},"a":[${id},-${id} ,${exact},1.${id}],"text":"${id} ,${id}","_":{"id" :\n${id}}}`;
    const payload = { id, a: [id, `-${id}`, exact, Number(`1.${id}`)], text: `${id} ,${id}`, _: { id } };
    expect(parseJson(body)).toEqual(payload);
    expect(read(body)).toEqual({ payload });
    expect(parseJson('9007199254740993')).toBe('9007199254740993');
  });

  it('in texts stay what they are', () => {
    for (const text of ['9007199254740993', 'a:9007199254740993', ' 9007199254740993', `${'9'.repeat(40)}"`])
      expect(parseJson(JSON.stringify({ text }))).toEqual({ text });
  });
});
