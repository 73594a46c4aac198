import { describe, expect, it } from '@jest/globals';
import { encodings, shapes, sixty, working } from './forms.js';
import { createSearch } from './search.js';

const planted = sixty('seed', 'here');

describe('the search for secrets', () => {
  it('knows sixty different ones', () => {
    expect(planted).toHaveLength(shapes.length * encodings.length);
    expect(new Set(planted.flatMap(({ cores }) => cores[0])).size).toBe(60);
  });

  it.each(planted.map((one) => [`${one.shape} ${one.encoding}`, one] as const))('finds %s, and it alone', (_, one) => {
    const search = createSearch(planted);
    expect(search.in(Buffer.from(`before ${one.text} after`)).map(({ canary }) => canary)).toEqual([one]);
  });

  it.each([
    ['base64 of more than itself', (value: string) => Buffer.from(`x-access-token:${value}`).toString('base64')],
    ['base64 that begins elsewhere', (value: string) => Buffer.from(`bot:${value}`).toString('base64')],
    ['base64 for addresses', (value: string) => Buffer.from(`user:${value}`).toString('base64url')],
    ['hex', (value: string) => Buffer.from(value).toString('hex')],
    ['JSON within JSON', (value: string) => JSON.stringify(JSON.stringify({ value }))],
    ['a half that was cut', (value: string) => value.slice(0, Math.ceil(value.length / 2))],
    ['folded lines', (value: string) => `${value.slice(0, value.length / 2)}\r\n  ${value.slice(value.length / 2)}`],
  ])('finds one in %s', (_what, write) => {
    const value = 'pa"ss/wo+rd~0123456789 abcdefgh?';
    const search = createSearch([working('password', value)]);
    expect(search.in(Buffer.from(`{"a": "${write(value)}"}`))).toHaveLength(1);
    expect(search.in(Buffer.from('{"a": "pass"}'))).toEqual([]);
  });

  it('does not repeat the secret in what it says', () => {
    const [one] = planted;
    const [found] = createSearch(planted).in(Buffer.from(`token ${one?.text}`));
    expect(found?.around).toContain('here/ghp/raw');
    expect(found?.around).not.toContain(one?.cores[0]?.slice(0, 20));
  });
});
