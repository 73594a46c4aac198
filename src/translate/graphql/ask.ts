/**
 * How resolvers ask: in GitHub's REST routes, which each forge answers by its own table. One of these lives as long as one
 * GraphQL request. A read is asked once however many fields need it, and few run at a time.
 */
import type { JsonObject } from '../../forges/forge.js';
import { type GitHubRequest, RouteFailure } from '../../forges/kit/route.js';
import { GraphqlFailure, hasStatus, notSupported } from './failures.js';
import { object } from './rest.js';

/** Most routes that one GraphQL request may ask; a hundred commits with their pull requests take about a hundred. */
const MAX_REQUESTS = 500;
const MAX_READS_AT_ONCE = 8;

export interface Ask {
  /** Name of the forge for people, for messages. */
  readonly forge: string;
  /** What a request rejected with that was no answer of the forge: then the whole GraphQL request has failed. */
  readonly broken: readonly unknown[];
  /** A read, remembered until something is written. @throws RouteFailure, GraphqlFailure */
  read(route: string, parameters: JsonObject): Promise<unknown>;
  /** A read that must answer an object. */
  get(route: string, parameters: JsonObject): Promise<JsonObject>;
  /** The same, or undefined when the forge answers 404. */
  find(route: string, parameters: JsonObject): Promise<JsonObject | undefined>;
  /** A write; answers its object, or {} when it answers nothing. */
  write(route: string, parameters: JsonObject): Promise<JsonObject>;
}

export interface AskOptions {
  request: GitHubRequest;
  forgeLabel: string;
}

export function createAsk(o: AskOptions): Ask {
  const reads = new Map<string, Promise<unknown>>();
  const waiting: (() => void)[] = [];
  const broken: unknown[] = [];
  const state = { requests: 0, running: 0 };

  const send = async (route: string, parameters: JsonObject): Promise<unknown> => {
    state.requests += 1;
    if (state.requests > MAX_REQUESTS)
      throw new GraphqlFailure(
        'RESOURCE_LIMITS_EXCEEDED',
        `This query needs more than ${MAX_REQUESTS} requests to ${o.forgeLabel}; ask for fewer items at a time.`,
      );
    try {
      return await o.request(route, parameters);
    } catch (error) {
      if (!(error instanceof RouteFailure)) broken.push(error);
      if (!hasStatus(error, 501)) throw error;
      throw notSupported(route, `${o.forgeLabel} does not support ${route}, which this needs.`, error);
    }
  };

  const inTurn = async (route: string, parameters: JsonObject): Promise<unknown> => {
    if (state.running >= MAX_READS_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else state.running += 1;
    try {
      return await send(route, parameters);
    } finally {
      const next = waiting.shift();
      if (next === undefined) state.running -= 1;
      else next();
    }
  };

  const read = (route: string, parameters: JsonObject): Promise<unknown> => {
    const key = JSON.stringify([route, parameters]);
    const known = reads.get(key);
    if (known !== undefined) return known;
    const answer = inTurn(route, parameters);
    reads.set(key, answer);
    return answer;
  };

  const get = async (route: string, parameters: JsonObject): Promise<JsonObject> => {
    const answer = object(await read(route, parameters));
    if (answer === undefined) throw new GraphqlFailure('UNPROCESSABLE', `${route} did not answer an object.`);
    return answer;
  };

  return {
    forge: o.forgeLabel,
    broken,
    read,
    get,
    async find(route, parameters) {
      try {
        return await get(route, parameters);
      } catch (error) {
        if (hasStatus(error, 404)) return undefined;
        throw error;
      }
    },
    async write(route, parameters) {
      try {
        return object(await send(route, parameters)) ?? {};
      } finally {
        // Also after a failure: nobody knows what it changed.
        reads.clear();
      }
    },
  };
}
