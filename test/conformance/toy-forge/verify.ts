import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SignatureCheck, WebhookHeaders } from '../../../src/forges/forge.js';

const SEAL = /^wax1 ([A-Za-z0-9+/]{86}==)$/;

/** HMAC-SHA-512 over `<time>;<body>`, in base64. */
export const sealOf = (secret: string, sent: string, body: string | Buffer): string =>
  `wax1 ${createHmac('sha512', secret).update(`${sent};`).update(body).digest('base64')}`;

export function signatureCheck(headers: WebhookHeaders, secrets: readonly string[]): SignatureCheck | undefined {
  const { 'x-toy-seal': seal, 'x-toy-sent': sent } = headers;
  const claimed = typeof seal === 'string' ? SEAL.exec(seal)?.[1] : undefined;
  const usable = secrets.filter((secret) => secret !== '');
  if (claimed === undefined || typeof sent !== 'string' || usable.length === 0) return undefined;
  const digests = usable.map((secret) => createHmac('sha512', secret).update(`${sent};`));
  return {
    update(chunk) {
      for (const digest of digests) digest.update(chunk);
    },
    valid: () =>
      digests.map((digest) => timingSafeEqual(digest.digest(), Buffer.from(claimed, 'base64'))).includes(true),
  };
}
