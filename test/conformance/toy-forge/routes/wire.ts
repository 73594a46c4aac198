/** Asking the toy, and GitHub's numbered pages over its cursors. */
import type { z } from 'zod';
import {
  type Route,
  type RouteAnswer,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
} from '../../../../src/forges/kit/route.js';
import { type NativeShelf, nativeShelf } from '../schema.js';

export const exact = (retry: Route['retry'], verb: string, run: Route['run']): Route => ({
  support: 'exact',
  retry,
  source: `toy: ${verb}`,
  run,
});

type Args = Readonly<Record<string, unknown>>;

const shelfPath = ({ params }: RouteRequest) => `${params.owner}/${params.repo}`;

function valid<T>(schema: z.ZodType<T>, value: unknown): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new RouteFailure(502, 'The toy answered something that is not understood.');
}

async function call(context: RouteContext, verb: string, args: Args): Promise<{ value: unknown; more?: unknown }> {
  const path = `/call/${verb}`;
  const isRead = /\.(show|list|me|changes)$/.test(verb);
  const query = args as Readonly<Record<string, string | number | undefined>>;
  const { data } = isRead
    ? await context.native.send('GET', path, { query })
    : await context.native.send('POST', path, { json: args });
  return data as { value: unknown; more?: unknown };
}

/** @throws RouteFailure */
export async function ask<T>(
  request: RouteRequest,
  context: RouteContext,
  verb: string,
  schema: z.ZodType<T>,
  args: Args = {},
): Promise<T> {
  return valid(schema, (await call(context, verb, { shelf: shelfPath(request), ...args })).value);
}

export const shelfOf = (request: RouteRequest, context: RouteContext): Promise<NativeShelf> =>
  ask(request, context, 'shelf.show', nativeShelf);

/** One of GitHub's pages: cursors are followed until it is full. */
export async function pageOf<T>(
  request: RouteRequest,
  context: RouteContext,
  verb: string,
  schema: z.ZodType<T>,
  convert: (one: T) => unknown,
  args: Args = {},
): Promise<RouteAnswer> {
  const from = (request.page - 1) * request.perPage;
  const all: T[] = [];
  let after: unknown;
  do {
    const { value, more } = await call(context, verb, { shelf: shelfPath(request), ...args, after });
    all.push(...valid(schema.array(), value));
    after = more ?? undefined;
  } while (after !== undefined && all.length <= from + request.perPage);
  const next = all.length > from + request.perPage;
  return { data: all.slice(from, from + request.perPage).map(convert), pages: { next } };
}
