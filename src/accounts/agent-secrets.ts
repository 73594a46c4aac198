/** Keys that an organization gives its agents, such as that of a model: sealed, and told to nobody but the agent's process. */
import { randomUUID } from 'node:crypto';
import type { PoolClient } from 'pg';
import { ForgewayError } from '../lib/errors.js';
import { keepSecret } from '../lib/known-secrets.js';
import type { Store } from '../store/database.js';
import { audit } from './audit.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

type Row = SealedColumns<'agent_secret'> & { id: string; name: string; replaced_at: Date | null };
const COLUMNS = ['id', 'name', 'replaced_at', ...sealedColumnsOf('agent_secret')].join(', ');

export interface ListedSecret {
  name: string;
  setBy: string;
  updatedAt: Date;
}

export function listAgentSecrets(store: Store, organizationId: string): Promise<ListedSecret[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ListedSecret>(
      `SELECT name, set_by AS "setBy", updated_at AS "updatedAt" FROM agent_secret
       WHERE replaced_at IS NULL ORDER BY name`,
    );
    return rows;
  });
}

/** Of what was there before nobody is given anything any more; it is kept for as long as a session may have it. */
async function replace(tx: PoolClient, name: string): Promise<boolean> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('agent_secret ' || current_organization() || $1, 0))`, [
    name,
  ]);
  const { rowCount } = await tx.query(
    'UPDATE agent_secret SET replaced_at = clock_timestamp() WHERE name = $1 AND replaced_at IS NULL',
    [name],
  );
  return rowCount !== 0;
}

/** Sets or replaces one. */
export async function setAgentSecret(
  store: Store,
  vault: Vault,
  organizationId: string,
  { name, value, by }: { name: string; value: string; by: string },
): Promise<void> {
  keepSecret(value);
  await store.tenant(organizationId, async (tx) => {
    await replace(tx, name);
    const rowId = randomUUID();
    const place = { table: 'agent_secret', organizationId, rowId } as const;
    const sealed = sealedValues('agent_secret', await sealSecrets(tx, vault, place, undefined, { value }));
    await tx.query(
      `INSERT INTO agent_secret (id, organization_id, name, set_by, ${sealed.names.join(', ')})
       VALUES ($1, $2, $3, $4, ${sealed.names.map((_, index) => `$${index + 5}`).join(', ')})`,
      [rowId, organizationId, name, by, ...sealed.values],
    );
    await audit(tx, organizationId, 'agent-secret.set', name, {}, by);
  });
}

/** False: there was none. */
export function removeAgentSecret(store: Store, organizationId: string, name: string, by: string): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    if (!(await replace(tx, name))) return false;
    await audit(tx, organizationId, 'agent-secret.removed', name, {}, by);
    return true;
  });
}

interface Opened {
  name: string;
  value: string;
  isCurrent: boolean;
}

/** Those that hold now, and those that a session may have that began before; all of them are hidden from now on. */
async function openAll(
  store: Store,
  vault: Vault,
  organizationId: string,
  names: readonly string[],
): Promise<Opened[]> {
  if (names.length === 0) return [];
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Row>(`SELECT ${COLUMNS} FROM agent_secret WHERE name = ANY($1) ORDER BY created_at`, [names]),
  );
  return rows.flatMap((row): Opened[] => {
    const place = { table: 'agent_secret', organizationId, rowId: row.id } as const;
    const { value } = openSecrets(vault, place, row);
    keepSecret(value);
    return value === undefined ? [] : [{ name: row.name, value, isCurrent: row.replaced_at === null }];
  });
}

/** The values of these names. @throws ForgewayError FORGEWAY_AGENT_SECRET_MISSING naming those that nobody has set */
export async function readAgentSecrets(
  store: Store,
  vault: Vault,
  organizationId: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const opened = await openAll(store, vault, organizationId, names);
  const found = new Map(opened.flatMap(({ name, value, isCurrent }) => (isCurrent ? [[name, value] as const] : [])));
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0)
    throw new ForgewayError(
      'FORGEWAY_AGENT_SECRET_MISSING',
      `The agent needs ${missing.join(', ')}, which nobody has set for this organization.`,
    );
  return Object.fromEntries(found);
}

/** Every value that an agent with these names may have, also when it was replaced or taken away since. */
export async function everyAgentSecret(
  store: Store,
  vault: Vault,
  organizationId: string,
  names: readonly string[],
): Promise<string[]> {
  return (await openAll(store, vault, organizationId, names)).map(({ value }) => value);
}

/** SQL: what a session was given is there still: it runs, it may be about to end, or what it left can yet be pushed. */
const MAY_HAVE_IT = `s.lease_held OR s.status IN ('assigned', 'provisioning', 'running', 'blocked', 'pushing')
  OR (s.status = 'failed' AND s.started_at IS NOT NULL AND s.work_removed_at IS NULL)`;

/** Removes those that were replaced and that no session has any more. Answers how many those were. */
export function forgetReplacedSecrets(store: Store, organizationId: string): Promise<number> {
  return store.tenant(organizationId, async (tx) => {
    const { rowCount } = await tx.query(
      `DELETE FROM agent_secret k WHERE k.replaced_at IS NOT NULL AND NOT EXISTS (
         SELECT FROM agent_session s WHERE (${MAY_HAVE_IT}) AND coalesce(s.started_at, s.created_at) <= k.replaced_at)`,
    );
    return rowCount ?? 0;
  });
}
