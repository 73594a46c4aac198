/**
 * Routes are data (decision 7): a forge's table is keyed by GitHub's route string, and each row says how well and how
 * safely it does the same on that forge. An absent row is "not supported".
 */
import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import type { JsonObject } from '../forge.js';
import type { GitObjects } from './git-objects.js';
import type { InboxPort } from './inbox-port.js';
import type { SentFile } from './multipart.js';
import type { NativeClient } from './native-client.js';
import type { Records } from './records.js';
import type { ShapeBase } from './shapes/base.js';

/**
 * `exact`: the same effect and the same answer. `emulated`: the same for an app, by other means. `partial`: something an
 * app could notice is missing, which `note` says.
 */
export type Support = 'exact' | 'emulated' | 'partial';

/**
 * What may be done when nobody knows whether a write arrived. `read`: ask again. `idempotent`: send again. `findable`: look
 * for its effect first. `unsafe`: neither, so it is never repeated.
 */
export type RetrySafety = 'read' | 'idempotent' | 'findable' | 'unsafe';

/** What an app asked for in its Accept header. */
/** `file` is the bytes of the thing itself, `application/octet-stream`. */
export type MediaType =
  | 'json'
  | 'file'
  | 'raw'
  | 'diff'
  | 'patch'
  | 'html'
  | 'text'
  | 'full'
  | 'sha'
  | 'object'
  | 'repository';

export interface RouteRequest {
  /** Path parameters by GitHub's names, decoded once: `owner` is `group~sub` as apps see it. */
  params: Readonly<Record<string, string>>;
  /** Query parameters. */
  query: Readonly<Record<string, string>>;
  /** JSON body; {} when there is none, or it is a file. */
  body: JsonObject;
  /** The body of a row that takes a file. */
  file?: SentFile;
  media: MediaType;
  /** Counted from 1; at most 100 items a page. */
  page: number;
  perPage: number;
}

export interface RouteAnswer {
  /** 200 unless said otherwise. */
  status?: number;
  /** JSON; undefined answers an empty body. */
  data?: unknown;
  /** Instead of `data`: a body that is no JSON. */
  body?: { contentType: string; bytes: Buffer | string };
  headers?: Readonly<Record<string, string>>;
  /** What follows in a list; becomes the `link` header. `last` only when the forge told. */
  pages?: { next: boolean; last?: number };
}

export interface RouteContext {
  native: NativeClient;
  base: ShapeBase;
  /** What the forge cannot keep for us: check runs, drafts, where a comment stands. */
  records: Records;
  /** Objects and refs that the forge's API cannot write; absent where git is not available. */
  git?: GitObjects;
  /** Events that the forge does not send, and what arrived at our webhooks; absent where nothing is stored. */
  inbox?: InboxPort;
  /** Whom the token speaks for. */
  account: { id: bigint; login: string };
  /** Web address of our own page about a check run, for the forge's "details" link; undefined without PUBLIC_URL. */
  checkRunUrl(recordId: number): string | undefined;
  clock: Clock;
  log: Logger;
  /** Other rows of the same table, for routes that are made of others. Pages are the caller's. */
  github: GitHubRequest;
}

/** Asks in GitHub's language: `('GET /repos/{owner}/{repo}', { owner, repo })`; answers the JSON. @throws RouteFailure */
export type GitHubRequest = (route: string, parameters: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** A row; `C` is what it needs, a forge's own rows the ports above. */
export interface Route<C = RouteContext> {
  support: Support;
  retry: RetrySafety;
  /** The forge's own documentation page and call that this follows, such as `merge_requests: PUT /projects/:id/merge_requests/:iid`. */
  source: string;
  /** Why a row is partial or emulated, in one sentence for the support matrix; required for `partial`. */
  note?: string;
  /** The body is no JSON: it comes in `file` as it is. */
  takesFile?: true;
  /** @throws RouteFailure */
  run(request: RouteRequest, context: C): Promise<RouteAnswer>;
}

/** By GitHub's route string, such as `GET /repos/{owner}/{repo}/issues/{issue_number}`. */
export type RouteTable<C = RouteContext> = Readonly<Record<string, Route<C>>>;

/** An answer that is not a success, as GitHub would give it. */
export class RouteFailure extends Error {
  override readonly name = 'RouteFailure';
  readonly status: number;
  /** Entries of a 422, such as `{ resource: 'Label', code: 'already_exists', field: 'name' }`. */
  readonly errors: readonly JsonObject[] | undefined;
  /** Sent along: `retry-after`, rate limits. */
  readonly headers: Readonly<Record<string, string>>;
  /** The message is the forge's own. An app reads GitHub's words for the status, and these beside them. */
  readonly inForgesWords: boolean;
  /** The status that the forge sent; undefined where the failure is what we made of its answer. */
  readonly answered: number | undefined;

  constructor(
    status: number,
    message: string,
    options: {
      errors?: readonly JsonObject[];
      headers?: Readonly<Record<string, string>>;
      inForgesWords?: boolean;
      answered?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
    this.inForgesWords = options.inForgesWords ?? false;
    this.answered = options.answered;
  }
}

export const notFound = (message = 'Not Found'): RouteFailure => new RouteFailure(404, message);

/** 422 in a sentence of GitHub's own, where it names no field. */
export const unprocessable = (message: string): RouteFailure => new RouteFailure(422, message);

/** 422 as GitHub answers it when a field is wrong; `message` tells what is wrong with it. */
export const invalid = (
  resource: string,
  field: string,
  code: 'invalid' | 'missing_field' | 'already_exists' | 'custom',
  message?: string,
): RouteFailure =>
  new RouteFailure(422, 'Validation Failed', {
    errors: [{ resource, field, code, ...(message !== undefined && { message }) }],
  });
