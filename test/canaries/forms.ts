/** Secrets that are planted, and every form in which one of them may come back. */
import { createHash } from 'node:crypto';

export const shapes = [
  'ghp',
  'gho',
  'ghs',
  'github_pat',
  'glpat',
  'gitea',
  'jwt',
  'pem',
  'aws',
  'basic-url',
  'cookie',
  'hook-secret',
] as const;
export type Shape = (typeof shapes)[number];

export const encodings = ['raw', 'base64', 'url', 'json', 'lines'] as const;
export type Encoding = (typeof encodings)[number];

export interface Canary {
  /** Where it was planted, and for the report what it was. */
  channel: string;
  shape: string;
  encoding: Encoding;
  /** As it is written where it is planted. */
  text: string;
  /** What must be found nowhere, in no form. */
  cores: readonly string[];
}

const HEX = 40;

/** 40 hex digits that nothing else has. */
const coreOf = (seed: string, ...place: readonly string[]): string =>
  createHash('sha256')
    .update([seed, ...place].join('\0'))
    .digest('hex')
    .slice(0, HEX);

function makeSecret(shape: Shape, core: string): { value: string; cores: string[] } {
  const only = (value: string) => ({ value, cores: [core] });
  switch (shape) {
    case 'ghp':
    case 'gho':
    case 'ghs':
      return only(`${shape}_${core}`);
    case 'github_pat':
      return only(`github_pat_11ABCDEFG0_${core}`);
    case 'glpat':
      return only(`glpat-${core}`);
    case 'gitea':
      return only(core);
    case 'jwt':
      return only(`eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiI3In0${core}.${core}`);
    case 'pem':
      return only(`-----BEGIN RSA PRIVATE KEY-----\n${core}\n-----END RSA PRIVATE KEY-----`);
    case 'aws': {
      const id = core.slice(0, 16).toUpperCase();
      return { value: `aws_access_key_id=AKIA${id} aws_secret_access_key=${core}`, cores: [core, id] };
    }
    case 'basic-url':
      return only(`https://bot:${core}@git.example.com/a.git`);
    case 'cookie':
      return only(`session=${core}; Path="/"`);
    case 'hook-secret':
      return only(`s3cr3t"${core}`);
  }
}

function encode(value: string, encoding: Encoding): string {
  switch (encoding) {
    case 'raw':
      return value;
    case 'base64':
      return Buffer.from(value).toString('base64');
    case 'url':
      return encodeURIComponent(value);
    case 'json':
      return JSON.stringify(value).slice(1, -1);
    case 'lines': {
      // In the middle of the secret itself, as a mail or a terminal folds it.
      const at = value.search(/[0-9a-f]{40}/) + HEX / 2;
      return `${value.slice(0, at)}\n${value.slice(at)}`;
    }
  }
}

export function canary(seed: string, channel: string, shape: Shape, encoding: Encoding = 'raw'): Canary {
  const { value, cores } = makeSecret(shape, coreOf(seed, channel, shape, encoding));
  return { channel, shape, encoding, text: encode(value, encoding), cores };
}

/** All 60: every shape in every encoding, of this channel alone. */
export const sixty = (seed: string, channel: string): Canary[] =>
  shapes.flatMap((shape) => encodings.map((encoding) => canary(seed, channel, shape, encoding)));

/** A secret that works, and which somebody else has made. */
export const working = (channel: string, value: string): Canary => ({
  channel,
  shape: 'working',
  encoding: 'raw',
  text: value,
  cores: value.includes('\n')
    ? value.split('\n').filter((line) => line.length >= 40 && !line.startsWith('-'))
    : [value],
});

/** The middle of base64 that is there whatever stood before the secret: for each of the three places it may begin at. */
function base64Middles(bytes: Buffer): string[] {
  return [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const tail = (shift + bytes.length) % 3;
    return whole.slice(shift === 0 ? 0 : shift + 1, tail === 0 ? undefined : -1);
  });
}

/** Half a secret is one too, and what is folded or cut still has a half. */
const halves = (text: string): string[] =>
  text.length < 24 ? [text] : [text.slice(0, Math.floor(text.length / 2)), text.slice(Math.floor(text.length / 2))];

/** Everything to look for, none of it twice. */
export function needlesOf({ cores }: Canary): string[] {
  const found = cores.flatMap(halves).flatMap((half) => {
    const bytes = Buffer.from(half);
    const base64 = base64Middles(bytes);
    return [
      half,
      encodeURIComponent(half),
      JSON.stringify(half).slice(1, -1),
      ...base64,
      ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
      ...base64.map((text) => encodeURIComponent(text)),
      // As PostgreSQL writes bytes.
      bytes.toString('hex'),
    ];
  });
  return [...new Set(found)];
}
