/** Links to our page about a run: whoever was shown the commit status or the comment has the link, and nobody can guess another. */
import { constantTimeEqual, hmacHex } from '../lib/hmac.js';
import { deriveKey } from '../store/derive-key.js';

/** As for check runs: GitLab cuts addresses at 255 characters, and the whole name has to stay below a hundred. */
const SIGNATURE_LENGTH = 32;
const FORM = /^([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9a-f]{32})$/;

const packed = (id: string): string => id.replaceAll('-', '');
const unpacked = (id: string): string => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

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
    pathOf: (organizationId, runId) =>
      `/runs/${packed(organizationId)}.${packed(runId)}.${sign(organizationId, runId)}`,
    read(name) {
      const [, organization, run, signature] = FORM.exec(name) ?? [];
      if (organization === undefined || run === undefined || signature === undefined) return undefined;
      const named = { organizationId: unpacked(organization), runId: unpacked(run) };
      return constantTimeEqual(signature, sign(named.organizationId, named.runId)) ? named : undefined;
    },
  };
}
