import { createHmac, type Hmac, timingSafeEqual } from 'node:crypto';
import type { SignatureCheck, WebhookHeaders } from '../forge.js';

/** Exactly what GitHub sends. Node joins repeated headers with a comma, so two of them do not match either. */
const SIGNATURE = /^sha256=([0-9a-f]{64})$/;

/**
 * HMAC-SHA-256 over the raw body, compared with `X-Hub-Signature-256`. Several secrets are accepted while one replaces
 * another; every one is computed and compared, so that the time taken does not tell which of them fits.
 */
export function signatureCheck(headers: WebhookHeaders, secrets: readonly string[]): SignatureCheck | undefined {
  const signature = headers['x-hub-signature-256'];
  const hex = typeof signature === 'string' ? SIGNATURE.exec(signature)?.[1] : undefined;
  if (hex === undefined) return undefined;
  const claimed = Buffer.from(hex, 'hex');
  const digests: Hmac[] = secrets.filter((secret) => secret !== '').map((secret) => createHmac('sha256', secret));
  if (digests.length === 0) return undefined;
  return {
    update(chunk) {
      for (const digest of digests) digest.update(chunk);
    },
    valid() {
      const matches = digests.map((digest) => timingSafeEqual(digest.digest(), claimed));
      return matches.includes(true);
    },
  };
}
