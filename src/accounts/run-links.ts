/** Links to our page about a run: whoever was shown the commit status or the comment has the link, and nobody can guess another. */
import { constantTimeEqual, hmacHex } from '../lib/hmac.js';
import { deriveKey } from '../store/derive-key.js';

/** As for check runs: GitLab cuts addresses at 255 characters. */
const SIGNATURE_LENGTH = 32;
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const FORM = new RegExp(`^(${UUID})\\.(${UUID})\\.([0-9a-f]{32})$`);

export interface RunLinks {
  /** Path on our server. */
  pathOf(organizationId: string, runId: string): string;
  /** What the last part of such a path names; undefined for one that we did not make. */
  read(name: string): { organizationId: string; runId: string } | undefined;
}

export function createRunLinks(rootKey: Buffer): RunLinks {
  const key = deriveKey(rootKey, Buffer.alloc(0), 'forgeway/v1/run-link');
  const sign = (organizationId: string, runId: string) =>
    hmacHex(key, JSON.stringify(['run', organizationId, runId])).slice(0, SIGNATURE_LENGTH);
  return {
    pathOf: (organizationId, runId) => `/runs/${organizationId}.${runId}.${sign(organizationId, runId)}`,
    read(name) {
      const [, organizationId, runId, signature] = FORM.exec(name) ?? [];
      if (organizationId === undefined || runId === undefined || signature === undefined) return undefined;
      return constantTimeEqual(signature, sign(organizationId, runId)) ? { organizationId, runId } : undefined;
    },
  };
}
