/** What a run is given: its variables, the state it starts from, and its configuration. */
import type { PoolClient } from 'pg';
import type { Vault } from '../../accounts/vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf } from '../../accounts/vault-columns.js';
import type { TerraformVariable } from '../../effects/terraform/executor.js';
import type { RunRow } from '../../store/workspace/runs.js';

type VariableRow = SealedColumns<'workspace_variable'> & {
  id: string;
  key: string;
  category: 'terraform' | 'env';
  hcl: boolean;
  sensitive: boolean;
  value: string | null;
};

export interface RunVariables {
  variables: TerraformVariable[];
  /** Values that nobody may see in a log. */
  sensitive: string[];
}

function ofRun(vault: Vault, run: RunRow, columns: SealedColumns<'run'>): TerraformVariable[] {
  const place = { table: 'run', organizationId: run.organizationId, rowId: run.id } as const;
  const { variables } = openSecrets(vault, place, columns);
  if (variables === undefined) return [];
  const given: unknown = JSON.parse(variables);
  if (!Array.isArray(given)) return [];
  // As the command line of Terraform writes them: every value is an expression.
  return given.flatMap((one: { key?: unknown; value?: unknown } | null) =>
    typeof one?.key === 'string' && typeof one.value === 'string'
      ? [{ key: one.key, value: one.value, category: 'terraform' as const, hcl: true }]
      : [],
  );
}

/**
 * The variables of a workspace, and above them those of the run alone. What is untrusted gets those that anybody may see.
 * @throws ForgewayError FORGEWAY_SECRET_UNREADABLE
 */
export async function variablesOf(tx: PoolClient, vault: Vault, run: RunRow): Promise<RunVariables> {
  const { rows } = await tx.query<VariableRow>(
    `SELECT id, key, category, hcl, sensitive, value, ${sealedColumnsOf('workspace_variable').join(', ')}
     FROM workspace_variable WHERE workspace_id = $1 ORDER BY category, key`,
    [run.workspaceId],
  );
  const found: RunVariables = { variables: [], sensitive: [] };
  const sensitiveKeys = new Set(
    rows.flatMap(({ sensitive, category, key }) => {
      if (!sensitive) return [];
      return category === 'terraform' ? [key] : key.startsWith('TF_VAR_') ? [key.slice('TF_VAR_'.length)] : [];
    }),
  );
  for (const row of rows) {
    if (!run.trusted && (row.sensitive || row.category === 'env')) continue;
    const place = { table: 'workspace_variable', organizationId: run.organizationId, rowId: row.id } as const;
    const value = row.sensitive ? openSecrets(vault, place, row).sealed_value : row.value;
    if (value == null) continue;
    if (row.sensitive) found.sensitive.push(value);
    const { key, category, hcl } = row;
    found.variables.push({ key, value, category, hcl });
  }
  if (!run.trusted) return found;
  const { rows: columns } = await tx.query<SealedColumns<'run'>>(
    `SELECT ${sealedColumnsOf('run').join(', ')} FROM run WHERE id = $1`,
    [run.id],
  );
  const own = columns[0] === undefined ? [] : ofRun(vault, run, columns[0]);
  const replaced = new Set(own.map(({ key }) => key));
  // Nobody says of these what is sensitive: Terraform hides what the configuration calls so, and a value in the place of a
  // sensitive one is one. Hiding every value would hide every `main` and `true` that is printed.
  found.sensitive.push(...own.flatMap(({ key, value }) => (sensitiveKeys.has(key) ? [value] : [])));
  found.variables = [
    ...found.variables.filter(({ key, category }) => category === 'env' || !replaced.has(key)),
    ...own,
  ];
  return found;
}

/** Shorter ones are as likely a part of any word. */
const SHORTEST = 4;
const MASK = '(sensitive value)';

/** What hides given values in text, and each line of those that have several. */
export function hiderOf(values: readonly string[]): (text: string) => string {
  const parts = values
    .flatMap((value) => [
      value,
      value.replace(/^"(.*)"$/s, '$1'),
      JSON.stringify(value).slice(1, -1),
      ...value.split('\n'),
    ])
    .map((part) => part.trim())
    .filter((part) => part.length >= SHORTEST);
  // A longer one first, that may hold a shorter one.
  const ordered = [...new Set(parts)].sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((hidden, part) => hidden.replaceAll(part, MASK), text);
}
