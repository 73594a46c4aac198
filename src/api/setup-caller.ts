/** Who may set this installation up: its administrators, and while it has none whoever opened the setup link. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import type { Access } from '../accounts/access/access.js';
import { isSetupCode } from '../accounts/sign-in/codes.js';
import type { SessionActor } from '../accounts/sign-in/session-actor.js';
import { cookieOf, SETUP_COOKIE } from './auth.js';
import { sendPage } from './page.js';
import { messagePage } from './sign-in-page.js';

/** Who may see and change what, and under which name that is written down. */
export interface SetupCaller {
  /** Has a setup link and is nobody yet. */
  first: boolean;
  actor: string;
}

export interface SetupCallerOptions {
  /** Of the role of the API. */
  pool: pg.Pool;
  sessionActor: SessionActor;
  /** Decides, and writes down what it decided. */
  access: Pick<Access, 'check'>;
}

/** Undefined after it has answered: with the sign-in page, which comes back to `returnTo`, or with a refusal. */
export async function setupCaller(
  o: SetupCallerOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  returnTo: string,
): Promise<SetupCaller | undefined> {
  const code = cookieOf(request, SETUP_COOKIE);
  const person = await o.sessionActor(request.headers);
  const decision = person && (await o.access.check(person, 'platform.manage', { name: 'set-up' }));
  if (person !== undefined && decision?.allowed) return { first: false, actor: `user:${person.userId}` };
  if (code !== undefined && (await isSetupCode(o.pool, code))) return { first: true, actor: 'setup link' };
  if (person === undefined && code === undefined) {
    await reply.redirect(`/sign-in?return_to=${encodeURIComponent(returnTo)}`, 303);
    return undefined;
  }
  const text =
    person === undefined
      ? 'The setup link was used or has expired. `forgeway admin link` makes another.'
      : 'This page is for administrators of this Forgeway.';
  await sendPage(reply.code(403), messagePage('Not for you', text));
  return undefined;
}
