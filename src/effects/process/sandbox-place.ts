/** Where sandboxes can lie: a directory that their users can enter. */
import { ForgewayError } from '../../lib/errors.js';
import { runTool } from './run-tool.js';
import type { SandboxProbe } from './sandbox-probe.js';

/** Any user of the range answers for all: none of them has rights that others do not have. */
async function strangersCanEnter(directory: string): Promise<boolean> {
  const stranger = ['--reuid', '50001', '--regid', '50001', '--clear-groups', '--'];
  await runTool('mkdir', ['-p', '-m', '711', '--', directory]);
  return (await runTool('setpriv', [...stranger, 'test', '-x', directory])).code === 0;
}

/**
 * The first of them that will do. Only where users are all that there is can one of them be out of reach.
 * @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE
 */
export async function sandboxDirectory(probe: SandboxProbe, every: readonly [string, ...string[]]): Promise<string> {
  if (probe.mode !== 'uid' || probe.namespaces) return every[0];
  const reachable = await Promise.all(every.map(strangersCanEnter));
  const first = every[reachable.indexOf(true)];
  if (first !== undefined) return first;
  throw new ForgewayError(
    'FORGEWAY_SANDBOX_UNAVAILABLE',
    `What runs here runs as users of their own, and those can enter neither ${every.join(' nor ')}.`,
  );
}
