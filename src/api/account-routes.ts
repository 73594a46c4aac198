/** `/account`: accounts on forges that are connected with consent, for oneself and for organizations whose connections one manages. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Access } from '../accounts/access/access.js';
import { actions } from '../accounts/access/actions.js';
import type { Person } from '../accounts/access/actor.js';
import { decide } from '../accounts/access/decide.js';
import { adviceFor } from '../accounts/connection-state.js';
import type { LinkOwner } from '../accounts/sign-in/account-links.js';
import { forHeaders } from '../accounts/sign-in/sign-in.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import { type AccountPageState, accountPage, type ConnectedAccount } from './account-page.js';
import type { AuthRoutesOptions } from './auth.js';
import { type AskFreshRoles, withFreshRole } from './fresh-role.js';
import { sendPage } from './page.js';
import type { ConnectionWork } from './procedures/services.js';
import { messagePage } from './sign-in-page.js';

export interface AccountRoutesOptions extends AuthRoutesOptions {
  /** Of the role of the API. */
  store: Store;
  /** Decides, and writes down what it decided. */
  access: Pick<Access, 'check'>;
  /** What is an organization's is asked of the forge once more. */
  freshMemberships: AskFreshRoles;
  /** Takes another role, and asks the forge. */
  disconnect: ConnectionWork['disconnect'];
}

/** What a forge sends a browser back with. */
export interface LinkAnswer {
  state?: unknown;
  code?: unknown;
  error?: unknown;
}

const owner = z.enum(['me', 'organization']).default('me');
const connectForm = z.object({ provider: z.string().max(300), organization: z.uuid(), owner });
const removeForm = z.object({ id: z.uuid(), organization: z.uuid(), owner });

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 4_096 ? value : undefined;

interface AccountRow extends Pick<ConnectedAccount, 'id' | 'kind' | 'login' | 'host' | 'status'> {
  reason: string | null;
  own: boolean;
}

/** Why a forge cannot be reached would tell others what there is in the network. */
function troubleOf({ status, reason }: AccountRow, person: Person): string | null {
  if (status === 'active') return null;
  const told = status === 'unreachable' && !person.platformAdmin ? null : reason;
  return told ?? adviceFor(status);
}

type Accounts = Pick<AccountPageState, 'accounts' | 'shared' | 'organizations' | 'managed'>;

/** The person's own, and what others agreed to for organizations whose connections the person manages. */
async function accountsOf(store: Store, person: Person): Promise<Accounts> {
  const accounts: ConnectedAccount[] = [];
  const shared: ConnectedAccount[] = [];
  const organizations: { id: string; name: string }[] = [];
  const managed: { id: string; name: string }[] = [];
  // What is theirs they may take away also where no forge confirms their role.
  for (const organizationId of new Set([...person.memberships.keys(), ...(person.unconfirmed?.keys() ?? [])]))
    await store.tenant(organizationId, async (tx) => {
      const named = await tx.query<{ name: string }>('SELECT name FROM organization WHERE id = $1', [organizationId]);
      const organization = named.rows[0]?.name ?? organizationId;
      const manages = decide(person, MANAGE, { organizationId }).allowed;
      if (person.memberships.has(organizationId)) organizations.push({ id: organizationId, name: organization });
      if (manages) managed.push({ id: organizationId, name: organization });
      const { rows } = await tx.query<AccountRow>(
        `SELECT id, kind, coalesce(account_login, '') AS login, host, status, status_reason AS reason,
           user_id IS NOT NULL AS own
         FROM connection WHERE user_id = $1 OR ($2 AND user_id IS NULL AND kind = 'oauth') ORDER BY created_at, id`,
        [person.userId, manages],
      );
      for (const { id, kind, login, host, status, reason, own } of rows) {
        const trouble = troubleOf({ id, kind, login, host, status, reason, own }, person);
        const account = { id, organizationId, organization, kind, login, host, status, trouble };
        (own ? accounts : shared).push(account);
      }
    });
  return { accounts, shared, organizations, managed };
}

const MANAGE = 'connection.manage';

const thingOf = (person: Person, { organizationId, forOrganization }: LinkOwner) => ({
  ...{ organizationId, name: 'connection' },
  ...(!forOrganization && { ownerUserId: person.userId }),
});

