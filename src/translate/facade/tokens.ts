/** The facade's installation tokens: opaque to the app, worth nothing at any forge, and known again after a restart. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.js';
import type { Narrowing } from '../narrowed.js';

export interface FacadeTokens {
  mint(installationId: bigint, narrowing?: Narrowing): { token: string; expiresAt: Date };
  /** What it was made for; undefined for what is no token of ours, or has expired. */
  open(token: string): { installation: bigint; narrowing?: Narrowing } | undefined;
}

/** As it stands in a token. */
const narrowed = z.strictObject({
  r: z.array(z.string()).optional(),
  p: z.record(z.string(), z.string()).optional(),
});

const LIFE_MS = 3_600_000;
/** As GitHub's begin, since libraries look at that. */
const FORM = /^ghs_([0-9a-z]{1,13})\.([0-9a-z]{1,13})\.(?:([\w-]{1,12000})\.)?([\w-]{43})$/;
const BASE = 36;

const written = ({ repositories, permissions }: Narrowing): string =>
  Buffer.from(
    JSON.stringify({ ...(repositories && { r: [...repositories] }), ...(permissions && { p: permissions }) }),
  ).toString('base64url');

/** Of what we signed. */
function read(text: string): Narrowing {
  const { r, p } = narrowed.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  return { ...(r && { repositories: new Set(r) }), ...(p && { permissions: p }) };
}

/** `key` is the facade's own; whoever has it can make tokens. */
export function createFacadeTokens(key: Buffer | string, clock: Clock): FacadeTokens {
  const sign = (text: string) => createHmac('sha256', key).update(`facade token ${text}`).digest();
  return {
    mint(installationId, narrowing) {
      const expiresAt = new Date(clock.now().getTime() + LIFE_MS);
      const text = [
        installationId.toString(BASE),
        expiresAt.getTime().toString(BASE),
        ...(narrowing === undefined ? [] : [written(narrowing)]),
      ].join('.');
      return { token: `ghs_${text}.${sign(text).toString('base64url')}`, expiresAt };
    },
    open(token) {
      const [, id, expires, narrow, signature] = FORM.exec(token) ?? [];
      if (id === undefined || expires === undefined || signature === undefined) return undefined;
      const given = Buffer.from(signature, 'base64url');
      const wanted = sign([id, expires, ...(narrow === undefined ? [] : [narrow])].join('.'));
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
      if (Number.parseInt(expires, BASE) <= clock.now().getTime()) return undefined;
      // Exact beyond 2^53, which a parsed number is not.
      const installation = [...id].reduce(
        (sum, digit) => sum * BigInt(BASE) + BigInt(Number.parseInt(digit, BASE)),
        0n,
      );
      return { installation, ...(narrow !== undefined && { narrowing: read(narrow) }) };
    },
  };
}
