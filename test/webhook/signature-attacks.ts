/** What an attacker writes in the place of a signature, and which ways of signing it is tried against. */
import { createHmac } from 'node:crypto';
import { signatures, type Unsigned } from '../support/signed-delivery.js';

export interface Scheme {
  name: string;
  forge: string;
  /** The header that proves who sent it. */
  header: string;
  /** Whether the body is part of the proof. */
  signsBody: boolean;
  /** Whether the header may hold several, with spaces between them. */
  isList?: true;
  secret: string;
  /** Of another hook of the same kind. */
  otherSecret: string;
}

const signingToken = (letter: string): string => `whsec_${Buffer.alloc(32, letter).toString('base64')}`;

export const schemes: readonly Scheme[] = [
  {
    name: 'GitHub',
    forge: 'github',
    header: 'x-hub-signature-256',
    signsBody: true,
    secret: 'secret of this very hook',
    otherSecret: 'another secret',
  },
  {
    name: 'GitLab with a signing token',
    forge: 'gitlab',
    header: 'webhook-signature',
    signsBody: true,
    isList: true,
    secret: signingToken('a'),
    otherSecret: signingToken('b'),
  },
  {
    name: 'GitLab with a token',
    forge: 'gitlab',
    header: 'x-gitlab-token',
    signsBody: false,
    secret: 'correct-horse-Battery-staple',
    otherSecret: 'another-secret',
  },
  {
    name: 'Gitea',
    forge: 'gitea',
    header: 'x-gitea-signature',
    signsBody: true,
    secret: 'secret of this very hook',
    otherSecret: 'another secret',
  },
  {
    name: 'Forgejo',
    forge: 'forgejo',
    header: 'x-forgejo-signature',
    signsBody: true,
    secret: 'secret of this very hook',
    otherSecret: 'another secret',
  },
];

export const BODY = '{"action":"opened","number":1,"note":"hello"}';

/** A request as it is written to the socket: header lines in order, some of them more than once. */
export interface Attack {
  headers: [name: string, value: string][];
  body: string;
  query: string;
}

type Headers = Record<string, string>;

/** The headers of a delivery that this scheme accepts. */
export function signed({ forge, secret }: Scheme, over: Partial<Unsigned> = {}, under = secret): Headers {
  const delivery = { eventType: 'push', body: Buffer.from(BODY), id: 'delivery-1', ...over };
  return { 'content-type': 'application/json', ...signatures[forge]?.(delivery, under) };
}

const attack = (headers: Headers, over: Partial<Attack> = {}): Attack => ({
  headers: Object.entries(headers),
  body: BODY,
  query: '',
  ...over,
});

/** Other texts in the place of the right one. */
const spoiled: Readonly<Record<string, (right: string) => string>> = {
  empty: () => '',
  blank: () => '  ',
  'a character short': (right) => right.slice(0, -1),
  'without its first character': (right) => right.slice(1),
  'a character long': (right) => `${right}0`,
  'a character long at its beginning': (right) => `0${right}`,
  'with another end': (right) => right.slice(0, -2) + (right.at(-2) === '0' ? '1' : '0') + right.slice(-1),
  'in the other case': (right) =>
    right.replace(/[a-z]/gi, (one) => (one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase())),
  backwards: (right) => [...right].reverse().join(''),
  'twice in one': (right) => right + right,
  'in quotation marks': (right) => `"${right}"`,
  'in a list, the last': (right) => `${right.slice(0, -2)}00, ${right}`,
  'in a list, the first': (right) => `${right}, ${right.slice(0, -2)}00`,
  'in a list with semicolons': (right) => `x;${right}`,
  'as a parameter': (right) => `signature=${right}`,
  'as a bearer': (right) => `Bearer ${right}`,
  'with a tab in it': (right) => `${right.slice(0, 20)}\t${right.slice(20)}`,
  'with an escaped NUL behind it': (right) => `${right}%00`,
  'with escapes': (right) => right.replace(/[a-f]/g, (one) => `%${one.charCodeAt(0).toString(16)}`),
  'of look-alikes': (right) => right.replace(/[aeo]/g, '\u00e5'),
  'of full width': (right) => right.replace(/[0-9a]/g, '\u00b9'),
  'the word undefined': () => 'undefined',
  'the word null': () => 'null',
  'the word true': () => 'true',
  zero: () => '0',
  zeros: (right) => '0'.repeat(right.length),
  'a wildcard': () => '*',
  'sixteen thousand characters': () => 'a'.repeat(12_000),
};

