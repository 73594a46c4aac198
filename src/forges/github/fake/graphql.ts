/**
 * GraphQL on the fake: whoever starts it may hand in what executes GitHub's queries on REST routes. Each of those is asked
 * of the fake itself, with the token of the query.
 */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import type { FakeGraphql } from '../../kit/fake/forge-fake.js';
import type { FakeApi, FakeRoute } from '../../kit/fake/routing.js';
import { RouteFailure } from '../../kit/route.js';
import { expandRoute } from '../../kit/router.js';
import { holderOf, row } from './answers.js';
import type { World } from './world.js';

/** Below the API's prefix there is no such address on GitHub: it is reached through `beside`. */
export const GRAPHQL_PATH = '/graphql';

export function graphqlRoute(world: World, execute: FakeGraphql, apiOf: () => FakeApi): FakeRoute {
  return row(
    `POST ${GRAPHQL_PATH}`,
    async (asked) => {
      const { headers, body: query } = asked;
      const authorization = headers.get('authorization') ?? '';
      const holder = holderOf(asked);
      const ask = async (route: string, parameters: JsonObject): Promise<unknown> => {
        // An installation is nobody to REST, and its App's bot to GraphQL.
        const isViewer = route === 'GET /user' && holder.installation !== undefined;
        const { method, path, body } = isViewer
          ? expandRoute('GET /users/{username}', { username: holder.account.login })
          : expandRoute(route, parameters);
        const api = apiOf();
        if (api.routeOf(method, path.split('?', 1)[0] ?? '') === undefined)
          throw new RouteFailure(501, `The double of GitHub does not know ${route}.`);
        const answer = await api.handle(
          new Request(`${world.apiUrl}${path}`, {
            method,
            headers: { authorization, 'content-type': 'application/json' },
            body,
          }),
        );
        const text = await answer.text();
        const json = text === '' ? undefined : (JSON.parse(text) as JsonObject);
        if (answer.ok) return json;
        const { message = '', errors } = (json ?? {}) as { message?: string; errors?: readonly JsonObject[] };
        throw new RouteFailure(answer.status, message, { ...(errors && { errors }) });
      };
      const { status, data } = await execute(ask, query as JsonObject);
      return { status, json: data };
    },
    { body: z.looseObject({ query: z.string() }) },
  );
}
