/** Puts the process driver together from an operator's choices. */
import { join } from 'node:path';
import { createGitMirrors } from '../../effects/git/mirror.js';
import { runTool } from '../../effects/process/run-tool.js';
import { openSandboxes, probeSandbox, type SandboxLimits } from '../../effects/process/sandbox.js';
import { ForgewayError } from '../../lib/errors.js';
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
export const workspaceDirectories = ({ dataDir, workspacesDir }: { dataDir: string; workspacesDir?: string }) => [
  workspacesDir ?? join(dataDir, 'previews'),
  SYSTEM_WORKSPACES,
];

/** Any user of the range answers for all: none of them has rights that others do not have. */
async function strangersCanEnter(directory: string): Promise<boolean> {
  const stranger = ['--reuid', '50001', '--regid', '50001', '--clear-groups', '--'];
  await runTool('mkdir', ['-p', '-m', '711', '--', directory]);
  return (await runTool('setpriv', [...stranger, 'test', '-x', directory])).code === 0;
}

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
  const every = workspaceDirectories(options);
  const candidates = probe.mode === 'uid' && !probe.namespaces ? every : [];
  let directory = every[0] ?? '';
  if (candidates.length > 0) {
    const reachable = await Promise.all(candidates.map(strangersCanEnter));
    const first = candidates[reachable.indexOf(true)];
    if (first === undefined) {
      throw new ForgewayError(
        'FORGEWAY_SANDBOX_UNAVAILABLE',
        `Previews run as users of their own, and those can enter neither ${candidates.join(' nor ')}.`,
      );
    }
    directory = first;
  }
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
