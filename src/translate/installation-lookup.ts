/** Finds which installation speaks for a delivery or a repository, in our own tables and never by a payload's word. */
import { ensureInstallation } from '../accounts/installation-row.js';
import { type InstallationKey, isVirtualInstallationId } from '../accounts/virtual-installation.js';
import type { DeliveryScope } from '../lib/delivery-scope.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';

export interface KnownRepository extends InstallationKey {
  remoteId: bigint;
  owner: string;
  name: string;
}

interface HookFacts {
  forge: string;
  host: string;
  scope: string;
  appId: string;
}

const UNKNOWN =
  'No active installation of the App covers this repository. Install the App on the account that owns it, or unsuspend it.';

export interface InstallationLookup {
  /** The App whose hook a delivery came through; undefined for hooks of a repository or an organization. */
  appOf(scope: DeliveryScope): Promise<string | undefined>;
  /** By the number handlers see. Undefined for a number that we have not heard of and did not make up. */
  byVirtualId(id: bigint): Promise<InstallationKey | undefined>;
  /** @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN */
  ofRepository(organizationId: string, repositoryId: string): Promise<KnownRepository>;
  /** The same by the forge's own id, for hooks that are not an App's. Undefined when nothing covers it. */
  ofRemoteRepository(scope: DeliveryScope, remoteId: bigint): Promise<InstallationKey | undefined>;
  /** Makes sure that the installation has a row, and returns the number under which handlers see it. */
  ensure(organizationId: string, installation: InstallationKey, virtualId: bigint): Promise<bigint>;
}

interface InstallationColumns {
  forge: string;
  host: string;
  app_id: string;
  installation_id: bigint;
}

const known = (row: InstallationColumns): InstallationKey => ({
  forge: row.forge,
  host: row.host,
  appId: row.app_id,
  installationId: row.installation_id,
});

const isSame = (left: InstallationKey | undefined, right: InstallationKey): boolean =>
  left !== undefined &&
  left.forge === right.forge &&
  left.host === right.host &&
  left.appId === right.appId &&
  left.installationId === right.installationId;

const ACTIVE = `r.status <> 'removed' AND i.status = 'active'`;

export function createInstallationLookup(store: Store): InstallationLookup {
  const hooks = new Map<string, HookFacts>();
  const shown = new Map<bigint, InstallationKey>();

  const hook = async (hookId: string): Promise<HookFacts | undefined> => {
    const cached = hooks.get(hookId);
    if (cached !== undefined) return cached;
    const found = await store.pool.query<{ forge: string; host: string; scope: string; app_id: string | null }>(
      'SELECT forge, host, scope, app_id FROM hook WHERE id = $1',
      [hookId],
    );
    const row = found.rows[0];
    if (row === undefined || row.app_id === null) return undefined;
    const facts = { forge: row.forge, host: row.host, scope: row.scope, appId: row.app_id };
    hooks.set(hookId, facts);
    return facts;
  };

  return {
    async appOf(scope) {
      const facts = await hook(scope.hookId);
      const fits = facts?.scope === 'app' && facts.forge === scope.forge && facts.host === scope.host;
      return fits ? facts.appId : undefined;
    },

    async byVirtualId(id) {
      const seen = shown.get(id);
      if (seen !== undefined) return seen;
      const found = await store.pool.query<InstallationColumns>(
        'SELECT forge, host, app_id, installation_id FROM installation WHERE virtual_id = $1',
        [id],
      );
      if (found.rows[0] !== undefined) return known(found.rows[0]);
      if (!isVirtualInstallationId(id)) return undefined;
      throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', `There is no installation ${id}.`);
    },

    async ofRepository(organizationId, repositoryId) {
      const row = await store.tenant(organizationId, async (tx) => {
        const found = await tx.query<
          InstallationColumns & { remote_id: bigint; remote_owner: string; remote_name: string }
        >(
          `SELECT i.forge, i.host, i.app_id, i.installation_id, r.remote_id, r.remote_owner, r.remote_name
           FROM repository r JOIN installation i ON i.id = r.installation_id
           WHERE r.id = $1 AND i.forge = r.forge AND i.host = r.host AND ${ACTIVE}`,
          [repositoryId],
        );
        return found.rows[0];
      });
      if (row === undefined) throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', UNKNOWN);
      return { ...known(row), remoteId: row.remote_id, owner: row.remote_owner, name: row.remote_name };
    },

    async ofRemoteRepository(scope, remoteId) {
      return store.tenant(scope.organizationId, async (tx) => {
        const found = await tx.query<InstallationColumns>(
          `SELECT i.forge, i.host, i.app_id, i.installation_id
           FROM repository r JOIN installation i ON i.id = r.installation_id
           WHERE r.forge = $1 AND r.host = $2 AND r.remote_id = $3 AND i.forge = r.forge AND i.host = r.host
             AND ${ACTIVE}`,
          [scope.forge, scope.host, remoteId],
        );
        return found.rows[0] && known(found.rows[0]);
      });
    },

    async ensure(organizationId, installation, virtualId) {
      // The first number is a guess, since a row keeps the one it was made with when another App becomes the default.
      if (isSame(shown.get(virtualId), installation)) return virtualId;
      const id = await store.tenant(organizationId, (tx) =>
        ensureInstallation(tx, organizationId, installation, virtualId),
      );
      shown.set(id, installation);
      return id;
    },
  };
}
