/** Moves the API's addresses from one base to another; text that people wrote stays as it is. */

const ADDRESS = /(^|_)(url|href)$/;

const moved = (text: string, from: string, to: string): string =>
  text === from || text.startsWith(`${from}/`) ? `${to}${text.slice(from.length)}` : text;

/** A copy in which every `*_url` and `href` below `from` is below `to`. */
export function rebase(value: unknown, from: string, to: string, key = ''): unknown {
  if (typeof value === 'string') return ADDRESS.test(key) ? moved(value, from, to) : value;
  if (Array.isArray(value)) return value.map((item) => rebase(item, from, to, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rebase(item, from, to, name)]));
}

/** The same in a `link` header. */
export const rebaseLinks = (header: string, from: string, to: string): string =>
  header.replaceAll(/<([^>]+)>/g, (_whole, url: string) => `<${moved(url, from, to)}>`);
