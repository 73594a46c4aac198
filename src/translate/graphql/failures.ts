/** What goes wrong inside a GraphQL request, in GitHub's terms: each kind becomes the `type` of an entry of `errors`. */
import { RouteFailure } from '../../forges/kit/route.js';

/** GitHub's own words, and NOT_SUPPORTED, which is ours: the forge or Forgeway has no such thing. */
export type FailureType =
  | 'NOT_SUPPORTED'
  | 'NOT_FOUND'
  | 'FORBIDDEN'
  | 'UNPROCESSABLE'
  | 'STALE_DATA'
  | 'RESOURCE_LIMITS_EXCEEDED'
  | 'EXCESSIVE_PAGINATION'
  | 'INVALID_CURSOR_ARGUMENTS'
  | 'BAD_USER_INPUT';

export class GraphqlFailure extends Error {
  override readonly name = 'GraphqlFailure';
  readonly type: FailureType;
  /** What is not supported, as it is counted: a route, or a field such as `Issue.timelineItems`. */
  readonly subject: string | undefined;

  constructor(type: FailureType, message: string, options: { cause?: unknown; subject?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.type = type;
    this.subject = options.subject;
  }
}

export const notSupported = (subject: string, message: string, cause?: unknown): GraphqlFailure =>
  new GraphqlFailure('NOT_SUPPORTED', message, { subject, cause });

const TYPES: Readonly<Record<number, FailureType>> = {
  400: 'UNPROCESSABLE',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'UNPROCESSABLE',
  409: 'UNPROCESSABLE',
  410: 'NOT_FOUND',
  413: 'UNPROCESSABLE',
  415: 'UNPROCESSABLE',
  422: 'UNPROCESSABLE',
  451: 'FORBIDDEN',
  501: 'NOT_SUPPORTED',
};

/** A rate limit in GitHub's older form; it concerns the whole request and not one field of it. */
const asksToWait = (failure: RouteFailure): boolean =>
  failure.headers['retry-after'] !== undefined || failure.headers['x-ratelimit-remaining'] === '0';

/** A failed REST route as an error of one field; undefined where the whole request has failed (401, 429, 5xx). */
export function fieldFailure(error: unknown, message?: string): GraphqlFailure | undefined {
  if (error instanceof GraphqlFailure) return error;
  if (!(error instanceof RouteFailure) || (error.status === 403 && asksToWait(error))) return undefined;
  const type = TYPES[error.status];
  if (type === undefined) return undefined;
  const details = (error.errors ?? []).flatMap((entry) => (typeof entry.message === 'string' ? [entry.message] : []));
  return new GraphqlFailure(type, message ?? [error.message, ...details].join(': '), { cause: error });
}

/** Whether a route answered with this status, before or after it became an error of a field. */
export function hasStatus(error: unknown, status: number): boolean {
  const failure = error instanceof GraphqlFailure ? error.cause : error;
  return failure instanceof RouteFailure && failure.status === status;
}
