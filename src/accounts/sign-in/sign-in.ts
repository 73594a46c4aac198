/**
 * Signing in with forges: which instances, the way there and back, sessions. Better Auth does the protocol and is loaded when
 * somebody signs in for the first time; clients that are added, changed or removed, by whichever process, take effect with the
 * next sign-in.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Clock, systemClock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import { deriveKey } from '../../store/derive-key.js';
import type { Vault } from '../vault.js';
import { type AccountLinks, type AccountLinksOptions, createAccountLinks } from './account-links.js';
import { endSessions, makeFirstAdministrator } from './administrators.js';
import type { AdmissionPorts, Vouched } from './admission.js';
import type { SignInAuth, SignInFlow } from './better-auth.js';
import { hashOf, isSetupCode } from './codes.js';
import type { Fetch } from './exchange.js';
import { addressKey, createLimit } from './limits.js';
import { accessOfClient, clientsVersion, listOAuthClients, type SignInClient } from './oauth-clients.js';
import { auditPlatform } from './policy.js';

/** Starts and callbacks from one address, and sign-ins of one identity, in a minute. */
const PER_ADDRESS = 10;
const PER_IDENTITY = 5;

export interface SignInOptions {
  /** Of the role of the API. */
  store: Store;
  vault: Vault;
  /** The master key in use: with another one everybody signs in again. */
  masterKey: Buffer;
  /** Where browsers reach us; asked when it is first needed. */
  publicUrl(): string;
  /** The organization that the first administrator owns. */
  organizationId: string;
  isServed: AdmissionPorts['isServed'];
  /** Whether what somebody belongs to on this instance is asked for, which takes more scopes. */
  needsMembership(client: SignInClient): Promise<boolean>;
  /** Told after each sign-in, before the browser goes on: memberships on the forge are read with the token, which then is gone. */
  signedIn?(person: Vouched & { userId: string }): Promise<void>;
  connectForOrganization: AccountLinksOptions['connectForOrganization'];
  /** The guarded way out. */
  fetch: Fetch;
  clock?: Clock;
  log: Logger;
}

export interface Session {
  id: string;
  userId: string;
  name: string;
  expiresAt: Date;
}

export interface SignIn {
  /** Instances that can be signed in with now. */
  clients(): Promise<readonly SignInClient[]>;
  /**
   * Answers the redirect to the forge, with the cookie that binds the state to this browser; undefined when there is no such
   * instance. @param o.returnTo a path of ours
   */
  start(o: {
    providerId: string;
    returnTo: string;
    headers: Headers;
    ip: string;
    setupCode?: string;
  }): Promise<Response | 'unknown' | 'too-many'>;
  /** What the forge sent the browser back with. Answers a redirect: signed in, or to the sign-in page with `?error=`. */
  callback(o: { path: string; headers: Headers; ip: string }): Promise<Response | 'too-many'>;
  /** By the cookie of a browser, or the bearer token of a device. */
  session(headers: Headers): Promise<Session | undefined>;
  /** Counts one try under this address or other key; false when there were too many in the last minute. */
  mayTry(key: string): boolean;
  /** A session for a device that its person allowed; undefined when they are suspended. */
  deviceSession(
    userId: string,
    from: { ip: string; userAgent: string },
  ): Promise<{ token: string; expiresAt: Date } | undefined>;
  /** Answers the cookies to delete. */
  signOut(headers: Headers): Promise<Response>;
  /** Every session of this person ends at once. */
  signOutEverywhere(userId: string): Promise<number>;
  /** Where clients must be registered to send people back to. */
  callbackUrl(providerId: string): string;
  /** Connecting accounts with consent, by the same clients. */
  readonly links: AccountLinks;
}

export const AUTH_PATH = '/api/auth';

export function forHeaders(headers: IncomingHttpHeaders): Headers {
  const known = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as [string, string]],
  );
  return new Headers(known);
}

/** Without it nobody can be signed in, and there is no need to load anything to say so. */
const SESSION_COOKIE = /(?:^|;\s*)(?:__Secure-)?forgeway\.session_token=/;

/** By which a token of a session is told from those of the API. */
const DEVICE_PREFIX = 'fws_';
const DEVICE_TOKEN = /^Bearer fws_([\w-]+\.[\w+/]+=*)$/i;

/** Whether an `authorization` header carries the session of a device. */
export const isDeviceToken = (authorization: string): boolean => DEVICE_TOKEN.test(authorization.trim());

