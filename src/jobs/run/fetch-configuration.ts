/** The configuration of a run: there already, or the archive of its commit, checked while it streams to where it is kept. */
import type { Blobs } from '../../accounts/blobs.js';
import { type ArchiveLimits, checkedArchive } from '../../effects/archive/archive.js';
import type { Clock } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import {
  getConfigurationVersion,
  noteConfigurationError,
  noteUploaded,
} from '../../store/workspace/configuration-versions.js';
import type { RunRow } from '../../store/workspace/runs.js';
import type { OctokitOf } from './connection-octokit.js';
import { ForgeRefusal } from './forge-repository.js';
import { linkedRepository } from './linked-repository.js';

export interface FetchOptions {
  store: Store;
  blobs: Blobs;
  octokitOf: OctokitOf;
  limits: ArchiveLimits;
  clock: Clock;
}

export type Fetched = 'fetched' | { failed: string } | { waits: string };

/** Rejects with what may be mended by trying again. */
export async function fetchConfiguration(o: FetchOptions, run: RunRow, signal: AbortSignal): Promise<Fetched> {
  const { store, blobs, limits } = o;
  const { organizationId, configurationVersionId: id } = run;
  const row = await store.tenant(organizationId, (tx) => getConfigurationVersion(tx, id));
  if (row === undefined) return { failed: 'Its configuration is not kept any more.' };
  if (row.status === 'errored') return { failed: row.errorMessage ?? 'Its configuration could not be had.' };
  if (row.status === 'archived') return { failed: 'Its configuration is not kept any more. Start another run.' };
  if (row.blobId !== null) return 'fetched';
  if (row.source !== 'vcs' || row.vcsCommitSha === null)
    return { waits: 'Waits for its configuration to be uploaded.' };
  try {
    const { repository } = await linkedRepository(o, run, signal);
    const source = await repository.archive(row.vcsCommitSha);
    const checked = checkedArchive(source, { limits, stripRoot: true, signal });
    const blob = await blobs.write(organizationId, 'configuration', checked, { limit: limits.compressedBytes });
    await store.tenant(organizationId, (tx) => noteUploaded(tx, id, blob));
    return 'fetched';
  } catch (error) {
    const final = error instanceof ForgeRefusal || (error instanceof ForgewayError && error.retry === 'never');
    if (!final) throw error;
    const code = error instanceof ForgewayError ? error.code : 'FORGEWAY_FORGE_REFUSED';
    await store.tenant(organizationId, (tx) => noteConfigurationError(tx, id, { error: code, message: error.message }));
    return { failed: error.message };
  }
}
