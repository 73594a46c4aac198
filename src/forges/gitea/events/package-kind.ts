/** Kinds of packages that GitHub has too, by the server's name of them, as GitHub's events name them. */
const KINDS: ReadonlyMap<unknown, string> = new Map([
  ['container', 'CONTAINER'],
  ['maven', 'maven'],
  ['npm', 'npm'],
  ['nuget', 'nuget'],
  ['rubygems', 'rubygems'],
]);

/** Undefined for a kind that GitHub has not: no app could be told of it in words that it knows. */
export const packageKind = (native: unknown): string | undefined => KINDS.get(native);
