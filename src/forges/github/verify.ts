import { createHmac, type Hmac } from 'node:crypto';
import { constantTimeEqual } from '../../lib/hmac.js';
import type { SignatureCheck, WebhookHeaders } from '../forge.js';

/** Exactly what GitHub sends. Node joins repeated headers with a comma, so two of them do not match either. */
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;

/**
 * HMAC-SHA-256 over the raw body, compared with `X-Hub-Signature-256`. Several secrets are accepted while one replaces
 * another; every one is computed and compared, so that the time taken does not tell which of them fits.
 */
export function signatureCheck(headers: WebhookHeaders, secrets: readonly string[]): SignatureCheck | undefined {
  const signature = headers['x-hub-signature-256'];
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) return undefined;
  const digests: Hmac[] = secrets.filter((secret) => secret !== '').map((secret) => createHmac('sha256', secret));
  if (digests.length === 0) return undefined;
  return {
    update(chunk) {
      for (const digest of digests) digest.update(chunk);
    },
    valid() {
      const matches = digests.map((digest) => constantTimeEqual(`sha256=${digest.digest('hex')}`, signature));
      return matches.includes(true);
    },
  };
}
