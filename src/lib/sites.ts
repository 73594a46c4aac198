/** Which hosts share cookies, as browsers see it. */

/** Whether one of them lies below the other, so that the one below may set cookies that the other is sent. */
export const sharesCookies = (a: string, b: string): boolean => a === b || a.endsWith(`.${b}`) || b.endsWith(`.${a}`);

/** `co.uk`, `com.au`: what people register names below where a country has ordered them. */
const ORDERED = /^(?:ac|co|com|edu|gob|gov|go|gv|ltd|me|mil|ne|net|nom|or|org|plc|sch)$/;

/** What somebody registered, or may have: the last two labels of a host, or three of such a country. Undefined: an address, one word. */
function registered(host: string): string | undefined {
  const labels = host.toLowerCase().replace(/\.$/, '').split('.');
  const last = labels.at(-1) ?? '';
  if (labels.length < 2 || /^\d+$/.test(last) || host.includes(':')) return undefined;
  const isOrdered = last.length === 2 && ORDERED.test(labels.at(-2) ?? '');
  const count = isOrdered ? 3 : 2;
  return labels.length < count ? undefined : labels.slice(-count).join('.');
}

/**
 * Whether both seem to lie below one registered name: then a page of the one may set cookies for it, which the other is sent. Browsers
 * know a list of names that are nobody's own (`github.io`); this does not, and so it is for warnings and not for refusals.
 */
export function seemsSameSite(a: string, b: string): boolean {
  const [one, other] = [registered(a), registered(b)];
  // Below `localhost` browsers keep all apart.
  return one !== undefined && one === other && !/(?:^|\.)localhost$/.test(one);
}
