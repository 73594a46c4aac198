/** Where a GitHub's API, uploads and downloads live. */

import { type ForgeEndpoint, type Pace, parseBaseUrl } from '../endpoint.js';

/** @see https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and …/best-practices-for-using-the-rest-api */
const DOTCOM_PACE: Pace = { concurrent: 100, pointsPerMinute: 900, writeEveryMs: 1_000 };
const DOTCOM_API = 'https://api.github.com';
/** Where everybody sends uploads who knows no other place. */
export const DOTCOM_UPLOADS = 'https://uploads.github.com';
/** Where Octokit and apps send what GitHub serves, whatever the base is that they were given. */
export const dotcomOrigins: ReadonlySet<string> = new Set([DOTCOM_API, DOTCOM_UPLOADS]);
/** The same on this instance: Octokit sends uploads to GitHub.com by name, and apps write such addresses. */
export function onInstance({ apiUrl, apiOrigins }: ForgeEndpoint, url: URL): URL {
  if (apiOrigins.has(url.origin) || !dotcomOrigins.has(url.origin)) return url;
  const base = url.origin === DOTCOM_UPLOADS ? `${new URL(apiUrl).origin}/api/uploads` : apiUrl;
  return new URL(`${base}${url.pathname}${url.search}`);
}

const DOTCOM_DOWNLOADS = ['codeload.github.com', 'raw.', 'objects.', 'media.', 'release-assets.'].map((name) =>
  name.endsWith('.') ? `https://${name}githubusercontent.com` : `https://${name}`,
);

export function githubEndpoint(o: { forge: string; host: string; apiUrl: string; webUrl: string }): ForgeEndpoint {
  const api = new URL(o.apiUrl);
  const web = new URL(o.webUrl);
  const isDotcom = api.origin === DOTCOM_API;
  // A GitHub Enterprise Server with subdomain isolation serves downloads from these names of its own.
  const downloads = isDotcom
    ? DOTCOM_DOWNLOADS
    : ['codeload', 'media', 'raw'].map((name) => `${web.protocol}//${name}.${web.host}`);
  return {
    forge: o.forge,
    host: o.host,
    apiUrl: o.apiUrl.replace(/\/+$/, ''),
    webUrl: o.webUrl.replace(/\/+$/, ''),
    apiOrigins: new Set([api.origin, ...(isDotcom ? [DOTCOM_UPLOADS] : [])]),
    openOrigins: new Set([web.origin, ...downloads]),
    // What workflows left too.
    archives:
      /^\/repos\/[^/]+\/[^/]+\/(?:(?:tarball|zipball)(?:\/|$)|actions\/(?:artifacts\/\d+\/zip|(?:runs\/\d+(?:\/attempts\/\d+)?|jobs\/\d+)\/logs)$)/,
    ...(isDotcom && { pace: DOTCOM_PACE }),
  };
}

/** GitHub.com, or a GitHub Enterprise Server by the address at which people see it. */
export function githubInstance(baseUrl: string): ForgeEndpoint {
  const { origin, host, hostname } = parseBaseUrl(baseUrl);
  const isDotcom = hostname === 'github.com' || hostname === 'api.github.com';
  return githubEndpoint({
    forge: 'github',
    host: isDotcom ? 'github.com' : host,
    apiUrl: isDotcom ? DOTCOM_API : `${origin}/api/v3`,
    webUrl: isDotcom ? 'https://github.com' : origin,
  });
}
