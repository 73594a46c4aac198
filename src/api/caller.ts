/** Who sends a request: by a token, else by the session of a browser. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Actor, Person } from '../accounts/access/actor.js';
import { callerOfToken, loadPerson } from '../accounts/access/caller.js';
import { isDeviceToken } from '../accounts/sign-in/sign-in.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';

export interface CallerOptions {
  /** Opened as the api role. */
  store: Store;
  /** The person whose session the cookies are; absent where nobody can sign in. */
  sessionActor?(headers: IncomingHttpHeaders): Promise<Person | undefined>;
  /** Origin of our own pages, which alone may have a browser change something. */
  publicOrigin(): string;
}

export interface CallerRequest {
  method: string;
  headers: IncomingHttpHeaders;
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const BEARER = /^bearer +(\S+)$/i;

const unauthenticated = (message: string) => new ForgewayError('FORGEWAY_UNAUTHENTICATED', message);

/** A browser says where a request began; a page of somebody else cannot make it say otherwise. */
function isFromOurPages({ method, headers }: CallerRequest, origin: string): boolean {
  if (SAFE.has(method)) return true;
  if (headers.origin !== undefined) return headers.origin === origin;
  return headers['sec-fetch-site'] === 'same-origin';
}

/**
 * Who asks; `anonymous` when nothing is said. A token that does not hold is never taken for a session or for nobody.
 * @throws ForgewayError FORGEWAY_UNAUTHENTICATED, and FORGEWAY_FORBIDDEN for a change that another site's page asks for
 */
export async function callerOf(o: CallerOptions, request: CallerRequest): Promise<Actor> {
  const { authorization, cookie } = request.headers;
  if (authorization !== undefined) {
    if (isDeviceToken(authorization)) {
      const person = await o.sessionActor?.(request.headers);
      if (person === undefined) throw unauthenticated('The session of the device has ended.');
      return person;
    }
    const token = BEARER.exec(authorization.trim())?.[1];
    const actor =
      token === undefined ? undefined : await callerOfToken(o.store, token, (userId) => loadPerson(o.store, userId));
    if (actor === undefined) throw unauthenticated('The token is unknown, expired or revoked.');
    return actor;
  }
  if (cookie === undefined || o.sessionActor === undefined) return { kind: 'anonymous' };
  const person = await o.sessionActor(request.headers);
  if (person === undefined) return { kind: 'anonymous' };
  if (!isFromOurPages(request, o.publicOrigin()))
    throw new ForgewayError('FORGEWAY_FORBIDDEN', 'The request comes from a page of another site.');
  return person;
}
