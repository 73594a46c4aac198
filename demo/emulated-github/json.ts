/** Narrowing of parsed JSON. */

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value as an object. @throws Error naming `what` when it is not one. */
export function objectOf(value: unknown, what: string): JsonObject {
  if (isObject(value)) return value;
  throw new Error(`${what} is not an object`);
}

export function arrayOf(value: unknown, what: string): JsonObject[] {
  if (Array.isArray(value)) return value.map((item) => objectOf(item, what));
  throw new Error(`${what} is not a list`);
}

/** A text field. @throws Error naming the field when it is missing. */
export function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  if (typeof value === 'string') return value;
  throw new Error(`the field ${key} is not a text`);
}

export function numberAt(object: JsonObject, key: string): number {
  const value = object[key];
  if (typeof value === 'number') return value;
  throw new Error(`the field ${key} is not a number`);
}

export function objectAt(object: JsonObject, key: string): JsonObject {
  return objectOf(object[key], `the field ${key}`);
}