function shared(scheme: Scheme): Record<string, Attack> {
  const right = signed(scheme);
  const value = right[scheme.header] ?? '';
  const { [scheme.header]: _left, ...without } = right;
  const as = (text: string) => attack({ ...right, [scheme.header]: text });
  const found: Record<string, Attack> = {
    missing: attack(without),
    'given twice, both wrong': {
      ...attack(right),
      headers: [...Object.entries(without), [scheme.header, `${value}0`], [scheme.header, `0${value}`]],
    },
    'in the address': attack(without, {
      query: `?${scheme.header}=${encodeURIComponent(value)}&token=${encodeURIComponent(scheme.secret)}`,
    }),
    'as an authorization': attack({ ...without, authorization: `Bearer ${value}` }),
    'as a cookie': attack({ ...without, cookie: `${scheme.header}=${value}` }),
    'under a name with underscores': attack({ ...without, [scheme.header.replaceAll('-', '_')]: value }),
    'under a name with a space more': attack({ ...without, [`x-${scheme.header}`]: value }),
    'under another hook’s secret': attack(signed(scheme, {}, scheme.otherSecret)),
    'under a secret of which one letter is another': attack(
      signed(scheme, {}, `${scheme.secret.slice(0, 8)}0${scheme.secret.slice(9)}`),
    ),
    'under half of the secret': attack(signed(scheme, {}, scheme.secret.slice(0, 12))),
    'that is the secret’s hash': as(createHmac('sha256', 'x').update(scheme.secret).digest('hex')),
  };
  for (const [name, spoil] of Object.entries(spoiled)) {
    const text = spoil(value);
    // Where a list is what the forge sends, the right one in it is right.
    if (!scheme.isList || !text.split(' ').includes(value)) found[name] = as(text);
  }
  if (!scheme.isList)
    for (const [name, other] of [
      ['given twice', value],
      ['given twice, first a wrong one', `${value.slice(0, -2)}00`],
    ] as const)
      found[name] = { ...attack(right), headers: [[scheme.header, other], ...Object.entries(right)] };
  if (!scheme.signsBody) return found;
  return {
    ...found,
    'that is the secret': as(scheme.secret),
    'of another body': attack(right, { body: `${BODY} ` }),
    'of a body that was written again': attack(right, { body: JSON.stringify(JSON.parse(BODY), undefined, 1) }),
    'of a body with other line ends': attack(right, { body: `${BODY}\r\n` }),
    'of no body': attack(signed(scheme, { body: Buffer.alloc(0) })),
    'of a body that was left out': attack(right, { body: '' }),
  };
}

/** What only one way of signing knows. */
function own(scheme: Scheme): Record<string, Attack> {
  const right = signed(scheme);
  const value = right[scheme.header] ?? '';
  const as = (text: string, over: Headers = {}) => attack({ ...right, [scheme.header]: text, ...over });
  const but = (names: readonly string[], over: Headers = {}) =>
    attack({ ...Object.fromEntries(Object.entries(right).filter(([name]) => !names.includes(name))), ...over });
  const now = Math.floor(Date.now() / 1_000);
  const sha1 = createHmac('sha1', scheme.secret).update(BODY).digest('hex');
  switch (scheme.header) {
    case 'x-hub-signature-256':
      return {
        'without its prefix': as(value.slice('sha256='.length)),
        'of another prefix': as(value.replace('sha256', 'sha512')),
        'of the older prefix': as(value.replace('sha256', 'sha1')),
        'with two prefixes': as(`sha256=${value}`),
        'in the older header': but([scheme.header], { 'x-hub-signature': value }),
        'of SHA-1 in the older header': but([scheme.header], { 'x-hub-signature': `sha1=${sha1}` }),
        'of SHA-1': as(`sha1=${sha1}`),
      };
    case 'webhook-signature':
      return {
        'of another version': as(value.replace('v1', 'v1a')),
        'without a version': as(value.slice('v1,'.length)),
        'without padding': as(value.replace(/=$/, '')),
        'behind ten wrong ones': as([...Array<string>(10).fill(`v1,${'A'.repeat(43)}=`), value].join(' ')),
        'six minutes old': attack(signed(scheme, { timestamp: now - 360 })),
        'six minutes early': attack(signed(scheme, { timestamp: now + 360 })),
        'of another time': as(value, { 'webhook-timestamp': String(now - 1) }),
        'of no time': but(['webhook-timestamp']),
        'of a time that is none': as(value, { 'webhook-timestamp': 'NaN' }),
        'of another delivery': as(value, { 'webhook-id': 'delivery-2' }),
        'of no delivery': but(['webhook-id']),
        'left out, with the secret as a token': but([scheme.header], { 'x-gitlab-token': scheme.secret }),
        'wrong, with the secret as a token': as(`v1,${'A'.repeat(43)}=`, { 'x-gitlab-token': scheme.secret }),
      };
    case 'x-gitlab-token':
      return {
        'in the newer header': but([scheme.header], { 'webhook-signature': scheme.secret }),
        'as a signature under the secret': but([scheme.header], {
          'webhook-timestamp': String(now),
          'webhook-signature': `v1,${createHmac('sha256', scheme.secret).update(`delivery-1.${now}.${BODY}`).digest('base64')}`,
        }),
        'with a prefix': as(`token ${value}`),
        'under the header of others': but([scheme.header], { 'private-token': value }),
      };
    default:
      return {
        'with the prefix of others': as(`sha256=${value}`),
        'in the header of others': but([scheme.header], { 'x-hub-signature-256': `sha256=${value}` }),
        'in the header of its ancestor': but([scheme.header], { 'x-gogs-signature': value }),
        'of SHA-1': as(sha1),
        'wrong in the newer of its headers': as(value, { 'x-forgejo-signature': '0'.repeat(64) }),
      };
  }
}

/** Of every other forge, each right in itself. */
function foreign(scheme: Scheme): Record<string, Attack> {
  const others = schemes.filter(({ forge, header }) => forge !== scheme.forge && header !== scheme.header);
  // Forgejo takes what Gitea signs: it is its own older header.
  const apart = others.filter(({ forge }) => !(scheme.forge === 'forgejo' && forge === 'gitea'));
  const taken = apart.filter(({ forge }) => !(scheme.forge === 'gitea' && forge === 'forgejo'));
  return Object.fromEntries(taken.map((other) => [`of ${other.name}`, attack(signed(other, {}, scheme.secret))]));
}

/** By what is wrong with the signature. */
export const attacksOn = (scheme: Scheme): Readonly<Record<string, Attack>> => ({
  ...shared(scheme),
  ...own(scheme),
  ...foreign(scheme),
});
