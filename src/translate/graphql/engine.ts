/** One GraphQL request: read, checked, executed over REST routes, and answered in GitHub's form. */
import {
  type DocumentNode,
  defaultFieldResolver,
  execute,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLFieldResolver,
  Kind,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { type Ask, createAsk } from './ask.js';
import { fieldFailure, type GraphqlFailure } from './failures.js';
import type { GraphqlAnswer, GraphqlBody, GraphqlOptions } from './graphql.js';
import { checkSize, MAX_QUERY_LENGTH, MAX_TOKENS } from './limits.js';
import { object } from './rest.js';
import { fields, mutations, schema } from './schema.js';
import { unsupportedIn } from './unsupported.js';

/** An entry of `errors` as GitHub writes it: `type` beside the message, not among the extensions. */
interface ErrorEntry {
  type?: string;
  message: string;
  path?: readonly (string | number)[];
  locations?: readonly { line: number; column: number }[];
}

const answer = (data: unknown): GraphqlAnswer => ({ status: 200, data });
const refused = (...errors: readonly ErrorEntry[]): GraphqlAnswer => answer({ errors });

function entry(error: GraphQLError, failure?: GraphqlFailure): ErrorEntry {
  return {
    ...(failure !== undefined && { type: failure.type }),
    message: failure?.message ?? error.message,
    ...(error.path !== undefined && { path: error.path }),
    ...(error.locations !== undefined && { locations: error.locations }),
  };
}

type AnyField = (source: unknown, args: unknown, ask: Ask) => unknown;

const fieldResolver: GraphQLFieldResolver<unknown, Ask> = (source, args, ask, info) => {
  const { parentType, fieldName } = info;
  if (parentType.name === 'Mutation') return mutate(fieldName, args, ask);
  // A type may be read from values that carry another's name: GitHub has bots among its users.
  const own = fields[parentType.name]?.[fieldName] as AnyField | undefined;
  return own === undefined ? defaultFieldResolver(source, args, ask, info) : own(source, args, ask);
};

async function mutate(name: string, args: Readonly<Record<string, unknown>>, ask: Ask): Promise<unknown> {
  const { clientMutationId = null, ...input } = object(args.input) ?? {};
  const run = mutations[name]?.run as ((input: unknown, ask: Ask) => Promise<object>) | undefined;
  return { ...(await run?.(input, ask)), clientMutationId };
}

const typeResolver = (value: unknown): string | undefined => {
  const type = object(value)?.__typename;
  return typeof type === 'string' ? type : undefined;
};

/** The document, or why it cannot be read. */
function read(query: string): DocumentNode | GraphQLError {
  try {
    return parse(query, { maxTokens: MAX_TOKENS });
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
}

/** Errors that graphql-js makes itself, about a value that does not fit the schema. */
const isOwn = (error: Error): boolean => error instanceof GraphQLError || error.constructor === Error;

function tooLarge(
  document: DocumentNode,
  operationName: string | undefined,
  variables: Readonly<Record<string, unknown>>,
): GraphqlFailure | undefined {
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) fragments[one.name.value] = one;
  try {
    for (const one of document.definitions)
      if (one.kind === Kind.OPERATION_DEFINITION && (!operationName || one.name?.value === operationName))
        checkSize(schema, one, fragments, variables);
    return undefined;
  } catch (error) {
    const failure = fieldFailure(error);
    if (failure === undefined) throw error;
    return failure;
  }
}

/** See {@link createGraphql}. */
export async function executeGraphql(o: GraphqlOptions, asked: GraphqlBody): Promise<GraphqlAnswer> {
  // JSON of unknown origin: it may be a list or null.
  const body: GraphqlBody = object(asked) ?? {};
  const { query } = body;
  if (typeof query !== 'string' || query.trim() === '')
    return refused({ message: 'A query attribute must be specified and must be a string.' });
  if (query.length > MAX_QUERY_LENGTH)
    return refused({
      type: 'RESOURCE_LIMITS_EXCEEDED',
      message: `The query is longer than ${MAX_QUERY_LENGTH} characters.`,
    });
  const variables = object(body.variables ?? {});
  if (variables === undefined) return refused({ message: 'Variables must be an object.' });
  const operationName = body.operationName ?? undefined;
  const document = read(query);
  if (document instanceof GraphQLError) return refused(entry(document));

  const counted = new Set<string>();
  const count = (name: string) => {
    if (!counted.has(name)) o.unsupported?.(name);
    counted.add(name);
  };

  const excess = tooLarge(document, operationName, variables);
  if (excess !== undefined) return refused({ type: excess.type, message: excess.message });
  const absent = unsupportedIn(schema, document, variables);
  if (absent.length > 0)
    return refused(
      ...absent.map(({ name, what, node }) => {
        count(name);
        const message = `${what} is not supported on ${o.forgeLabel}.`;
        return { type: 'NOT_SUPPORTED', ...entry(new GraphQLError(message, { nodes: node })) };
      }),
    );
  const invalid = validate(schema, document, specifiedRules, { maxErrors: 20 });
  if (invalid.length > 0) return refused(...invalid.map((error) => entry(error)));
  const subscribes = document.definitions.some(
    (one) => one.kind === Kind.OPERATION_DEFINITION && one.operation === OperationTypeNode.SUBSCRIPTION,
  );
  if (subscribes) return refused({ type: 'NOT_SUPPORTED', message: 'GitHub has no GraphQL subscriptions.' });

  const ask = createAsk({ request: o.request, forgeLabel: o.forgeLabel });
  const { data, errors } = await execute({
    schema,
    document,
    contextValue: ask,
    variableValues: variables,
    operationName,
    fieldResolver,
    typeResolver,
  });
  if (errors !== undefined && ask.broken.length > 0) throw ask.broken[0];
  const entries = (errors ?? []).map((error) => {
    const { originalError } = error;
    const failure = fieldFailure(originalError);
    // A token that is refused, a rate limit, a forge that is down: not one field has failed, but the request.
    if (failure === undefined && originalError !== undefined && !isOwn(originalError)) throw originalError;
    if (failure?.type === 'NOT_SUPPORTED') count(failure.subject ?? failure.message);
    return entry(error, failure);
  });
  if (data === undefined) return refused(...entries);
  return answer(entries.length === 0 ? { data } : { data, errors: entries });
}
