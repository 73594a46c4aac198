/** `/account`: one's own accounts on forges, connected with one's consent. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Access } from '../accounts/access/access.js';
import type { Person } from '../accounts/access/actor.js';
import { removeConnection } from '../accounts/connection-rows.js';
import { forHeaders } from '../accounts/sign-in/sign-in.js';
import type { Store } from '../store/database.js';
import { type AccountPageState, accountPage, type OwnAccount } from './account-page.js';
import type { AuthRoutesOptions } from './auth.js';
import { sendPage } from './page.js';
import { messagePage } from './sign-in-page.js';

export interface AccountRoutesOptions extends AuthRoutesOptions {
  /** Of the role of the API. */
  store: Store;
  /** Decides, and writes down what it decided. */
  access: Pick<Access, 'check'>;
}

/** What a forge sends a browser back with. */
export interface LinkAnswer {
  state?: unknown;
  code?: unknown;
  error?: unknown;
}

const connectForm = z.object({ provider: z.string().max(300), organization: z.uuid() });
const removeForm = z.object({ id: z.uuid(), organization: z.uuid() });

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 4_096 ? value : undefined;

/** The people's own, and never the organization's. */
async function accountsOf(store: Store, person: Person): Promise<Pick<AccountPageState, 'accounts' | 'organizations'>> {
  const accounts: OwnAccount[] = [];
  const organizations: { id: string; name: string }[] = [];
  // What is theirs they may take away also where no forge confirms their role.
  for (const organizationId of new Set([...person.memberships.keys(), ...(person.unconfirmed?.keys() ?? [])]))
    await store.tenant(organizationId, async (tx) => {
      const named = await tx.query<{ name: string }>('SELECT name FROM organization WHERE id = $1', [organizationId]);
      const organization = named.rows[0]?.name ?? organizationId;
      if (person.memberships.has(organizationId)) organizations.push({ id: organizationId, name: organization });
      const { rows } = await tx.query<Omit<OwnAccount, 'organization' | 'organizationId'>>(
        `SELECT id, kind, coalesce(account_login, '') AS login, host, status, status_reason AS reason FROM connection
         WHERE user_id = $1 ORDER BY created_at, id`,
        [person.userId],
      );
      accounts.push(...rows.map((row) => ({ ...row, organizationId, organization })));
    });
  return { accounts, organizations };
}

const own = (person: Person, organizationId: string) => ({
  organizationId,
  ownerUserId: person.userId,
  name: 'connection',
});

async function show(
  o: AccountRoutesOptions,
  reply: FastifyReply,
  person: Person,
  said: Pick<AccountPageState, 'done' | 'problem'> = {},
): Promise<FastifyReply> {
  const clients = await o.signIn.clients();
  const state = { clients, ...(await accountsOf(o.store, person)), ...said };
  return sendPage(reply.header('cache-control', 'no-store'), accountPage(state));
}

/** After the way to the forge and back. The browser leaves the address with the code at once. */
export async function finishLink(
  o: AuthRoutesOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  came: { providerId: string; state: string; code: unknown; error: unknown },
): Promise<FastifyReply> {
  const session = await o.signIn.session(forHeaders(request.headers));
  const outcome = await o.signIn.links.finish(session && { userId: session.userId, sessionId: session.id }, {
    ...came,
    code: text(came.code),
    error: text(came.error),
  });
  reply.header('cache-control', 'no-store').header('referrer-policy', 'same-origin');
  if (outcome.kind === 'connected') return reply.redirect(`/account?connected=${outcome.connectionId}`, 303);
  return sendPage(reply.code(400), messagePage('Not connected', outcome.message));
}

export function addAccountRoutes(app: FastifyInstance, o: AccountRoutesOptions): void {
  /** Whoever is signed in with this browser; undefined after it has answered. */
  async function personOf(request: FastifyRequest, reply: FastifyReply): Promise<Person | undefined> {
    const person = await o.sessionActor(request.headers);
    if (person !== undefined && !person.suspended) return person;
    await reply.redirect('/sign-in?return_to=/account', 303);
    return undefined;
  }

  app.get<{ Querystring: { connected?: unknown } }>('/account', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const { accounts } = await accountsOf(o.store, person);
    const made = accounts.find(({ id }) => id === request.query.connected);
    return show(o, reply, person, made && { done: `${made.login} on ${made.host} is connected.` });
  });

  app.post('/account/connect', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const form = connectForm.safeParse(request.body);
    if (!form.success) return show(o, reply.code(400), person, { problem: 'Choose a forge and an organization.' });
    const { provider: providerId, organization: organizationId } = form.data;
    const decision = await o.access.check(person, 'connection.manage', own(person, organizationId));
    if (!decision.allowed && decision.because === 'absent')
      return show(o, reply.code(404), person, { problem: 'There is no such organization.' });
    if (!decision.allowed) return show(o, reply.code(403), person, { problem: decision.why });
    const session = await o.signIn.session(forHeaders(request.headers));
    if (session === undefined) return reply.redirect('/sign-in?return_to=/account', 303);
    const asked = { userId: person.userId, sessionId: session.id };
    const url = await o.signIn.links.start(asked, { organizationId, providerId });
    if (url === undefined)
      return show(o, reply.code(404), person, { problem: 'That forge cannot be connected here any more.' });
    return reply.header('cache-control', 'no-store').redirect(url, 303);
  });

  app.post('/account/remove', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const form = removeForm.safeParse(request.body);
    const { accounts } = await accountsOf(o.store, person);
    const account = accounts.find(
      ({ id, organizationId }) => form.success && id === form.data.id && organizationId === form.data.organization,
    );
    if (account === undefined)
      return show(o, reply.code(404), person, { problem: 'There is no such account of yours.' });
    const thing = { ...own(person, account.organizationId), removal: true };
    const decision = await o.access.check(person, 'connection.manage', thing);
    if (!decision.allowed) return show(o, reply.code(403), person, { problem: decision.why });
    await removeConnection(o.store, account.organizationId, account.id, { by: `user:${person.userId}` });
    return show(o, reply, person, { done: `${account.login} on ${account.host} was taken away.` });
  });
}
