/** Links to pages of ours about one thing: whoever was shown the commit status or the comment has the link, and nobody can guess another. */
import { constantTimeEqual, hmacHex } from '../lib/hmac.js';
import { deriveKey } from '../store/derive-key.js';

/** As for check runs: GitLab cuts addresses at 255 characters, and the whole name has to stay below a hundred. */
const SIGNATURE_LENGTH = 32;
const FORM = /^([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9a-f]{32})$/;

const packed = (id: string): string => id.replaceAll('-', '');
const unpacked = (id: string): string => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

const KINDS = {
  run: { path: '/runs', key: 'forgeway/v1/run-link' },
  preview: { path: '/preview-logs', key: 'forgeway/v1/preview-log-link' },
} as const;

export interface PageLinks {
  /** Path on our server. */
  pathOf(organizationId: string, id: string): string;
  /** What the last part of such a path names; undefined for one that we did not make. */
  read(name: string): { organizationId: string; id: string } | undefined;
}

export function createPageLinks(rootKey: Buffer, kind: keyof typeof KINDS): PageLinks {
  const { path, key: label } = KINDS[kind];
  const key = deriveKey(rootKey, Buffer.alloc(0), label);
  const sign = (organizationId: string, id: string) =>
    hmacHex(key, JSON.stringify([kind, organizationId, id])).slice(0, SIGNATURE_LENGTH);
  return {
    pathOf: (organizationId, id) => `${path}/${packed(organizationId)}.${packed(id)}.${sign(organizationId, id)}`,
    read(name) {
      const [, organization, thing, signature] = FORM.exec(name) ?? [];
      if (organization === undefined || thing === undefined || signature === undefined) return undefined;
      const named = { organizationId: unpacked(organization), id: unpacked(thing) };
      return constantTimeEqual(signature, sign(named.organizationId, named.id)) ? named : undefined;
    },
  };
}
