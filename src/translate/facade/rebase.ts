/** Moves the API's addresses from one base to another; text that people wrote stays as it is. */

const ADDRESS = /(^|_)(url|href)$/;

/** What stands below `from` is put below `to`. */
export interface Move {
  from: string;
  to: string;
}

function moved(text: string, moves: readonly Move[]): string {
  const move = moves.find(({ from }) => text === from || text.startsWith(`${from}/`));
  return move === undefined ? text : `${move.to}${text.slice(move.from.length)}`;
}

/** A copy in which every `*_url` and `href` below one of them is where that was moved to. */
export function rebase(value: unknown, moves: readonly Move[], key = ''): unknown {
  if (typeof value === 'string') return ADDRESS.test(key) ? moved(value, moves) : value;
  if (Array.isArray(value)) return value.map((item) => rebase(item, moves, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rebase(item, moves, name)]));
}

/** One address, such as a header has. */
export const rebaseAddress = moved;

/** The same in a `link` header. */
export const rebaseLinks = (header: string, moves: readonly Move[]): string =>
  header.replaceAll(/<([^>]+)>/g, (_whole, url: string) => `<${moved(url, moves)}>`);
