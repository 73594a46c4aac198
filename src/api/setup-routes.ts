/** `/setup`: for administrators, and for whoever opened the setup link of an installation that has none yet. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { type ConnectionRoute, readCertificates, readProxy } from '../accounts/connection-route.js';
import {
  forgesWithSignIn,
  listOAuthClients,
  putOAuthClient,
  removeOAuthClient,
} from '../accounts/sign-in/oauth-clients.js';
import { auditPlatform, signUpPolicies, statedSignUpPolicy, writeSignUpPolicy } from '../accounts/sign-in/policy.js';
import type { Vault } from '../accounts/vault.js';
import { forgeById } from '../forges/registry.js';
import { ForgewayError } from '../lib/errors.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { AccountRoutesOptions } from './account-routes.js';
import { SETUP_COOKIE } from './auth.js';
import { sendPage } from './page.js';
import { type SetupCaller, setupCaller } from './setup-caller.js';
import { type ClientForm, setupPage } from './setup-page.js';

export interface SetupRoutesOptions extends AccountRoutesOptions {
  pool: pg.Pool;
  vault: Vault;
  /** The guarded way out. */
  outbound: Pick<Outbound, 'check'>;
}

/** `none` takes away what is there; an empty field leaves it. */
const orNone = <T>(text: string, read: (text: string) => T): T | null =>
  text.trim().toLowerCase() === 'none' ? null : read(text.trim());

const SETUP_SECONDS = 30 * 60;

const clientForm = z.object({
  forge: z.string().max(50),
  base_url: z.string().max(500).optional(),
  client_id: z.string().max(300),
  client_secret: z.string().max(600).optional(),
  ca_certificate: z.string().max(300_000).optional(),
  proxy: z.string().max(1_000).optional(),
});
const removeForm = z.object({ provider: z.string().max(300) });
const policyForm = z.object({ policy: z.enum(signUpPolicies) });

export function addSetupRoutes(app: FastifyInstance, o: SetupRoutesOptions): void {
  const { pool, signIn } = o;

  const callerOf = (request: FastifyRequest, reply: FastifyReply) => setupCaller(o, request, reply, '/setup');

  async function show(
    reply: FastifyReply,
    caller: SetupCaller,
    problem?: string,
    more: { error?: string; form?: ClientForm } = {},
  ): Promise<FastifyReply> {
    const forges = forgesWithSignIn().flatMap((id) => forgeById(id) ?? []);
    return sendPage(
      reply.header('cache-control', 'no-store'),
      setupPage({
        first: caller.first,
        clients: await listOAuthClients(pool),
        forges: forges.map(({ id, label }) => ({ id, label })),
        callbackOf: (providerId) => signIn.callbackUrl(providerId),
        callbackPattern: signIn.callbackUrl('FORGE-HOST'),
        policy: await statedSignUpPolicy(pool),
        ...(problem !== undefined && { problem }),
        ...more,
      }),
    );
  }

  app.get<{ Querystring: { code?: unknown; error?: unknown } }>('/setup', async (request, reply) => {
    const { code, error } = request.query;
    if (typeof code === 'string') {
      const secure = o.publicUrl().startsWith('https://') ? '; Secure' : '';
      // Out of the address at once, where it would stay in the history and be shown to who looks over the shoulder.
      const kept = /^[\w-]{20,100}$/.test(code) ? code : 'none';
      const cookie = `${SETUP_COOKIE}=${kept}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${SETUP_SECONDS}${secure}`;
      return reply.header('set-cookie', cookie).header('referrer-policy', 'no-referrer').redirect('/setup', 303);
    }
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    return show(reply, caller, undefined, typeof error === 'string' ? { error } : {});
  });

  app.post('/setup/clients', async (request, reply) => {
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    const form = clientForm.safeParse(request.body);
    if (!form.success) return show(reply.code(422), caller, 'Fill in the forge and the client id.');
    const { forge, base_url, client_id, client_secret, ca_certificate, proxy } = form.data;
    try {
      const route: ConnectionRoute = {
        ...(ca_certificate?.trim() && { ca: orNone(ca_certificate, readCertificates) }),
        ...(proxy?.trim() && { proxy: orNone(proxy, readProxy) }),
      };
      const client = await putOAuthClient(o, {
        forge,
        clientId: client_id,
        ...(base_url && { baseUrl: base_url }),
        ...(client_secret && { clientSecret: client_secret }),
        route,
      });
      await auditPlatform(pool, { actor: caller.actor, action: 'oauth-client.put', subject: client.providerId });
    } catch (error) {
      if (!(error instanceof ForgewayError)) throw error;
      // The client's secret has to be typed again, and so has a proxy with a password.
      const { client_secret: _, proxy: given = '', ...rest } = form.data;
      return show(reply.code(422), caller, error.message, {
        form: { ...rest, ...(!given.includes('@') && { proxy: given }) },
      });
    }
    return reply.redirect('/setup', 303);
  });

  app.post('/setup/clients/remove', async (request, reply) => {
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    const form = removeForm.safeParse(request.body);
    if (form.success && (await removeOAuthClient(pool, form.data.provider)))
      await auditPlatform(pool, { actor: caller.actor, action: 'oauth-client.removed', subject: form.data.provider });
    return reply.redirect('/setup', 303);
  });

  app.post('/setup/policy', async (request, reply) => {
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    const form = policyForm.safeParse(request.body);
    // The link makes an administrator; opening the door to everybody is for one.
    if (form.success && !caller.first) await writeSignUpPolicy(pool, form.data.policy, caller.actor);
    return reply.redirect('/setup', 303);
  });
}
