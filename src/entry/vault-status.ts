/** What `forgeway vault status` and the doctor say of the master keys. */
import { onEarlierKeys } from '../accounts/vault-rotation.js';
import { withConnection } from '../store/connection.js';
import { countSealedRows, readKeyRecords, type SealedRows } from '../store/master-key-record.js';
import type { CommandSession } from './session.js';

export interface KeyStatus {
  version: number;
  /** `sealing`: new secrets are sealed with it; `new`: recorded, and not used before `forgeway vault rotate`. */
  state: 'sealing' | 'new' | 'earlier';
  /** Whether this process was given it. */
  given: boolean;
  rows: number;
}

export interface VaultStatus {
  keys: KeyStatus[];
  tables: SealedRows[];
  /** Rows that `forgeway vault rotate` would seal anew. */
  toRotate: number;
  /** What to do next, in a sentence. */
  next: string;
}

type Parts = Pick<CommandSession, 'database' | 'keys' | 'facts'>;

export async function vaultStatus({ database, keys, facts }: Parts): Promise<VaultStatus> {
  const { records, tables } = await withConnection(database.poolConfig('migrate'), async (owner) => ({
    records: await readKeyRecords(owner),
    tables: await countSealedRows(owner),
  }));
  const active = Math.max(...records.filter(({ activated }) => activated).map(({ version }) => version));
  const rowsOf = (wanted: number) =>
    tables.filter(({ version }) => version === wanted).reduce((sum, { rows }) => sum + rows, 0);
  const versions = new Set([...records, ...tables].map(({ version }) => version));
  const status = [...versions]
    .sort((a, b) => a - b)
    .map((version): KeyStatus => {
      const state = version === active ? 'sealing' : version > active ? 'new' : 'earlier';
      return { version, state, given: keys.versions.has(version), rows: rowsOf(version) };
    });
  const toRotate = onEarlierKeys(tables, facts.wanted);
  return { keys: status, tables, toRotate, next: nextStep(facts, active, toRotate, status) };
}

function nextStep(
  { announced, wanted }: Parts['facts'],
  active: number,
  toRotate: number,
  keys: readonly KeyStatus[],
): string {
  if (announced !== undefined)
    return 'The new key is not recorded yet: restart every Forgeway process with it, then run `forgeway vault rotate`.';
  if (wanted > active)
    return 'When every Forgeway process was restarted with the new key, run `forgeway vault rotate`.';
  if (toRotate > 0) return 'Run `forgeway vault rotate`.';
  if (keys.some(({ state, given }) => state === 'earlier' && given))
    return 'No row needs an earlier key: keep it with the backups of its time, and take it away from here.';
  return 'Nothing to do.';
}
