/** Releases as apps believe them to be, from the events that they were told of. */
import type { PoolClient } from 'pg';

/** What is needed to tell of one that is gone. */
export interface ToldRelease {
  id: number | string;
  name: string | null;
  draft: boolean;
  prerelease: boolean;
}

/** By tag; null: it was there and is gone. */
export type Releases = Readonly<Record<string, ToldRelease | null>>;

/** Notes that apps are told of a release. Nothing is kept of a repository that nobody polls. */
export async function noteRelease(
  tx: PoolClient,
  repositoryId: string,
  tag: string,
  release: ToldRelease | null,
): Promise<void> {
  await tx.query({
    name: 'told-release',
    text: `UPDATE sync_cursor SET releases = jsonb_set(releases, ARRAY[$2], $3), pushed_at = now()
      WHERE repository_id = $1 AND releases IS NOT NULL`,
    values: [repositoryId, tag, JSON.stringify(release)],
  });
}
