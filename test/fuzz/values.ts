/** What a field is replaced by, as JSON text: chosen by what the field means, so that most of it is looked at and not refused at once. */

export type Meaning = 'id' | 'address' | 'time' | 'hash' | 'flag' | 'text' | 'list' | 'object';

const quoted = (texts: readonly string[]): string[] => texts.map((text) => JSON.stringify(text));

/** `[[[…]]]`, `levels` deep. */
export const nested = (levels: number, inner = '1'): string => `${'['.repeat(levels)}${inner}${']'.repeat(levels)}`;

/** What stands anywhere in the place of anything. */
export const JUNK: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '1.5',
  '""',
  '[]',
  '{}',
  '[null]',
  '[[]]',
  '[1,"two",{"three":3}]',
  '{"id":null}',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toString":1,"valueOf":null,"toJSON":1,"then":1,"hasOwnProperty":0}',
  '{"length":-1}',
  nested(60),
  nested(65),
  // No JSON at all.
  'NaN',
  'undefined',
  '01',
  "'x'",
  '1e400',
];

const TIMES = [
  '0000-00-00T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '-000001-01-01T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '+275760-09-13T00:00:00Z',
  '+010000-01-01T00:00:00Z',
  '10000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
  '1970-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '2026-03-02 10:00:00 UTC',
  '2026-03-02T10:00:00+25:00',
  '2026-03-02T10:00:00.5-03:30',
  '2038-01-19T03:14:08Z',
  'infinity',
  'now',
  'epoch',
  '1',
];

export const VALUES: Readonly<Record<Meaning, readonly string[]>> = {
  id: [
    '0',
    '-0',
    '-1',
    '1.5',
    '1E2',
    '1e-7',
    '1e400',
    '2147483647',
    '2147483648',
    '4294967296',
    '9007199254740991',
    '9007199254740992',
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '18446744073709551616',
    '1'.repeat(400),
    ...quoted(['7', '9007199254740993', '9223372036854775808', '007', ' 1', '1\n', '0x10', '1e3', '١', '-5', '1n']),
  ],
  address: quoted([
    '//evil.example/x',
    'http://[',
    'http://[::1]:6379/',
    'http://x/%E0%A4%A',
    'http://user:pass@evil.example/a/b',
    'https://evil.example\\@good.example/a',
    'http://127.0.0.1:99999/',
    'javascript:alert(1)',
    'data:text/html,x',
    'ssh://-oProxyCommand=x/y',
    'file:///etc/passwd',
    '/relative/a/b',
    'https://',
    'https://x.example',
    'https://x.example/a',
    'https://x.example/a/b/c/d/e/f',
    'https://x.example/a%2Fb/../c',
    `https://x.example/${'/'.repeat(2_000)}`,
    `https://${'x'.repeat(300)}.example/a/b`,
  ]),
  time: [...quoted(TIMES), '1e15', '8640000000000001', '-62135596800000', '1772445600'],
  hash: quoted([
    '0'.repeat(40),
    '0'.repeat(64),
    'f'.repeat(39),
    'f'.repeat(41),
    'F'.repeat(40),
    'g'.repeat(40),
    '../../etc/passwd',
    '--upload-pack=x',
    'refs/heads/main',
  ]),
  flag: ['"true"', '"false"', '0', '1', 'null', '[]'],
  text: [
    ...quoted([
      'a\u0000b',
      '-',
      '..',
      '../..',
      'a/b/c',
      'a~b',
      '%2e%2e%2f',
      '%',
      '${x}',
      '$(id)',
      '__proto__',
      'constructor',
      'then',
      'null',
      'undefined',
      'a\r\nx-h: y',
      '\u001b[31m',
      '@everyone',
      '<!-- x -->',
      '\u202e',
      '\u200b',
      'ﬁ',
      'WIP: x',
      'Draft: x',
      'refs/heads/',
      'refs/tags/x',
      '#1 !1 x#1 https://x.example/a/b/-/issues/1',
    ]),
    // Half a character, as JSON writes it: JSON.stringify would write the same, but not everybody's does.
    '"\\ud800"',
    '"x\\udc00y"',
    '"\\u0000"',
  ],
  list: ['null', '[]', '[null]', '[[]]', '[0]', '["x"]', '[{}]', '{}', '""', '{"0":{},"length":1}'],
  object: ['null', '{}', '[]', '""', '0', 'true', '{"id":0}', '{"id":"x","number":"x","name":0}', '[{}]'],
};

const isTime = /^\d{4}-\d\d-\d\d[T ]/;
const isTimeKey = /(?:_at|_on|date|time|timestamp|updated|created)$/;
const isIdKey = /(?:^|_)(?:id|iid|number|index|count|total)$/;

/** What a field is about, by its name and by what stands in it. */
export function meaningOf(key: string, value: unknown): Meaning {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'object' && value !== null) return 'object';
  if (typeof value === 'boolean') return 'flag';
  if (isTimeKey.test(key) || (typeof value === 'string' && isTime.test(value))) return 'time';
  if (isIdKey.test(key) || typeof value === 'number') return 'id';
  if (typeof value !== 'string') return 'text';
  if (/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(value)) return 'hash';
  return /^[a-z+]+:\/\/|(?:^|_)url$/.test(value) || key.endsWith('url') ? 'address' : 'text';
}

/** Names that mean something to the language itself. */
export const KEYS: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'then',
  'toJSON',
  'toString',
  'id',
  '',
];
