/** The facade's installation tokens: opaque to the app, worth nothing at any forge, and known again after a restart. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../lib/clock.js';

export interface FacadeTokens {
  mint(installationId: bigint): { token: string; expiresAt: Date };
  /** The installation it was made for; undefined for what is no token of ours, or has expired. */
  open(token: string): bigint | undefined;
}

const LIFE_MS = 3_600_000;
/** As GitHub's begin, since libraries look at that. */
const FORM = /^ghs_([0-9a-z]{1,13})\.([0-9a-z]{1,13})\.([\w-]{43})$/;
const BASE = 36;

/** `key` is the facade's own; whoever has it can make tokens. */
export function createFacadeTokens(key: Buffer | string, clock: Clock): FacadeTokens {
  const sign = (text: string) => createHmac('sha256', key).update(`facade token ${text}`).digest();
  return {
    mint(installationId) {
      const expiresAt = new Date(clock.now().getTime() + LIFE_MS);
      const text = `${installationId.toString(BASE)}.${expiresAt.getTime().toString(BASE)}`;
      return { token: `ghs_${text}.${sign(text).toString('base64url')}`, expiresAt };
    },
    open(token) {
      const [, id, expires, signature] = FORM.exec(token) ?? [];
      if (id === undefined || expires === undefined || signature === undefined) return undefined;
      const given = Buffer.from(signature, 'base64url');
      const wanted = sign(`${id}.${expires}`);
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
      if (Number.parseInt(expires, BASE) <= clock.now().getTime()) return undefined;
      // Exact beyond 2^53, which a parsed number is not.
      return [...id].reduce((sum, digit) => sum * BigInt(BASE) + BigInt(Number.parseInt(digit, BASE)), 0n);
    },
  };
}
