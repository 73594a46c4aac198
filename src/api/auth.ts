/** Addresses of signing in: `/sign-in`, `/sign-out`, `/setup` for people, `/api/auth/*` for programs and forges. */
import type { BlockList } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { returnPath } from '../accounts/sign-in/return-path.js';
import type { SessionActor } from '../accounts/sign-in/session-actor.js';
import { AUTH_PATH, forHeaders, type SignIn } from '../accounts/sign-in/sign-in.js';
import { type AccountRoutesOptions, finishLink, type LinkAnswer } from './account-routes.js';
import { clientAddress } from './client-address.js';
import { comesFromUs, isOurPage } from './origin-check.js';
import { sendPage } from './page.js';
import { messagePage, signInPage } from './sign-in-page.js';

export interface AuthRoutesOptions {
  signIn: SignIn;
  sessionActor: SessionActor;
  publicUrl(): string;
  trustedProxies: BlockList;
}

export const SETUP_COOKIE = 'forgeway.setup';
/** A form may carry the certificates of a server. */
const MAX_FORM = 400 * 1024;

const signInForm = z.object({ provider: z.string().max(300), return_to: z.string().optional() });
const signInBody = z.strictObject({ provider: z.string().max(300), callbackURL: z.string().optional() });

export function cookieOf(request: FastifyRequest, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = part.trim().split('=', 2);
    if (key === name) return value;
  }
  return undefined;
}

/** Hands an answer of the library on: status, cookies, body; redirects as 303, so that a form is not sent twice. */
async function pass(
  reply: FastifyReply,
  answer: Response,
  location = answer.headers.get('location'),
): Promise<FastifyReply> {
  for (const cookie of answer.headers.getSetCookie()) reply.header('set-cookie', cookie);
  reply.header('cache-control', 'no-store').header('referrer-policy', 'same-origin');
  if (location !== null) return reply.code(303).header('location', location).send();
  return reply
    .code(answer.status)
    .type('application/json; charset=utf-8')
    .send(await answer.text());
}

const tooMany = (reply: FastifyReply) =>
  sendPage(
    reply.code(429).header('retry-after', '60'),
    messagePage(
      'Too many attempts',
      'There were too many attempts to sign in from your address. Wait a minute, then try again.',
    ),
  );

/** Forms of ours, and nothing larger. */
export function addForms(app: FastifyInstance): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: MAX_FORM },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
}

/** Everything that changes something and carries a cookie, whatever its route. To be added before the routes. */
export function addOriginCheck(app: FastifyInstance, publicUrl: () => string): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404 || comesFromUs(request, new URL(publicUrl()).origin)) return;
    return refuseOrigin(reply, publicUrl());
  });
}

function refuseOrigin(reply: FastifyReply, publicUrl: string): FastifyReply {
  return sendPage(
    reply.code(403),
    messagePage(
      'Not from here',
      `That was sent by a page which is not of this Forgeway. Open ${publicUrl} and try again.`,
    ),
  );
}

