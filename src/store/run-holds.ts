/** Holds as reconcilers see them: whatever its mode, one that covers a row's repository keeps them from acting on it. */

import type { Store } from './database.js';

/** How many holds of each mode are in force. */
export function countHolds(store: Store, organizationId: string): Promise<{ pauses: number; shadows: number }> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ pauses: number; shadows: number }>(
      `SELECT count(*) FILTER (WHERE mode = 'pause')::int AS pauses,
         count(*) FILTER (WHERE mode = 'shadow')::int AS shadows FROM run_hold`,
    );
    return rows[0] ?? { pauses: 0, shadows: 0 };
  });
}

/** SQL expressions over the row, in terms of its table's own name. */
export interface HoldSubject {
  /** The repository's uuid. */
  repository: string;
  /** The app of ours that a person would name to stop it. */
  app?: string;
}

/**
 * SQL: true when a hold of the transaction's organization, of this mode or of any, covers the row. With no holds it costs one look at an empty table.
 */
export const isHeld = ({ repository, app }: HoldSubject, mode?: 'shadow'): string => `EXISTS (
  SELECT FROM "run_hold" h
    LEFT JOIN "repository" r ON r."id" = ${repository} LEFT JOIN "installation" i ON i."id" = r."installation_id"
  WHERE h."organization_id" = current_organization()${mode === undefined ? '' : ` AND h."mode" = '${mode}'`}
    AND (h."app" IS NULL${app === undefined ? '' : ` OR h."app" = '${app}'`})
    AND (h."connection_id" IS NULL OR h."connection_id" = i."connection_id")
    AND (h."installation_id" IS NULL OR h."installation_id" = i."id")
    AND (h."remote_repository_id" IS NULL
      OR (h."forge" = r."forge" AND h."host" = r."host" AND h."remote_repository_id" = r."remote_id"))
)`;
