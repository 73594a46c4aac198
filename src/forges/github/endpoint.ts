/** Where a GitHub's API, uploads and downloads live. */

export interface ForgeEndpoint {
  forge: string;
  /** Identity of the server: its host name, and its port when that is not the usual one. */
  host: string;
  /** Base of the API, without a slash at the end. */
  apiUrl: string;
  /** Base of the pages for people and of git, without a slash at the end. */
  webUrl: string;
  /** Origins that may be sent the credential. */
  apiOrigins: ReadonlySet<string>;
  /** Origins that may be read from, without any credential: what the API redirects downloads to. */
  openOrigins: ReadonlySet<string>;
}

const DOTCOM_API = 'https://api.github.com';
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
    apiOrigins: new Set([api.origin, ...(isDotcom ? ['https://uploads.github.com'] : [])]),
    openOrigins: new Set([web.origin, ...downloads]),
  };
}
