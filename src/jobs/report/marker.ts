/**
 * The hidden first line by which we find our comment again. The code in it shows that the marker was made by us for this
 * pull request; that it can be copied is why the author is checked too.
 */
import { hkdfSync } from 'node:crypto';
import { constantTimeEqual, hmacHex } from '../../lib/hmac.js';

export interface MarkedPullRequest {
  forge: string;
  host: string;
  remoteRepositoryId: bigint;
  number: number;
}

/** The key of all markers of this installation. */
export function markerKey(rootKey: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', rootKey, Buffer.alloc(0), 'forgeway/v1/sticky-comment', 32));
}

export function markerFor(key: Buffer, { forge, host, remoteRepositoryId, number }: MarkedPullRequest): string {
  const code = hmacHex(key, JSON.stringify([forge, host, remoteRepositoryId.toString(), number]));
  return `<!-- forgeway:status v1 ${code} -->`;
}

/** True when the first line of `body` is exactly `marker`. */
export function startsWithMarker(body: string, marker: string): boolean {
  const end = body.indexOf('\n');
  return constantTimeEqual((end === -1 ? body : body.slice(0, end)).trimEnd(), marker);
}
