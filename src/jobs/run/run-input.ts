/** What a run is given: its variables, and what hides their values in what it prints. */
import type { PoolClient } from 'pg';
import type { Vault } from '../../accounts/vault.js';
import { openRunVariables, openVariables } from '../../accounts/workspace-secrets.js';
import type { TerraformVariable } from '../../effects/terraform/executor.js';
import type { RunRow } from '../../store/workspace/runs.js';

export interface RunVariables {
  variables: TerraformVariable[];
  /** Values that nobody may see in a log. */
  sensitive: string[];
}

/**
 * The variables of a workspace, and above them those of the run alone. What is untrusted gets those that anybody may see.
 * @throws ForgewayError FORGEWAY_SECRET_UNREADABLE
 */
export async function variablesOf(tx: PoolClient, vault: Vault, run: RunRow): Promise<RunVariables> {
  const all = await openVariables(tx, vault, run);
  if (!run.trusted) {
    const open = all.filter(({ sensitive, category }) => !sensitive && category === 'terraform');
    return { variables: open.map(plain), sensitive: [] };
  }
  const own = await openRunVariables(tx, vault, { organizationId: run.organizationId, runId: run.id });
  const replaced = new Set(own.map(({ key }) => key));
  return {
    variables: [
      ...all.filter(({ key, category }) => category === 'env' || !replaced.has(key)).map(plain),
      // As the command line of Terraform writes them: every value is an expression.
      ...own.map(({ key, value }) => ({ key, value, category: 'terraform' as const, hcl: true })),
    ],
    sensitive: [...all.filter((one) => one.sensitive).map(({ value }) => value), ...own.map(({ value }) => value)],
  };
}

const plain = ({ key, value, category, hcl }: TerraformVariable): TerraformVariable => ({ key, value, category, hcl });

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
