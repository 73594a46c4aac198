/** The facade's installation tokens: opaque to the app, worth nothing at any forge, and known again after a restart. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.js';
import type { Narrowing } from '../narrowed.js';

/** What a token reaches less than its installation. */
export interface TokenLimits {
  /** Held against every request here. */
  narrowing?: Narrowing;
  /** What the forge's own token is asked for, where it can be asked for less: then the forge itself holds to it. */
  atForge?: { repositoryIds?: readonly bigint[]; permissions?: Readonly<Record<string, string>> };
}

export interface FacadeTokens {
  mint(installationId: bigint, limits?: TokenLimits): { token: string; expiresAt: Date };
  /** What it was made for; undefined for what is no token of ours, or has expired. */
  open(token: string): ({ installation: bigint } & TokenLimits) | undefined;
  /** It opens nothing any more: what an app is done with, it gives back. */
  revoke(token: string): void;
}

/** Tokens that were given back, by a digest from which none can be made, with the time at which they end by themselves. */
export interface Revocations {
  all(): Iterable<readonly [digest: string, until: number]>;
  /** When it returns, the next start finds it. @throws what writing it down throws */
  add(digest: string, until: number): void;
}

const digestOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

const permissions = z.record(z.string(), z.string()).optional();
/** As they stand in a token. */
const limited = z.strictObject({
  r: z.array(z.string()).optional(),
  p: permissions,
  f: z.strictObject({ i: z.array(z.string()).optional(), p: permissions }).optional(),
});

const LIFE_MS = 3_600_000;
const MOMENT_MS = 1_000;
/** As GitHub's begin, since libraries look at that. */
const FORM = /^ghs_([0-9a-z]{1,13})\.([0-9a-z]{1,13})\.(?:([\w-]{1,12000})\.)?([\w-]{43})$/;
const BASE = 36;

const written = ({ narrowing, atForge }: TokenLimits): string => {
  const here = narrowing && {
    ...(narrowing.repositories && { r: [...narrowing.repositories] }),
    ...(narrowing.permissions && { p: narrowing.permissions }),
  };
  const there = atForge && {
    ...(atForge.repositoryIds && { i: atForge.repositoryIds.map(String) }),
    ...(atForge.permissions && { p: atForge.permissions }),
  };
  return Buffer.from(JSON.stringify({ ...here, ...(there && { f: there }) })).toString('base64url');
};

/** Of what we signed. */
function read(text: string): TokenLimits {
  const { r, p, f } = limited.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  return {
    ...((r ?? p) && { narrowing: { ...(r && { repositories: new Set(r) }), ...(p && { permissions: p }) } }),
    ...(f && { atForge: { ...(f.i && { repositoryIds: f.i.map(BigInt) }), ...(f.p && { permissions: f.p }) } }),
  };
}

/** `key` is the facade's own; whoever has it can make tokens. */
export function createFacadeTokens(key: Buffer | string, clock: Clock, revocations: Revocations): FacadeTokens {
  const sign = (text: string) => createHmac('sha256', key).update(`facade token ${text}`).digest();
  /** Until when they would be worth something. */
  const revoked = new Map<string, number>(revocations.all());
  let newest = 0;
  return {
    mint(installationId, limits) {
      // No two of one moment are the same: whoever gives one back keeps the other.
      const wanted = clock.now().getTime() + LIFE_MS;
      newest = Math.abs(wanted - newest) <= MOMENT_MS ? Math.max(wanted, newest + 1) : wanted;
      const expiresAt = new Date(newest);
      const text = [
        installationId.toString(BASE),
        expiresAt.getTime().toString(BASE),
        ...(limits === undefined ? [] : [written(limits)]),
      ].join('.');
      return { token: `ghs_${text}.${sign(text).toString('base64url')}`, expiresAt };
    },
    open(token) {
      const [, id, expires, narrow, signature] = FORM.exec(token) ?? [];
      if (id === undefined || expires === undefined || signature === undefined) return undefined;
      const given = Buffer.from(signature, 'base64url');
      const wanted = sign([id, expires, ...(narrow === undefined ? [] : [narrow])].join('.'));
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
      if (Number.parseInt(expires, BASE) <= clock.now().getTime() || revoked.has(digestOf(token))) return undefined;
      // Exact beyond 2^53, which a parsed number is not.
      const installation = [...id].reduce(
        (sum, digit) => sum * BigInt(BASE) + BigInt(Number.parseInt(digit, BASE)),
        0n,
      );
      return { installation, ...(narrow !== undefined && read(narrow)) };
    },
    revoke(token) {
      const now = clock.now().getTime();
      for (const [one, until] of revoked) if (until <= now) revoked.delete(one);
      const [, , expires] = FORM.exec(token) ?? [];
      if (expires === undefined) return;
      const digest = digestOf(token);
      const until = Number.parseInt(expires, BASE);
      if (!revoked.has(digest)) revocations.add(digest, until);
      revoked.set(digest, until);
    },
  };
}
