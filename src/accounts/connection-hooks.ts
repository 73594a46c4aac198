/** Rows of the hooks that connections by token make at their forge, and their secrets. */
import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { HookTarget } from '../forges/administration.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

export interface HookOfConnection {
  id: string;
  forge: string;
  host: string;
  connectionId: string;
  scope: 'repository' | 'organization' | 'system';
  /** `owner/name` as the mirror knows it, an owner, or '' for the whole server. */
  target: string;
  /** The forge's own id of it; null when creating it did not succeed. */
  remoteHookId: string | null;
  /** The forge's own number of its repository; null: it is of many, or which is not known. */
  repositoryId: bigint | string | null;
  confidential: boolean;
}

/** Deliveries that are under way were signed with the secret before, and nothing is lost when a change stops half way. */
const OVERLAP = "interval '1 day'";
const MOST_EARLIER = 4;

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

/**
 * SQL: whether `hook k` lets through what is confidential in a repository of its connection: it covers the repository, or is the
 * connection's own. One that covers it by a name that it no longer has says nothing.
 * @param name SQL expressions of the repository's owner and name
 */
export const tellsConfidential = (name: { owner: string; name: string }): string => `(k.confidential AND (
    k.id = k.connection_id::text
    OR k.scope = 'system'
    OR (k.scope = 'repository' AND lower(k.target) = lower(${name.owner} || '/' || ${name.name}))
    OR (k.scope = 'organization' AND starts_with(lower(${name.owner}) || '~', lower(k.target) || '~'))))`;

const HOOK_COLUMNS = `id, forge, host, connection_id AS "connectionId", scope, target,
  remote_hook_id AS "remoteHookId", remote_repository_id AS "repositoryId", confidential`;

/** Without the one that a connection speaks through itself, which has no target. */
export async function listHooks(
  store: Store,
  organizationId: string,
  connectionId?: string,
): Promise<HookOfConnection[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<HookOfConnection>(
      `SELECT ${HOOK_COLUMNS} FROM hook
       WHERE connection_id IS NOT NULL AND target IS NOT NULL AND organization_id = $1
         AND ($2::uuid IS NULL OR connection_id = $2)
       ORDER BY created_at, id`,
      [organizationId, connectionId ?? null],
    );
    return rows;
  });
}

/**
 * The hook that events come through which a connection makes itself. Nothing is accepted at its address: it has no secret
 * and is switched off. True when it was not there: the connection is new.
 */
export async function ensureOwnHook(
  tx: pg.PoolClient,
  connection: {
    id: string;
    organizationId: string;
    forge: string;
    host: string;
    /** Whether the poller may tell of confidential things, where no other hook says so; undefined: as it is. */
    confidential?: boolean;
  },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `INSERT INTO hook (id, organization_id, forge, host, scope, connection_id, enabled)
     VALUES ($1, $2, $3, $4, 'app', $5, false) ON CONFLICT (id) DO NOTHING`,
    [connection.id, connection.organizationId, connection.forge, connection.host, connection.id],
  );
  if (connection.confidential !== undefined)
    await tx.query('UPDATE hook SET confidential = $2 WHERE id = $1', [connection.id, connection.confidential]);
  return rowCount === 1;
}

export interface HookSecrets {
  /** For a header or an HMAC of the forge's own. */
  secret: string;
  /** Standard Webhooks' form; bytes of its own, since the other may travel in a header with every delivery. */
  signingSecret: string;
}

const newSecrets = (): HookSecrets => ({
  secret: randomBytes(32).toString('base64url'),
  signingSecret: `whsec_${randomBytes(32).toString('base64')}`,
});

interface HookSecretRow extends SealedColumns<'hook'> {
  id: string;
}

/** The secrets of a hook that are not the current one, the newest first. */
const earlierOf = (text: string | undefined): string[] => (text === undefined ? [] : text.split('\n'));

async function readSecrets(tx: pg.PoolClient, vault: Vault, organizationId: string, hookId: string) {
  const found = await tx.query<HookSecretRow>(
    `SELECT id, ${sealedColumnsOf('hook').join(', ')} FROM hook WHERE id = $1 FOR UPDATE`,
    [hookId],
  );
  const row = found.rows[0];
  if (row === undefined) throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', 'The hook was removed meanwhile.');
  const secrets = openSecrets(vault, { table: 'hook', organizationId, rowId: hookId }, row);
  return { row, current: secrets.secret, earlier: earlierOf(secrets.previous_secret) };
}

