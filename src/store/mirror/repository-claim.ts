import type { PoolClient } from 'pg';
import { ForgewayError } from '../../lib/errors.js';
import type { MirrorOrigin } from './origin.js';

/**
 * Decision 18: the first verified claim owns a repository, and no other organization's delivery may write it.
 * @throws ForgewayError FORGEWAY_REPOSITORY_CLAIMED when one of them belongs to somebody else.
 */
export async function claimRepositories(
  tx: PoolClient,
  origin: MirrorOrigin,
  remoteIds: readonly bigint[],
): Promise<void> {
  const ids = [...new Set(remoteIds)].sort((left, right) => (left < right ? -1 : 1));
  await tx.query(
    `INSERT INTO repository_claim (forge, host, remote_id, organization_id)
     SELECT $1, $2, id, $3 FROM unnest($4::bigint[]) AS id ON CONFLICT DO NOTHING`,
    [origin.forge, origin.host, origin.organizationId, ids],
  );
  const { rows } = await tx.query<{ remote_id: bigint }>(
    `SELECT remote_id FROM repository_claim
     WHERE forge = $1 AND host = $2 AND remote_id = ANY($4::bigint[]) AND organization_id <> $3 LIMIT 1`,
    [origin.forge, origin.host, origin.organizationId, ids],
  );
  if (rows[0] !== undefined)
    throw new ForgewayError('FORGEWAY_REPOSITORY_CLAIMED', 'The repository belongs to another organization.', {
      details: { forge: origin.forge, host: origin.host, repository: rows[0].remote_id.toString() },
    });
}
