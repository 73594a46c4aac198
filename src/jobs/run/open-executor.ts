/** Puts the executor of this machine together from an operator's choices. */
import { join } from 'node:path';
import type { ArchiveLimits } from '../../effects/archive/archive.js';
import { openSandboxes, probeSandbox, type SandboxLimits } from '../../effects/process/sandbox.js';
import { sandboxDirectory } from '../../effects/process/sandbox-place.js';
import { findTerraform } from '../../effects/terraform/binary.js';
import type { TerraformExecutor } from '../../effects/terraform/executor.js';
import { createProcessExecutor } from '../../effects/terraform/process-executor.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';

export interface OpenExecutorOptions {
  dataDir: string;
  unsafeSameUser: boolean;
  /** A path or a name; undefined: whichever is there. */
  binary: string | undefined;
  limits: SandboxLimits;
  archive: ArchiveLimits;
  network: 'public' | 'shared' | 'none';
  planSeconds: number;
  applySeconds: number;
  log: Logger;
}

/** Used as root when the data directory lies in a private one and this machine has no mount namespaces to hide that. */
const SYSTEM_DIRECTORY = '/var/lib/forgeway/runs';

/**
 * What plans and applies on this machine.
 * @throws ForgewayError FORGEWAY_TERRAFORM_MISSING, FORGEWAY_SANDBOX_UNAVAILABLE
 */
export async function openExecutor(o: OpenExecutorOptions): Promise<TerraformExecutor> {
  const binary = await findTerraform(o.binary);
  if (binary === undefined)
    throw new ForgewayError(
      'FORGEWAY_TERRAFORM_MISSING',
      'This machine has no Terraform and no OpenTofu. Install one, or set RUN_BINARY to where it is.',
    );
  const probe = await probeSandbox({ unsafeSameUser: o.unsafeSameUser });
  const directory = await sandboxDirectory(probe, [join(o.dataDir, 'runs'), SYSTEM_DIRECTORY]);
  const { path, product, version } = binary;
  o.log.info(
    { path, product, version, isolation: probe.mode, ownNetwork: probe.network },
    'workspaces can be planned here',
  );
  return createProcessExecutor({
    sandboxes: await openSandboxes({ directory, probe, limits: o.limits }),
    directory,
    binary,
    limits: o.archive,
    planSeconds: o.planSeconds,
    applySeconds: o.applySeconds,
    network: o.network,
    plugins: join(o.dataDir, 'providers'),
  });
}
