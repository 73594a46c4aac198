/** What the API needs for workspaces beyond its own role: the vault, signed addresses, and the check of archives. */
import { createBlobs } from '../accounts/blobs.js';
import { createSignedLinks } from '../accounts/signed-links.js';
import { createVault } from '../accounts/vault.js';
import type { WorkspaceWork } from '../api/procedures/services.js';
import { type ArchiveLimits, checkedArchive } from '../effects/archive/archive.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';

export interface ApiWorkspacesOptions {
  /** Opened as the api role. */
  store: Store;
  keys: MasterKeys;
  /** Of a configuration: its sources, and the modules that come with them. */
  archives: ArchiveLimits;
  runSoon: WorkspaceWork['runSoon'];
}

export function createApiWorkspaces({ store, keys, archives, runSoon }: ApiWorkspacesOptions): WorkspaceWork {
  const vault = createVault(keys.versions);
  const blobs = createBlobs({ store, vault });
  return {
    vault,
    blobs,
    links: createSignedLinks(keys.root),
    runSoon,
    storeArchive: (organizationId, bytes) =>
      blobs.write(organizationId, 'configuration', checkedArchive(bytes, { limits: archives, stripRoot: false }), {
        limit: archives.compressedBytes,
      }),
  };
}
