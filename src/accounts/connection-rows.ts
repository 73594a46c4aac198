/** Rows of connections by token and of the hooks that they made. Every function runs as the connection's organization. */
import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { HookTarget, TokenFacts } from '../forges/administration.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import { ensureConnectionInstallation } from './connections.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, type SealedTable, sealedColumnsOf, sealSecrets } from './vault-columns.js';

export interface ConnectionPlace {
  organizationId: string;
  forge: string;
  host: string;
  /** Base URL of the instance; null for a forge's own cloud. */
  instanceUrl: string | null;
}

export interface ConnectionSummary {
  id: string;
  name: string;
  forge: string;
  host: string;
  account: string;
  status: string;
  statusReason: string | null;
  capabilities: readonly string[];
  warnings: readonly string[];
  version: string | null;
  hooks: number;
  repositories: number;
  checkedAt: Date | null;
}

/** What an INSERT or UPDATE needs for the sealed columns of a row. */
function sealedValues<T extends SealedTable>(
  table: T,
  columns: SealedColumns<T>,
): { names: string[]; values: unknown[] } {
  const names = sealedColumnsOf(table);
  return { names, values: names.map((name) => Reflect.get(columns, name)) };
}

/**
 * Stores a connection with its sealed token, or gives the one that is there a new token: the same account on the same
 * instance is the same connection. Answers the number under which handlers see it.
 */
export async function saveConnection(
  store: Store,
  vault: Vault,
  place: ConnectionPlace,
  o: { name: string; token: string; facts: TokenFacts },
): Promise<{ id: string; virtualId: bigint; renewed: boolean }> {
  const { organizationId, forge, host, instanceUrl } = place;
  const { facts } = o;
  return store.tenant(organizationId, async (tx) => {
    const found = await tx.query<SealedColumns<'connection'> & { id: string }>(
      `SELECT id, ${sealedColumnsOf('connection').join(', ')} FROM connection
       WHERE user_id IS NULL AND forge = $1 AND host = $2 AND kind = 'pat' AND provider_account_id = $3 FOR UPDATE`,
      [forge, host, facts.account.id.toString()],
    );
    const existing = found.rows[0];
    const id = existing?.id ?? randomUUID();
    const columns = sealSecrets(vault, { table: 'connection', organizationId, rowId: id }, existing, {
      access_token: o.token,
    });
    const sealed = sealedValues('connection', columns);
    const plain: Record<string, unknown> = {
      name: o.name,
      account_login: facts.account.login,
      account_type: facts.isPerson ? 'User' : 'Bot',
      scopes: facts.scopes.join(' '),
      access_token_expires_at: facts.expiresAt,
      status: 'active',
      status_reason: null,
      capabilities: JSON.stringify(facts.capabilities),
      warnings: JSON.stringify(facts.warnings),
      server_version: facts.version,
      server_edition: facts.edition,
      is_person: facts.isPerson,
      checked_at: new Date(),
    };
    const fixed: Record<string, unknown> = {
      id,
      organization_id: organizationId,
      kind: 'pat',
      forge,
      host,
      instance_url: instanceUrl,
      provider_account_id: facts.account.id.toString(),
    };
    const change = [...Object.keys(plain), ...sealed.names];
    const values = [...Object.values(fixed), ...Object.values(plain), ...sealed.values];
    await tx.query(
      `INSERT INTO connection (${[...Object.keys(fixed), ...change].join(', ')})
       VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})
       ON CONFLICT (id) DO UPDATE SET updated_at = now(), revoked_at = NULL,
         ${change.map((name) => `${name} = excluded.${name}`).join(', ')}`,
      values,
    );
    const organization = await tx.query<{ slug: string }>('SELECT slug FROM organization WHERE id = $1', [
      organizationId,
    ]);
    const virtualId = await ensureConnectionInstallation(tx, {
      id,
      organizationId,
      organizationSlug: organization.rows[0]?.slug ?? '',
      forge,
      host,
      account: { ...facts.account, type: facts.isPerson ? 'User' : 'Bot' },
    });
    return { id, virtualId, renewed: existing !== undefined };
  });
}