export function createSignIn(o: SignInOptions): SignIn {
  const { store, vault, log, clock = systemClock } = o;
  const { pool } = store;
  const addresses = createLimit(PER_ADDRESS, clock);
  const identities = createLimit(PER_IDENTITY, clock);
  const secret = deriveKey(o.masterKey, Buffer.alloc(0), 'forgeway/v1/sign-in').toString('base64url');
  const lazy: { version?: string; auth?: Promise<SignInAuth> } = {};

  const callbackUrl = (providerId: string) => `${o.publicUrl()}${AUTH_PATH}/callback/${providerId}`;
  const base = () => {
    const url = new URL(o.publicUrl());
    return { origin: url.origin, path: url.pathname.replace(/\/+$/, '') };
  };

  async function build(): Promise<SignInAuth> {
    const { createSignInAuth } = await import('./better-auth.js');
    const { origin, path } = base();
    return createSignInAuth({
      place: { origin, basePath: `${path}${AUTH_PATH}`, errorUrl: `${origin}${path}/sign-in`, secret },
      clients: (await listOAuthClients(pool)).filter(({ enabled }) => enabled),
      accessOf: (providerId) => accessOfClient(pool, vault, providerId),
      fetch: o.fetch,
      mayTry: (identity) => identities.take(identity),
      pool,
      isServed: o.isServed,
      log,
    });
  }

  /** As the clients are now. */
  async function current(): Promise<SignInAuth> {
    const version = await clientsVersion(pool);
    if (lazy.auth === undefined || lazy.version !== version) {
      lazy.version = version;
      const built = build();
      lazy.auth = built;
      // The next one tries again: a database that was away must not lock everybody out until a restart.
      built.catch(() => {
        if (lazy.auth === built) delete lazy.auth;
      });
    }
    return lazy.auth;
  }

  /** Whichever clients it was made with: sessions do not depend on them. */
  const any = () => lazy.auth ?? current();

  async function complete(flow: SignInFlow, previous: Session | undefined): Promise<void> {
    const { session, vouched, admission } = flow;
    if (session === undefined || vouched === undefined) return;
    const { client, identity } = vouched;
    // Whoever was signed in on this browser before is not any more.
    await pool.query('DELETE FROM session WHERE id = $1 OR expires_at < now()', [previous?.id ?? '']);
    await pool.query(
      `UPDATE identity SET login = $4, last_sign_in_at = now(), updated_at = now()
       WHERE forge = $1 AND host = $2 AND remote_id = $3`,
      [client.endpoint.forge, client.endpoint.host, identity.id, identity.login],
    );
    await pool.query('UPDATE "user" SET name = $2, image = $3, updated_at = now() WHERE id = $1', [
      session.userId,
      identity.name ?? identity.login,
      identity.avatarUrl,
    ]);
    if (admission?.admitted && admission.administrator)
      await makeFirstAdministrator(store, o.organizationId, session.userId);
    await auditPlatform(pool, {
      actor: `user:${session.userId}`,
      action: 'signed-in',
      subject: `${client.endpoint.forge}:${client.endpoint.host}:${identity.id}`,
      detail: { login: identity.login, ip: flow.ip },
    });
    await o.signedIn?.({ ...vouched, userId: session.userId }).catch((error: unknown) => {
      log.warn({ userId: session.userId, err: messageOf(error) }, 'what a person belongs to could not be read');
    });
  }

  return {
    clients: async () => (await listOAuthClients(pool)).filter(({ enabled }) => enabled),

    async start({ providerId, returnTo, headers, ip, setupCode }) {
      if (!addresses.take(addressKey(ip))) return 'too-many';
      const clients = await listOAuthClients(pool);
      const client = clients.find((one) => one.providerId === providerId && one.enabled);
      if (client === undefined) return 'unknown';
      const setup = setupCode !== undefined && (await isSetupCode(pool, setupCode)) ? hashOf(setupCode) : undefined;
      const auth = await current();
      const membership = await o.needsMembership(client);
      return auth.start({ ip, ...(setup !== undefined && { setup }) }, { providerId, returnTo, headers, membership });
    },

    async callback({ path, headers, ip }) {
      if (!addresses.take(addressKey(ip))) return 'too-many';
      const auth = await current();
      const previous = SESSION_COOKIE.test(headers.get('cookie') ?? '') ? await auth.session(headers) : undefined;
      const flow: SignInFlow = { ip };
      const url = new URL(`${base().path}${path}`, base().origin);
      const response = await auth.callback(flow, new Request(url, { headers }));
      await complete(flow, previous);
      return response;
    },

    async session(headers) {
      const token = DEVICE_TOKEN.exec(headers.get('authorization')?.trim() ?? '')?.[1];
      if (token !== undefined) {
        const secure = o.publicUrl().startsWith('https://') ? '__Secure-' : '';
        const cookie = `${secure}forgeway.session_token=${encodeURIComponent(token)}`;
        return (await any()).session(new Headers({ cookie }));
      }
      if (!SESSION_COOKIE.test(headers.get('cookie') ?? '')) return undefined;
      return (await any()).session(headers);
    },
    mayTry: (key) => addresses.take(addressKey(key)),
    async deviceSession(userId, from) {
      const { rowCount } = await pool.query('SELECT FROM "user" WHERE id = $1 AND suspended_at IS NULL', [userId]);
      if (rowCount !== 1) return undefined;
      const session = await (await any()).deviceSession(userId, from);
      return session === undefined ? undefined : { ...session, token: `${DEVICE_PREFIX}${session.token}` };
    },
    signOut: async (headers) => (await any()).signOut(headers),
    signOutEverywhere: (userId) => endSessions(pool, userId),
    callbackUrl,
    links: createAccountLinks({
      ...{ store, vault, masterKey: o.masterKey, fetch: o.fetch, clock, callbackUrl },
      connectForOrganization: o.connectForOrganization,
    }),
  };
}
