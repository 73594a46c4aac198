/** What a caller is told of a failure: one description, in whichever form each surface writes it. */
import { z } from 'zod';
import { errorTable, ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { redactText } from '../lib/redact.js';
import { isUnstorableText } from '../store/unique.js';

export interface Issue {
  /** Names from the outside in, such as `['repositories', 0]`. */
  path: readonly (string | number)[];
  message: string;
  /** It is one of the address, and none of the body. */
  isParameter?: boolean;
}

export interface Problem {
  status: number;
  /** One of the table of errors, or `INTERNAL`. Match on it, never on the message. */
  code: string;
  message: string;
  /** What is wrong with which field. */
  issues?: readonly Issue[];
  /** When it may be tried again; told in a header. */
  retryAfterSeconds?: number;
}

const INTERNAL: Problem = {
  status: 500,
  code: 'INTERNAL',
  message: 'The request failed. The log of the server says why.',
};

/** A name that could be one. What else stands in its place may be a secret that slipped, and is not said again. */
const shownName = (key: string): string => (/^[A-Za-z_][A-Za-z0-9_-]{0,29}$/.test(key) ? key : 'unknown');

/** The first of each field; a form of several kinds finds each of them missing. */
export function issuesOf(error: z.ZodError): Issue[] {
  const all = error.issues.flatMap((issue): Issue[] => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    if (issue.code === 'invalid_type' && / received undefined$/.test(issue.message))
      return [{ path, message: 'is needed' }];
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
    return issue.keys.map((key) => ({ path: [...path, shownName(key)], message: 'There is no such field.' }));
  });
  const first = new Map(all.toReversed().map((issue) => [JSON.stringify(issue.path), issue]));
  return all.filter((issue) => first.get(JSON.stringify(issue.path)) === issue);
}

/** Fields that are wrong, all together. */
export class InvalidRequest extends ForgewayError {
  constructor(readonly issues: readonly Issue[]) {
    super('FORGEWAY_REQUEST_INVALID', 'The request has fields that are missing, unknown or wrong.');
  }
}

/** Reads input from outside. @throws InvalidRequest */
export function parseInput<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw new InvalidRequest(issuesOf(parsed.error));
  return parsed.data;
}

/** The same of what stands behind the question mark of an address. @throws InvalidRequest */
export function parseQuery<T extends z.ZodType>(schema: T, query: unknown): z.output<T> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  throw new InvalidRequest(issuesOf(parsed.error).map((issue) => ({ ...issue, isParameter: true })));
}

/** What the caller did, where a deeper layer said it in its own words. */
export function asAsked(error: unknown): unknown {
  if (error instanceof z.ZodError) return new InvalidRequest(issuesOf(error));
  if (isUnstorableText(error)) return new InvalidRequest([{ path: [], message: UNSTORABLE }]);
  return error;
}
const UNSTORABLE = 'Some text has a character that none may have, such as U+0000.';

const refusedStatus = (error: unknown): number | undefined => {
  const status = typeof error === 'object' && error !== null ? Reflect.get(error, 'statusCode') : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
};

/** By status, of what is refused before it is read; nothing of it is repeated. */
const UNREADABLE: Readonly<Record<number, string>> = {
  413: 'The body is larger than this takes.',
  415: 'Say what the body is: Content-Type: application/json, or application/vnd.api+json below /api/v2.',
};

/** The status that {@link problemOf} gives. */
export function statusOf(error: unknown): number {
  const asked = asAsked(error);
  return asked instanceof ForgewayError ? asked.status : (refusedStatus(error) ?? INTERNAL.status);
}

/** Never throws. What is ours to mend is logged, and the caller gets a constant. */
export function problemOf(failure: unknown, log: Logger, requestId: string): Problem {
  const error = asAsked(failure);
  if (error instanceof ForgewayError) {
    const { code, status } = error;
    // Outages of a forge are told; a fault of this server names things that only its operator should read.
    const told = status < 500 || status > 501;
    const retryAfterSeconds = retryAfterOf(error);
    if (!told || status >= 500) log.warn({ requestId, code, err: messageOf(error) }, 'a request to the API failed');
    return {
      status,
      code,
      message: told ? redactText(error.message) : errorTable[code].meaning,
      ...(error instanceof InvalidRequest && { issues: error.issues }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    };
  }
  // What the HTTP library refuses before any of ours sees it: a body that is too large or no JSON.
  const status = refusedStatus(error);
  if (status !== undefined)
    return { status, code: 'FORGEWAY_REQUEST_INVALID', message: UNREADABLE[status] ?? 'The request cannot be read.' };
  log.error({ requestId, err: error }, 'a request to the API failed');
  return INTERNAL;
}

/** When it may be tried again, where the failure says so. */
export function retryAfterOf(error: unknown): number | undefined {
  const seconds = error instanceof ForgewayError ? error.details.retryAfterSeconds : undefined;
  return typeof seconds === 'number' ? Math.ceil(seconds) : undefined;
}

/** Headers of an answer that tells a problem. */
export const problemHeaders = ({
  retryAfterSeconds: seconds,
}: Pick<Problem, 'retryAfterSeconds'>): { 'retry-after'?: string } =>
  seconds === undefined ? {} : { 'retry-after': String(seconds) };
