/** JSON:API documents, and the ids in them: what every resource below `/api/v2` has in common. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Problem } from '../problem.js';

export const MEDIA_TYPE = 'application/vnd.api+json';
export const API_PREFIX = '/api/v2';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** Bodies of this scope are documents, and nothing else. */
export function takeDocuments(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  for (const type of [MEDIA_TYPE, 'application/json'])
    app.addContentTypeParser(type, { parseAs: 'string' }, (request, body, done) =>
      // Clients name a type also where they send nothing.
      body === '' ? done(null, undefined) : parse(request, String(body), done),
    );
}

const LARGEST_PAGE = 100;

/** Which page is wanted. A larger one than there is is answered with the largest, as clients of the public API know it. */
export const pageParameters = {
  'page[number]': z.coerce.number().int().min(1).max(10_000).default(1),
  'page[size]': z.coerce
    .number()
    .int()
    .min(1)
    .transform((size) => Math.min(size, LARGEST_PAGE))
    .default(20),
};

export interface IdForm {
  external(id: string): string;
  /** Undefined for what was never an id of this form. */
  internal(text: string): string | undefined;
}

/** Ids that say what they are of, such as `ws-018f…`. */
export function idForm(prefix: string): IdForm {
  const form = new RegExp(`^${prefix}-(${UUID})$`);
  return { external: (id) => `${prefix}-${id}`, internal: (text) => form.exec(text)?.[1] };
}

const title = (status: number): string =>
  ({
    400: 'Bad request',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not found',
    409: 'Conflict',
    415: 'Unsupported media type',
    422: 'Invalid attribute',
    429: 'Too many requests',
  })[status] ?? 'Failed';

/** JSON Pointer (RFC 6901). */
const pointerOf = (path: readonly (string | number)[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** One error for each field that is wrong, so that all are told together. */
export function errorDocument({ status, code, message, issues = [] }: Problem) {
  const base = { status: String(status), code, title: title(status) };
  if (issues.length === 0) return { errors: [{ ...base, detail: message }] };
  return {
    errors: issues.map(({ path, message: detail, isParameter }) => ({
      ...base,
      ...(isParameter && { title: 'Invalid query parameter' }),
      detail,
      source: isParameter ? { parameter: String(path[0] ?? '') } : { pointer: pointerOf(path) },
    })),
  };
}

export interface PageNumbers {
  number: number;
  size: number;
  total: number;
}

/** A page with the links to its neighbours; `path` carries no query. */
export function collection(
  data: unknown[],
  path: string,
  query: URLSearchParams,
  { number, size, total }: PageNumbers,
) {
  const pages = Math.max(1, Math.ceil(total / size));
  const link = (to: number): string | null => {
    if (to < 1 || to > pages) return null;
    const wanted = new URLSearchParams(query);
    wanted.set('page[number]', String(to));
    wanted.set('page[size]', String(size));
    return `${path}?${wanted}`;
  };
  return {
    data,
    links: { self: link(number), first: link(1), prev: link(number - 1), next: link(number + 1), last: link(pages) },
    meta: {
      pagination: {
        'current-page': number,
        'page-size': size,
        'prev-page': number > 1 ? number - 1 : null,
        'next-page': number < pages ? number + 1 : null,
        'total-pages': pages,
        'total-count': total,
      },
    },
  };
}
