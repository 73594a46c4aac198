/** One API request and its answer, as the routes of the emulated GitHub see them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject, type JsonObject } from './json.js';

export interface ApiRequest {
  method: string;
  /** Decoded segments are in `params` of a route; this is the raw path without `/api/v3`. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
  /** What stands after `Bearer` or `token`. */
  token: string | undefined;
}

export interface ApiAnswer {
  status: number;
  headers?: Record<string, string>;
  /** Sent as JSON when set. */
  json?: unknown;
  body?: Buffer;
}

/** An answer other than success, in the form GitHub gives it. */
export class ApiProblem extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const bodyLimit = 30 * 1024 * 1024;

/** The whole body. @throws ApiProblem 413 above 30 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimit) throw new ApiProblem(413, 'The request is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as a JSON object. @throws ApiProblem 400 as GitHub answers it. */
export function jsonBody(request: ApiRequest): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(request.body.toString('utf8'));
  } catch {
    throw new ApiProblem(400, 'Problems parsing JSON');
  }
  if (!isObject(parsed)) throw new ApiProblem(400, 'Body should be a JSON object');
  return parsed;
}

/** The token of an `Authorization` header: bearer, token, or the password of Basic. */
export function tokenOf(header: string | undefined): string | undefined {
  const [scheme = '', value = ''] = (header ?? '').split(/\s+/, 2);
  if (/^(bearer|token)$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) return undefined;
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  return decoded.slice(decoded.indexOf(':') + 1);
}

/** One page of a list, by the query's `page` and `per_page`. */
export function pageOf<T>(list: readonly T[], query: URLSearchParams): T[] {
  const page = Math.max(1, Number(query.get('page') ?? 1) || 1);
  const size = Math.min(100, Math.max(1, Number(query.get('per_page') ?? 30) || 30));
  return list.slice((page - 1) * size, page * size);
}

export function sendAnswer(response: ServerResponse, answer: ApiAnswer): void {
  const body = answer.json === undefined ? (answer.body ?? Buffer.alloc(0)) : Buffer.from(JSON.stringify(answer.json));
  const headers = { ...answer.headers };
  if (answer.json !== undefined) headers['content-type'] = 'application/json; charset=utf-8';
  response.writeHead(answer.status, { ...headers, 'content-length': String(body.length) });
  response.end(body);
}

export function problemAnswer(problem: ApiProblem): ApiAnswer {
  return {
    status: problem.status,
    json: { message: problem.message, documentation_url: 'https://docs.github.com/rest' },
  };
}
