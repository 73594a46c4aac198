/** The statements of the reconcile loop, for any table with a desired and an observed version. */
import type { Store } from '../store/database.js';
import { type HoldSubject, isHeld } from '../store/run-holds.js';
import type { JobKey } from './queue/queue.js';
import type { UnsettledRow } from './reconcile.js';

/** A table the loop may work on. Names are ours, never a caller's input. */
export interface VersionedTable {
  name: string;
  /** The uuid column that JobKey.id holds. */
  key: string;
  /** The text column for the last failure, where the table has one. */
  errorColumn?: string;
  /** What of a row holds are matched with. Absent: no hold concerns it. */
  heldBy?: HoldSubject;
  /** SQL: no hold keeps this row from being worked on; what is done then is told by `held`, and is no more than must be. */
  despiteHolds?: string;
}

/** SQL for HoldSubject: the repository of the pull request that a row of `table` is about. */
export const repositoryOfPullRequest = (table: string): string =>
  `(SELECT p."repository_id" FROM "pull_request" p WHERE p."id" = "${table}"."pull_request_id")`;

/**
 * SQL: the row is behind, its time has come, and no hold covers it. One that is held stays as it is, and costs nothing until
 * the sweeper finds it free.
 */
export const isDue = ({ heldBy, despiteHolds = 'false' }: VersionedTable): string =>
  `"observed_version" <> "desired_version"
     AND ("next_attempt_at" IS NULL OR "next_attempt_at" <= clock_timestamp())
     ${heldBy === undefined ? '' : `AND (NOT ${isHeld(heldBy)} OR ${despiteHolds})`}`;

export type DueRow = UnsettledRow;

export interface VersionedRows {
  /** The row when it is unsettled, due, and not held; else undefined. */
  due(key: JobKey): Promise<DueRow | undefined>;
  desiredVersion(key: JobKey): Promise<bigint | undefined>;
  /** Writes observed_version. False when the desired version is no longer the one that was acted on. */
  settled(row: UnsettledRow, remark?: string): Promise<boolean>;
  /** Writes next_attempt_at; with an error also the error and one more attempt. False as in `settled`. */
  postpone(row: UnsettledRow, delayMs: number, error?: string): Promise<boolean>;
}

interface VersionColumns {
  desired_version: bigint | string;
  observed_version: bigint | string;
  attempts: number;
  held: boolean;
}

export function versionedRows(store: Store, table: VersionedTable): VersionedRows {
  const where = `"${table.key}" = $1 AND "desired_version" = $2`;
  const setRemark = table.errorColumn === undefined ? '' : `, "${table.errorColumn}" = $3`;
  const setError = table.errorColumn === undefined ? '' : `, "${table.errorColumn}" = $4`;

  async function changed(row: UnsettledRow, sql: string, values: unknown[]): Promise<boolean> {
    const result = await store.tenant(row.organizationId, (tx) => tx.query(sql, [row.id, row.version, ...values]));
    return result.rowCount === 1;
  }

  return {
    async due({ organizationId, id }) {
      const found = await store.tenant(organizationId, (tx) =>
        tx.query<VersionColumns>(
          `SELECT "desired_version", "observed_version", "attempts",
             ${table.heldBy === undefined ? 'false' : isHeld(table.heldBy)} AS held FROM "${table.name}" WHERE "${table.key}" = $1
             AND ${isDue(table)}`,
          [id],
        ),
      );
      const row = found.rows[0];
      if (row === undefined) return undefined;
      return {
        organizationId,
        id,
        version: BigInt(row.desired_version),
        observedVersion: BigInt(row.observed_version),
        attempts: row.attempts,
        held: row.held,
      };
    },

    async desiredVersion({ organizationId, id }) {
      const found = await store.tenant(organizationId, (tx) =>
        tx.query<VersionColumns>(`SELECT "desired_version" FROM "${table.name}" WHERE "${table.key}" = $1`, [id]),
      );
      return found.rows[0] === undefined ? undefined : BigInt(found.rows[0].desired_version);
    },

    settled: (row, remark) =>
      changed(
        row,
        `UPDATE "${table.name}" SET "observed_version" = $2, "attempts" = 0, "next_attempt_at" = NULL,
           "updated_at" = now()${setRemark} WHERE ${where}`,
        table.errorColumn === undefined ? [] : [remark ?? null],
      ),

    postpone(row, delayMs, error) {
      // updated_at stays: it says when the row was last settled or its effect last written.
      const sql = `UPDATE "${table.name}" SET
        "next_attempt_at" = clock_timestamp() + $3 * interval '1 millisecond'`;
      if (error === undefined) return changed(row, `${sql} WHERE ${where}`, [delayMs]);
      const values = table.errorColumn === undefined ? [delayMs] : [delayMs, error];
      return changed(row, `${sql}, "attempts" = "attempts" + 1${setError} WHERE ${where}`, values);
    },
  };
}
