/** Where a browser goes after it has signed in: a page of ours, whatever the link said that it came by. */

const ORIGIN = 'https://forgeway.invalid';

/**
 * The path, if it is one that every browser takes for a page of this server; else undefined. Only paths: an address with a
 * host is refused even when it is ours, so that there is nothing to compare.
 */
export function returnPath(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > 2_000) return undefined;
  // Browsers drop tabs and line ends, and read a backslash as a slash; a proxy may decode once more.
  if (!/^\/(?![/\\])[\x21-\x7e]*$/.test(text) || /\\|%(?:2f|5c|0[0-9a-f]|25)/i.test(text.split(/[?#]/)[0] ?? ''))
    return undefined;
  if (text.includes('\\') || !URL.canParse(text, ORIGIN)) return undefined;
  const { origin, pathname, search, hash } = new URL(text, ORIGIN);
  if (origin !== ORIGIN || pathname.startsWith('//')) return undefined;
  return `${pathname}${search}${hash}`;
}
