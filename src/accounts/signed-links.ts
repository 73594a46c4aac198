/** Addresses that need no token: whoever was given one may read or write this one thing, until it expires. */
import { constantTimeEqual, hmacHex } from '../lib/hmac.js';
import { deriveKey } from '../store/derive-key.js';

export const linkKinds = [
  ...(['configuration', 'log', 'state', 'json-state', 'json-plan'] as const),
  // Of a job on a cluster: what it begins with, what it is told, what it leaves.
  ...(['job-input', 'job-words', 'job-output'] as const),
] as const;
export type LinkKind = (typeof linkKinds)[number];
/** What may be done by it. */
export type LinkUse = 'read' | 'write';

export interface LinkTarget {
  kind: LinkKind;
  use: LinkUse;
  organizationId: string;
  id: string;
}

export interface SignedLinks {
  /** The last part of its path. */
  nameOf(target: LinkTarget, seconds: number): string;
  /** Undefined for one that we did not make, that is of another kind or use, or that has expired. */
  read(kind: LinkKind, use: LinkUse, name: string): LinkTarget | undefined;
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const FORM = new RegExp(`^(${UUID})\\.(${UUID})\\.(\\d{1,12})\\.([0-9a-f]{64})$`);

/** @param root see `MasterKeys` @param now milliseconds */
export function createSignedLinks(root: Buffer, now: () => number = Date.now): SignedLinks {
  const key = deriveKey(root, Buffer.alloc(0), 'forgeway/v1/signed-link');
  const sign = ({ kind, use, organizationId, id }: LinkTarget, expires: number) =>
    hmacHex(key, JSON.stringify([kind, use, organizationId, id, expires]));
  return {
    nameOf(target, seconds) {
      const expires = Math.floor(now() / 1_000) + seconds;
      return `${target.organizationId}.${target.id}.${expires}.${sign(target, expires)}`;
    },
    read(kind, use, name) {
      const [, organizationId = '', id = '', expires = '', signature = ''] = FORM.exec(name) ?? [];
      if (signature === '') return undefined;
      const target = { kind, use, organizationId, id };
      if (!constantTimeEqual(signature, sign(target, Number(expires)))) return undefined;
      return Number(expires) * 1_000 > now() ? target : undefined;
    },
  };
}
