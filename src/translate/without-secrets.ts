import { hideKnownSecrets, keepSecret } from '../lib/known-secrets.js';
import { withUrl } from './journal/answer.js';

const SCHEME = /^\w+ +/;

/** What a request speaks with is hidden from now on, in whatever comes back and wherever that goes. */
export function keepCredential(headers: Headers): void {
  keepSecret(headers.get('authorization')?.replace(SCHEME, ''));
}

/**
 * Forges, and more often what stands before them, repeat a request in their errors. Apps, logs, the journal and the reasons
 * of failures get such an answer without the credential; answers that are no failure stay as they are, since tokens come in
 * them.
 */
export async function withoutOurSecrets(response: Response): Promise<Response> {
  const { status, statusText, url } = response;
  if (status < 300) return response;
  const said = await response.clone().text();
  const told = hideKnownSecrets(said);
  const location = response.headers.get('location');
  const elsewhere = location === null ? null : hideKnownSecrets(location);
  if (told === said && elsewhere === location) return response;
  const headers = new Headers(response.headers);
  if (elsewhere !== null) headers.set('location', elsewhere);
  return withUrl(new Response(response.body === null ? null : told, { status, statusText, headers }), url);
}
