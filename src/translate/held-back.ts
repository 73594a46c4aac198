/** Notes what apps request in GitHub's language, and where asked to, answers writes itself instead of sending them. */
import type { Fetch } from './forge-fetch.js';

export interface NotedRequest {
  method: string;
  /** Below the API's base, with its query. */
  path: string;
  /** What the app was answered; 0 when it got no answer. */
  status: number;
  /** True when it was not sent, and the answer is made up. */
  held: boolean;
  /** What was sent, read as JSON; undefined when it is none. */
  body: unknown;
}

export interface HoldOptions {
  /** Writes are answered and not sent. */
  writes: boolean;
  /** Reads too: there is nobody to ask, and nothing is found. */
  reads: boolean;
  note(request: NotedRequest): void;
}

const STATUS: Readonly<Record<string, number>> = { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 };
const TOKENS = /\/access_tokens$/;
const GRAPHQL = /\/graphql$/;
const MUTATION = /^\s*(#.*\n\s*)*mutation\b/;

function jsonOf(body: RequestInit['body']): unknown {
  if (typeof body !== 'string' || body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    // A body that is no JSON is sent as it is, and only not shown.
    return undefined;
  }
}

const asObject = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

function isWrite(method: string, path: string, body: unknown): boolean {
  if (method === 'GET' || method === 'HEAD' || TOKENS.test(path)) return false;
  return !GRAPHQL.test(path) || MUTATION.test(String(asObject(body).query));
}

/** What GitHub might have answered: the object as it was sent, with an id. */
function madeUp(method: string, path: string, sent: unknown): unknown {
  if (GRAPHQL.test(path)) return { data: {} };
  if (/\/labels$/.test(path) && /\/issues\//.test(path)) {
    const names = Array.isArray(sent) ? sent : asObject(sent).labels;
    return Array.isArray(names)
      ? names.map((name, at) => ({ id: at + 1, ...(typeof name === 'object' ? name : { name }) }))
      : [];
  }
  return method === 'DELETE' ? undefined : { id: 1, node_id: '', number: 1, html_url: '', ...asObject(sent) };
}

/** See BridgeOptions.around. `base` is the API's, as apps see it. */
export function holdBack(send: Fetch, base: string, o: HoldOptions): Fetch {
  return async (url, init) => {
    const method = (init?.method ?? 'GET').toUpperCase();
    const whole = url.startsWith(base) ? url.slice(base.length) : url;
    const [path = ''] = whole.split('?', 1);
    const body = jsonOf(init?.body);
    const write = isWrite(method, path, body);
    const noted = { method, path: whole, body };
    if (write ? o.writes : o.reads) {
      const status = !write ? 404 : GRAPHQL.test(path) ? 200 : (STATUS[method] ?? 200);
      o.note({ ...noted, status, held: true });
      const data = write ? madeUp(method, path, body) : { message: 'Not Found: nobody was asked.' };
      const response = data === undefined ? new Response(null, { status }) : Response.json(data, { status });
      Object.defineProperty(response, 'url', { value: url });
      return response;
    }
    try {
      const response = await send(url, init);
      o.note({ ...noted, status: response.status, held: false });
      return response;
    } catch (error) {
      o.note({ ...noted, status: 0, held: false });
      throw error;
    }
  };
}
