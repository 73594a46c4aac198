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
