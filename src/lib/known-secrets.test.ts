import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { encodings, sixty } from '../../test/canaries/forms.js';
import { createSearch } from '../../test/canaries/search.js';
import { hideKnownSecrets, keepSecret, pinSecret } from './known-secrets.js';
import { createSecretTable } from './secret-table.js';

const planted = sixty('known', 'process');
for (const { text } of planted) pinSecret(text);
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
    pinSecret('secret');
    pinSecret('half a pair: \ud83d, and not more');
    expect(hideKnownSecrets('x half a pair: \ud83d, and not more y')).toBe('x [redacted] y');
    expect(hideKnownSecrets('a secret')).toBe('a secret');
  });

  it.each([
    ['lower case in an address', 'pa+ss/w0rd=12345', 'pa%2bss%2fw0rd%3d12345'],
    ['an address within an address', 'pa+ss/w0rd=12345', 'pa%252Bss%252Fw0rd%253D12345'],
    ['JSON as Go writes it', 'pa&ss<w0rd>12345', String.raw`pa\u0026ss\u003cw0rd\u003e12345`],
    ['HTML', 'pa&ss<w0rd>12345', 'pa&amp;ss&lt;w0rd&gt;12345'],
    ['upper-case digits', '0f1e2d3c4b5a6978', '0F1E2D3C4B5A6978'],
    ['bytes in hexadecimal', 'pa+ss/w0rd=12345', Buffer.from('pa+ss/w0rd=12345').toString('hex')],
  ])('are hidden in %s', (_what, value, written) => {
    pinSecret(value);
    expect(hideKnownSecrets(`x ${written} y`)).toBe('x [redacted] y');
  });

  it('hides the password of a proxy without its user name too', () => {
    keepSecret('ada:proxy-passw0rd-1');
    expect(hideKnownSecrets('x proxy-passw0rd-1 y')).toBe('x [redacted] y');
  });

  it.each([
    ...[
      'documentation_url',
      '"requestId":',
      '"process":"worker"',
      'codeload.github.com',
      'aaaaaaaaaaaaaaaa1',
      '{"level":30,',
    ],
    ...['https://git.example.com', '127.0.0.1:8080'],
  ])('lets no tenant hide from others what could stand in their texts: %s', (word) => {
    keepSecret(word);
    expect(hideKnownSecrets(`x ${word} y`)).toBe(`x ${word} y`);
  });

  it('forgets of very many the one that was not seen for longest, and none of the installation', () => {
    pinSecret('the-first-of-them-all');
    keepSecret('token-that-is-used-0123');
    keepSecret('token-not-used-any-more-0123');
    for (let at = 0; at < 6_000; at += 1) {
      keepSecret(`token-number-${at}-of-many`);
      keepSecret('token-that-is-used-0123');
    }
    expect(hideKnownSecrets('x token-not-used-any-more-0123 y')).toContain('token-not-used');
    for (const one of ['the-first-of-them-all', 'token-that-is-used-0123', 'token-number-5999-of-many'])
      expect(hideKnownSecrets(`x ${one} y`)).toBe('x [redacted] y');
  });
});

describe('a table of secrets', () => {
  /** How often a text is looked at, which is what time is made of. */
  function looks(secrets: readonly string[], text: string): number {
    const table = createSecretTable();
    for (const secret of secrets) table.add(secret);
    let count = 0;
    const { charCodeAt } = String.prototype;
    String.prototype.charCodeAt = function counted(this: string, at: number) {
      count += 1;
      return charCodeAt.call(this, at);
    };
    try {
      table.hide(text);
    } finally {
      String.prototype.charCodeAt = charCodeAt;
    }
    return count;
  }

  const period = 'abcdefghij0123456789klm!';
  it.each([
    ['one sign again and again', [`${'a'.repeat(4_000)}x0`, `${'a'.repeat(3_990)}x1`], 'a'.repeat(20_000)],
    ['a period', [`${period.repeat(160)}x`, `${period.repeat(150)}y`], period.repeat(800)],
    ['beginnings', ['ghs_abcdefghijklmnopqrstuvwxyz0123456789'], 'ghs_'.repeat(5_000)],
    [
      'many that begin alike',
      Array.from({ length: 500 }, (_, at) => `token-of-somebody-${at}-0123456789abcdef`),
      'token-of-somebody-'.repeat(1_000),
    ],
    ['space without end', ['ab0123456789abcdef'], `ab${' '.repeat(9_000)}`.repeat(2)],
  ])('is not slowed by %s', (_what, secrets, text) => {
    expect(looks(secrets, text) / text.length).toBeLessThan(150);
  });

  it('finds the longer of two that begin alike', () => {
    const table = createSecretTable();
    for (const secret of ['secret-0123456789', 'secret-0123456789-and-more']) table.add(secret);
    expect(table.hide('x secret-0123456789-and-more y secret-0123456789 z')).toBe('x [redacted] y [redacted] z');
  });
});
