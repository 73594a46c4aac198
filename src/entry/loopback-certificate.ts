/**
 * A certificate for this machine's loopback addresses, for apps whose Probot knows a GitHub Enterprise by `https` only. It
 * signs itself and may sign no other, so that who trusts it trusts this one listener. Node makes keys and not certificates;
 * what is here is the little of DER (X.690) and of RFC 5280 that one takes.
 */
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';

export interface LoopbackCertificate {
  /** PEM. */
  key: string;
  /** PEM; also what the app has to trust. */
  certificate: string;
}

const YEAR_MS = 365 * 86_400_000;
const LIFE_MS = 10 * YEAR_MS;
const RENEWED_BEFORE_MS = YEAR_MS;

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const BOOLEAN = 0x01;
const UTF8 = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
/** Context-specific tags: constructed for the parts of a certificate, primitive for the kinds of names. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const COMMON_NAME = '550403';
const BASIC_CONSTRAINTS = '551d13';
const ALTERNATIVE_NAMES = '551d11';

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, Math.floor(length / 0x100), length % 0x100];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const oid = (hex: string) => der(OBJECT_ID, Buffer.from(hex, 'hex'));
const text = (tag: number, value: string) => der(tag, Buffer.from(value, 'latin1'));
const bits = (content: Buffer) => der(BIT_STRING, Buffer.from([0]), content);
/** `YYYYMMDDHHMMSSZ`, or `YYMMDDHHMMSSZ` as RFC 5280 wants it until 2049. */
function time(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return at.getUTCFullYear() < 2050 ? text(UTC_TIME, digits.slice(2)) : text(GENERALIZED_TIME, digits);
}
const pem = (content: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${content.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;

/** A new key, and a certificate of it for 127.0.0.1 and localhost that is good for ten years from `now`. */
export function makeLoopbackCertificate(now: Date): LoopbackCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, oid(ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid(COMMON_NAME), text(UTF8, 'forgeway app facade'))));
  const addresses = der(SEQUENCE, text(DNS_NAME, 'localhost'), der(IP_ADDRESS, Buffer.from([127, 0, 0, 1])));
  const serial = randomBytes(16);
  // Positive, and as short as it says: neither the sign bit nor a leading zero.
  serial[0] = 0x40 + ((serial[0] ?? 0) % 0x40);
  const certificate = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    algorithm,
    name,
    der(SEQUENCE, time(new Date(now.getTime() - 86_400_000)), time(new Date(now.getTime() + LIFE_MS))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      EXTENSIONS,
      der(
        SEQUENCE,
        // Empty: no authority.
        der(SEQUENCE, oid(BASIC_CONSTRAINTS), der(BOOLEAN, Buffer.from([0xff])), der(OCTET_STRING, der(SEQUENCE))),
        der(SEQUENCE, oid(ALTERNATIVE_NAMES), der(OCTET_STRING, addresses)),
      ),
    ),
  );
  const signature = sign('sha256', certificate, { key: privateKey, dsaEncoding: 'der' });
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: pem(der(SEQUENCE, certificate, algorithm, bits(signature))),
  };
}

/** True while there is more than a year left. */
export const isFresh = (certificate: string, now: Date): boolean =>
  Date.parse(new X509Certificate(certificate).validTo) - now.getTime() > RENEWED_BEFORE_MS;
