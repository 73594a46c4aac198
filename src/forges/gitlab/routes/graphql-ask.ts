/** What GitLab's REST does not tell and its GraphQL does: asked here, and read by a schema. */
import { z } from 'zod';
import { notFound, type RouteContext, RouteFailure } from '../../kit/route.js';
import { read } from '../convert/read.js';
import { GRAPHQL } from '../poll.js';

const MOST_NODES = 1000;
const PER_PAGE = 100;
const answer = z.looseObject({
  data: z.unknown().optional(),
  errors: z.array(z.looseObject({ message: z.string() })).optional(),
});
/** How GitLab says that it is too old for a question. */
const UNKNOWN = /doesn't exist|isn't a defined|doesn't accept argument/i;

/** @throws RouteFailure 501 where the server's GraphQL does not know what is asked for */
export async function askGraphql<T extends z.ZodType>(
  context: RouteContext,
  query: string,
  variables: Readonly<Record<string, unknown>>,
  data: T,
): Promise<z.output<T>> {
  const sent = await context.native.get(GRAPHQL, { query, variables: JSON.stringify(variables) });
  const told = read(answer, sent, 'GraphQL answer');
  const [first] = told.errors ?? [];
  if (first === undefined) return read(data, told.data, 'GraphQL answer');
  const isUnknown = UNKNOWN.test(first.message);
  throw new RouteFailure(isUnknown ? 501 : 502, `GitLab's GraphQL refused: ${first.message}`);
}

/** GraphQL writes `gid://gitlab/Group/7`. */
export const gid = z.string().transform((text) => {
  const last = text.replace(/^.*\//, '');
  return Number.isSafeInteger(Number(last)) ? Number(last) : last;
});

const pageInfo = z.looseObject({ hasNextPage: z.boolean(), endCursor: z.string().nullish() });

/**
 * The nodes of a list of one user, at most {@link MOST_NODES}. `field` is a connection, such as `snippets(type: PERSONAL)`.
 * @throws RouteFailure 404 when there is no such user
 */
export async function ofUser<T extends z.ZodType>(
  context: RouteContext,
  username: string,
  field: { name: string; arguments?: string; nodes: string },
  node: T,
): Promise<z.output<T>[]> {
  const given = field.arguments === undefined ? '' : `${field.arguments}, `;
  const query = `query list($login: String!, $after: String) { user(username: $login) { list: ${field.name}(${given}first: ${PER_PAGE}, after: $after) { nodes { ${field.nodes} } pageInfo { hasNextPage endCursor } } } }`;
  const type = z.looseObject({
    user: z.looseObject({ list: z.looseObject({ nodes: z.array(node.nullable()), pageInfo }).nullish() }).nullish(),
  });
  const nodes: z.output<T>[] = [];
  for (let after: string | undefined; nodes.length < MOST_NODES; ) {
    const { user } = await askGraphql(context, query, { login: username, after }, type);
    if (!user) throw notFound();
    // What may not be seen is null.
    nodes.push(...(user.list?.nodes ?? []).filter((one) => one !== null));
    after = user.list?.pageInfo.hasNextPage ? (user.list.pageInfo.endCursor ?? undefined) : undefined;
    if (after === undefined) break;
  }
  return nodes.slice(0, MOST_NODES);
}
