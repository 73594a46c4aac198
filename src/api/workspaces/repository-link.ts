/** Which repository a workspace is linked to: the address, the connection that reads it, and the forge's number where it is known. */
import type pg from 'pg';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { parseRepositoryUrl, type RepositoryAddress } from '../../forges/repository-url.js';
import { messageOf } from '../../lib/errors.js';
import type { WorkspaceChange, WorkspaceRow } from '../../store/workspace/workspaces.js';
import { InvalidRequest } from '../problem.js';
import { getConnection, type ListedConnection } from '../procedures/connection-list.js';
import { internalId } from '../vcs-connections/document.js';
import { attributeIssue, relationshipIssue, type WantedLink } from './workspace-input.js';

/** A branch that git would take. */
const BRANCH = /^(?!\/|-)(?!.*(?:\/\/|\.\.|@\{|[\s~^:?*[\\\x7f]|\/$|\.$|\.lock$)).{1,255}$/;

const DISCONNECTED: WorkspaceChange = {
  vcsRepoUrl: null,
  vcsBranch: null,
  vcsConnectionId: null,
  forge: null,
  host: null,
  remoteRepositoryId: null,
  remotePath: null,
  vcsLastCommitSha: null,
  vcsLastError: null,
  vcsLastPolledAt: null,
};

async function connectionOf(tx: pg.PoolClient, external: string): Promise<ListedConnection> {
  const id = internalId(external);
  // A person's own is nobody else's, so no workspace runs with it.
  const row = id && (await getConnection(tx, id));
  if (!row) throw new InvalidRequest([relationshipIssue('vcs-connection', 'there is no such VCS connection here')]);
  return row;
}

function addressOf(url: string, forge: ForgeDescriptor, connection: ListedConnection): RepositoryAddress {
  try {
    return parseRepositoryUrl(url, forge, connection.instanceUrl ?? undefined);
  } catch (error) {
    // Without the address itself, which may hold a password.
    throw new InvalidRequest([attributeIssue('vcs-repo-url', messageOf(error).replace(/^".*" (?=is )/s, ''))]);
  }
}

/** The forge's number, when it has told us of the repository already; else it is asked for when the repository is looked at. */
async function numberOf(tx: pg.PoolClient, forge: string, address: RepositoryAddress): Promise<bigint | null> {
  const { rows } = await tx.query<{ remote_id: bigint }>(
    `SELECT remote_id FROM repository WHERE forge = $1 AND host = $2 AND lower(remote_owner) = lower($3)
       AND lower(remote_name) = lower($4) AND status <> 'removed'`,
    [forge, address.host, address.owner, address.name],
  );
  return rows.length === 1 ? (rows[0]?.remote_id ?? null) : null;
}

/**
 * What of the row changes with the link; nothing where nothing was said of it.
 * @param row the workspace as it is; undefined for a new one
 * @throws InvalidRequest naming what is missing or wrong
 */
export async function linkChange(
  tx: pg.PoolClient,
  forges: ReadonlyMap<string, ForgeDescriptor>,
  wanted: WantedLink,
  row: WorkspaceRow | undefined,
): Promise<WorkspaceChange> {
  if (wanted.url === null) {
    if (wanted.connection)
      throw new InvalidRequest([attributeIssue('vcs-repo-url', 'is needed beside a VCS connection')]);
    return DISCONNECTED;
  }
  const { branch } = wanted;
  if (branch && !BRANCH.test(branch))
    throw new InvalidRequest([attributeIssue('vcs-branch', 'is no name of a branch')]);
  const address = wanted.url ?? wanted.identifier;
  const kept = row?.vcsRepoUrl ?? undefined;
  if (address === undefined && wanted.connection == null) {
    // Without its connection a workspace keeps its settings, and triggers nothing.
    const unlinked = wanted.connection === null ? { vcsConnectionId: null } : {};
    if (branch === undefined) return unlinked;
    if (kept === undefined && branch !== null)
      throw new InvalidRequest([attributeIssue('vcs-branch', 'is of a repository: say vcs-repo-url too')]);
    return { ...unlinked, vcsBranch: branch, ...(branch !== row?.vcsBranch && { vcsLastCommitSha: null }) };
  }
  const url = address ?? kept;
  if (url === undefined)
    throw new InvalidRequest([attributeIssue('vcs-repo-url', 'is needed beside a VCS connection')]);
  const external = wanted.connection ?? (row?.vcsConnectionId ? `vcs-${row.vcsConnectionId}` : undefined);
  if (external === undefined)
    throw new InvalidRequest([
      relationshipIssue('vcs-connection', 'is needed: the VCS connection that reads the repository'),
    ]);
  const connection = await connectionOf(tx, external);
  const forge = forges.get(connection.forge);
  if (forge === undefined)
    throw new InvalidRequest([relationshipIssue('vcs-connection', 'is to a forge that this server does not know')]);
  const base = forge.endpoint(connection.instanceUrl ?? forge.cloudUrl ?? '').webUrl;
  const whole = wanted.identifier === undefined ? url : `${base.replace(/\/$/, '')}/${wanted.identifier}`;
  const found = addressOf(whole, forge, connection);
  const isSame = row?.forge === forge.id && row.host === found.host && row.remotePath === found.path;
  const number = await numberOf(tx, forge.id, found);
  const sameBranch = branch === undefined || branch === row?.vcsBranch;
  return {
    vcsRepoUrl: whole.trim(),
    vcsConnectionId: connection.id,
    forge: forge.id,
    host: found.host,
    remotePath: found.path,
    remoteRepositoryId: number ?? (isSame ? row.remoteRepositoryId : null),
    vcsLastError: null,
    ...(branch !== undefined && { vcsBranch: branch }),
    ...(!(isSame && sameBranch) && { vcsLastCommitSha: null }),
  };
}
