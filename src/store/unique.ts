/** PostgreSQL refused a row since another one has the same key. */
export const isUniqueViolation = (error: unknown): boolean =>
  error instanceof Error && Reflect.get(error, 'code') === '23505';
