/**
 * Cookies on their way between a visitor and a preview: ours never reach it, and its answers set neither ours nor its
 * neighbours'. Its pages can: a script may set a cookie for the whole domain of the previews, unless that is a public suffix.
 * Ours is safe from that on https, where `__Host-` lets only our own answer set it; elsewhere every one of its name is tried.
 */

const OURS = /^(?:__host-|__secure-)?forgeway/i;

const nameOf = (pair: string) => (pair.split('=', 1)[0] ?? '').trim();

/** The request's Cookie header without our cookies; undefined when nothing is left. */
export function withoutOurCookies(header: string | undefined): string | undefined {
  const kept = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !OURS.test(nameOf(pair)));
  return kept.length === 0 ? undefined : kept.join('; ');
}

/** The values of the cookies of one name in a Cookie header: a domain's and a host's may both be there. */
export function cookieValues(header: string | undefined, name: string): string[] {
  const pairs = (header ?? '').split(';').filter((candidate) => nameOf(candidate) === name);
  return pairs.map((pair) => pair.slice(pair.indexOf('=') + 1).trim());
}

/** The response's Set-Cookie headers: none under our names, and none for more than the preview's own host. */
export function ownHostCookies(headers: readonly string[]): string[] {
  return headers
    .filter((header) => !OURS.test(nameOf(header)))
    .map((header) =>
      header
        .split(';')
        .filter((attribute, index) => index === 0 || !/^\s*domain\s*=/i.test(attribute))
        .join(';'),
    );
}
