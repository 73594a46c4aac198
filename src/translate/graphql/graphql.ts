/**
 * GitHub's GraphQL API for apps, on any forge: queries and mutations run as REST routes of the forge's own table, so that
 * a forge has nothing to do for it. The operations that Probot apps use are there; what is not is answered as such.
 */
import type { GitHubRequest } from '../../forges/kit/route.js';

export interface GraphqlOptions {
  /**
   * Asks a row of the forge's route table, with the app's own token, and with the same journal as its REST requests.
   * A row that is absent is a RouteFailure 501.
   */
  request: GitHubRequest;
  /** The forge's name for people, for messages. */
  forgeLabel: string;
  /** Called for each thing that an app asked for in vain, such as `Issue.timelineItems`; once per request and name. */
  unsupported?: (name: string) => void;
}

/** Body of `POST /graphql`, as an app sent it. */
export interface GraphqlBody {
  query?: unknown;
  variables?: unknown;
  operationName?: string | null;
}

export interface GraphqlAnswer {
  status: number;
  /** `{ data?, errors? }`. */
  data: unknown;
}

export interface Graphql {
  /**
   * Answers 200 also when something is wrong, as GitHub does, with `errors`. A write of a mutation that came before an
   * error stays.
   * @throws RouteFailure 401, 429 or 5xx, and whatever `request` rejects with that is no RouteFailure: then the whole
   *   request has failed
   */
  execute(body: GraphqlBody): Promise<GraphqlAnswer>;
}

export function createGraphql(o: GraphqlOptions): Graphql {
  return {
    async execute(body) {
      // graphql-js and the schema cost more to load than most apps will ever use of them.
      const { executeGraphql } = await import('./engine.js');
      return executeGraphql(o, body);
    },
  };
}

/** For doubles of a forge whose own API is GitHub's: what they hand their requests to. */
export const graphqlOf =
  (forgeLabel: string) =>
  (request: GitHubRequest, body: GraphqlBody): Promise<GraphqlAnswer> =>
    createGraphql({ request, forgeLabel }).execute(body);
