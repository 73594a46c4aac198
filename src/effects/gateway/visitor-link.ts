/** Signed links to previews of private repositories: who has the link may look, until it runs out. */
import { constantTimeEqual, hmacHex } from '../../lib/hmac.js';

/** Query parameter of a signed link. */
export const LINK_PARAMETER = 'forgeway_preview';

/** Name of the cookie that a link is exchanged for. With `__Host-`, which needs https, nobody else can set it. */
export const linkCookie = (secure: boolean) => (secure ? '__Host-forgeway-preview' : 'forgeway-preview');

const DAY_MS = 86_400_000;
/** Counted in whole days, so that the same link is made all day long and its comment need not be edited. */
const VALID_DAYS = 30;

export interface VisitorLinks {
  /** A token for one preview, good for 30 days from `now`. */
  tokenFor(previewId: string, now: Date): string;
  isValid(token: string, previewId: string, now: Date): boolean;
}

/** @param key derived from the master key for this purpose alone */
export function createVisitorLinks(key: Buffer): VisitorLinks {
  const sign = (previewId: string, day: number) => hmacHex(key, JSON.stringify(['preview-link', previewId, day]));
  return {
    tokenFor(previewId, now) {
      const day = Math.floor(now.getTime() / DAY_MS) + VALID_DAYS;
      return `${day}.${sign(previewId, day)}`;
    },
    isValid(token, previewId, now) {
      const [, digits = '', signature = ''] = /^(\d{1,7})\.([0-9a-f]{64})$/.exec(token) ?? [];
      const day = Number(digits);
      if (!constantTimeEqual(signature, sign(previewId, day))) return false;
      return now.getTime() < (day + 1) * DAY_MS;
    },
  };
}
