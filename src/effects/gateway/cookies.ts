/** Cookies on their way between a visitor and a preview: ours never reach it, and it cannot set ours or its neighbours'. */

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

/** The value of one cookie in a Cookie header. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  const pair = (header ?? '').split(';').find((candidate) => nameOf(candidate) === name);
  return pair?.slice(pair.indexOf('=') + 1).trim();
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
