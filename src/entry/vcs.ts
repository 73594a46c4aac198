/** The facade for programs: operations on every forge, with tokens that nobody has to think about. */
import { findConnection } from '../accounts/find-connection.js';
import { type Environment, loadConfig } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { inboxForRoutes } from '../inbox/for-routes.js';
import { ForgewayError } from '../lib/errors.js';
import { createLogger, type Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import { openStore, type Store } from '../store/database.js';
import { openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';
import { type Bridge, createBridge } from '../translate/bridge.js';
import type { FindOAuthClient } from '../translate/token-renewal.js';
import { operationsOf, type VcsOperations } from '../translate/vcs/operations.js';
import { checkRunUrls, gitObjectsFor } from './bridge-ports.js';
import { defaultAppCredentials } from './default-app.js';
import { outboundOf } from './outbound.js';

export interface VcsScope {
  /** Id of a person: their own connection. Without it one of the organization. */
  user?: string;
  /** Id of an organization; the default one unless said otherwise. */
  organization?: string;
  /** Such as `gitlab`. */
  forge: string;
  /** Host of the instance, with its port and path where it has them; the forge's own cloud unless said otherwise. */
  host?: string;
  /** Login of the account, where several are connected. */
  account?: string;
}

export interface Vcs {
  /**
   * Operations in the name of a person or an organization on one instance. Cheap: call it for each piece of work.
   * @throws ForgewayError FORGEWAY_CONNECTION_UNKNOWN; FORGEWAY_CONNECTION_UNUSABLE, with `details.reconnect` when the
   *   account has to be connected again
   */
  getScoped(scope: VcsScope): Promise<VcsOperations>;
  close(): Promise<void>;
}

export interface VcsOptions {
  /** Instead of the environment: variables by name, see docs/configuration.md. */
  settings?: Environment;
  /** The clients with which tokens of OAuth are renewed, instead of those of `forgeway sign-in clients`. */
  oauthClientOf?: FindOAuthClient;
  log?: Logger;
}

/** The facade on a store and a bridge that are open already. */
export function vcsOn(o: {
  store: Store;
  bridge: Pick<Bridge, 'octokitOf'>;
  organizationId: string;
}): Pick<Vcs, 'getScoped'> {
  return {
    async getScoped({ user, organization = o.organizationId, forge: id, host, account }) {
      const forge = forges.get(id);
      if (forge === undefined)
        throw new ForgewayError(
          'FORGEWAY_CONNECTION_UNKNOWN',
          `There is no forge ${id}: ${[...forges.keys()].join(', ')}.`,
        );
      const at = host ?? (forge.cloudUrl === undefined ? '' : forge.endpoint(forge.cloudUrl).host);
      const wish = { organizationId: organization, userId: user, forge: id, host: at, account };
      const found = await findConnection(o.store, wish);
      const octokit = await o.bridge.octokitOf(organization, found.id);
      return operationsOf(octokit, { isInstallation: found.kind === 'github-app' });
    },
  };
}

/**
 * Opens the facade on Forgeway's own database. One for the whole program: it keeps tokens, limits and what is known of
 * forges that are away.
 *
 * ```js
 * const vcs = await createVcs();
 * const { pullRequests } = await vcs.getScoped({ forge: 'gitlab', host: 'git.example.com' });
 * const open = await pullRequests.list({ owner: 'acme~platform', repo: 'web' });
 * ```
 * @throws ConfigError naming every variable that is missing or wrong, with what to do; ForgewayError when the database
 *   cannot be reached
 */
export async function createVcs(options: VcsOptions = {}): Promise<Vcs> {
  const config = options.settings === undefined ? loadConfig() : loadConfig(options.settings);
  const log = options.log ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const opened = await openDatabase(config, { as: 'attach', log });
  const store = openStore(opened.database, 'worker', { max: 5, log });
  const outbound = outboundOf(config);
  const bridge = await createBridge({
    github: defaultAppCredentials(config),
    apps: [],
    store,
    keys: opened.keys,
    archiveBytes: config.archiveMaxMb * 1024 * 1024,
    fetch: outbound.fetch,
    oauthClientOf: options.oauthClientOf,
    gitFor: gitObjectsFor(config, outbound),
    inboxFor: inboxForRoutes(store),
    checkRunUrl: checkRunUrls(config, opened.keys.root),
    log,
    metrics: createMetrics(),
  });
  return {
    ...vcsOn({ store, bridge, organizationId: await ensureDefaultOrganization(store) }),
    async close() {
      await store.close();
      await opened.stop();
    },
  };
}
