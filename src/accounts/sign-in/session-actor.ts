/** The person behind a request, as the permission engine wants to know them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Store } from '../../store/database.js';
import type { Person } from '../access/actor.js';
import { loadPerson } from '../access/caller.js';
import type { SignIn } from './sign-in.js';
import { forHeaders } from './sign-in.js';

/** Undefined: nobody has signed in, or not any more. A suspended person is answered as such, and `decide` says no. */
export type SessionActor = (headers: IncomingHttpHeaders) => Promise<Person | undefined>;

/** Rights are as they are now: nothing of them is remembered between two requests. @param store of the role of the API */
export function createSessionActor(signIn: Pick<SignIn, 'session'>, store: Store): SessionActor {
  return async (headers) => {
    const session = await signIn.session(forHeaders(headers));
    return session === undefined ? undefined : await loadPerson(store, session.userId);
  };
}
