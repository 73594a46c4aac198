/** `/setup/apps`: registering an App on a forge from a manifest, without a restart. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Admitted, describeAdmitted } from '../accounts/admit-installation.js';
import { type Completed, type CompletionPorts, completeRegistration } from '../accounts/forge-apps/complete.js';
import { beginRegistration, REGISTRATION_MINUTES } from '../accounts/forge-apps/registrations.js';
import { listForgeApps, removeForgeApp } from '../accounts/forge-apps/rows.js';
import { listWaiting, type WaitingInstallation } from '../accounts/newcomers.js';
import { newCode } from '../accounts/sign-in/codes.js';
import { providerIdOf } from '../accounts/sign-in/oauth-clients.js';
import type { ForgeAppManifest } from '../forges/app-manifest.js';
import type { ForgeEndpoint } from '../forges/endpoint.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import { forgeById, forges } from '../forges/registry.js';
import { ForgewayError } from '../lib/errors.js';
import { cookieOf } from './auth.js';
import { type AppForm, forgeAppPage, goToForgePage } from './forge-app-page.js';
import { sendPage } from './page.js';
import { type SetupCaller, setupCaller } from './setup-caller.js';
import type { SetupRoutesOptions } from './setup-routes.js';
import { messagePage } from './sign-in-page.js';

export interface ForgeAppRoutesOptions extends CompletionPorts {
  /** What the App asks for, and is told of. */
  asks(): { permissions: Readonly<Record<string, string>>; events: readonly string[] };
  /** Admits a waiting installation. */
  admit(waiting: WaitingInstallation, by: string): Promise<Admitted>;
  /** The App of the environment, which is beside those that are registered. */
  environment?: { forge: string; host: string; appId: string };
}

const PATH = '/setup/apps';
const COOKIE = 'forgeway.app';
const NAME = 'Forgeway';

const appForm = z.object({
  forge: z.string().max(50),
  base_url: z.string().trim().max(500).optional(),
  // As forges allow them, and nothing that changes the address it becomes a part of.
  organization: z
    .string()
    .trim()
    .regex(/^(?:[A-Za-z0-9][A-Za-z0-9_-]{0,99})?$/)
    .optional(),
  name: z.string().trim().min(1).max(34),
  public: z.literal('yes').optional(),
  another: z.literal('yes').optional(),
});
const idForm = z.object({ id: z.uuid() });
const back = z.object({ state: z.string().max(200), code: z.string().regex(/^[\w-]{1,200}$/) });

interface Wished {
  forge: ForgeDescriptor;
  manifest: ForgeAppManifest;
  endpoint: ForgeEndpoint;
}

const BEGIN_AGAIN = 'Begin again at `/setup/apps`.';

/** What somebody reads whose App was not registered: what happened, and what to do. */
function explain(completed: Exclude<Completed, { kind: 'registered' }>): [status: number, title: string, text: string] {
  switch (completed.kind) {
    case 'unknown':
      return [400, 'Not begun here', `This registration was not begun here. ${BEGIN_AGAIN}`];
    case 'elsewhere':
      return [
        403,
        'Another browser',
        `This registration was begun in another browser. Open the address there, within ${REGISTRATION_MINUTES} minutes of its beginning.`,
      ];
    case 'other':
      return [403, 'Somebody else', 'Another administrator began this registration. Only they can complete it.'];
    case 'expired':
      return [410, 'Too late', `More than ${REGISTRATION_MINUTES} minutes have passed. ${BEGIN_AGAIN}`];
    case 'used':
      return [
        409,
        'Done already',
        'This registration was completed before: the code that the forge gave works once. `/setup/apps` shows what is registered.',
      ];
    case 'taken':
      return [
        409,
        'Registered already',
        `${completed.app.name} on ${completed.host} is registered here already; nothing was changed.`,
      ];
    case 'refused':
      return [
        502,
        'The code was refused',
        `${completed.host} answered ${completed.status}: it does not know the code, which works once and for an hour. If it made an App, delete that in its settings there. ${BEGIN_AGAIN}`,
      ];
    case 'not-as-documented':
      return [
        502,
        'Not understood',
        `${completed.host} did not answer as a GitHub does that has made an App, with its key and secrets. If it made one, delete it in its settings there. ${BEGIN_AGAIN}`,
      ];
    case 'unreachable':
      return [
        502,
        'Not reached',
        `${completed.host} could not be asked: ${completed.reason}. The App exists there and waits to be fetched: reload this page within the hour.`,
      ];
  }
}

