/** Links to our page about a check run: whoever was shown the commit status has the link, and nobody can guess another. */
import { constantTimeEqual, hmacHex } from '../lib/hmac.js';
import { deriveKey } from '../store/derive-key.js';

/** Enough of the HMAC that guessing is hopeless; GitLab cuts addresses at 255 characters. */
const SIGNATURE_LENGTH = 32;
const FORM = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,18})\.([0-9a-f]{32})$/;

export interface CheckRunLinks {
  /** Path on our server. */
  pathOf(organizationId: string, recordId: number): string;
  /** Whose record the last part of such a path names; undefined for one that we did not make. */
  read(name: string): { organizationId: string; recordId: bigint } | undefined;
}

export function createCheckRunLinks(rootKey: Buffer): CheckRunLinks {
  const key = deriveKey(rootKey, Buffer.alloc(0), 'forgeway/v1/check-run-link');
  const sign = (organizationId: string, recordId: string) =>
    hmacHex(key, JSON.stringify(['check-run', organizationId, recordId])).slice(0, SIGNATURE_LENGTH);
  return {
    pathOf: (organizationId, recordId) =>
      `/checks/${organizationId}.${recordId}.${sign(organizationId, String(recordId))}`,
    read(name) {
      const [, organizationId, recordId, signature] = FORM.exec(name) ?? [];
      if (organizationId === undefined || recordId === undefined || signature === undefined) return undefined;
      if (!constantTimeEqual(signature, sign(organizationId, recordId))) return undefined;
      return { organizationId, recordId: BigInt(recordId) };
    },
  };
}
