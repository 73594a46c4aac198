/** Where one instance of a forge lives, and which origins may be spoken to on its behalf. */
export interface ForgeEndpoint {
  forge: string;
  /** Identity of the server: its host name, its port when that is not the usual one, and its path when it has one. */
  host: string;
  /** Base of the native API, without a slash at the end. */
  apiUrl: string;
  /** Base of the pages for people and of git, without a slash at the end. */
  webUrl: string;
  /** Origins that may be sent the credential. */
  apiOrigins: ReadonlySet<string>;
  /** Origins that may be read from, without any credential: what the API redirects downloads to. */
  openOrigins: ReadonlySet<string>;
  /**
   * Paths of the API that answer with a file which may be large, as the files of a repository in one. A server that keeps them
   * in an object storage redirects there: what it names is read without any credential.
   */
  archives?: RegExp;
  /** What it allows one installation, where that is published; a server of one's own has limits of its own. */
  pace?: Pace;
}

export interface Pace {
  /** Requests under way at a time. */
  concurrent: number;
  /** A read costs one point, a write five. */
  pointsPerMinute: number;
  /** From the beginning of one write to that of the next. */
  writeEveryMs: number;
}

/** Base of GitHub's API on a forge that has none: a path that no such forge uses, below its own address. */
export const VIRTUAL_API_PATH = '/api/v3';

/**
 * Address of an instance as it was given. A name is the same with the dot that may end it: else one instance would be two, and
 * what belongs to somebody on the one would be free on the other.
 * @throws TypeError
 */
export function parseBaseUrl(baseUrl: string): URL {
  const url = new URL(baseUrl);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new TypeError(`${baseUrl} is not a web address.`);
  url.hostname = url.hostname.replace(/\.+$/, '');
  return url;
}

/** An instance whose API lies below its pages, as on most self-hosted forges. */
export function endpointBelow(forge: string, baseUrl: string, apiPath: string): ForgeEndpoint {
  const url = parseBaseUrl(baseUrl);
  if (url.username !== '' || url.password !== '') throw new TypeError('A base URL carries no password.');
  const path = url.pathname.replace(/\/+$/, '');
  const webUrl = `${url.origin}${path}`;
  return {
    forge,
    host: `${url.host}${path}`,
    apiUrl: `${webUrl}${apiPath}`,
    webUrl,
    apiOrigins: new Set([url.origin]),
    openOrigins: new Set(),
  };
}
