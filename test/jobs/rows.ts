/** Rows that job tests need, made as the worker. */
import { randomInt, randomUUID } from 'node:crypto';
import type { Store } from '../../src/store/database.js';

export interface TestPullRequest {
  id: string;
  repositoryId: string;
  remoteRepositoryId: number;
  number: number;
  sha: string;
}

export async function insertRepository(
  store: Store,
  organizationId: string,
): Promise<{ id: string; remoteId: number }> {
  const remoteId = randomInt(1, 2 ** 40);
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<{ id: string }>(
      `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
       VALUES ($1, 'github', 'github.com', $2, 'https://github.com/acme/web', 'acme', 'web', 'main') RETURNING id`,
      [organizationId, remoteId],
    ),
  );
  return { id: rows[0]?.id ?? '', remoteId };
}

export async function insertPullRequests(
  store: Store,
  organizationId: string,
  count: number,
): Promise<TestPullRequest[]> {
  const repository = await insertRepository(store, organizationId);
  const sha = 'a'.repeat(40);
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<{ id: string; number: number }>(
      `INSERT INTO pull_request (organization_id, repository_id, forge, host, remote_repository_id, remote_id, remote_owner,
         remote_name, number, title, state, head_branch, base_branch, head_sha, base_sha, url, remote_updated_at)
       SELECT $1, $2, 'github', 'github.com', $3::bigint, $3::bigint * 1000 + n, 'acme', 'web', n, 'A change', 'open', 'topic', 'main',
         $4, $4, 'https://github.com/acme/web/pull/' || n, '2026-01-01T00:00:00Z'
       FROM generate_series(1, $5::int) AS n RETURNING id, number`,
      [organizationId, repository.id, repository.remoteId, sha, count],
    ),
  );
  return rows.map((row) => ({
    ...row,
    repositoryId: repository.id,
    remoteRepositoryId: repository.remoteId,
    sha,
  }));
}

/** A queue that only remembers. */
export function recordingQueue() {
  const poked: { id: string; version?: bigint | number; delayMs?: number }[] = [];
  return {
    name: `recording-${randomUUID()}`,
    poked,
    poke: async (key: { id: string }, options: { version?: bigint | number; delayMs?: number } = {}) => {
      poked.push({ id: key.id, ...options });
    },
  };
}
