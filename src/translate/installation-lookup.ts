/** Finds which installation speaks for a delivery or a repository, in our own tables and never by a payload's word. */
import { tellsConfidential } from '../accounts/connection-hooks.js';
import { ensureInstallation } from '../accounts/installation-row.js';
import { type InstallationKey, isVirtualInstallationId } from '../accounts/virtual-installation.js';
import type { DeliveryScope } from '../lib/delivery-scope.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';

export interface KnownRepository extends KnownInstallation {
  remoteId: bigint;
  /** Address of its page, which git clones too. */
  url: string;
  owner: string;
  name: string;
}

interface HookFacts {
  forge: string;
  host: string;
  scope: string;
  appId: string | null;
  connectionId: string | null;
}

/** An installation, and the connection behind it on a forge without Apps. */
export interface KnownInstallation extends InstallationKey {
  organizationId: string;
  connectionId: string | null;
}

const UNKNOWN =
  'No active installation of the App covers this repository. Install the App on the account that owns it, or unsuspend it.';

export interface InstallationLookup {
  /** The App whose hook a delivery came through; undefined for hooks of a repository or an organization. */
  appOf(scope: DeliveryScope): Promise<string | undefined>;
  /** By the number handlers see. Undefined for a number that we have not heard of and did not make up. */
  byVirtualId(id: bigint): Promise<KnownInstallation | undefined>;
  /** Numbers of the installations that are connections by token, of every organization, the oldest first. */
  connected(): Promise<readonly bigint[]>;
  /** @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN */
  ofRepository(organizationId: string, repositoryId: string): Promise<KnownRepository>;
  /** The same by the forge's own id, for hooks that are not an App's. Undefined when nothing covers it. */
  ofRemoteRepository(scope: DeliveryScope, remoteId: bigint): Promise<KnownInstallation | undefined>;
  /** The connection that a hook belongs to; undefined for hooks of Apps and for those that nobody's token made. */
  connectionOf(scope: DeliveryScope): Promise<string | undefined>;
  /** The forge's own number of a repository's hook that we made; else undefined. Read anew: a repair changes it. */
  hookNumberOf(scope: DeliveryScope): Promise<number | undefined>;
  /**
   * Whether whoever made the hook of a delivery asked for what is confidential. What the poller told came through the
   * connection's own hook, and then another one that covers the repository may say so. Read anew each time: it can be withdrawn.
   */
  tellsConfidential(scope: DeliveryScope, repository: { owner: string; name: string } | undefined): Promise<boolean>;
  /** Whether an app is on for a repository, by the forge's own id of it. On unless somebody switched it off. */
  isEnabled(scope: DeliveryScope, remoteId: bigint): Promise<boolean>;
  /** Makes sure that the installation has a row, and returns the number under which handlers see it. */
  ensure(organizationId: string, installation: InstallationKey, virtualId: bigint): Promise<bigint>;
}

interface HookColumns {
  forge: string;
  host: string;
  scope: string;
  app_id: string | null;
  connection_id: string | null;
}

interface InstallationColumns {
  forge: string;
  host: string;
  app_id: string;
  installation_id: bigint;
  organization_id: string;
  connection_id: string | null;
}

