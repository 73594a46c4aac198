/**
 * Who sent a delivery. GitLab knows two ways, and a hook uses one of them, or both while it moves to the newer:
 *
 * - `X-Gitlab-Token`: the hook's secret itself. It says who sent the body, not that the body is whole.
 * - a signing token (`whsec_` and 32 bytes in base64): Standard Webhooks, HMAC-SHA-256 over `{id}.{timestamp}.{body}`.
 *
 * Which of them counts is decided by our secret, never by the sender: a secret of the form `whsec_…` is a signing token and
 * is never compared with `X-Gitlab-Token`, so that whoever saw it in a header somewhere cannot leave the signature out; a
 * secret of any other form is never used as a key. A signature that is there is preferred and must fit: when any of
 * our secrets is a signing token, a wrong or old signature is not made up for by a token beside it.
 *
 * @see https://docs.gitlab.com/user/project/integrations/webhooks/ and https://www.standardwebhooks.com
 */
import { createHmac, type Hmac, randomBytes } from 'node:crypto';
import { constantTimeEqual } from '../../lib/hmac.js';
import type { SignatureCheck, WebhookHeaders } from '../forge.js';

const SIGNING_TOKEN = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
/** What the specification's own libraries allow between two clocks. Checked on arrival only, never when we replay. */
const TOLERANCE_SECONDS = 300;
/** Printable ASCII and short, as it is written: it goes into the signed content. */
const ID = /^[\x21-\x7e]{1,255}$/;
const TIMESTAMP = /^\d{1,12}$/;
/** 32 bytes in base64. Other versions than v1 are other algorithms. */
const SIGNATURE = /^v1,([A-Za-z0-9+/]{43}=)$/;
/** While one key replaces another there are two signatures; this many are read. */
const MOST_SIGNATURES = 10;

function header(headers: WebhookHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const keyOf = (secret: string): Buffer | undefined => {
  const base64 = SIGNING_TOKEN.exec(secret)?.[1];
  const key = base64 === undefined ? undefined : Buffer.from(base64, 'base64');
  return key !== undefined && key.length > 0 ? key : undefined;
};

function checkSignature(headers: WebhookHeaders, keys: readonly Buffer[], now: Date): SignatureCheck | undefined {
  const id = header(headers, 'webhook-id') ?? '';
  const timestamp = header(headers, 'webhook-timestamp') ?? '';
  if (!ID.test(id) || !TIMESTAMP.test(timestamp)) return undefined;
  if (Math.abs(now.getTime() / 1_000 - Number(timestamp)) > TOLERANCE_SECONDS) return undefined;
  const claimed = (header(headers, 'webhook-signature') ?? '')
    .split(' ', MOST_SIGNATURES)
    .flatMap((one) => SIGNATURE.exec(one)?.[1] ?? []);
  if (claimed.length === 0) return undefined;
  const digests: Hmac[] = keys.map((key) => createHmac('sha256', key).update(`${id}.${timestamp}.`));
  return {
    update(chunk) {
      for (const digest of digests) digest.update(chunk);
    },
    valid() {
      // Every key is tried on every signature, so that the time taken does not tell which of them fits.
      const expected = digests.map((digest) => digest.digest('base64'));
      return expected.flatMap((one) => claimed.map((other) => constantTimeEqual(one, other))).includes(true);
    },
  };
}

function checkToken(token: string, secrets: readonly string[]): SignatureCheck {
  return {
    // The body takes no part in it.
    update: () => undefined,
    valid: () => secrets.map((secret) => constantTimeEqual(token, secret)).includes(true),
  };
}

/**
 * `secrets` may hold tokens and signing tokens, several while one replaces another; an empty one opens nothing.
 * `now` is the time of arrival.
 */
export function signatureCheck(
  headers: WebhookHeaders,
  secrets: readonly string[],
  now: Date = new Date(),
): SignatureCheck | undefined {
  const keys = secrets.flatMap((secret) => keyOf(secret) ?? []);
  if (header(headers, 'webhook-signature') !== undefined && keys.length > 0) return checkSignature(headers, keys, now);
  const token = header(headers, 'x-gitlab-token');
  const shared = secrets.filter((secret) => secret !== '' && !secret.startsWith('whsec_'));
  if (token === undefined || shared.length === 0) return undefined;
  return checkToken(token, shared);
}

/** @see ForgeDescriptor.decoySecrets */
export const decoySecrets = (): readonly string[] => [
  randomBytes(32).toString('base64url'),
  `whsec_${randomBytes(32).toString('base64')}`,
];