export async function listConnections(store: Store, organizationId: string): Promise<ConnectionSummary[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ConnectionSummary & { hooks: bigint; repositories: bigint }>(
      `SELECT c.id, c.name, c.forge, c.host, coalesce(c.account_login, '') AS account, c.status,
         c.status_reason AS "statusReason", c.capabilities, c.warnings, c.server_version AS version,
         c.checked_at AS "checkedAt",
         (SELECT count(*) FROM hook h WHERE h.connection_id = c.id) AS hooks,
         (SELECT count(*) FROM repository r JOIN installation i ON i.id = r.installation_id
          WHERE i.connection_id = c.id AND r.status = 'active') AS repositories
       FROM connection c WHERE c.kind = 'pat' ORDER BY c.created_at`,
    );
    return rows.map((row) => ({ ...row, hooks: Number(row.hooks), repositories: Number(row.repositories) }));
  });
}

/** What the last test of a connection found: its facts, or why it cannot be used. */
export async function noteCheck(
  store: Store,
  organizationId: string,
  connectionId: string,
  found: TokenFacts | { status: 'expired' | 'unreachable' | 'insufficient-scope'; reason: string },
): Promise<void> {
  await store.tenant(organizationId, (tx) =>
    'status' in found
      ? tx.query(
          'UPDATE connection SET status = $2, status_reason = $3, checked_at = now(), updated_at = now() WHERE id = $1',
          // What cannot be reached now may be reachable in a moment: it stays in use.
          [connectionId, found.status === 'unreachable' ? 'active' : found.status, found.reason],
        )
      : tx.query(
          `UPDATE connection SET status = 'active', status_reason = NULL, capabilities = $2, warnings = $3,
             server_version = $4, server_edition = $5, scopes = $6, access_token_expires_at = $7,
             checked_at = now(), updated_at = now() WHERE id = $1`,
          [
            connectionId,
            JSON.stringify(found.capabilities),
            JSON.stringify(found.warnings),
            found.version,
            found.edition,
            found.scopes.join(' '),
            found.expiresAt,
          ],
        ),
  );
}

/** Its hooks, snapshots and installation go with it; repositories stay for the record and start nothing any more. */
export async function removeConnection(store: Store, organizationId: string, connectionId: string): Promise<void> {
  await store.tenant(organizationId, async (tx) => {
    await tx.query(
      `UPDATE repository SET status = 'removed', updated_at = now()
       WHERE installation_id IN (SELECT id FROM installation WHERE connection_id = $1)`,
      [connectionId],
    );
    await tx.query('DELETE FROM connection WHERE id = $1', [connectionId]);
    await audit(tx, organizationId, 'connection.removed', connectionId, {});
  });
}

export async function audit(
  tx: pg.PoolClient,
  organizationId: string,
  action: string,
  subject: string,
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  await tx.query(
    'INSERT INTO audit_entry (organization_id, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)',
    [organizationId, 'administrator', action, subject, JSON.stringify(detail)],
  );
}

export interface HookOfConnection {
  id: string;
  forge: string;
  host: string;
  connectionId: string;
  scope: 'repository' | 'organization' | 'system';
  /** `owner/name`, an owner, or '' for the whole server. */
  target: string;
  /** The forge's own id of it; null when creating it did not succeed. */
  remoteHookId: string | null;
  confidential: boolean;
}

export const targetName = (target: HookTarget): string =>
  target.level === 'repository'
    ? `${target.owner}/${target.name}`
    : target.level === 'organization'
      ? target.owner
      : '';

export function targetOf({ scope, target }: Pick<HookOfConnection, 'scope' | 'target'>): HookTarget {
  if (scope === 'system') return { level: 'system' };
  if (scope === 'organization') return { level: 'organization', owner: target };
  const slash = target.indexOf('/');
  return { level: 'repository', owner: target.slice(0, slash), name: target.slice(slash + 1) };
}