const known = (row: InstallationColumns): KnownInstallation => ({
  organizationId: row.organization_id,
  connectionId: row.connection_id,
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

const COLUMNS = 'i.forge, i.host, i.app_id, i.installation_id, i.organization_id, i.connection_id';
const ACTIVE = `r.status <> 'removed' AND i.status = 'active'`;

export function createInstallationLookup(store: Store): InstallationLookup {
  const hooks = new Map<string, HookFacts>();
  const shown = new Map<bigint, KnownInstallation>();

  const hook = async (hookId: string): Promise<HookFacts | undefined> => {
    const cached = hooks.get(hookId);
    if (cached !== undefined) return cached;
    const found = await store.pool.query<HookColumns>(
      'SELECT forge, host, scope, app_id, connection_id FROM hook WHERE id = $1',
      [hookId],
    );
    const row = found.rows[0];
    // An App that is set up later changes its hook's row: what is not complete is not remembered.
    if (row === undefined) return undefined;
    const { forge, host, scope } = row;
    const facts = { forge, host, scope, appId: row.app_id, connectionId: row.connection_id };
    if (row.app_id === null && row.connection_id === null) return facts;
    hooks.set(hookId, facts);
    return facts;
  };

  return {
    async appOf(scope) {
      const facts = await hook(scope.hookId);
      const fits = facts?.scope === 'app' && facts.forge === scope.forge && facts.host === scope.host;
      return fits ? (facts.appId ?? undefined) : undefined;
    },

    async connectionOf(scope) {
      const facts = await hook(scope.hookId);
      const fits = facts?.forge === scope.forge && facts.host === scope.host;
      return fits ? (facts.connectionId ?? undefined) : undefined;
    },

    async hookNumberOf(scope) {
      const { rows } = await store.pool.query<{ number: string | null }>(
        'SELECT remote_hook_id AS number FROM hook WHERE id = $1 AND forge = $2 AND host = $3 AND scope = $4',
        [scope.hookId, scope.forge, scope.host, 'repository'],
      );
      const number = Number(rows[0]?.number ?? Number.NaN);
      return Number.isSafeInteger(number) ? number : undefined;
    },

    async tellsConfidential(scope, repository) {
      const { rowCount } = await store.pool.query(
        `SELECT FROM hook h JOIN hook k ON k.id = h.id OR (h.id = h.connection_id::text AND k.connection_id = h.connection_id)
         WHERE h.id = $1 AND ((k.id = h.id AND k.confidential) OR ${tellsConfidential({ owner: '$2::text', name: '$3::text' })}) LIMIT 1`,
        [scope.hookId, repository?.owner ?? null, repository?.name ?? null],
      );
      return rowCount === 1;
    },

    async isEnabled(scope, remoteId) {
      return store.tenant(scope.organizationId, async (tx) => {
        const { rowCount } = await tx.query(
          `SELECT FROM app_repository a JOIN repository r ON r.id = a.repository_id
           WHERE a.app = $1 AND NOT a.enabled AND r.forge = $2 AND r.host = $3 AND r.remote_id = $4`,
          [scope.app, scope.forge, scope.host, remoteId],
        );
        return rowCount === 0;
      });
    },

    async byVirtualId(id) {
      const seen = shown.get(id);
      if (seen !== undefined) return seen;
      const found = await store.pool.query<InstallationColumns>(
        `SELECT ${COLUMNS} FROM installation i WHERE i.virtual_id = $1`,
        [id],
      );
      if (found.rows[0] !== undefined) return known(found.rows[0]);
      if (!isVirtualInstallationId(id)) return undefined;
      throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', `There is no installation ${id}.`);
    },

    async connected() {
      const { rows } = await store.pool.query<{ virtual_id: bigint }>(
        `SELECT virtual_id FROM installation WHERE connection_id IS NOT NULL AND status = 'active' ORDER BY created_at, id`,
      );
      return rows.map((row) => row.virtual_id);
    },

    async ofRepository(organizationId, repositoryId) {
      const row = await store.tenant(organizationId, async (tx) => {
        const found = await tx.query<
          InstallationColumns & { remote_id: bigint; remote_owner: string; remote_name: string; remote_url: string }
        >(
          `SELECT ${COLUMNS}, r.remote_id, r.remote_owner, r.remote_name, r.remote_url
           FROM repository r JOIN installation i ON i.id = r.installation_id
           WHERE r.id = $1 AND i.forge = r.forge AND i.host = r.host AND ${ACTIVE}`,
          [repositoryId],
        );
        return found.rows[0];
      });
      if (row === undefined) throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', UNKNOWN);
      return {
        ...known(row),
        remoteId: row.remote_id,
        owner: row.remote_owner,
        name: row.remote_name,
        url: row.remote_url,
      };
    },

    async ofRemoteRepository(scope, remoteId) {
      return store.tenant(scope.organizationId, async (tx) => {
        const found = await tx.query<InstallationColumns>(
          `SELECT ${COLUMNS}
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
      shown.set(id, { ...installation, organizationId, connectionId: null });
      return id;
    },
  };
}
