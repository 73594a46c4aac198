/** Puts the process driver together from an operator's choices. */
import { join } from 'node:path';
import { createGitMirrors } from '../../effects/git/mirror.js';
import { openSandboxes, probeSandbox, type SandboxLimits } from '../../effects/process/sandbox.js';
import { sandboxDirectory } from '../../effects/process/sandbox-place.js';
import type { Logger } from '../../lib/logger.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import type { PreviewDriver } from './driver.js';
import { type BuildNetwork, createProcessDriver } from './process-driver.js';

export interface OpenDriverOptions {
  dataDir: string;
  /** Where workspaces go; default `<dataDir>/previews`, or a system directory when a preview's user cannot get there. */
  workspacesDir?: string;
  unsafeSameUser: boolean;
  limits: SandboxLimits;
  buildTimeoutMs: number;
  readyTimeoutMs: number;
  buildNetwork: BuildNetwork;
  /** Checks where git goes. */
  outbound: Pick<Outbound, 'pin'>;
  log: Logger;
  /** Default: `bwrap` from the system's directories. */
  bubblewrap?: string;
}

/** Used as root when the data directory lies in a private one and this machine has no mount namespaces to hide that. */
const SYSTEM_WORKSPACES = '/var/lib/forgeway/workspaces';

/** Every directory in which previews of this machine may be, in the order in which they are tried. */
export const workspaceDirectories = (o: { dataDir: string; workspacesDir?: string }): [string, string] => [
  o.workspacesDir ?? join(o.dataDir, 'previews'),
  SYSTEM_WORKSPACES,
];

/**
 * The driver that runs previews on this machine.
 * @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE when nothing here can isolate them
 */
export async function openProcessDriver(options: OpenDriverOptions): Promise<PreviewDriver> {
  const { dataDir, unsafeSameUser, bubblewrap, limits, buildTimeoutMs, readyTimeoutMs, buildNetwork, outbound, log } =
    options;
  const probe = await probeSandbox({ unsafeSameUser, bubblewrap });
  if (probe.mode === 'same-user') {
    log.warn('previews run as our own user, without isolation: FORGEWAY_UNSAFE_SAME_USER is set');
  } else if (!probe.network) {
    log.warn('this machine gives previews no network of their own: they can reach whatever listens on it');
  }
  const directory = await sandboxDirectory(probe, workspaceDirectories(options));
  log.info(
    { isolation: probe.mode, namespaces: probe.namespaces, ownNetwork: probe.network, directory },
    'previews can run here',
  );
  return createProcessDriver({
    mirrors: createGitMirrors({ directory: join(dataDir, 'git'), outbound }),
    sandboxes: await openSandboxes({ directory, probe, limits }),
    buildTimeoutMs,
    readyTimeoutMs,
    buildNetwork,
  });
}
