/** The repositories that are served through a connection, which is what GitHub calls those of an installation. */
import type { OpenConnection } from '../accounts/connections.js';
import type { Store } from '../store/database.js';

export interface ServedRepository {
  remoteId: bigint;
  owner: string;
  name: string;
  url: string;
  private: boolean;
  archived: boolean;
  defaultBranch: string;
}

export interface ConnectionRepositories {
  /** The oldest first. */
  list(
    connection: OpenConnection,
    at: { page: number; perPage: number },
  ): Promise<{ total: number; repositories: readonly ServedRepository[] }>;
  has(connection: OpenConnection, owner: string, name: string): Promise<boolean>;
  /** True when one of them is the owner's. */
  hasOwner(connection: OpenConnection, owner: string): Promise<boolean>;
}

export function repositoriesOf(store: Store): ConnectionRepositories {
  return {
    async list(connection, { page, perPage }) {
      return store.tenant(connection.organizationId, async (tx) => {
        const { rows } = await tx.query<ServedRepository & { total: bigint }>(
          `SELECT r.remote_id AS "remoteId", r.remote_owner AS owner, r.remote_name AS name, r.remote_url AS url,
             r.private, r.archived, r.default_branch AS "defaultBranch", count(*) OVER () AS total
           FROM repository r JOIN installation i ON i.id = r.installation_id
           WHERE i.connection_id = $1 AND r.status = 'active' ORDER BY r.created_at, r.id LIMIT $2 OFFSET $3`,
          [connection.id, perPage, (page - 1) * perPage],
        );
        return { total: Number(rows[0]?.total ?? 0), repositories: rows };
      });
    },
    async has(connection, owner, name) {
      return store.tenant(connection.organizationId, async (tx) => {
        const { rowCount } = await tx.query(
          `SELECT FROM repository r JOIN installation i ON i.id = r.installation_id
           WHERE i.connection_id = $1 AND lower(r.remote_owner) = lower($2) AND lower(r.remote_name) = lower($3)`,
          [connection.id, owner, name],
        );
        return (rowCount ?? 0) > 0;
      });
    },
    async hasOwner(connection, owner) {
      return store.tenant(connection.organizationId, async (tx) => {
        const { rowCount } = await tx.query(
          `SELECT FROM repository r JOIN installation i ON i.id = r.installation_id
           WHERE i.connection_id = $1 AND r.status = 'active' AND lower(r.remote_owner) = lower($2) LIMIT 1`,
          [connection.id, owner],
        );
        return rowCount === 1;
      });
    },
  };
}
