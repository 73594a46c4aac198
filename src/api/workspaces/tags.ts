/**
 * Tags of workspaces. One is a name, or a key with a value; a row keeps them in one list, the latter as `key=value`, since no name
 * has that sign. For clients that know only names, one with a value is found by its key.
 */
import { z } from 'zod';
import { parseInput } from '../problem.js';

export const MOST_TAGS = 50;
const NAME = /^[\w:.-]{1,255}$/;
const VALUE = /^[\w:.+=@/ -]{0,255}$/;

export const tagName = z.string().toLowerCase().regex(NAME, 'must be letters, digits, and -_:.');

const tagsSchema = z.object({
  data: z
    .array(z.object({ attributes: z.object({ name: tagName }).optional(), id: z.string().optional() }))
    .max(MOST_TAGS),
});

export const bindings = z
  .array(
    z.object({
      attributes: z.object({
        key: z.string().regex(NAME, 'must be letters, digits, and -_:.'),
        value: z.string().regex(VALUE, 'must be letters, digits, spaces, and -_:.+=@/').nullish(),
      }),
    }),
  )
  .max(MOST_TAGS)
  .transform((all) => all.map(({ attributes: { key, value } }) => (value ? `${key}=${value}` : key)));

/** Names of tags to add or remove. @throws InvalidRequest */
export const readTags = (body: unknown): string[] =>
  parseInput(tagsSchema, body).data.flatMap((tag) => tag.attributes?.name ?? tag.id ?? []);

/** Tags with their values, as rows keep them. @throws InvalidRequest */
export const readBindings = (body: unknown): string[] => parseInput(z.object({ data: bindings }), body).data;

const hasValue = (tag: string): boolean => tag.includes('=');
const keyOf = (tag: string): string => tag.slice(0, tag.includes('=') ? tag.indexOf('=') : undefined);

export const namesOf = (tags: readonly string[]): string[] => tags.filter((tag) => !hasValue(tag));

export const bindingResource = (tag: string) => ({
  id: `tag-${Buffer.from(tag, 'utf8').toString('base64url')}`,
  type: 'tag-bindings',
  attributes: { key: keyOf(tag), value: tag.slice(keyOf(tag).length + 1) },
});

const sorted = (tags: readonly string[]): string[] => [...new Set(tags)].sort();

/** Those that are given take the place of what has the same key. */
export function addTags(now: readonly string[], given: readonly string[]): string[] {
  const keys = new Set(given.map(keyOf));
  return sorted([...now.filter((tag) => !keys.has(keyOf(tag))), ...given]);
}

/** Names where names are given, and those with values where such are; what nothing is said about stays. */
export function replaceTags(
  now: readonly string[],
  given: { names?: readonly string[] | undefined; bindings?: readonly string[] | undefined },
): string[] | undefined {
  if (given.bindings !== undefined) return sorted([...given.bindings, ...(given.names ?? [])]);
  if (given.names === undefined) return undefined;
  return sorted([...now.filter(hasValue), ...given.names]);
}
