/** Reading a payload of which nothing is certain. None of these throws. */
import { createHash } from 'node:crypto';
import { parseId } from '../../../lib/ids.js';
import type { JsonObject } from '../../forge.js';

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value at a dotted path. */
export function field(payload: unknown, path: string): unknown {
  let value: unknown = payload;
  for (const key of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** Undefined for what is no text, and for ''. */
export function textAt(payload: unknown, path: string): string | undefined {
  const value = field(payload, path);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function listAt(payload: unknown, path: string): readonly unknown[] | undefined {
  const value = field(payload, path);
  return Array.isArray(value) ? value : undefined;
}

/** The id as a bigint; undefined for what is no exact id. */
export function idAt(payload: unknown, path: string): bigint | undefined {
  const value = field(payload, path);
  if (typeof value !== 'number' && typeof value !== 'string') return undefined;
  try {
    return parseId(value);
  } catch {
    return undefined;
  }
}

export function numberAt(payload: unknown, path: string): number | undefined {
  const value = field(payload, path);
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

/** Only zeros, however long the hash: there is no commit. */
export const isNoCommit = (sha: string): boolean => /^0+$/.test(sha);

/** Hash of a JSON value that does not depend on the order of keys. */
export function digest(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
