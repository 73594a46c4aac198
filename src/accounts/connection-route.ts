/** How the host of a connection is reached, as its owner gives it: certificates of its own, and a proxy. */
import { X509Certificate } from 'node:crypto';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { OutboundProxy, OutboundRoute } from '../lib/outbound/outbound.js';

/** What is undefined stays as it is; null removes it. */
export interface ConnectionRoute {
  ca?: string | null;
  proxy?: OutboundProxy | null;
  /** Who says so; default `operator`. */
  by?: RouteBy;
}

/**
 * `operator`: whoever runs this server, which holds for every connection of the organization to the host that says nothing else.
 * `owner`: whoever made the connection, over the API, and for it alone. Otherwise who may connect one account would choose the
 * certificates and the proxy that the tokens of others pass, and could read them there.
 */
export const routeSetters = ['operator', 'owner'] as const;
export type RouteBy = (typeof routeSetters)[number];

const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;
const MOST_BYTES = 256 * 1024;
const MOST_CERTIFICATES = 50;

const refused = (message: string) => new ForgewayError('FORGEWAY_CONNECTION_REFUSED', message);

/**
 * The certificates of a PEM file and nothing else of it.
 * @throws ForgewayError FORGEWAY_CONNECTION_REFUSED
 */
export function readCertificates(text: string): string {
  if (text.length > MOST_BYTES) throw refused('The file of certificates is larger than 256 KiB.');
  const blocks = [...text.matchAll(PEM)];
  if (blocks.some(([, kind]) => kind?.includes('PRIVATE KEY')))
    throw refused('The file of certificates holds a private key. Give the certificate of the authority alone.');
  const certificates = blocks.filter(([, kind]) => kind === 'CERTIFICATE').map(([block]) => block);
  if (certificates.length === 0) throw refused('The file of certificates holds none: it has to be PEM.');
  if (certificates.length > MOST_CERTIFICATES) throw refused('The file holds more than 50 certificates.');
  for (const [index, block] of certificates.entries()) {
    try {
      const { validTo } = new X509Certificate(block);
      if (Date.parse(validTo) <= Date.now()) throw new Error(`it expired on ${validTo}`);
    } catch (error) {
      throw refused(`Certificate ${index + 1} of the file cannot be used: ${messageOf(error)}.`);
    }
  }
  return `${certificates.join('\n')}\n`;
}

/** `CN=Example CA (SHA-256 AB:CD…)` for each. @param pem as {@link readCertificates} answers it */
export const describeCertificates = (pem: string): string[] =>
  [...pem.matchAll(PEM)].map(([block]) => {
    const { subject, fingerprint256 } = new X509Certificate(block);
    return `${subject.replaceAll('\n', ', ')} (SHA-256 ${fingerprint256})`;
  });

/**
 * A proxy as people write it, with user name and password in it where it wants them.
 * @throws ForgewayError FORGEWAY_CONNECTION_REFUSED
 */
export function readProxy(text: string): OutboundProxy {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Never shown: it may have a password in it.
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '')
    throw refused(
      'The proxy has to be written as http://proxy.example.com:3128, with user name and password before the host where it wants them.',
    );
  const { username, password, origin } = url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { url: origin, ...(username !== '' && { credentials }) };
}

export interface RouteRow {
  ca_certificate: string | null;
  proxy_url: string | null;
}

/** Of what was sent over the API: text, null to take it away, undefined to leave it. @throws ForgewayError FORGEWAY_CONNECTION_REFUSED */
export function readOwnersRoute(o: {
  caCertificate?: string | null | undefined;
  proxy?: string | null | undefined;
}): ConnectionRoute | undefined {
  const { caCertificate: ca, proxy } = o;
  if (ca === undefined && proxy === undefined) return undefined;
  return {
    ...(ca !== undefined && { ca: ca && readCertificates(ca) }),
    ...(proxy !== undefined && { proxy: proxy === null ? null : readProxy(proxy) }),
    by: 'owner',
  };
}

/** Undefined where the host is reached as usual. */
export function routeOf(row: RouteRow, credentials: string | undefined): OutboundRoute | undefined {
  const { ca_certificate: ca, proxy_url: url } = row;
  if (ca === null && url === null) return undefined;
  return {
    ...(ca !== null && { ca }),
    ...(url !== null && { proxy: { url, ...(credentials !== undefined && { credentials }) } }),
  };
}
