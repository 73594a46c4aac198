/** Puts the executor of this machine together from an operator's choices. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveLimits } from '../../effects/archive/archive.js';
import { openSandboxes, probeSandbox, type SandboxLimits } from '../../effects/process/sandbox.js';
import { sandboxDirectory } from '../../effects/process/sandbox-place.js';
import { findTerraforms } from '../../effects/terraform/binary.js';
import type { TerraformExecutor } from '../../effects/terraform/executor.js';
import { createProcessExecutor } from '../../effects/terraform/process-executor.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';

export interface OpenExecutorOptions {
  dataDir: string;
  unsafeSameUser: boolean;
  /** Paths or names; none: whichever is there. */
  binaries: readonly string[];
  limits: SandboxLimits;
  archive: ArchiveLimits;
  network: 'public' | 'shared' | 'none';
  planSeconds: number;
  applySeconds: number;
  /** Where providers are fetched from; undefined: from their registries. */
  providerMirror?: string;
  log: Logger;
}

/** Used as root when the data directory lies in a private one and this machine has no mount namespaces to hide that. */
const SYSTEM_DIRECTORY = '/var/lib/forgeway/runs';

const PLACE = /^[0-9a-f-]{36}$/;

/** With the directory and not with the host's name: a container that is started again has another name and the same volume. */
async function placeOf(directory: string): Promise<string> {
  const path = join(directory, 'place');
  await writeFile(path, randomUUID(), { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const place = await readFile(path, 'utf8');
  if (!PLACE.test(place)) throw new Error(`${path} holds no name; remove it while nothing runs here`);
  return place;
}

/**
 * What plans and applies on this machine.
 * @throws ForgewayError FORGEWAY_TERRAFORM_MISSING, FORGEWAY_SANDBOX_UNAVAILABLE
 */
export async function openExecutor(o: OpenExecutorOptions): Promise<TerraformExecutor> {
  const binaries = await findTerraforms(o.binaries);
  if (binaries.length === 0)
    throw new ForgewayError(
      'FORGEWAY_TERRAFORM_MISSING',
      'This machine has no Terraform and no OpenTofu. Install one, or set RUN_BINARY to where it is.',
    );
  const probe = await probeSandbox({ unsafeSameUser: o.unsafeSameUser });
  const directory = await sandboxDirectory(probe, [join(o.dataDir, 'runs'), SYSTEM_DIRECTORY]);
  await mkdir(directory, { recursive: true });
  o.log.info({ binaries, isolation: probe.mode, ownNetwork: probe.network }, 'workspaces can be planned here');
  return createProcessExecutor({
    place: await placeOf(directory),
    sandboxes: await openSandboxes({ directory, probe, limits: o.limits }),
    directory,
    binaries,
    limits: o.archive,
    planSeconds: o.planSeconds,
    applySeconds: o.applySeconds,
    network: o.network,
    plugins: join(o.dataDir, 'providers'),
    mirror: o.providerMirror,
  });
}
