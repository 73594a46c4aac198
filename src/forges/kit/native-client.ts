/** The port through which a forge's folder talks to the forge: signed, limited, timed and logged by whoever made it. */
import type { SentFile } from './multipart.js';

export interface NativeRequest {
  /** Appended to the path; an undefined value is left out, a list is repeated as `name[]` by the caller's own choice. */
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, instead of JSON. */
  file?: SentFile;
  headers?: Readonly<Record<string, string>>;
  /** How the answer is read; JSON unless said otherwise. */
  as?: 'json' | 'text' | 'bytes';
}

export interface NativeAnswer {
  status: number;
  headers: Headers;
  /** Parsed JSON, text or Buffer as asked for; undefined for an empty body. Ids beyond 2^53 are strings. */
  data: unknown;
}

export interface NativeClient {
  /**
   * One request. `path` lies below the API base and is encoded already, see {@link segment}.
   * @throws RouteFailure with the status GitHub would have answered, for every answer that is not 2xx, nor a 304 that was
   *   asked for by `if-none-match`
   */
  send(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD',
    path: string,
    request?: NativeRequest,
  ): Promise<NativeAnswer>;
  /** `send('GET')`, its data only. */
  get(path: string, query?: NativeRequest['query']): Promise<unknown>;
  /** The same, or undefined when the forge answers 404 or 410. */
  find(path: string, query?: NativeRequest['query']): Promise<unknown>;
}

/** One segment of a path, encoded once: `feature/x` as `feature%2Fx`. */
export const segment = (value: string | number): string => encodeURIComponent(String(value));
