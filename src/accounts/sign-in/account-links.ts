/**
 * Connecting an account with consent: the way to the forge and back on which it gives tokens for work. They become a connection
 * of the person who went there, or of an organization whose connections they manage. Forges send people back to the one address that was registered, which is that of signing
 * in; the state tells the two apart.
 */
import { createHmac } from 'node:crypto';
import { RouteFailure } from '../../forges/kit/route.js';
import { authorizationUrl } from '../../forges/oauth.js';
import { type Clock, systemClock } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import { deriveKey } from '../../store/derive-key.js';
import { type ConsentedAccount, saveOAuthConnection } from '../connection-kinds.js';
import type { ConnectionPlace } from '../connection-rows.js';
import type { Vault } from '../vault.js';
import { hashOf, newCode } from './codes.js';
import { askIdentity, exchangeCode, type Fetch } from './exchange.js';
import { accessOfClient, listOAuthClients, type SignInClient } from './oauth-clients.js';

export interface AccountLinksOptions {
  /** Of the role of the API. */
  store: Store;
  vault: Vault;
  /** The master key in use. */
  masterKey: Buffer;
  /** The guarded way out. */
  fetch: Fetch;
  clock?: Clock;
  /** Where clients must be registered to send people back to. */
  callbackUrl(providerId: string): string;
  /** What is an organization's takes more than the role of the API: apps hear of it. */
  connectForOrganization(place: ConnectionPlace, account: ConsentedAccount): Promise<{ id: string }>;
}

/** For whom an account is connected. */
export interface LinkOwner {
  organizationId: string;
  /** Of the organization itself, and not of the person in it. */
  forOrganization: boolean;
}

/** Who asks, in which session of a browser. */
export interface LinkingPerson {
  userId: string;
  sessionId: string;
}

export type LinkOutcome =
  | { kind: 'connected'; connectionId: string; owner: LinkOwner; login: string; host: string }
  /** `message`: for the person. */
  | { kind: 'failed'; message: string };

export interface AccountLinks {
  /** Where the browser goes, to agree. Undefined when there is no such instance. */
  start(person: LinkingPerson, o: LinkOwner & { providerId: string }): Promise<string | undefined>;
  /** Whether what came back was begun here, and not by signing in. */
  isOurs(state: unknown): state is string;
  /**
   * What the forge sent the browser back with. Whatever comes of it, the state is used up. `refusal` says why the person may
   * not do it any more, and is asked before the forge gives a token.
   */
  finish(
    person: LinkingPerson | undefined,
    o: { providerId: string; state: string; code: string | undefined; error: string | undefined },
    refusal: (owner: LinkOwner) => Promise<string | undefined>,
  ): Promise<LinkOutcome>;
}

const MINUTES = 10;
/** Prefix, tenant, code. The tenant is told by it since no row is seen without one; a made-up one has no such row. */
const STATE = /^fwl\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([\w-]{43})$/;

/** Failures whose sentence is for the person. */
const TELLING: ReadonlySet<string> = new Set([
  'FORGEWAY_SIGN_IN_FAILED',
  'FORGEWAY_ADDRESS_REFUSED',
  // Their membership ended on the way.
  'FORGEWAY_FORBIDDEN',
  // By a token, or by somebody else at this moment.
  'FORGEWAY_CONFLICT',
]);
const STALE =
  'This was begun in another browser or before you signed in again, was completed already, or took more than 10 minutes. Begin again.';

