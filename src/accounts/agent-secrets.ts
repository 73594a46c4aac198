/** Keys that an organization gives its agents, such as that of a model: sealed, and told to nobody but the agent's process. */
import type { PoolClient } from 'pg';
import { ForgewayError } from '../lib/errors.js';
import { keepSecret } from '../lib/known-secrets.js';
import type { Store } from '../store/database.js';
import { audit } from './audit.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

type Row = SealedColumns<'agent_secret'> & { id: string; name: string };
const COLUMNS = ['id', 'name', ...sealedColumnsOf('agent_secret')].join(', ');

export interface ListedSecret {
  name: string;
  setBy: string;
  updatedAt: Date;
}

export function listAgentSecrets(store: Store, organizationId: string): Promise<ListedSecret[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ListedSecret>(
      'SELECT name, set_by AS "setBy", updated_at AS "updatedAt" FROM agent_secret ORDER BY name',
    );
    return rows;
  });
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
    await tx.query(
      'INSERT INTO agent_secret (organization_id, name, set_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [organizationId, name, by],
    );
    const { rows } = await tx.query<Row>(`SELECT ${COLUMNS} FROM agent_secret WHERE name = $1 FOR UPDATE`, [name]);
    const [row] = rows;
    if (row === undefined) throw new Error('a secret was written and is not there');
    const place = { table: 'agent_secret', organizationId, rowId: row.id } as const;
    const sealed = sealedValues('agent_secret', await sealSecrets(tx, vault, place, row, { value }));
    await tx.query(
      `UPDATE agent_secret SET set_by = $2, updated_at = now(),
         ${sealed.names.map((column, index) => `${column} = $${index + 3}`).join(', ')} WHERE id = $1`,
      [row.id, by, ...sealed.values],
    );
    await audit(tx, organizationId, 'agent-secret.set', name, {}, by);
  });
}

/** False: there was none. */
export function removeAgentSecret(store: Store, organizationId: string, name: string, by: string): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    const { rowCount } = await tx.query('DELETE FROM agent_secret WHERE name = $1', [name]);
    if (rowCount === 0) return false;
    await audit(tx, organizationId, 'agent-secret.removed', name, {}, by);
    return true;
  });
}

async function rowsOf(tx: PoolClient, names: readonly string[]): Promise<Row[]> {
  const { rows } = await tx.query<Row>(`SELECT ${COLUMNS} FROM agent_secret WHERE name = ANY($1)`, [names]);
  return rows;
}

/** The values of these names. @throws ForgewayError FORGEWAY_AGENT_SECRET_MISSING naming those that nobody has set */
export async function readAgentSecrets(
  store: Store,
  vault: Vault,
  organizationId: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  if (names.length === 0) return {};
  const rows = await store.tenant(organizationId, (tx) => rowsOf(tx, names));
  const found = new Map(
    rows.flatMap((row): [string, string][] => {
      const place = { table: 'agent_secret', organizationId, rowId: row.id } as const;
      const { value } = openSecrets(vault, place, row);
      return value === undefined ? [] : [[row.name, value]];
    }),
  );
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0)
    throw new ForgewayError(
      'FORGEWAY_AGENT_SECRET_MISSING',
      `The agent needs ${missing.join(', ')}, which nobody has set for this organization.`,
    );
  for (const value of found.values()) keepSecret(value);
  return Object.fromEntries(found);
}
