/** What the finders share: names of effects, and comparing what was sent with what is there. */
import type { JsonObject } from '../../forges/forge.js';
import type { Candidate, Finder } from './find.js';

export const objectIn = (value: unknown, key: string): JsonObject => {
  const inner = (value as JsonObject | undefined)?.[key];
  return typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? (inner as JsonObject) : {};
};

export const textIn = (value: JsonObject, key: string): string => {
  const inner = value[key];
  return typeof inner === 'string' ? inner : '';
};

/** Forges trim what they are sent, and some change the ends of lines. */
export const sameText = (left: unknown, right: unknown): boolean => plain(left) === plain(right);

const plain = (value: unknown): string => (typeof value === 'string' ? value.replace(/\r\n?/g, '\n').trim() : '');

/** An effect that has an id of its own among its kind. */
export const byId =
  (kind: string): Finder['effect'] =>
  ({ id }) =>
    id === undefined || id === null ? undefined : `${kind} ${String(id)}`;

/** A state has no maker. */
export const noEffect: Finder['effect'] = () => undefined;

export const made = (data: JsonObject): Candidate => ({ status: 201, data });
export const done = (data: JsonObject): Candidate => ({ status: 200, data });

/** Items that pass all tests, which are asked one after another. */
export async function among(
  items: readonly JsonObject[],
  ...tests: readonly ((item: JsonObject) => boolean | Promise<boolean>)[]
): Promise<JsonObject[]> {
  const kept: JsonObject[] = [];
  for (const item of items) {
    let passes = true;
    for (const test of tests) passes &&= await test(item);
    if (passes) kept.push(item);
  }
  return kept;
}
