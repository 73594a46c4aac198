/** The repository of a run, as its workspace is linked now, and only if it still is the one that was linked. */
import type { Store } from '../../store/database.js';
import type { RunRow } from '../../store/workspace/runs.js';
import { getWorkspace, type WorkspaceRow } from '../../store/workspace/workspaces.js';
import type { OctokitOf } from './connection-octokit.js';
import {
  createForgeRepository,
  ForgeRefusal,
  type ForgeRepository,
  pathOf,
  type RepositoryFacts,
} from './forge-repository.js';

export interface Linked {
  workspace: WorkspaceRow;
  repository: ForgeRepository;
  facts: RepositoryFacts;
}

/**
 * Its name may have changed since, and another repository may have the old one: the number decides.
 * @throws ForgeRefusal in words for a person; ForgewayError FORGEWAY_CONNECTION_UNUSABLE; whatever may be mended by trying again
 */
export async function linkedRepository(
  o: { store: Store; octokitOf: OctokitOf },
  run: RunRow,
  signal: AbortSignal,
): Promise<Linked> {
  const { workspace, renamed } = await o.store.tenant(run.organizationId, async (tx) => {
    const found = await getWorkspace(tx, run.workspaceId);
    const { rows } = await tx.query<{ path: string }>(
      `SELECT remote_owner || '/' || remote_name AS path FROM repository
       WHERE forge = $1 AND host = $2 AND remote_id = $3 AND status <> 'removed'`,
      [found?.forge, found?.host, found?.remoteRepositoryId],
    );
    return { workspace: found, renamed: rows[0]?.path };
  });
  if (workspace?.vcsConnectionId == null || workspace.remotePath === null)
    throw new ForgeRefusal(404, 'The workspace is linked to no repository any more.');
  if (workspace.connectionStatus === null)
    throw new ForgeRefusal(404, 'The VCS connection of the workspace is gone. Link another one.');
  const octokit = await o.octokitOf(run.organizationId, workspace.vcsConnectionId);
  const asked = createForgeRepository(octokit, pathOf(renamed ?? workspace.remotePath), signal);
  const facts = await asked.facts();
  if (workspace.remoteRepositoryId !== null && workspace.remoteRepositoryId !== facts.id)
    throw new ForgeRefusal(
      404,
      `${asked.path} is another repository now than the one that was linked. Link the workspace anew if that is meant.`,
    );
  const path = pathOf(facts.full_name);
  return { workspace, facts, repository: path === asked.path ? asked : createForgeRepository(octokit, path, signal) };
}
