/** Runs GraphQL on the forge in memory. */
import { expect } from '@jest/globals';
import { createGraphql } from '../../src/translate/graphql/graphql.js';
import type { RestDouble } from './github-rest/double.js';

export interface GraphqlErrors {
  type?: string;
  message: string;
  path?: (string | number)[];
}

/** The whole body of an answer, and what was counted as unsupported. */
export async function ask(double: RestDouble, query: unknown, variables?: unknown, operationName?: string) {
  const unsupported: string[] = [];
  const graphql = createGraphql({
    request: double.request,
    forgeLabel: 'Example Forge',
    unsupported: (name) => unsupported.push(name),
  });
  const { status, data } = await graphql.execute({ query, variables, operationName });
  expect(status).toBe(200);
  return { ...(data as { data?: unknown; errors?: GraphqlErrors[] }), unsupported };
}

/** The data of a query that must succeed. */
export async function run<T = Record<string, unknown>>(
  double: RestDouble,
  query: string,
  variables?: unknown,
): Promise<T> {
  const { data, errors } = await ask(double, query, variables);
  expect(errors).toBeUndefined();
  return data as T;
}

/** Runs one mutation with its input as a variable; answers its payload. */
export async function mutate(
  double: RestDouble,
  name: string,
  input: Record<string, unknown>,
  payload = 'clientMutationId',
) {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { ${payload} } }`;
  const data = await run<Record<string, unknown>>(double, text, { input });
  return data[name];
}
