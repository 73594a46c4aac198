/**
 * Moves every stored secret to the newest master key while servers run. First the key is made the one that is sealed with,
 * then row by row what is sealed with an earlier one is sealed anew. Everything that is done is committed in small steps, and
 * what is left to do is read from the rows: it may be killed anywhere, run twice at once, and be run again.
 */
import type pg from 'pg';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { inTransaction, withConnection } from '../store/connection.js';
import type { Database, Store } from '../store/database.js';
import { countSealedRows, type SealedRows } from '../store/master-key-record.js';
import { audit } from './audit.js';
import type { Vault } from './vault.js';
import {
  PLATFORM,
  platformTables,
  type SealedColumns,
  type SealedTable,
  sealedColumnsOf,
  sealedTables,
  sealedValues,
  sealSecretsWith,
} from './vault-columns.js';

export interface RotationOptions {
  /** As its owner. */
  database: Database;
  /** Opened as the worker. */
  store: Store;
  /** Opens with every key that rows need, and with `target`. */
  vault: Vault;
  /** Version of a recorded master key. */
  target: number;
  /** Whose audit trail tells that the key was changed. */
  organizationId: string;
  actor?: string;
  /** Rows that one transaction holds; their writers wait for it. */
  batch?: number;
  /** Called after every batch, with all that is to be rotated. */
  progress?(rotated: number, total: number): void;
  /** How long rows may be held by somebody else without anything being done, in milliseconds. */
  patienceMs?: number;
}

export interface RotationSummary {
  keyVersion: number;
  rotated: number;
  /** Rows that cannot be opened and so stay as they are. */
  failed: { table: string; id: string; reason: string }[];
  /** Rows on an earlier key, after all. */
  left: number;
}

/** Beside a lock that nobody else uses; see sealing_key_version() in migration 0010. */
const SEALING_LOCK = 72_707_370;
const BATCH = 100;
const PATIENCE_MS = 120_000;
const LOOK_AGAIN_MS = 100;

/**
 * @throws ForgewayError FORGEWAY_KEY_NOT_RECORDED when no server was started with the key, FORGEWAY_KEY_MISSING when a newer
 *   one is in use, FORGEWAY_DATABASE_UNAVAILABLE
 */
export async function rotateSecrets(o: RotationOptions): Promise<RotationSummary> {
  const before = await withConnection(o.database.poolConfig('migrate'), async (owner) => {
    await activate(owner, o);
    return countSealedRows(owner);
  });
  const total = onEarlierKeys(before, o.target);
  const summary: RotationSummary = { keyVersion: o.target, rotated: 0, failed: [], left: 0 };
  const { rows: organizations } = await o.store.pool.query<{ id: string }>('SELECT id FROM organization ORDER BY id');
  for (const table of Object.keys(sealedTables) as SealedTable[])
    for (const id of platformTables.has(table) ? [PLATFORM] : organizations.map((one) => one.id))
      await rotateTable(o, table, id, summary, () => o.progress?.(summary.rotated, Math.max(total, summary.rotated)));
  // An organization that came meanwhile sealed with the new key, since it was in use before they were listed.
  const after = await withConnection(o.database.poolConfig('migrate'), countSealedRows);
  summary.left = onEarlierKeys(after, o.target);
  return summary;
}

export const onEarlierKeys = (counts: readonly SealedRows[], version: number): number =>
  counts.filter((count) => count.version < version).reduce((sum, { rows }) => sum + rows, 0);

/** From its commit on nothing is sealed with an earlier key. */
async function activate(owner: pg.Client, o: RotationOptions): Promise<void> {
  await inTransaction(owner, async () => {
    // Waits for those who have asked for the version and are about to write.
    await owner.query('SELECT pg_advisory_xact_lock($1)', [SEALING_LOCK]);
    const { rows } = await owner.query<{ version: number; activated: boolean }>(
      `SELECT version, activated_at IS NOT NULL AS activated FROM master_key
       WHERE version >= $1 AND (version = $1 OR activated_at IS NOT NULL) ORDER BY version`,
      [o.target],
    );
    const found = rows.find(({ version }) => version === o.target);
    if (found === undefined)
      throw new ForgewayError('FORGEWAY_KEY_NOT_RECORDED', 'No server was started with the new encryption key yet.');
    if (rows.length > 1)
      throw new ForgewayError('FORGEWAY_KEY_MISSING', 'A newer encryption key is in use already: give that one.');
    if (found.activated) return;
    await owner.query('UPDATE master_key SET activated_at = now() WHERE version = $1', [o.target]);
    await owner.query("SELECT set_config('app.organization_id', $1, true)", [o.organizationId]);
    await audit(owner, o.organizationId, 'vault.key_changed', `key ${o.target}`, { keyVersion: o.target }, o.actor);
  });
}

