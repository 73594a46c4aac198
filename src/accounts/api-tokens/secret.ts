/** How a token of the API looks: `fgw_`, 256 random bits, and a checksum by which scanners and we tell a token from a typing error. */
import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const MARK = 'fgw_';
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 is more than 2^256, and 62^6 more than 2^32. */
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const SHOWN_LENGTH = MARK.length + 6;
const FORM = new RegExp(`^${MARK}([0-9A-Za-z]{${SECRET_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`);

function inDigits(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = DIGITS.charAt(Number(rest % 62n)) + text;
  return text;
}

const checksumOf = (secret: string): string => inDigits(BigInt(crc32(secret)), CHECKSUM_LENGTH);

/** What its owner is shown once, and what is kept of it. */
export interface NewSecret {
  token: string;
  /** To recognise it by. */
  prefix: string;
  hash: Buffer;
}

export function newTokenSecret(): NewSecret {
  const secret = inDigits(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_LENGTH);
  const token = `${MARK}${secret}${checksumOf(secret)}`;
  return { token, prefix: token.slice(0, SHOWN_LENGTH), hash: hashOfToken(token) };
}

/** False for what cannot be a token of ours: nobody has to be asked about it. Says nothing about whether it is one. */
export function hasTokenForm(text: string): boolean {
  const [, secret, checksum] = FORM.exec(text) ?? [];
  return secret !== undefined && checksumOf(secret) === checksum;
}

export const hashOfToken = (token: string): Buffer => createHash('sha256').update(token).digest();
