/** What PostgreSQL refuses a value for, by its codes. */

/** PostgreSQL refused a row since another one has the same key. */
export const isUniqueViolation = (error: unknown): boolean =>
  error instanceof Error && Reflect.get(error, 'code') === '23505';

const UNSTORABLE: ReadonlySet<unknown> = new Set(['22021', '22P05']);
/** It was given a text that it cannot hold, as one with U+0000 in it: only what came from outside has that. */
export const isUnstorableText = (error: unknown): boolean =>
  error instanceof Error && UNSTORABLE.has(Reflect.get(error, 'code'));
