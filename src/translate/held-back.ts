/** Notes what apps request in GitHub's language, and where asked to, answers writes itself instead of sending them. */
import type { Fetch } from './forge-fetch.js';
import { madeUpAnswer } from './journal/made-up.js';

export interface NotedRequest {
  method: string;
  /** Below the API's base, or that of uploads, with its query. */
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

/** Where files of releases go: beside the API, at GitHub by another host. Each forge of a comparison has another one of these. */
const UPLOADS = /^https?:\/\/(?:uploads\.github\.com|[^/?#]+\/api\/uploads)(?=\/repos\/)/;
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

/** See BridgeOptions.around. `base` is the API's, as apps see it. */
export function holdBack(send: Fetch, base: string, o: HoldOptions): Fetch {
  return async (url, init) => {
    const method = (init?.method ?? 'GET').toUpperCase();
    const whole = url.startsWith(base) ? url.slice(base.length) : url.replace(UPLOADS, '');
    const [path = ''] = whole.split('?', 1);
    const body = jsonOf(init?.body);
    const write = isWrite(method, path, body);
    const noted = { method, path: whole, body };
    if (write ? o.writes : o.reads) {
      const response = write
        ? madeUpAnswer(method, path, body)
        : Response.json({ message: 'Not Found: nobody was asked.' }, { status: 404 });
      o.note({ ...noted, status: response.status, held: true });
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
