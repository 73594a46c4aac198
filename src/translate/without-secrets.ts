import { hideKnownSecrets, keepSecret } from '../lib/known-secrets.js';
import { createSecretTable } from '../lib/secret-table.js';
import { withUrl } from './journal/answer.js';

const SCHEME = /^\w+ +/;
/** No failure has so much to say. */
const LONGEST = 1024 * 1024;
/** Of which everything is hidden that this process knows, and not only what this request spoke with. */
const LONGEST_SEARCHED = 64 * 1024;

/** What a request speaks with; undefined when it says nothing. Logs do not have it from now on. */
export function keepCredential(headers: Headers): string | undefined {
  const credential = headers.get('authorization')?.replace(SCHEME, '');
  keepSecret(credential);
  return credential;
}

/**
 * Forges, and more often what stands before them, repeat a request in their errors. Apps, logs, the journal and the reasons
 * of failures get such an answer without the credential; answers that are no failure stay as they are, since tokens come in
 * them. A failure of more than 1 MiB is cut.
 */
export async function withoutOurSecrets(response: Response, credential: string | undefined): Promise<Response> {
  const { status, statusText, url } = response;
  if (status < 300) return response;
  const own = createSecretTable();
  if (credential !== undefined) own.add(credential);
  const said = await response.clone().text();
  const short = said.slice(0, LONGEST);
  const told = own.hide(short.length > LONGEST_SEARCHED ? short : hideKnownSecrets(short));
  const location = response.headers.get('location');
  // Where it leads is the forge's to say: only what we sent is taken out.
  const elsewhere = location === null ? null : own.hide(location.slice(0, LONGEST_SEARCHED));
  if (told === said && elsewhere === location) return response;
  const headers = new Headers(response.headers);
  if (elsewhere !== null) headers.set('location', elsewhere);
  return withUrl(new Response(response.body === null ? null : told, { status, statusText, headers }), url);
}