async function rotateTable(
  o: RotationOptions,
  table: SealedTable,
  organizationId: string,
  summary: RotationSummary,
  tell: () => void,
): Promise<void> {
  const patience = o.patienceMs ?? PATIENCE_MS;
  const own: RotationSummary['failed'] = [];
  let since = Date.now();
  for (;;) {
    const result = await asOwnerOf(o, organizationId, (tx) => rotateBatch(tx, o, table, organizationId, own));
    own.push(...result.failed);
    summary.failed.push(...result.failed);
    summary.rotated += result.rotated;
    if (result.rotated + result.failed.length > 0) {
      since = Date.now();
      tell();
    } else if (result.held === 0) return;
    else if (Date.now() - since > patience) return;
    // Another rotation or a writer has them; both end soon.
    else await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** In one transaction: as the organization, or for {@link PLATFORM} as the owner of the schema, whom no tenant binds there. */
function asOwnerOf<T>(o: RotationOptions, organizationId: string, run: (tx: pg.ClientBase) => Promise<T>): Promise<T> {
  if (organizationId !== PLATFORM) return o.store.tenant(organizationId, run);
  return withConnection(o.database.poolConfig('migrate'), (owner) =>
    inTransaction(owner, async () => {
      await owner.query("SELECT set_config('app.organization_id', $1, true)", [o.organizationId]);
      return run(owner);
    }),
  );
}

type SealedRow = SealedColumns<SealedTable> & { id: string };

async function rotateBatch(
  tx: pg.ClientBase,
  o: RotationOptions,
  table: SealedTable,
  organizationId: string,
  known: RotationSummary['failed'],
): Promise<{ rotated: number; held: number; failed: RotationSummary['failed'] }> {
  const owned = organizationId === PLATFORM ? `$1::text = '${PLATFORM}'` : 'organization_id = $1';
  const waiting = `FROM "${table}" WHERE ${owned} AND secret_salt IS NOT NULL AND secret_key_version < $2
    AND id::text <> ALL ($3)`;
  const parameters = [organizationId, o.target, known.map(({ id }) => id)];
  const { rows } = await tx.query<SealedRow>(
    `SELECT id, ${sealedColumnsOf(table).join(', ')} ${waiting} LIMIT $4 FOR UPDATE SKIP LOCKED`,
    [...parameters, o.batch ?? BATCH],
  );
  if (rows.length === 0) {
    const { rows: counted } = await tx.query<{ held: number }>(`SELECT count(*)::int4 AS held ${waiting}`, parameters);
    return { rotated: 0, held: counted[0]?.held ?? 0, failed: [] };
  }
  const failed: RotationSummary['failed'] = [];
  for (const row of rows) {
    let columns: SealedColumns<SealedTable>;
    try {
      columns = sealSecretsWith(o.vault, o.target, { table, organizationId, rowId: row.id }, row, {});
    } catch (error) {
      // One row that was tampered with must not keep the others on the old key.
      failed.push({ table, id: row.id, reason: messageOf(error) });
      continue;
    }
    const sealed = sealedValues(table, columns);
    await tx.query(
      `UPDATE "${table}" SET ${sealed.names.map((name, index) => `${name} = $${index + 2}`).join(', ')} WHERE id = $1`,
      [row.id, ...sealed.values],
    );
  }
  const rotated = rows.length - failed.length;
  if (rotated > 0)
    await audit(
      tx,
      organizationId === PLATFORM ? o.organizationId : organizationId,
      'vault.rotated',
      `key ${o.target}`,
      { table, rows: rotated },
      o.actor,
    );
  return { rotated, held: 0, failed };
}
