/** Bodies written by hand, each of which has broken somebody's parser. */
import { nested } from './values.js';

export interface Crafted {
  name: string;
  body: Buffer;
  /** What a field of it must be when it is read; absent for what must not be read. */
  reads?: Readonly<Record<string, unknown>>;
}

const bad = (name: string, body: string | Buffer): Crafted => ({ name, body: Buffer.from(body) });
const good = (name: string, body: string, reads: Readonly<Record<string, unknown>> = {}): Crafted => ({
  name,
  body: Buffer.from(body),
  reads,
});

const utf16 = (text: string, mark: number[]): Buffer =>
  Buffer.concat([Buffer.from(mark), Buffer.from(text, 'utf16le')]);
const objects = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const keys = (count: number): string =>
  `{${Array.from({ length: count }, (_, at) => `"k${at}":${at}`).join(',')},"last":true}`;

export const crafted: readonly Crafted[] = [
  bad('nothing', ''),
  bad('a space', ' '),
  bad('null', 'null'),
  bad('true', 'true'),
  bad('a number', '1'),
  bad('a text', '"x"'),
  bad('a list', '[]'),
  bad('a list of objects', '[{"id":1}]'),
  bad('half an object', '{"id":'),
  bad('a key alone', '{"id"}'),
  bad('a comma too many', '{"id":1,}'),
  bad('no quotes', '{id:1}'),
  bad('single quotes', "{'id':1}"),
  bad('a comment', '{"id":1/* one */}'),
  bad('a line comment', '{"id":1}// one'),
  bad('two objects', '{"id":1}{"id":2}'),
  bad('two objects on two lines', '{"id":1}\n{"id":2}'),
  bad('text behind it', '{"id":1} x'),
  bad('NUL behind it', '{"id":1}\0'),
  bad('NUL before it', '\0{"id":1}'),
  bad('NUL in a text, as it is', '{"id":"a\0b"}'),
  bad('a line break in a text, as it is', '{"id":"a\nb"}'),
  bad('NaN', '{"id":NaN}'),
  bad('Infinity', '{"id":Infinity}'),
  bad('-Infinity', '{"id":-Infinity}'),
  bad('undefined', '{"id":undefined}'),
  bad('a number in hex', '{"id":0x1f}'),
  bad('a number with a leading zero', '{"id":01}'),
  bad('a number with a plus', '{"id":+1}'),
  bad('a number without digits behind its point', '{"id":1.}'),
  bad('a bad escape', '{"id":"\\x41"}'),
  bad('half an escape', '{"id":"\\u12"}'),
  bad('UTF-16, little end first', utf16('{"id":1}', [0xff, 0xfe])),
  bad('UTF-16 without a mark', utf16('{"id":1}', [])),
  bad('UTF-16, big end first', utf16('{"id":1}', [0xfe, 0xff]).swap16()),
  bad('Latin-1', Buffer.from('{"id":"Gr\xfc\xdfe"}', 'latin1')),
  bad('a byte too few', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xe2, 0x82, 0x22, 0x7d])),
  bad('an endless way to write a slash', Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])),
  bad('half a character, as bytes', Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d])),
  bad('zeros', Buffer.alloc(1_000)),
  bad('65 levels of objects', objects(65)),
  bad('65 levels of lists', `{"a":${nested(64)}}`),
  bad('a thousand levels', objects(1_000)),
  bad('a hundred thousand levels', `{"a":${nested(100_000)}}`),
  bad('a million levels that never end', `{"a":${'['.repeat(1_000_000)}`),
  good('64 levels', objects(64)),
  good('brackets in a text', `{"a":"${'['.repeat(100_000)}"}`),
  good('a million levels in a text with quotation marks', `{"a":"\\"${'{'.repeat(1_000_000)}\\\\"}`),
  good('a hundred thousand keys', keys(100_000), { last: true, k99999: 99_999 }),
  good('the same key twice', '{"id":1,"id":2}', { id: 2 }),
  good('a byte order mark', '\ufeff{"id":1}', { id: 1 }),
  good('white space around it', ' \r\n\t{"id":1}\n ', { id: 1 }),
  good('an id above 2^53', '{"id":9007199254740993}', { id: '9007199254740993' }),
  good('an id below -2^53', '{"id":-9007199254740993}', { id: '-9007199254740993' }),
  good('an id of 64 bits', '{"id":18446744073709551615}', { id: '18446744073709551615' }),
  good('an id above 2^53 behind one in a text', '{"a":"\\"9007199254740993","id":9007199254740993}', {
    a: '"9007199254740993',
    id: '9007199254740993',
  }),
  good('a number beyond all', '{"id":1e400}', { id: Number.POSITIVE_INFINITY }),
  good('a number of a thousand digits', `{"id":${'9'.repeat(1_000)}}`, { id: '9'.repeat(1_000) }),
  good('half a character', '{"id":"\\ud800"}', { id: '\ud800' }),
  good('the halves the wrong way round', '{"id":"\\udc00\\ud800"}', { id: '\udc00\ud800' }),
  good('NUL in a text', '{"id":"a\\u0000b"}', { id: 'a\u0000b' }),
  good('__proto__', '{"__proto__":{"polluted":true},"id":1}', { id: 1, polluted: undefined }),
  good('__proto__ with an escape', '{"\\u005f_proto__":{"polluted":true},"id":1}', { id: 1, polluted: undefined }),
  good('constructor', '{"constructor":{"prototype":{"polluted":true}},"id":1}', { id: 1, polluted: undefined }),
  good('an empty key', '{"":1,"id":1}', { id: 1, '': 1 }),
];
