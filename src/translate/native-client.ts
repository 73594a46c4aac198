/** The port through which route tables talk to a forge, on top of the one way out. Answers become GitHub's failures here. */
import type { ForgeDescriptor, JsonObject } from '../forges/forge.js';
import { parseJson } from '../forges/kit/json-body.js';
import type { NativeAnswer, NativeClient, NativeRequest } from '../forges/kit/native-client.js';
import { RouteFailure } from '../forges/kit/route.js';
import { retryAfter, serverTime } from '../lib/backoff.js';
import type { Fetch } from './forge-fetch.js';

type FailureMessage = ForgeDescriptor['failureMessage'];

/** Where forges differ from GitHub in the word for the same refusal. */
const STATUS: ReadonlyMap<number, number> = new Map([
  [400, 422],
  [412, 409],
  [423, 409],
]);
const PASSED_ON = ['retry-after', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'];
const LONGEST_MESSAGE = 500;

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null;

/** What several fields, or several reasons, say together. */
function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.map(inWords).join(', ');
  if (!isObject(value)) return String(value);
  return Object.entries(value)
    .map(([field, reasons]) => `${field}: ${inWords(reasons)}`)
    .join('; ');
}

/** What a forge says of a refusal, in the several places where forges say it. */
function reasonIn(data: unknown): unknown {
  if (!isObject(data)) return undefined;
  const { message, error, error_description: description } = data;
  return [message, error, description].find((value) => isObject(value) || (typeof value === 'string' && value !== ''));
}

/** `{ base: ['is no branch'] }` as GitHub tells what is wrong with which field. */
const errorsIn = (reason: unknown): JsonObject[] | undefined =>
  isObject(reason)
    ? Object.entries(reason).map(([field, reasons]) => ({
        ...(!Array.isArray(reason) && field !== 'base' && { field }),
        code: 'custom',
        message: inWords(reasons).slice(0, LONGEST_MESSAGE),
      }))
    : undefined;

/** A year of seconds: a smaller number is a time to wait, which the draft standard writes where GitHub writes a point in time. */
const LONGEST_DELTA_SECONDS = 31_536_000;

/** What an answer says about limits, as GitHub says it: seconds to wait, and the second at which a budget is there again. */
function limitsOf(headers: Headers): Record<string, string> {
  const told: Record<string, string> = {};
  for (const name of PASSED_ON) {
    // GitLab and the draft standard leave the `x-` out.
    const value = headers.get(name) ?? headers.get(name.replace('x-rate', 'rate'));
    if (value !== null) told[name] = value;
  }
  const now = serverTime(headers, new Date());
  const wait = retryAfter(told['retry-after'], now);
  if (wait !== undefined) told['retry-after'] = String(Math.ceil(wait / 1_000));
  const reset = told['x-ratelimit-reset'];
  if (reset !== undefined && /^\d+$/.test(reset) && Number(reset) < LONGEST_DELTA_SECONDS)
    told['x-ratelimit-reset'] = String(Math.ceil(now.getTime() / 1_000) + Number(reset));
  return told;
}

async function failureOf(response: Response, messageOf: FailureMessage): Promise<RouteFailure> {
  const text = await response.text();
  let data: unknown;
  try {
    data = parseJson(text);
  } catch {
    data = undefined;
  }
  const headers = limitsOf(response.headers);
  const status = STATUS.get(response.status) ?? response.status;
  // A redirect that was not followed is no answer to give to an app.
  if (status < 400) return new RouteFailure(502, `The forge answered ${response.status}.`);
  const reason = messageOf?.(data) ?? reasonIn(data);
  if (reason === undefined)
    return new RouteFailure(status, status === 404 ? 'Not Found' : `The forge answered ${response.status}.`, {
      headers,
      answered: response.status,
    });
  const errors = status === 422 ? errorsIn(reason) : undefined;
  const options = { headers, answered: response.status, inForgesWords: true, ...(errors && { errors }) };
  return new RouteFailure(status, inWords(reason).slice(0, LONGEST_MESSAGE), options);
}

function queryOf(query: NativeRequest['query']): string {
  const entries = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return '';
  return `?${new URLSearchParams(Object.fromEntries(entries.map(([name, value]) => [name, String(value)])))}`;
}

async function read(response: Response, as: NativeRequest['as']): Promise<unknown> {
  if (as === 'bytes') return Buffer.from(await response.arrayBuffer());
  const text = await response.text();
  if (as === 'text') return text;
  if (text === '') return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    throw new RouteFailure(502, 'The forge answered something that is not JSON.', { cause: error });
  }
}

/** `apiUrl` is the base of the native API; `fetch` signs, limits, times and logs. */
export function createNativeClient(fetch: Fetch, apiUrl: string, failureMessage?: FailureMessage): NativeClient {
  const send: NativeClient['send'] = async (method, path, request = {}) => {
    const headers = new Headers(request.headers);
    if (!headers.has('accept'))
      headers.set('accept', request.as === undefined || request.as === 'json' ? 'application/json' : '*/*');
    const init: RequestInit = { method, headers };
    if (request.file !== undefined) {
      headers.set('content-type', request.file.type);
      init.body = new Uint8Array(request.file.bytes);
    }
    if (request.json !== undefined) {
      headers.set('content-type', 'application/json');
      init.body = JSON.stringify(request.json, (_key, value: unknown) =>
        typeof value === 'bigint' ? Number(value) : value,
      );
    }
    const response = await fetch(`${apiUrl}${path}${queryOf(request.query)}`, init);
    const unchanged = response.status === 304 && headers.has('if-none-match');
    if (!response.ok && !unchanged) throw await failureOf(response, failureMessage);
    const answer: NativeAnswer = {
      status: response.status,
      headers: response.headers,
      data: await read(response, request.as),
    };
    return answer;
  };
  const get = async (path: string, query?: NativeRequest['query']) => (await send('GET', path, { query })).data;
  return {
    send,
    get,
    async find(path, query) {
      try {
        return await get(path, query);
      } catch (error) {
        if (error instanceof RouteFailure && (error.status === 404 || error.status === 410)) return undefined;
        throw error;
      }
    },
  };
}
