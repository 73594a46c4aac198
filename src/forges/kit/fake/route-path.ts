/** Paths of a fake's routes. They are matched before anything is decoded, so that `%2F` stays within its segment. */

export interface PathPattern {
  segments: readonly { names: readonly string[]; expression: RegExp }[];
  /** Name of what takes the rest of the path, slashes included. */
  rest: string | undefined;
  /** Smaller is tried first: at the first segment that differs, fixed text comes before parameters. */
  rank: string;
}

/** @example pathPattern('/repos/:owner/:repo/contents/*filepath') */
export function pathPattern(path: string): PathPattern {
  const parts = path.split('/').slice(1);
  const last = parts.at(-1) ?? '';
  const rest = last.startsWith('*') ? last.slice(1) : undefined;
  const segments = (rest === undefined ? parts : parts.slice(0, -1)).map((part) => {
    const pieces = part.split(/:(\w+)/);
    const source = pieces.map((piece, at) => (at % 2 === 1 ? '(.+)' : piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
    return { names: pieces.filter((_, at) => at % 2 === 1), expression: new RegExp(`^${source.join('')}$`, 's') };
  });
  const rank = parts.map((part) =>
    !/[:*]/.test(part) ? '0' : part.startsWith('*') ? '3' : /^:\w+$/.test(part) ? '2' : '1',
  );
  return { segments, rest, rank: rank.join('') };
}

export function sortBySpecificity<T extends { pattern: PathPattern }>(entries: readonly T[]): readonly T[] {
  return [...entries].sort((a, b) => (a.pattern.rank < b.pattern.rank ? -1 : a.pattern.rank > b.pattern.rank ? 1 : 0));
}

/** The first entry that fits and its decoded parameters. A path that is wrongly encoded fits nothing. */
export function matchRoute<T extends { pattern: PathPattern }>(
  entries: readonly T[],
  path: string,
  fits: (entry: T) => boolean,
): { entry: T; params: Record<string, string> } | undefined {
  const segments = path.split('/').slice(1);
  for (const entry of entries) {
    const params = fits(entry) ? paramsOf(entry.pattern, segments) : undefined;
    if (params !== undefined) return { entry, params };
  }
  return undefined;
}

function paramsOf(pattern: PathPattern, segments: readonly string[]): Record<string, string> | undefined {
  const fixed = pattern.segments.length;
  if (pattern.rest === undefined ? segments.length !== fixed : segments.length <= fixed) return undefined;
  const params: Record<string, string> = {};
  for (const [at, { names, expression }] of pattern.segments.entries()) {
    const match = expression.exec(segments[at] ?? '');
    if (match === null) return undefined;
    for (const [index, name] of names.entries()) params[name] = match[index + 1] ?? '';
  }
  if (pattern.rest !== undefined) params[pattern.rest] = segments.slice(fixed).join('/');
  try {
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