async function writeSecrets(
  tx: pg.PoolClient,
  vault: Vault,
  organizationId: string,
  row: HookSecretRow,
  secret: string,
  earlier: readonly string[],
): Promise<void> {
  const columns = await sealSecrets(tx, vault, { table: 'hook', organizationId, rowId: row.id }, row, {
    secret,
    previous_secret: earlier.length === 0 ? null : earlier.join('\n'),
  });
  const sealed = sealedValues('hook', columns);
  await tx.query(
    `UPDATE hook SET previous_secret_until = now() + ${OVERLAP},
       ${sealed.names.map((name, index) => `${name} = $${index + 2}`).join(', ')} WHERE id = $1`,
    [row.id, ...sealed.values],
  );
}

export interface WantedHook {
  organizationId: string;
  forge: string;
  host: string;
  connectionId: string;
  target: HookTarget;
  /** The forge's own number of the repository that it is made at; undefined: as it is. */
  repositoryId?: bigint | string | null;
  /** Undefined: as it is, and not confidential when it is new. */
  confidential: boolean | undefined;
}

/**
 * The row of a hook with new secrets, made before the forge is told: whichever of them its next delivery is signed with is
 * accepted, and so are those of a hook that is there already. {@link settleHook} ends the change.
 */
export async function prepareHook(
  store: Store,
  vault: Vault,
  wanted: WantedHook,
): Promise<{ hook: HookOfConnection; secrets: HookSecrets; isNew: boolean }> {
  const { organizationId, forge, host, connectionId, target } = wanted;
  const secrets = newSecrets();
  return store.tenant(organizationId, async (tx) => {
    const name = targetName(target);
    const found = await tx.query<HookOfConnection>(
      // A repository that was renamed has the hook that it had.
      `SELECT ${HOOK_COLUMNS} FROM hook
       WHERE connection_id = $1 AND scope = $2 AND (target = $3 OR remote_repository_id = $4)
       ORDER BY remote_repository_id = $4 DESC NULLS LAST LIMIT 1 FOR UPDATE`,
      [connectionId, target.level, name, wanted.repositoryId ?? null],
    );
    const [existing] = found.rows;
    if (existing !== undefined) {
      const confidential = wanted.confidential ?? existing.confidential;
      const { row, current, earlier } = await readSecrets(tx, vault, organizationId, existing.id);
      const before = [current, ...earlier].filter((text) => text !== undefined).slice(0, MOST_EARLIER);
      await writeSecrets(tx, vault, organizationId, row, secrets.secret, [secrets.signingSecret, ...before]);
      await tx.query(
        `UPDATE hook SET confidential = $2, target = $3, remote_repository_id = coalesce($4, remote_repository_id)
         WHERE id = $1`,
        [existing.id, confidential, name, wanted.repositoryId ?? null],
      );
      return { hook: { ...existing, target: name, confidential }, secrets, isNew: false };
    }
    const hook: HookOfConnection = {
      id: randomUUID(),
      forge,
      host,
      connectionId,
      scope: target.level,
      target: name,
      remoteHookId: null,
      repositoryId: wanted.repositoryId ?? null,
      confidential: wanted.confidential ?? false,
    };
    const columns = await sealSecrets(tx, vault, { table: 'hook', organizationId, rowId: hook.id }, undefined, {
      secret: secrets.secret,
      previous_secret: secrets.signingSecret,
    });
    const sealed = sealedValues('hook', columns);
    const place = [hook.id, organizationId, forge, host, hook.scope, connectionId, name];
    const values = [...place, hook.confidential, wanted.repositoryId ?? null];
    await tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, connection_id, target, confidential, remote_repository_id,
         previous_secret_until, ${sealed.names.join(', ')})
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + ${OVERLAP},
         ${sealed.names.map((_, index) => `$${index + values.length + 1}`).join(', ')})`,
      [...values, ...sealed.values],
    );
    return { hook, secrets, isNew: true };
  });
}

/** After the forge made it: its id there, and which of the prepared secrets it really signs with. */
export async function settleHook(
  store: Store,
  vault: Vault,
  organizationId: string,
  hookId: string,
  o: { remoteHookId: string; secret: string; secrets: HookSecrets },
): Promise<void> {
  const { remoteHookId, secret, secrets } = o;
  await store.tenant(organizationId, async (tx) => {
    const { row, earlier } = await readSecrets(tx, vault, organizationId, hookId);
    const offered: readonly string[] = [secrets.secret, secrets.signingSecret];
    const before = earlier.filter((text) => !offered.includes(text));
    await writeSecrets(tx, vault, organizationId, row, secret, before);
    await tx.query('UPDATE hook SET remote_hook_id = $2, enabled = true WHERE id = $1', [hookId, remoteHookId]);
  });
}

export async function removeHook(store: Store, organizationId: string, hookId: string): Promise<void> {
  await store.tenant(organizationId, (tx) => tx.query('DELETE FROM hook WHERE id = $1', [hookId]));
}
