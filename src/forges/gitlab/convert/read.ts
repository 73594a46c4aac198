/** Reading what GitLab answered: permissive, only the fields that are relied on. */
import { z } from 'zod';
import { RouteFailure } from '../../kit/route.js';

/** Ids beyond 2^53 arrive as strings. */
export const id = z.union([z.number(), z.string()]);

/** @throws RouteFailure 502 naming the first field that is not what the documentation says */
export function read<T extends z.ZodType>(type: T, data: unknown, what: string): z.output<T> {
  const parsed = type.safeParse(data);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') || 'the answer';
  throw new RouteFailure(502, `GitLab's ${what} was not understood: ${field} is missing or of the wrong type.`);
}

export const readAll = <T extends z.ZodType>(type: T, data: unknown, what: string): z.output<T>[] =>
  read(z.array(type), data, what);

/** GitLab writes milliseconds and, for commits, an offset; GitHub writes seconds in UTC. */
export function time(value: string | null | undefined): string | undefined {
  if (value === null || value === undefined) return undefined;
  const at = Date.parse(value);
  // Without its milliseconds, which are always three digits.
  return Number.isNaN(at) ? undefined : `${new Date(at).toISOString().slice(0, -5)}Z`;
}

export const timeOrNull = (value: string | null | undefined): string | null => time(value) ?? null;
