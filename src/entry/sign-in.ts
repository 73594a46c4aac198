/** Wires sign-in: what it needs of the configuration, what forges say of who signs in, and the first administrator's link. */
import { fixedToken, type OpenConnection } from '../accounts/connections.js';
import { freshMemberships } from '../accounts/membership/fresh.js';
import type { MembershipPorts } from '../accounts/membership/ports.js';
import { hasSources, isServed } from '../accounts/membership/served.js';
import { onSignIn } from '../accounts/membership/sign-in.js';
import { hasAdministrator } from '../accounts/sign-in/administrators.js';
import type { Vouched } from '../accounts/sign-in/admission.js';
import { createSetupCode } from '../accounts/sign-in/codes.js';
import { readSignUpPolicy } from '../accounts/sign-in/policy.js';
import { createSessionActor } from '../accounts/sign-in/session-actor.js';
import { createSignIn } from '../accounts/sign-in/sign-in.js';
import { createVault } from '../accounts/vault.js';
import { trustedProxies } from '../api/client-address.js';
import type { ConnectionWork } from '../api/procedures/services.js';
import type { SetupRoutesOptions } from '../api/setup-routes.js';
import type { Config } from '../config/config.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { type Clock, pause } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import { redactText } from '../lib/redact.js';
import type { Store } from '../store/database.js';
import { type MasterKeys, passingKeys } from '../store/master-keys.js';

/** Nobody waits longer to be told whether they may come in. */
const PATIENCE_MS = 10_000;

export interface OpenSignInOptions {
  config: Pick<Config, 'trustedProxies'>;
  /** Of the role of the API. */
  store: Store;
  keys: MasterKeys;
  access: SetupRoutesOptions['access'];
  organizationId: string;
  publicUrl(): string;
  /** The guarded way out: instances are at addresses that somebody typed. */
  outbound: Pick<Outbound, 'fetch' | 'check'>;
  /** What of an organization's connections takes another role than the API's; see `createApiConnections`. */
  connections(): Promise<Pick<ConnectionWork, 'connectOAuth' | 'disconnect'>>;
  /** As the worker, which sees the installations and linked organizations of all tenants. */
  members: MembershipPorts;
  /** That by which attempts are counted. */
  clock?: Clock;
  log: Logger;
}

const placeOf = ({ client, identity }: Vouched) => {
  const { forge, host } = client.endpoint;
  return { forge, host, remoteId: identity.id, login: identity.login };
};

/** As whom a token of a sign-in speaks: a connection that is stored nowhere. */
function draftOf({ client, identity, accessToken, route }: Vouched): OpenConnection {
  const { forge, endpoint } = client;
  return {
    id: `sign-in of ${identity.id}`,
    organizationId: '',
    forge,
    host: endpoint.host,
    baseUrl: endpoint.webUrl,
    account: { id: identity.id, login: identity.login },
    ...fixedToken(accessToken),
    virtualId: 0n,
    ...(route && { route }),
  };
}

export function openSignIn(o: OpenSignInOptions): SetupRoutesOptions {
  const vault = createVault(o.keys.versions);
  const { store, keys, organizationId, publicUrl, outbound, members, log } = o;
  const { pool: routing } = members.store;
  let opened: Promise<(connection: OpenConnection) => NativeClient> | undefined;
  const nativeOf = async (vouched: Vouched): Promise<NativeClient> => {
    // Loaded with the first sign-in, like all that it takes.
    opened ??= import('../translate/native-access.js').then(({ openNativeAccess }) =>
      openNativeAccess({ log, fetch: outbound.fetch }),
    );
    return (await opened)(draftOf(vouched));
  };

  const signIn = createSignIn({
    store,
    vault,
    masterKey: passingKeys(keys)[0],
    publicUrl,
    organizationId,
    fetch: outbound.fetch,
    connectForOrganization: async (place, account) => (await o.connections()).connectOAuth(place, account),
    needsMembership: async ({ endpoint }) =>
      (await readSignUpPolicy(routing)) === 'organization' || (await hasSources(members.store, endpoint)),
    async isServed(vouched) {
      const waiting = new AbortController();
      const late = pause(PATIENCE_MS, waiting.signal).then(() => 'unknown' as const);
      try {
        return await Promise.race([isServed(members, placeOf(vouched), await nativeOf(vouched)), late]);
      } catch (error) {
        const { host } = vouched.client.endpoint;
        log.warn({ host, err: redactText(messageOf(error)) }, 'organizations of a new person could not be read');
        return 'unknown';
      } finally {
        waiting.abort();
      }
    },
    async signedIn(vouched) {
      const native = await nativeOf(vouched);
      await onSignIn(members, { userId: vouched.userId, identity: placeOf(vouched), native });
    },
    ...(o.clock && { clock: o.clock }),
    log,
  });
  return {
    signIn,
    sessionActor: createSessionActor(signIn, store),
    publicUrl,
    trustedProxies: trustedProxies(o.config.trustedProxies),
    store,
    pool: store.pool,
    vault,
    access: o.access,
    freshMemberships: (asked) => freshMemberships(members, asked),
    disconnect: async (organizationId, connectionId, how) =>
      (await o.connections()).disconnect(organizationId, connectionId, how),
    outbound,
  };
}

export const setupLink = (publicUrl: string, code: string): string => `${publicUrl}/setup?code=${code}`;

/** While nobody runs this installation, every start shows a new link; the one before is worth nothing then. */
export async function announceSetup(store: Store, publicUrl: string, log: Logger): Promise<void> {
  if (await hasAdministrator(store.pool)) return;
  const code = await createSetupCode(store.pool);
  // Not through the log, which is redacted, kept and collected.
  process.stderr.write(
    `\nNobody administers this Forgeway yet. Open this link within 24 hours and sign in to do so; it works once:\n\n  ${setupLink(publicUrl, code)}\n\n`,
  );
  log.info('no administrator yet: a setup link was printed, `forgeway admin link` prints another');
}