export function addAuthRoutes(app: FastifyInstance, o: AccountRoutesOptions): void {
  const { signIn } = o;
  const ip = (request: FastifyRequest) => clientAddress(request.raw, o.trustedProxies);
  const isOurs = (request: FastifyRequest) => isOurPage(request.headers, new URL(o.publicUrl()).origin);

  async function start(request: FastifyRequest, providerId: string, returnTo: string) {
    const setupCode = cookieOf(request, SETUP_COOKIE);
    const headers = forHeaders(request.headers);
    return signIn.start({ providerId, returnTo, headers, ip: ip(request), ...(setupCode && { setupCode }) });
  }

  app.get<{ Querystring: { return_to?: unknown; error?: unknown } }>('/sign-in', async (request, reply) => {
    const { return_to, error } = request.query;
    if ((await o.sessionActor(request.headers)) !== undefined) return reply.redirect(returnPath(return_to) ?? '/', 303);
    const clients = await signIn.clients();
    return sendPage(
      reply.header('cache-control', 'no-store'),
      signInPage({ clients, returnTo: returnPath(return_to) ?? '/', ...(typeof error === 'string' && { error }) }),
    );
  });

  app.post('/sign-in', async (request, reply) => {
    if (!isOurs(request)) return refuseOrigin(reply, o.publicUrl());
    const form = signInForm.safeParse(request.body);
    if (!form.success) return reply.redirect('/sign-in', 303);
    const answer = await start(request, form.data.provider, returnPath(form.data.return_to) ?? '/');
    if (answer === 'too-many') return tooMany(reply);
    if (answer === 'unknown') return reply.redirect('/sign-in?error=unknown_instance', 303);
    return pass(reply, answer);
  });

  app.post(`${AUTH_PATH}/sign-in/social`, async (request, reply) => {
    if (!isOurs(request))
      return reply
        .code(403)
        .send({ error: { code: 'NOT_FROM_HERE', message: 'The page that asked is not of this Forgeway.' } });
    const body = signInBody.safeParse(request.body);
    const returnTo = body.success ? returnPath(body.data.callbackURL ?? '/') : undefined;
    if (!body.success || returnTo === undefined)
      return reply
        .code(400)
        .send({ error: { code: 'BAD_REQUEST', message: 'Send provider, and a path of this server as callbackURL.' } });
    const answer = await start(request, body.data.provider, returnTo);
    if (answer === 'too-many')
      return reply
        .code(429)
        .header('retry-after', '60')
        .send({ error: { code: 'TOO_MANY', message: 'Wait a minute.' } });
    if (answer === 'unknown')
      return reply.code(404).send({ error: { code: 'NOT_FOUND', message: 'There is no such instance.' } });
    for (const cookie of answer.headers.getSetCookie()) reply.header('set-cookie', cookie);
    return reply.header('cache-control', 'no-store').send({ url: answer.headers.get('location') });
  });

  app.get<{ Params: { provider: string }; Querystring: LinkAnswer }>(
    `${AUTH_PATH}/callback/:provider`,
    async (request, reply) => {
      const { state, code, error } = request.query;
      if (signIn.links.isOurs(state))
        return finishLink(o, request, reply, { providerId: request.params.provider, state, code, error });
      const answer = await signIn.callback({
        path: request.url,
        headers: forHeaders(request.headers),
        ip: ip(request),
      });
      if (answer === 'too-many') return tooMany(reply);
      // What the library does not understand at all it answers as to a program.
      if (answer.status >= 400) return reply.redirect('/sign-in?error=invalid_callback_request', 303);
      // Used or not, the link has done its part.
      if (answer.headers.getSetCookie().some((cookie) => cookie.includes('session_token=')))
        reply.header('set-cookie', `${SETUP_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`);
      return pass(reply, answer);
    },
  );

  app.get(`${AUTH_PATH}/session`, async (request, reply) => {
    const person = await o.sessionActor(request.headers);
    reply.header('cache-control', 'no-store');
    if (person === undefined || person.suspended) return reply.send({ user: null });
    const { userId: id, name, platformAdmin, memberships } = person;
    const organizations = [...memberships].map(([organizationId, role]) => ({ id: organizationId, role }));
    return reply.send({ user: { id, name, platformAdmin, organizations } });
  });

  for (const path of ['/sign-out', `${AUTH_PATH}/sign-out`])
    app.post(path, async (request, reply) => {
      if (!isOurs(request)) return refuseOrigin(reply, o.publicUrl());
      return pass(reply, await signIn.signOut(forHeaders(request.headers)), '/');
    });

  for (const path of ['/sign-out-everywhere', `${AUTH_PATH}/sign-out-everywhere`])
    app.post(path, async (request, reply) => {
      if (!isOurs(request)) return refuseOrigin(reply, o.publicUrl());
      const person = await o.sessionActor(request.headers);
      const answer = await signIn.signOut(forHeaders(request.headers));
      if (person !== undefined) await signIn.signOutEverywhere(person.userId);
      return pass(reply, answer, '/');
    });
}