const HOOK_COLUMNS = `id, forge, host, connection_id AS "connectionId", scope, coalesce(target, '') AS target,
  remote_hook_id AS "remoteHookId", confidential`;

export async function listHooks(
  store: Store,
  organizationId: string,
  connectionId?: string,
): Promise<HookOfConnection[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<HookOfConnection>(
      `SELECT ${HOOK_COLUMNS} FROM hook
       WHERE connection_id IS NOT NULL AND organization_id = $1 AND ($2::uuid IS NULL OR connection_id = $2)
       ORDER BY created_at, id`,
      [organizationId, connectionId ?? null],
    );
    return rows;
  });
}

/** The row of a hook with a secret of its own, made before the forge is told, so that its first delivery finds it. */
export async function addHook(
  store: Store,
  vault: Vault,
  o: {
    organizationId: string;
    forge: string;
    host: string;
    connectionId: string;
    target: HookTarget;
    confidential: boolean;
  },
): Promise<{ hook: HookOfConnection; secret: string }> {
  const { organizationId, forge, host, connectionId, target } = o;
  const secret = randomBytes(32).toString('base64url');
  return store.tenant(organizationId, async (tx) => {
    const name = targetName(target);
    const found = await tx.query<HookOfConnection>(
      `SELECT ${HOOK_COLUMNS} FROM hook WHERE connection_id = $1 AND scope = $2 AND target = $3`,
      [connectionId, target.level, name],
    );
    const [existing] = found.rows;
    if (existing !== undefined) {
      await writeSecret(tx, vault, organizationId, existing.id, secret);
      return { hook: existing, secret };
    }
    const id = randomUUID();
    const columns = sealSecrets(vault, { table: 'hook', organizationId, rowId: id }, undefined, { secret });
    const sealed = sealedValues('hook', columns);
    const plain = {
      id,
      organization_id: organizationId,
      forge,
      host,
      scope: target.level,
      connection_id: connectionId,
      target: name,
      confidential: o.confidential,
    };
    const values = [...Object.values(plain), ...sealed.values];
    await tx.query(
      `INSERT INTO hook (${[...Object.keys(plain), ...sealed.names].join(', ')})
       VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})`,
      values,
    );
    return {
      hook: {
        id,
        forge,
        host,
        connectionId,
        scope: target.level,
        target: name,
        remoteHookId: null,
        confidential: o.confidential,
      },
      secret,
    };
  });
}

async function writeSecret(tx: pg.PoolClient, vault: Vault, organizationId: string, hookId: string, secret: string) {
  const row = { table: 'hook', organizationId, rowId: hookId } as const;
  const found = await tx.query<SealedColumns<'hook'>>(
    `SELECT ${sealedColumnsOf('hook').join(', ')} FROM hook WHERE id = $1 FOR UPDATE`,
    [hookId],
  );
  const current = found.rows[0];
  if (current === undefined) throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', 'The hook was removed.');
  // Deliveries that are under way were signed with the secret before.
  const { secret: before } = openSecrets(vault, row, current);
  const columns = sealSecrets(vault, row, current, { secret, previous_secret: before ?? null });
  const sealed = sealedValues('hook', columns);
  await tx.query(
    `UPDATE hook SET previous_secret_until = now() + interval '1 day',
       ${sealed.names.map((name, index) => `${name} = $${index + 2}`).join(', ')} WHERE id = $1`,
    [hookId, ...sealed.values],
  );
}

/** After the forge made it: its id there, and the secret that it really signs with. */
export async function noteRemoteHook(
  store: Store,
  vault: Vault,
  organizationId: string,
  hookId: string,
  o: { remoteHookId: string; secret?: string },
): Promise<void> {
  await store.tenant(organizationId, async (tx) => {
    if (o.secret !== undefined) await writeSecret(tx, vault, organizationId, hookId, o.secret);
    await tx.query('UPDATE hook SET remote_hook_id = $2, enabled = true WHERE id = $1', [hookId, o.remoteHookId]);
  });
}
