/** Requests that change something and ride on a cookie must come from a page of ours. */
import type { IncomingHttpHeaders } from 'node:http';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface AskedBy {
  method: string;
  headers: IncomingHttpHeaders;
}

/**
 * Whether the request may go on. What carries no cookie rides on nothing: a token in a header is sent by nobody unasked. A
 * browser names the origin of every request that changes something; one that does not is believed only when it says itself that
 * the page is ours.
 */
export function comesFromUs({ method, headers }: AskedBy, origin: string): boolean {
  if (READS.has(method) || headers.cookie === undefined) return true;
  return isOurPage(headers, origin);
}

/** The same for forms, which people send before they have a cookie. */
export function isOurPage({ origin: named, 'sec-fetch-site': site }: IncomingHttpHeaders, origin: string): boolean {
  return named === undefined ? site === 'same-origin' : named === origin;
}
