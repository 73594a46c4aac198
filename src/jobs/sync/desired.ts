import type { PoolClient } from 'pg';
import type { JobKey } from '../queue/queue.js';

/**
 * Asks for a pull request to be read from the forge again. Every call is a new version: an event says that something
 * changed, and a read that began before it may not have seen it. To be poked once the transaction has committed.
 */
export async function wantPullRequestSync(
  tx: PoolClient,
  { organizationId, pullRequestId }: { organizationId: string; pullRequestId: string },
): Promise<JobKey & { version: bigint }> {
  const { rows } = await tx.query<{ desired_version: bigint | string }>(
    `INSERT INTO "pull_request_sync" AS s ("pull_request_id", "organization_id") VALUES ($1, $2)
     ON CONFLICT ("pull_request_id") DO UPDATE SET "desired_version" = s."desired_version" + 1,
       "next_attempt_at" = CASE WHEN s."error" IS NULL THEN NULL ELSE s."next_attempt_at" END
     RETURNING "desired_version"`,
    [pullRequestId, organizationId],
  );
  return { organizationId, id: pullRequestId, version: BigInt(rows[0]?.desired_version ?? 1) };
}
