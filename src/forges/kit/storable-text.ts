/** Text of a delivery that PostgreSQL stores and that addresses can hold: without NUL and without half a character. */

/** Both are replaced, so that what was there can still be seen. */
export const storable = (text: string): string => text.toWellFormed().replaceAll('\u0000', '\uFFFD');

/**
 * The value with such text made storable. Nearly always it is the same object: a repository's name with half a character
 * in it could not even be written into an address.
 */
export function cleaned<T>(value: T): T {
  return isClean(value) ? value : (copyClean(value) as T);
}

function isClean(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\u0000');
  if (typeof value !== 'object' || value === null) return true;
  return Array.isArray(value)
    ? value.every(isClean)
    : Object.entries(value).every(([key, inner]) => isClean(key) && isClean(inner));
}

function copyClean(value: unknown): unknown {
  if (typeof value === 'string') return storable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyClean);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), copyClean(inner)]));
}
