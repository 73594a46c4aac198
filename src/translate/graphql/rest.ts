/** Reads GitHub's REST objects, which are JSON of unknown origin, without trusting their form. */
import type { JsonObject } from '../../forges/forge.js';

export function object(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

export function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((one): one is JsonObject => object(one) !== undefined) : [];
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** `squash` as the enum value `SQUASH`; null where there is none. */
export function upper(value: unknown): string | null {
  return typeof value === 'string' ? value.toUpperCase() : null;
}

/** What `undefined` leaves out of a request; null stays, since it clears a field. */
export function given(parameters: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));
}