export function createAccountLinks(o: AccountLinksOptions): AccountLinks {
  const { store, vault, fetch, clock = systemClock } = o;
  const key = deriveKey(o.masterKey, Buffer.alloc(0), 'forgeway/v1/account-link');
  // Made from the state, so that the secret half is stored nowhere.
  const verifierOf = (state: string) => createHmac('sha256', key).update(state).digest('base64url');

  const clientOf = async (providerId: string): Promise<SignInClient | undefined> =>
    (await listOAuthClients(store.pool)).find((one) => one.providerId === providerId && one.enabled);

  async function consume(
    state: string,
    person: LinkingPerson | undefined,
    providerId: string,
  ): Promise<LinkOwner | undefined> {
    const organizationId = STATE.exec(state)?.[1];
    if (organizationId === undefined) return undefined;
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{
        user_id: string;
        session_id: string;
        provider_id: string;
        for_organization: boolean;
        expires_at: Date;
      }>(
        `DELETE FROM account_link WHERE state_hash = $1
         RETURNING user_id, session_id, provider_id, for_organization, expires_at`,
        [hashOf(state)],
      ),
    );
    const [row] = rows;
    const isTheirs = row !== undefined && row.user_id === person?.userId && row.session_id === person.sessionId;
    if (!isTheirs || row.provider_id !== providerId || row.expires_at <= clock.now()) return undefined;
    return { organizationId, forOrganization: row.for_organization };
  }

  return {
    async start(person, { organizationId, forOrganization, providerId }) {
      const client = await clientOf(providerId);
      if (client === undefined) return undefined;
      const state = `fwl.${organizationId}.${newCode()}`;
      const expiresAt = new Date(clock.now().getTime() + MINUTES * 60_000);
      await store.tenant(organizationId, async (tx) => {
        await tx.query('DELETE FROM account_link WHERE expires_at < $1', [clock.now()]);
        await tx.query(
          `INSERT INTO account_link (state_hash, organization_id, user_id, session_id, provider_id, expires_at, for_organization)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
          [hashOf(state), organizationId, person.userId, person.sessionId, providerId, expiresAt, forOrganization],
        );
      });
      return authorizationUrl(client.oauth, client.endpoint, {
        client: { id: client.clientId },
        redirectUri: o.callbackUrl(providerId),
        state,
        scopes: client.oauth.scopes.api,
        verifier: verifierOf(state),
      });
    },

    isOurs: (state): state is string => typeof state === 'string' && STATE.test(state),

    async finish(person, { providerId, state, code, error }, refusal) {
      const owner = await consume(state, person, providerId);
      const client = await clientOf(providerId);
      if (person === undefined || owner === undefined || client === undefined)
        return { kind: 'failed', message: STALE };
      const { host, forge } = client.endpoint;
      if (code === undefined) {
        const message =
          error === 'access_denied'
            ? 'You did not allow it. Nothing was changed.'
            : `${host} gave no code. Begin again.`;
        return { kind: 'failed', message };
      }
      const refused = await refusal(owner);
      if (refused !== undefined) return { kind: 'failed', message: refused };
      try {
        const access = await accessOfClient(store.pool, vault, providerId);
        const grant = { code, verifier: verifierOf(state), redirectUri: o.callbackUrl(providerId) };
        const tokens = await exchangeCode(fetch, client, access, grant);
        const { accessToken } = tokens;
        const identity = await askIdentity(fetch, client, { accessToken, route: access.route });
        const { organizationId, forOrganization } = owner;
        const { webUrl } = client.endpoint;
        const place = { organizationId, forge, host, instanceUrl: webUrl === client.forge.cloudUrl ? null : webUrl };
        const account = { identity, tokens, by: `user:${person.userId}`, route: access.route ?? {} };
        const { id } = forOrganization
          ? await o.connectForOrganization(place, account)
          : await saveOAuthConnection(store, vault, place, { ...account, userId: person.userId });
        return { kind: 'connected', connectionId: id, owner, login: identity.login, host };
      } catch (failure) {
        // Of the forge and of its answer; anything else is a mistake of ours, which the log has to have.
        if (failure instanceof ForgewayError && TELLING.has(failure.code))
          return { kind: 'failed', message: failure.message };
        if (failure instanceof RouteFailure)
          return { kind: 'failed', message: `${host} did not say whose token it gave: ${failure.message}` };
        throw failure;
      }
    },
  };
}
