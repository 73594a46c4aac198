/** Variables of workspaces and of runs: what is sensitive is sealed, and opened only for an executor. */
import type pg from 'pg';
import type { Vault } from './vault.js';
import { type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

export type VariableCategory = 'terraform' | 'env';

export interface VariableRow {
  id: string;
  organizationId: string;
  workspaceId: string;
  key: string;
  category: VariableCategory;
  hcl: boolean;
  sensitive: boolean;
  description: string | null;
  /** Null of a sensitive one. */
  value: string | null;
  createdAt: Date;
  updatedAt: Date;
}

const COLUMNS = `id, organization_id AS "organizationId", workspace_id AS "workspaceId", key, category, hcl, sensitive,
  description, value, created_at AS "createdAt", updated_at AS "updatedAt"`;

export async function listVariables(tx: pg.PoolClient, workspaceId: string): Promise<VariableRow[]> {
  const { rows } = await tx.query<VariableRow>(
    `SELECT ${COLUMNS} FROM workspace_variable WHERE workspace_id = $1 ORDER BY category, key`,
    [workspaceId],
  );
  return rows;
}

export async function getVariable(tx: pg.PoolClient, id: string): Promise<VariableRow | undefined> {
  const { rows } = await tx.query<VariableRow>(`SELECT ${COLUMNS} FROM workspace_variable WHERE id = $1`, [id]);
  return rows[0];
}

export interface VariableValues {
  key: string;
  category: VariableCategory;
  hcl: boolean;
  sensitive: boolean;
  description: string | null;
  value: string;
}

/** Answers its id; undefined: the workspace has one of this key. */
export async function insertVariable(
  tx: pg.PoolClient,
  vault: Vault,
  o: { organizationId: string; workspaceId: string },
  variable: VariableValues,
): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO workspace_variable (organization_id, workspace_id, key, category, hcl, sensitive, description, value)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (workspace_id, category, key) DO NOTHING RETURNING id`,
    [
      o.organizationId,
      o.workspaceId,
      variable.key,
      variable.category,
      variable.hcl,
      variable.sensitive,
      variable.description,
      variable.sensitive ? null : variable.value,
    ],
  );
  const id = rows[0]?.id;
  if (id !== undefined && variable.sensitive)
    await seal(tx, vault, 'workspace_variable', o.organizationId, id, variable.value);
  return id;
}

/** Everything of it; `value` undefined: as it was. @throws the database's error for a key that is taken */
export async function updateVariable(
  tx: pg.PoolClient,
  vault: Vault,
  row: VariableRow,
  change: Omit<VariableValues, 'value'> & { value: string | undefined },
): Promise<void> {
  const plain = change.sensitive ? null : (change.value ?? row.value ?? '');
  await tx.query(
    `UPDATE workspace_variable SET key = $2, category = $3, hcl = $4, sensitive = $5, description = $6, value = $7,
       updated_at = now() WHERE id = $1`,
    [row.id, change.key, change.category, change.hcl, change.sensitive, change.description, plain],
  );
  const becomesSecret = change.sensitive && !row.sensitive ? (change.value ?? row.value ?? '') : change.value;
  if (change.sensitive && becomesSecret !== undefined)
    await seal(tx, vault, 'workspace_variable', row.organizationId, row.id, becomesSecret);
}

export async function deleteVariable(tx: pg.PoolClient, id: string): Promise<boolean> {
  const { rowCount } = await tx.query('DELETE FROM workspace_variable WHERE id = $1', [id]);
  return rowCount === 1;
}

const secretOf = { workspace_variable: 'sealed_value', run: 'variables' } as const;

async function seal(
  tx: pg.PoolClient,
  vault: Vault,
  table: 'workspace_variable' | 'run',
  organizationId: string,
  id: string,
  secret: string,
): Promise<void> {
  const { rows } = await tx.query<SealedColumns<typeof table>>(
    `SELECT ${sealedColumnsOf(table).join(', ')} FROM ${table} WHERE id = $1 FOR UPDATE`,
    [id],
  );
  const current = rows[0]?.secret_salt == null ? undefined : rows[0];
  const place = { table, organizationId, rowId: id };
  const columns = await sealSecrets(tx, vault, place, current, { [secretOf[table]]: secret });
  const { names, values } = sealedValues(table, columns);
  await tx.query(`UPDATE ${table} SET ${names.map((name, i) => `${name} = $${i + 2}`).join(', ')} WHERE id = $1`, [
    id,
    ...values,
  ]);
}

export interface RunVariable {
  key: string;
  /** As it stands on a command line: HCL for anything but a plain text. */
  value: string;
}

/** Values of this run alone, which win over those of the workspace. */
export async function setRunVariables(
  tx: pg.PoolClient,
  vault: Vault,
  o: { organizationId: string; runId: string },
  variables: readonly RunVariable[],
): Promise<void> {
  await seal(tx, vault, 'run', o.organizationId, o.runId, JSON.stringify(variables));
}