/** Where a forge in the internet cannot send webhooks to. */
const isLocal = (url: string) => /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);

export function addForgeAppRoutes(
  app: FastifyInstance,
  auth: SetupRoutesOptions,
  { environment, asks, admit, ...ports }: ForgeAppRoutesOptions,
): void {
  const { pool } = ports.store;
  const withApps = () => [...forges.values()].filter((forge) => forge.appManifest !== undefined);
  const callerOf = (request: FastifyRequest, reply: FastifyReply, returnTo = PATH) =>
    setupCaller(auth, request, reply, returnTo);

  async function show(
    reply: FastifyReply,
    more: { problem?: string; done?: string; form?: AppForm } = {},
  ): Promise<FastifyReply> {
    const registered = await listForgeApps(pool);
    const [first] = withApps();
    const publicUrl = auth.publicUrl();
    return sendPage(
      reply.header('cache-control', 'no-store'),
      forgeAppPage({
        apps: registered.map((one) => ({ ...one, installUrl: forgeById(one.forge)?.appPages?.install(one.pageUrl) })),
        waiting: await listWaiting(pool),
        forges: withApps(),
        form: more.form ?? { forge: first?.id ?? '', name: NAME },
        ...(environment && { environment }),
        ...(more.problem !== undefined && { problem: more.problem }),
        ...(more.done !== undefined && { done: more.done }),
        ...(isLocal(publicUrl) && {
          warning: `Forges will send webhooks to ${publicUrl}, which only this machine reaches, and a cloud refuses such an address. Set PUBLIC_URL to an address that the forge reaches first.`,
        }),
      }),
    );
  }

  /** @throws ForgewayError FORGEWAY_ADDRESS_REFUSED, TypeError when it is no address */
  function wishOf(form: Pick<AppForm, 'forge' | 'base_url'>): Wished | undefined {
    const forge = forgeById(form.forge);
    const url = form.base_url || forge?.cloudUrl;
    if (forge?.appManifest === undefined || url === undefined) return undefined;
    const endpoint = forge.endpoint(url);
    for (const address of [endpoint.webUrl, endpoint.apiUrl]) ports.outbound.check(address);
    return { forge, manifest: forge.appManifest, endpoint };
  }

  /** Why the form cannot be gone on with; the App that is there already comes last, since it can be accepted. */
  async function lookedAt(form: AppForm): Promise<{ wish: Wished } | { problem: string; asksForAnother?: true }> {
    let wish: Wished | undefined;
    try {
      wish = wishOf(form);
    } catch (error) {
      if (error instanceof ForgewayError) return { problem: error.message };
      if (error instanceof TypeError) return { problem: `${form.base_url} is not the address of a server.` };
      throw error;
    }
    if (wish === undefined) return { problem: 'Choose a forge that has Apps.' };
    const { forge, host } = wish.endpoint;
    if (form.another === 'yes') return { wish };
    const there = (await listForgeApps(pool)).find((one) => one.forge === forge && one.host === host);
    const own = environment?.forge === forge && environment.host === host ? `App ${environment.appId}` : undefined;
    const name = there?.name ?? own;
    if (name === undefined) return { wish };
    return {
      problem: `There is an App on ${host} already: ${name}. To serve more accounts, install that one on them.`,
      asksForAnother: true,
    };
  }

  app.get(PATH, async (request, reply) => ((await callerOf(request, reply)) === undefined ? reply : show(reply)));

  app.post(PATH, async (request, reply) => {
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    const parsed = appForm.safeParse(request.body);
    if (!parsed.success)
      return show(reply.code(422), {
        problem: 'Give the App a name of at most 34 characters; an organization is one word, as in its address.',
      });
    const form = parsed.data;
    const looked = await lookedAt(form);
    if ('problem' in looked)
      return show(reply.code(looked.asksForAnother ? 409 : 422), {
        problem: looked.problem,
        form: { ...form, ...(looked.asksForAnother && { another: '' }) },
      });
    return goOn(request, reply, caller, form, looked.wish);
  });

  async function goOn(
    request: FastifyRequest,
    reply: FastifyReply,
    { actor }: SetupCaller,
    form: AppForm,
    { forge, manifest, endpoint }: Wished,
  ): Promise<FastifyReply> {
    const publicUrl = auth.publicUrl();
    // Two tabs of one browser are two registrations, and each may be completed.
    const known = cookieOf(request, COOKIE);
    const browser = known !== undefined && /^[\w-]{43}$/.test(known) ? known : newCode();
    const { host, webUrl: baseUrl } = endpoint;
    const { state, hookId } = await beginRegistration(pool, { actor, browser }, { forge: forge.id, host, baseUrl });
    const webhookUrl = `${publicUrl}/api/webhooks/${forge.id}/${hookId}`;
    const { permissions, events } = asks();
    const wish = manifest.manifest({
      name: form.name,
      homepage: publicUrl,
      webhookUrl,
      redirectUrl: `${publicUrl}${PATH}/callback`,
      signInCallbackUrl: auth.signIn.callbackUrl(providerIdOf(forge.id, host)),
      installedUrl: publicUrl,
      public: form.public === 'yes',
      permissions,
      events,
    });
    const secure = publicUrl.startsWith('https://') ? '; Secure' : '';
    reply.header(
      'set-cookie',
      `${COOKIE}=${browser}; Path=${PATH}; HttpOnly; SameSite=Lax; Max-Age=${REGISTRATION_MINUTES * 60}${secure}`,
    );
    const organization = form.organization || undefined;
    return sendPage(
      reply.header('cache-control', 'no-store'),
      goToForgePage({
        label: forge.label,
        host,
        action: manifest.page(endpoint, { ...(organization && { organization }), state }),
        manifest: JSON.stringify(wish),
        name: form.name,
        owner: organization ?? 'your own account there',
        webhookUrl,
        permissions,
      }),
    );
  }

  app.get(`${PATH}/callback`, async (request, reply) => {
    // Whoever is signed out meanwhile comes back here.
    const caller = await callerOf(request, reply, request.url);
    if (caller === undefined) return reply;
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer');
    const query = back.safeParse(request.query);
    if (!query.success) {
      const text = `The forge sent no code: the registration was not completed there. ${BEGIN_AGAIN}`;
      return sendPage(reply.code(400), messagePage('Not completed', text));
    }
    const { actor } = caller;
    const completed = await completeRegistration(ports, {
      ...query.data,
      actor,
      browser: cookieOf(request, COOKIE),
    });
    if (completed.kind === 'registered') {
      const install = forgeById(completed.forge)?.appPages?.install(completed.app.pageUrl);
      return reply.redirect(install ?? PATH, 303);
    }
    const [status, title, text] = explain(completed);
    return sendPage(reply.code(status), messagePage(title, text));
  });

  app.post(`${PATH}/admit`, async (request, reply) => {
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    const form = idForm.safeParse(request.body);
    const waiting = (await listWaiting(pool)).find(({ id }) => form.success && id === form.data.id);
    // The link makes an administrator; whom to serve is for one to say.
    if (waiting === undefined || caller.first) return reply.redirect(PATH, 303);
    const outcome = await admit(waiting, caller.actor);
    const text = describeAdmitted(outcome);
    return outcome.kind === 'not-asked' ? show(reply.code(502), { problem: text }) : show(reply, { done: text });
  });

  app.post(`${PATH}/remove`, async (request, reply) => {
    const caller = await callerOf(request, reply);
    if (caller === undefined) return reply;
    const form = idForm.safeParse(request.body);
    if (form.success) await removeForgeApp(ports, form.data.id, caller.actor);
    return reply.redirect(PATH, 303);
  });
}
