/** Mirrored repositories. The forge's number is the identity: a rename or a transfer changes the same row. */
import type { PoolClient } from 'pg';
import type { MirrorOrigin, RepositoryIdentity } from './origin.js';
import { claimRepositories } from './repository-claim.js';
import { type Upserted, versionedUpsert } from './versioned-upsert.js';

export interface RepositoryData {
  remoteId: bigint;
  owner: string;
  name: string;
  /** Web address. */
  url: string;
  /** Null when the source does not say, such as the lists in installation events. */
  defaultBranch: string | null;
  private: boolean;
  archived: boolean;
  /** Null when the source does not say: such data never overwrites data with a version. */
  updatedAt: Date | null;
}

export interface RepositoryOptions {
  /** For a repository seen for the first time: anything older only fills the mirror and starts nothing. */
  watermarkAt: Date;
  /** The installation number that handlers see, to link the repository with it. */
  virtualInstallationId?: bigint;
}

export interface StoredRepository extends RepositoryIdentity {
  organizationId: string;
  forge: string;
  host: string;
  url: string;
  defaultBranch: string;
  private: boolean;
  archived: boolean;
  status: 'active' | 'paused' | 'removed';
  watermarkAt: Date;
  updatedAt: Date | null;
  installation: {
    id: string;
    /** The forge's own number; what handlers and octokit are given is `virtualId`. */
    installationId: bigint;
    virtualId: bigint;
    appId: string;
    status: 'active' | 'suspended' | 'deleted';
  } | null;
}

/** What git and the forges' content routes take for "the default branch, whichever it is". */
const UNKNOWN_DEFAULT_BRANCH = 'HEAD';

interface RepositoryRow {
  organizationId: string;
  forge: string;
  host: string;
  remoteId: bigint;
  remoteUrl: string;
  remoteOwner: string;
  remoteName: string;
  remoteInstanceUrl: string | null;
  installationId: string | null;
  defaultBranch: string;
  private: boolean;
  archived: boolean;
  status: 'active' | 'paused';
  remoteUpdatedAt: Date | null;
  watermarkAt: Date;
}

const write = versionedUpsert<RepositoryRow>({
  name: 'repository',
  key: ['forge', 'host', 'remoteId'],
  version: 'remoteUpdatedAt',
  columns: {
    organizationId: { type: 'uuid', merge: 'first' },
    forge: { type: 'text' },
    host: { type: 'text' },
    remoteId: { type: 'bigint' },
    remoteUrl: { type: 'text' },
    remoteOwner: { type: 'text' },
    remoteName: { type: 'text' },
    remoteInstanceUrl: { type: 'text' },
    installationId: { type: 'uuid', merge: 'fill' },
    defaultBranch: { type: 'text' },
    private: { type: 'boolean' },
    archived: { type: 'boolean' },
    status: { type: 'text', merge: 'first' },
    remoteUpdatedAt: { type: 'timestamptz' },
    watermarkAt: { type: 'timestamptz', merge: 'first' },
  },
});

const columns = `r.id, r.organization_id, r.forge, r.host, r.remote_id, r.remote_url, r.remote_owner, r.remote_name,
  r.default_branch, r.private, r.archived, r.status, r.watermark_at, r.remote_updated_at,
  i.id AS i_id, i.installation_id AS i_installation_id, i.virtual_id AS i_virtual_id, i.app_id AS i_app_id,
  i.status AS i_status FROM repository r LEFT JOIN installation i ON i.id = r.installation_id`;

interface Selected {
  id: string;
  organization_id: string;
  forge: string;
  host: string;
  remote_id: bigint;
  remote_url: string;
  remote_owner: string;
  remote_name: string;
  default_branch: string;
  private: boolean;
  archived: boolean;
  status: StoredRepository['status'];
  watermark_at: Date;
  remote_updated_at: Date | null;
  i_id: string | null;
  i_installation_id: bigint;
  i_virtual_id: bigint;
  i_app_id: string;
  i_status: 'active' | 'suspended' | 'deleted';
}

const fromRow = (row: Selected): StoredRepository => ({
  id: row.id,
  organizationId: row.organization_id,
  forge: row.forge,
  host: row.host,
  remoteId: row.remote_id,
  url: row.remote_url,
  owner: row.remote_owner,
  name: row.remote_name,
  defaultBranch: row.default_branch,
  private: row.private,
  archived: row.archived,
  status: row.status,
  watermarkAt: row.watermark_at,
  updatedAt: row.remote_updated_at,
  installation:
    row.i_id === null
      ? null
      : {
          id: row.i_id,
          installationId: row.i_installation_id,
          virtualId: row.i_virtual_id,
          appId: row.i_app_id,
          status: row.i_status,
        },
});

/** The repository with its installation, or undefined when this tenant has no such row. */
export async function repositoryById(tx: PoolClient, id: string): Promise<StoredRepository | undefined> {
  const { rows } = await tx.query<Selected>({
    name: 'mirror-repository-by-id',
    text: `SELECT ${columns} WHERE r.id = $1`,
    values: [id],
  });
  return rows[0] && fromRow(rows[0]);
}

/** The same by the forge's numbers. */
export async function repositoryByRemoteId(
  tx: PoolClient,
  origin: MirrorOrigin,
  remoteId: bigint,
): Promise<StoredRepository | undefined> {
  const { rows } = await tx.query<Selected>({
    name: 'mirror-repository-by-remote-id',
    text: `SELECT ${columns} WHERE r.forge = $1 AND r.host = $2 AND r.remote_id = $3`,
    values: [origin.forge, origin.host, remoteId],
  });
  return rows[0] && fromRow(rows[0]);
}