/** Why the person may not connect an account there, for them; undefined: they may. What it asks is written down. */
async function refusalOf(
  o: AccountRoutesOptions,
  person: Person,
  whose: LinkOwner,
): Promise<{ status: 403 | 404; problem: string } | undefined> {
  const decision = await o.access.check(person, MANAGE, thingOf(person, whose));
  if (!decision.allowed && decision.because === 'absent')
    return { status: 404, problem: 'Only those who belong to the organization connect accounts in it.' };
  if (!decision.allowed && decision.because === 'role')
    return { status: 403, problem: `It takes the role ${actions[MANAGE].role} to ${actions[MANAGE].means}.` };
  if (!decision.allowed) return { status: 403, problem: decision.why };
  if (!whose.forOrganization) return undefined;
  try {
    await withFreshRole(o, person, MANAGE, whose.organizationId);
    return undefined;
  } catch (error) {
    if (error instanceof ForgewayError && (error.code === 'FORGEWAY_FORBIDDEN' || error.code === 'FORGEWAY_NOT_FOUND'))
      return { status: 403, problem: error.message };
    throw error;
  }
}

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
  o: AccountRoutesOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  came: { providerId: string; state: string; code: unknown; error: unknown },
): Promise<FastifyReply> {
  const session = await o.signIn.session(forHeaders(request.headers));
  const person = await o.sessionActor(request.headers);
  const outcome = await o.signIn.links.finish(
    session && { userId: session.userId, sessionId: session.id },
    { ...came, code: text(came.code), error: text(came.error) },
    // What they were allowed when they left may have ended on the way.
    async (whose) =>
      person === undefined ? 'You are not signed in any more.' : (await refusalOf(o, person, whose))?.problem,
  );
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
    const { accounts, shared } = await accountsOf(o.store, person);
    const made = [...accounts, ...shared].find(({ id }) => id === request.query.connected);
    const whose = made && shared.includes(made) ? ` for everyone in ${made.organization}` : '';
    return show(o, reply, person, made && { done: `${made.login} on ${made.host} is connected${whose}.` });
  });

  app.post('/account/connect', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const form = connectForm.safeParse(request.body);
    if (!form.success) return show(o, reply.code(400), person, { problem: 'Choose a forge and an organization.' });
    const { provider: providerId, organization: organizationId } = form.data;
    const whose = { organizationId, forOrganization: form.data.owner === 'organization' };
    const refusal = await refusalOf(o, person, whose);
    if (refusal !== undefined) return show(o, reply.code(refusal.status), person, refusal);
    const session = await o.signIn.session(forHeaders(request.headers));
    if (session === undefined) return reply.redirect('/sign-in?return_to=/account', 303);
    const asked = { userId: person.userId, sessionId: session.id };
    const url = await o.signIn.links.start(asked, { ...whose, providerId });
    if (url === undefined)
      return show(o, reply.code(404), person, { problem: 'That forge cannot be connected here any more.' });
    return reply.header('cache-control', 'no-store').redirect(url, 303);
  });

  app.post('/account/remove', async (request, reply) => {
    const person = await personOf(request, reply);
    if (person === undefined) return reply;
    const form = removeForm.safeParse(request.body);
    const { accounts, shared } = await accountsOf(o.store, person);
    const forOrganization = form.data?.owner === 'organization';
    const account = (forOrganization ? shared : accounts).find(
      ({ id, organizationId }) => form.success && id === form.data.id && organizationId === form.data.organization,
    );
    if (account === undefined) return show(o, reply.code(404), person, { problem: 'There is no such account here.' });
    const { id, organizationId, login, host } = account;
    const by = `user:${person.userId}`;
    const done = `${login} on ${host} was taken away.`;
    if (forOrganization) {
      const refusal = await refusalOf(o, person, { organizationId, forOrganization });
      if (refusal !== undefined) return show(o, reply.code(refusal.status), person, refusal);
      const { problems } = await o.disconnect(organizationId, id, { keepHooks: false, wait: false, by });
      return show(o, reply, person, { done: [done, ...problems].join(' ') });
    }
    const thing = { ...thingOf(person, { organizationId, forOrganization }), removal: true };
    const decision = await o.access.check(person, MANAGE, thing);
    if (!decision.allowed) return show(o, reply.code(403), person, { problem: decision.why });
    const { problems } = await o.disconnect(organizationId, id, { keepHooks: false, wait: false, own: true, by });
    return show(o, reply, person, { done: [done, ...problems].join(' ') });
  });
}
