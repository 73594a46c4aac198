/**
 * Keeps confidential issues and internal notes away from whoever did not ask for them, whichever route reads them: a token of
 * a member sees both, and GitLab's API has no parameter for notes.
 *
 * @see https://docs.gitlab.com/api/issues/ and https://docs.gitlab.com/api/notes/
 */
import { z } from 'zod';
import type { NativeClient } from '../kit/native-client.js';
import { notFound } from '../kit/route.js';

/** `confidential` is the older name of what notes call `internal`. */
const marked = z.union([
  z.looseObject({ confidential: z.literal(true) }),
  z.looseObject({ internal: z.literal(true) }),
]);
const discussion = z.looseObject({ notes: z.array(z.unknown()) });

const isHidden = (value: unknown): boolean => marked.safeParse(value).success;

/** What is left of an item of a list: a discussion without its internal notes, and nothing of one that has no others. */
function shown(item: unknown): unknown[] {
  if (isHidden(item)) return [];
  const { data } = discussion.safeParse(item);
  if (data === undefined) return [item];
  const notes = data.notes.filter((note) => !isHidden(note));
  return notes.length === 0 && data.notes.length > 0 ? [] : [{ ...data, notes }];
}

/** Undefined for what is confidential itself. */
const shownOf = (data: unknown): unknown => (Array.isArray(data) ? data.flatMap(shown) : shown(data)[0]);

/** @throws RouteFailure 404 for what is confidential itself, as GitLab answers who may not see it */
function shownData(data: unknown): unknown {
  const left = shownOf(data);
  if (left === undefined && data !== undefined) throw notFound();
  return left;
}

export function withoutConfidential(native: NativeClient): NativeClient {
  return {
    async send(method, path, request) {
      const answer = await native.send(method, path, request);
      return { ...answer, data: shownData(answer.data) };
    },
    async get(path, query) {
      return shownData(await native.get(path, query));
    },
    async find(path, query) {
      return shownOf(await native.find(path, query));
    },
  };
}
