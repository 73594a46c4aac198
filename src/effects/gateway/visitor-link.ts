/** Signed links to previews of private repositories: who has the link may look, until it runs out. */
import { constantTimeEqual, hmacHex } from '../../lib/hmac.js';

/** Query parameter of a signed link. */
export const LINK_PARAMETER = 'forgeway_preview';

/** Name of the cookie that a link is exchanged for. With `__Host-`, which needs https, nobody else can set it. */
export const linkCookie = (secure: boolean) => (secure ? '__Host-forgeway-preview' : 'forgeway-preview');

const DAY_MS = 86_400_000;
/** Counted in whole days, so that the same link is made all day long and its comment need not be edited. */
const VALID_DAYS = 30;
/** Of somebody who has signed in: they may be asked again. */
export const SIGNED_IN_DAYS = 1;

export interface VisitorLinks {
  /** A token for one preview, good for 30 days from `now`, or so many, and the rest of that day. */
  tokenFor(previewId: string, now: Date, days?: number): string;
  isValid(token: string, previewId: string, now: Date): boolean;
}

/** @param keys derived for this purpose alone: the first signs, those of earlier master keys are accepted too */
export function createVisitorLinks(...keys: readonly [Buffer, ...Buffer[]]): VisitorLinks {
  const sign = (previewId: string, day: number, key: Buffer = keys[0]) =>
    hmacHex(key, JSON.stringify(['preview-link', previewId, day]));
  return {
    tokenFor(previewId, now, days = VALID_DAYS) {
      const day = Math.floor(now.getTime() / DAY_MS) + days;
      return `${day}.${sign(previewId, day)}`;
    },
    isValid(token, previewId, now) {
      const [, digits = '', signature = ''] = /^(\d{1,7})\.([0-9a-f]{64})$/.exec(token) ?? [];
      const day = Number(digits);
      if (!keys.some((key) => constantTimeEqual(signature, sign(previewId, day, key)))) return false;
      return now.getTime() < (day + 1) * DAY_MS;
    },
  };
}
