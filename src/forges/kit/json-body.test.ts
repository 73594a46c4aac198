import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseJson, readJsonObject } from './json-body.js';

const read = (text: string) => readJsonObject(Buffer.from(text));
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
    expect(read(`{"a":${nested(64)}}`)).toEqual({ invalid: 'The body is nested deeper than 64 levels.' });
  });

  it('is not what stands in texts, however long they are and whatever is escaped in them', () => {
    const piece = fc.constantFrom('[', '{', '"', '\\', '\\"', 'a', 'é', ' '.repeat(61), '['.repeat(70));
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, text, (left, right) => {
        const body = { [left]: right, last: [right] };
        expect(read(JSON.stringify(body))).toEqual({ payload: body });
        const deep = `{${JSON.stringify(`${left}.`)}:${JSON.stringify(right)},"last":${nested(64)}}`;
        expect(read(deep)).toHaveProperty('invalid');
      }),
      { numRuns: 2_000 },
    );
  });

  it('is asked of what is no JSON, too', () => {
    for (const text of ['', '"', '"\\', `"${'a'.repeat(100)}`, `"${'a'.repeat(100)}\\"`])
      expect(read(text)).toEqual({ invalid: 'The body is not JSON.' });
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
