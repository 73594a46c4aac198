/** What the Terraform CLI asks a host before it knows anything: which services there are, and how to sign in. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { auditPlatform } from '../accounts/sign-in/policy.js';
import {
  allowTerraform,
  isLoginAddress,
  LOGIN_PORTS,
  redeemTerraform,
  TERRAFORM_CLIENT,
} from '../accounts/sign-in/terraform-login.js';
import type { Store } from '../store/database.js';
import type { AuthRoutesOptions } from './auth.js';
import { clientAddress } from './client-address.js';
import { API_PREFIX } from './json-api/document.js';
import { isOurPage } from './origin-check.js';
import { escapeHtml, page, sendPage } from './page.js';
import { messagePage } from './sign-in-page.js';

const AUTHORIZE = '/oauth/authorization';
const TOKEN = '/oauth/token';
const API = `${API_PREFIX}/`;

/** https://developer.hashicorp.com/terraform/internals/remote-service-discovery */
export const DISCOVERY = {
  'login.v1': {
    client: TERRAFORM_CLIENT,
    grant_types: ['authz_code'],
    authz: AUTHORIZE,
    token: TOKEN,
    ports: LOGIN_PORTS,
  },
  'state.v2': API,
  'tfe.v2': API,
  'tfe.v2.1': API,
  'tfe.v2.2': API,
} as const;

const asked = z.object({
  client_id: z.literal(TERRAFORM_CLIENT),
  response_type: z.literal('code'),
  redirect_uri: z.string().max(200).refine(isLoginAddress),
  code_challenge: z.string().regex(/^[\w-]{43}$/),
  code_challenge_method: z.literal('S256'),
  state: z.string().regex(/^[\w.~-]{1,200}$/),
});
const redeemed = z.object({
  grant_type: z.literal('authorization_code'),
  client_id: z.literal(TERRAFORM_CLIENT),
  code: z.string().max(200),
  code_verifier: z.string().regex(/^[\w.~-]{43,128}$/),
  redirect_uri: z.string().max(200),
});

function consentPage(person: string, query: z.output<typeof asked>): string {
  const hidden = Object.entries(query)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`)
    .join('');
  return page(
    'Terraform · Forgeway',
    `<h1>Sign Terraform in</h1>
<p>The Terraform command line on this machine asks for a token of <strong>${escapeHtml(person)}</strong>. It can then do all that you
may, until you revoke it. It is listed among your tokens as <em>terraform login</em>.</p>
<p class="state">Go on only if you ran <code>terraform login</code> yourself, just now.</p>
<form method="post" action="${AUTHORIZE}" class="row">${hidden}
<button name="answer" value="allow" autofocus>Allow it</button> <button name="answer" value="deny">Refuse</button></form>`,
  );
}

const notUnderstood = (reply: FastifyReply, status = 400) =>
  sendPage(reply.code(status), messagePage('Not understood', 'Run `terraform login` again.'));

export function addTerraformLogin(app: FastifyInstance, o: AuthRoutesOptions & { pool: pg.Pool; store: Store }): void {
  app.get('/.well-known/terraform.json', async (_request, reply) =>
    reply.type('application/json').header('cache-control', 'max-age=300').send(DISCOVERY),
  );

  app.get(AUTHORIZE, async (request, reply) => {
    const query = asked.safeParse(request.query);
    // Nobody is sent to an address that we do not know to be the command line's.
    if (!query.success) return notUnderstood(reply);
    const person = await o.sessionActor(request.headers);
    if (person === undefined || person.suspended)
      return reply.redirect(`/sign-in?return_to=${encodeURIComponent(request.url)}`, 303);
    return sendPage(reply.header('cache-control', 'no-store'), consentPage(person.name, query.data));
  });

  app.post(AUTHORIZE, async (request, reply) => {
    if (!isOurPage(request.headers, new URL(o.publicUrl()).origin)) return notUnderstood(reply, 403);
    const form = asked.extend({ answer: z.enum(['allow', 'deny']) }).safeParse(request.body);
    const person = await o.sessionActor(request.headers);
    if (!form.success || person === undefined || person.suspended) return notUnderstood(reply);
    const { redirect_uri, state, code_challenge, answer } = form.data;
    const back = new URL(redirect_uri);
    back.searchParams.set('state', state);
    if (answer === 'allow')
      back.searchParams.set(
        'code',
        await allowTerraform(o.pool, person.userId, { redirectUri: redirect_uri, challenge: code_challenge }),
      );
    else back.searchParams.set('error', 'access_denied');
    return reply.code(303).header('cache-control', 'no-store').header('location', back.href).send();
  });

  app.post(TOKEN, async (request, reply) => {
    const ip = clientAddress(request.raw, o.trustedProxies);
    const refuse = (error: string, status = 400) =>
      reply.code(status).header('cache-control', 'no-store').send({ error });
    if (!o.signIn.mayTry(ip)) return refuse('slow_down', 429);
    const form = redeemed.safeParse(request.body);
    if (!form.success) return refuse('invalid_request');
    const { code, code_verifier: verifier, redirect_uri: redirectUri } = form.data;
    const made = await redeemTerraform(o, { code, verifier, redirectUri });
    if (made === undefined) return refuse('invalid_grant');
    await auditPlatform(o.pool, { actor: `user:${made.userId}`, action: 'terraform.signed-in', subject: ip });
    return reply.header('cache-control', 'no-store').send({ access_token: made.token, token_type: 'bearer' });
  });
}
