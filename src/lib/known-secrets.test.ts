import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { encodings, sixty } from '../../test/canaries/forms.js';
import { createSearch } from '../../test/canaries/search.js';
import { hideKnownSecrets, keepSecret } from './known-secrets.js';

const planted = sixty('known', 'process');
for (const { text } of planted) keepSecret(text);
const search = createSearch(planted);
const found = (text: string) => search.in(Buffer.from(text)).map(({ canary }) => `${canary.shape} ${canary.encoding}`);

describe('secrets that are known', () => {
  it.each(encodings)('are hidden as they are kept: %s', (encoding) => {
    const text = planted
      .filter((one) => one.encoding === encoding)
      .map((one) => `before ${one.text} after\n`)
      .join('');
    expect(found(text)).toHaveLength(12);
    expect(found(hideKnownSecrets(text))).toEqual([]);
    expect(hideKnownSecrets(text)).toContain('before [redacted] after');
  });

  it.each([
    ['base64', (text: string) => Buffer.from(text).toString('base64')],
    ['base64 behind a user name', (text: string) => Buffer.from(`x-access-token:${text}`).toString('base64')],
    ['base64 for addresses', (text: string) => Buffer.from(`ab${text}`).toString('base64url')],
    ['an address', (text: string) => `?token=${encodeURIComponent(text)}&x=1`],
    ['JSON', (text: string) => JSON.stringify({ text })],
    ['JSON within JSON', (text: string) => JSON.stringify(JSON.stringify({ deep: [text] }))],
    ['folded lines', (text: string) => `${text.slice(0, text.length / 2)}\r\n    ${text.slice(text.length / 2)}`],
    ['a fold that JSON has escaped', (text: string) => JSON.stringify(`${text.slice(0, 12)}\n${text.slice(12)}`)],
    [
      'lines as Node prints them',
      (text: string) => inspect({ text: `${text.slice(0, 14)}\n${text.slice(14)} ${'x'.repeat(80)}` }),
    ],
    ['a text that ends in the middle', (text: string) => text.slice(0, text.length - 3)],
  ])('are hidden in %s', (_what, write) => {
    for (const { text } of planted) expect(found(hideKnownSecrets(`"a": "${write(text)}`))).toEqual([]);
  });

  it('leave other texts alone', () => {
    const text = 'commit 0123456789abcdef0123456789abcdef01234567 of ghp_ and glpat- and eyJhbGciOiJIUzI1NiJ9';
    expect(hideKnownSecrets(text)).toBe(text);
  });

  it('keep the end of the line that they stand at', () => {
    const [one] = planted;
    expect(hideKnownSecrets(`a ${one?.text}\n`)).toBe('a [redacted]\n');
    expect(hideKnownSecrets(`a ${one?.text.slice(0, -2)}\n`)).toBe('a [redacted]\n');
  });

  it('hides every line of a key that is printed alone', () => {
    const lines = [
      'MIIEowIBAAKCAQEAz0123456789abcdefghijklmnopqrstuv',
      'wxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghi',
    ];
    keepSecret(`-----BEGIN RSA PRIVATE KEY-----\n${lines.join('\n')}\n-----END RSA PRIVATE KEY-----`);
    for (const line of lines) expect(hideKnownSecrets(`a ${line} b`)).toBe('a [redacted] b');
    expect(hideKnownSecrets('-----BEGIN CERTIFICATE-----')).toBe('-----BEGIN CERTIFICATE-----');
  });

  it('passes over words that are too short to be looked for', () => {
    keepSecret('secret');
    keepSecret('half a pair: \ud83d, and not more');
    expect(hideKnownSecrets('x half a pair: \ud83d, and not more y')).toBe('x [redacted] y');
    expect(hideKnownSecrets('a secret')).toBe('a secret');
  });

  it('forgets the oldest of very many', () => {
    keepSecret('the-first-of-them-all');
    for (let at = 0; at < 6_000; at += 1) keepSecret(`token-number-${at}-of-many`);
    expect(hideKnownSecrets('the-first-of-them-all')).toBe('the-first-of-them-all');
    expect(hideKnownSecrets('x token-number-5999-of-many y')).toBe('x [redacted] y');
  });
});