async function installationOf(tx: PoolClient, virtualId: bigint | undefined) {
  if (virtualId === undefined) return undefined;
  const { rows } = await tx.query<{ id: string; status: 'active' | 'suspended' }>(
    `SELECT id, status FROM installation
     WHERE virtual_id = $1 AND organization_id = current_organization() AND status <> 'deleted'`,
    [virtualId],
  );
  return rows[0];
}

/** Pull requests and commits carry their repository's path for people; it follows a rename. */
async function renameChildren(tx: PoolClient, repositoryIds: readonly string[]): Promise<void> {
  for (const table of ['pull_request', 'git_commit'])
    await tx.query(
      `UPDATE ${table} AS child SET remote_owner = r.remote_owner, remote_name = r.remote_name FROM repository r
       WHERE r.id = ANY($1::uuid[]) AND child.repository_id = r.id
         AND (child.remote_owner, child.remote_name) IS DISTINCT FROM (r.remote_owner, r.remote_name)`,
      [repositoryIds],
    );
}

/**
 * Writes repositories of one tenant, oldest claim first.
 * @throws ForgewayError FORGEWAY_REPOSITORY_CLAIMED when one of them belongs to another organization.
 */
export async function upsertRepositories(
  tx: PoolClient,
  origin: MirrorOrigin,
  repositories: readonly RepositoryData[],
  options: RepositoryOptions,
): Promise<Upserted[]> {
  if (repositories.length === 0) return [];
  await claimRepositories(
    tx,
    origin,
    repositories.map((repository) => repository.remoteId),
  );
  const installation = await installationOf(tx, options.virtualInstallationId);
  const result = await write(
    tx,
    repositories.map((repository) => ({
      organizationId: origin.organizationId,
      forge: origin.forge,
      host: origin.host,
      remoteId: repository.remoteId,
      remoteUrl: repository.url,
      remoteOwner: repository.owner,
      remoteName: repository.name,
      remoteInstanceUrl: origin.instanceUrl,
      installationId: installation?.id ?? null,
      defaultBranch: repository.defaultBranch ?? UNKNOWN_DEFAULT_BRANCH,
      private: repository.private,
      archived: repository.archived,
      status: installation?.status === 'suspended' ? ('paused' as const) : ('active' as const),
      remoteUpdatedAt: repository.updatedAt,
      watermarkAt: options.watermarkAt,
    })),
  );
  const changed = result.filter((row) => row.changed).map((row) => row.id);
  if (changed.length > 0) await renameChildren(tx, changed);
  return result;
}

function saysTheSame(stored: StoredRepository, data: RepositoryData, options: RepositoryOptions): boolean {
  const older = stored.updatedAt !== null && (data.updatedAt === null || data.updatedAt < stored.updatedAt);
  if (older) return true;
  return (
    stored.updatedAt?.getTime() === data.updatedAt?.getTime() &&
    stored.owner === data.owner &&
    stored.name === data.name &&
    stored.url === data.url &&
    stored.defaultBranch === (data.defaultBranch ?? UNKNOWN_DEFAULT_BRANCH) &&
    stored.private === data.private &&
    stored.archived === data.archived &&
    (options.virtualInstallationId === undefined || stored.installation?.virtualId === options.virtualInstallationId)
  );
}

/**
 * Writes one repository and returns the row as it now stands, which may be newer than `data`.
 * Nothing is written and no row is locked when there is nothing new: events of many pull requests of one repository
 * run at the same time, and each brings the repository with it.
 */
export async function upsertRepository(
  tx: PoolClient,
  origin: MirrorOrigin,
  data: RepositoryData,
  options: RepositoryOptions,
): Promise<StoredRepository & Upserted> {
  const before = await repositoryByRemoteId(tx, origin, data.remoteId);
  if (before !== undefined && saysTheSame(before, data, options)) return { ...before, changed: false };
  const [written] = await upsertRepositories(tx, origin, [data], options);
  const after = written && (await repositoryById(tx, written.id));
  if (after === undefined) throw new Error(`repository ${data.remoteId} was written and is not there`);
  return { ...after, changed: written?.changed ?? false };
}

/** The forge deleted the repository, or handed it to somebody else: it stays for the record and starts nothing. */
export async function removeRepository(tx: PoolClient, origin: MirrorOrigin, remoteId: bigint): Promise<void> {
  await tx.query(
    `UPDATE repository SET status = 'removed', updated_at = now()
     WHERE forge = $1 AND host = $2 AND remote_id = $3 AND status <> 'removed'`,
    [origin.forge, origin.host, remoteId],
  );
}

/** Repositories that come back after they were removed: what happened meanwhile fills the mirror and starts nothing. */
export async function raiseWatermarkOfRemoved(
  tx: PoolClient,
  origin: MirrorOrigin,
  remoteIds: readonly bigint[],
  watermarkAt: Date,
): Promise<void> {
  await tx.query(
    `UPDATE repository SET watermark_at = $4
     WHERE forge = $1 AND host = $2 AND remote_id = ANY($3::bigint[]) AND status = 'removed' AND watermark_at < $4`,
    [origin.forge, origin.host, remoteIds, watermarkAt],
  );
}
