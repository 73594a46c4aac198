/** Wires sign-in: what it needs of the configuration, and the link that makes the first administrator. */
import { hasAdministrator } from '../accounts/sign-in/administrators.js';
import { createSetupCode } from '../accounts/sign-in/codes.js';
import { createSessionActor } from '../accounts/sign-in/session-actor.js';
import { createSignIn } from '../accounts/sign-in/sign-in.js';
import { createVault } from '../accounts/vault.js';
import { trustedProxies } from '../api/client-address.js';
import type { SetupRoutesOptions } from '../api/setup-routes.js';
import type { Config } from '../config/config.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';

export interface OpenSignInOptions {
  config: Pick<Config, 'trustedProxies'>;
  /** Of the role of the API. */
  store: Store;
  /** Of the role of the worker, which sees the installations of all organizations. */
  routing: Store;
  keys: MasterKeys;
  organizationId: string;
  publicUrl(): string;
  log: Logger;
}

export function openSignIn(o: OpenSignInOptions): SetupRoutesOptions {
  const vault = createVault(o.keys.versions);
  const { store, keys, organizationId, publicUrl, log } = o;
  const signIn = createSignIn({
    store,
    vault,
    rootKey: keys.root,
    publicUrl,
    organizationId,
    async isServed({ client, identity }) {
      const { rowCount } = await o.routing.pool.query(
        `SELECT FROM installation WHERE forge = $1 AND host = $2 AND account_id = $3 AND status = 'active' LIMIT 1`,
        [client.endpoint.forge, client.endpoint.host, identity.id],
      );
      return rowCount === 1;
    },
    log,
  });
  return {
    signIn,
    sessionActor: createSessionActor(signIn, store),
    publicUrl,
    trustedProxies: trustedProxies(o.config.trustedProxies),
    pool: store.pool,
    vault,
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
