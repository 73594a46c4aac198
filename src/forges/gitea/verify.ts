import { createHmac, type Hmac, timingSafeEqual } from 'node:crypto';
import type { SignatureCheck, WebhookHeaders } from '../forge.js';
import { isForm, payloadField } from './transport.js';

/** Exactly what the server sends. Node joins repeated headers with a comma, so two of them do not match either. */
const SIGNATURE = /^[0-9a-f]{64}$/;

/**
 * Of the four that are sent with the same content, only the server's own are read: every version that is served sends
 * them, and a delivery that carries GitHub's alone was not made for this hook. A hook without a secret sends them empty.
 */
function signatureOf(headers: WebhookHeaders): string | undefined {
  const signature = headers['x-forgejo-signature'] ?? headers['x-gitea-signature'];
  return typeof signature === 'string' && SIGNATURE.test(signature) ? signature : undefined;
}

/**
 * HMAC-SHA-256 over the JSON: the raw body, or the decoded `payload` field of a form, for which the body has to be kept.
 * Several secrets are accepted while one replaces another; every one is computed and compared, so that the time taken does
 * not tell which of them fits.
 */
export function signatureCheck(headers: WebhookHeaders, secrets: readonly string[]): SignatureCheck | undefined {
  const signature = signatureOf(headers);
  if (signature === undefined) return undefined;
  const claimed = Buffer.from(signature, 'hex');
  const digests: Hmac[] = secrets.filter((secret) => secret !== '').map((secret) => createHmac('sha256', secret));
  if (digests.length === 0) return undefined;
  const chunks: Buffer[] | undefined = isForm(String(headers['content-type'] ?? '')) ? [] : undefined;
  const update = (chunk: Buffer) => {
    for (const digest of digests) digest.update(chunk);
  };
  return {
    update(chunk) {
      if (chunks === undefined) update(chunk);
      else chunks.push(Buffer.from(chunk));
    },
    valid() {
      const json = chunks === undefined ? undefined : payloadField(Buffer.concat(chunks));
      if (json !== undefined) update(json);
      const matches = digests.map((digest) => timingSafeEqual(digest.digest(), claimed));
      return matches.includes(true) && (chunks === undefined || json !== undefined);
    },
  };
}
