/** `/device` for the person who decides; `/api/auth/device/*` for the device that waits (RFC 8628) and the app that comes back. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import type { Person } from '../accounts/access/actor.js';
import {
  allowApp,
  beginDevice,
  DEVICE_MINUTES,
  decideDevice,
  findDevice,
  POLL_SECONDS,
  pollDevice,
  redeemApp,
} from '../accounts/sign-in/devices.js';
import { auditPlatform } from '../accounts/sign-in/policy.js';
import { AUTH_PATH } from '../accounts/sign-in/sign-in.js';
import type { AuthRoutesOptions } from './auth.js';
import { clientAddress } from './client-address.js';
import { appLinkPage, devicePage } from './device-page.js';
import { sendPage } from './page.js';
import { messagePage } from './sign-in-page.js';

/** The one address outside of this server that a code is ever sent to. */
const APP_LINK = 'forgeway://auth';

/** Signs that turn the direction of a text, or are not seen, would have the page say something else than what was sent. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const clientName = z
  .string()
  .max(80)
  .transform((name) => name.replaceAll(UNSEEN, '').trim() || 'a device');
const codeRequest = z.object({ client_name: clientName.default('a device') });
const tokenRequest = z.discriminatedUnion('grant_type', [
  z.object({
    grant_type: z.literal('urn:ietf:params:oauth:grant-type:device_code'),
    device_code: z.string().max(200),
  }),
  z.object({
    grant_type: z.literal('authorization_code'),
    code: z.string().max(200),
    code_verifier: z.string().regex(/^[\w.~-]{43,128}$/),
  }),
]);
const decision = z.object({ user_code: z.string().max(50), answer: z.enum(['allow', 'deny']) });
const appLink = z.object({ challenge: z.string().regex(/^[\w-]{43}$/), state: z.string().regex(/^[\w.~-]{1,200}$/) });

export function addDeviceRoutes(app: FastifyInstance, o: AuthRoutesOptions & { pool: pg.Pool }): void {
  const { pool, signIn } = o;
  const ip = (request: FastifyRequest) => clientAddress(request.raw, o.trustedProxies);
  const refuse = (reply: FastifyReply, error: string, status = 400) =>
    reply.code(status).header('cache-control', 'no-store').send({ error });

  const tooManyCodes = (reply: FastifyReply) =>
    sendPage(
      reply.code(429).header('retry-after', '60'),
      messagePage('Too many codes', 'Wait a minute, then try again.'),
    );

  /** Whoever is signed in with this browser; undefined after it has answered. */
  async function personOf(request: FastifyRequest, reply: FastifyReply): Promise<Person | undefined> {
    const person = await o.sessionActor(request.headers);
    if (person !== undefined && !person.suspended) return person;
    const back = request.method === 'GET' ? request.url : '/device';
    await reply.redirect(`/sign-in?return_to=${encodeURIComponent(back)}`, 303);
    return undefined;
  }

  app.post(`${AUTH_PATH}/device/code`, async (request, reply) => {
    if (!signIn.mayTry(ip(request))) return refuse(reply, 'slow_down', 429);
    const body = codeRequest.safeParse(request.body ?? {});
    if (!body.success) return refuse(reply, 'invalid_request');
    const { deviceCode, userCode } = await beginDevice(pool, { name: body.data.client_name, ip: ip(request) });
    const verification = `${o.publicUrl()}/device`;
    return reply.header('cache-control', 'no-store').send({
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: verification,
      verification_uri_complete: `${verification}?user_code=${userCode}`,
      expires_in: DEVICE_MINUTES * 60,
      interval: POLL_SECONDS,
    });
  });

  app.post(`${AUTH_PATH}/device/token`, async (request, reply) => {
    const body = tokenRequest.safeParse(request.body);
    if (!body.success) return refuse(reply, 'invalid_request');
    let answer: { userId: string } | { error: string };
    if (body.data.grant_type === 'authorization_code') {
      if (!signIn.mayTry(ip(request))) return refuse(reply, 'slow_down', 429);
      const userId = await redeemApp(pool, body.data.code, body.data.code_verifier);
      answer = userId === undefined ? { error: 'invalid_grant' } : { userId };
    } else answer = await pollDevice(pool, body.data.device_code);
    if ('error' in answer) return refuse(reply, answer.error);
    const session = await signIn.deviceSession(answer.userId, {
      ip: ip(request),
      userAgent: request.headers['user-agent'] ?? '',
    });
    if (session === undefined) return refuse(reply, 'access_denied');
    await auditPlatform(pool, { actor: `user:${answer.userId}`, action: 'device.signed-in', subject: ip(request) });
    const lasts = Math.floor((session.expiresAt.getTime() - Date.now()) / 1_000);
    return reply
      .header('cache-control', 'no-store')
      .send({ access_token: session.token, token_type: 'Bearer', expires_in: lasts });
  });

  app.get<{ Querystring: { user_code?: unknown } }>('/device', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const given = request.query.user_code;
    const userCode = typeof given === 'string' ? given.slice(0, 50) : '';
    if (userCode !== '' && !signIn.mayTry(`device ${person.userId}`)) return tooManyCodes(reply);
    const device = userCode === '' ? undefined : await findDevice(pool, userCode);
    return sendPage(reply.header('cache-control', 'no-store'), devicePage({ userCode, device, person: person.name }));
  });

  app.post('/device', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const form = decision.safeParse(request.body);
    if (!form.success) return reply.redirect('/device', 303);
    // Guessed here, a code would sign a stranger's device in as whoever guesses.
    if (!signIn.mayTry(`decide ${person.userId}`)) return tooManyCodes(reply);
    const allow = form.data.answer === 'allow';
    const done = await decideDevice(pool, form.data.user_code, person.userId, allow);
    const [title, text] = !done
      ? ['Too late', 'No device waits under that code any more. Begin again on the device.']
      : allow
        ? ['Signed in', 'The device is signed in within some seconds. You can close this page.']
        : ['Refused', 'The device was not signed in.'];
    return sendPage(reply, messagePage(title, text));
  });

  app.get('/device/app', async (request, reply) => {
    const query = appLink.safeParse(request.query);
    if (!query.success) return sendPage(reply.code(400), messagePage('Not understood', 'Begin again in the app.'));
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    return sendPage(
      reply.header('cache-control', 'no-store'),
      appLinkPage({ person: person.name, challenge: query.data.challenge, state: query.data.state }),
    );
  });

  app.post('/device/app', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const form = appLink.safeParse(request.body);
    if (!form.success) return sendPage(reply.code(400), messagePage('Not understood', 'Begin again in the app.'));
    const code = await allowApp(pool, person.userId, form.data.challenge);
    return reply
      .code(303)
      .header('cache-control', 'no-store')
      .header('location', `${APP_LINK}?code=${code}&state=${form.data.state}`)
      .send();
  });
}
