/**
 * How git is held to addresses that were checked: it resolves names itself, so it is given the answer. Redirects, other
 * protocols, alternates and bundles of other hosts are switched off for every command.
 */
import { writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Outbound, OutboundRoute, PinnedTarget } from '../../lib/outbound/outbound.js';
import { runTool } from '../process/run-tool.js';

/** Settings of one command that uses the network, as [key, value]. */
export type GitSettings = readonly (readonly [string, string])[];

const CERTIFICATES = 'forgeway-certificates.pem';
/** The first whose git can be told an address; an older one would ignore the setting without a word. */
const OLDEST_GIT = [2, 37] as const;

const found: { canPin?: Promise<boolean> } = {};

async function canPin(): Promise<boolean> {
  const { output } = await runTool('git', ['version']);
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(output) ?? [];
  return Number(major) > OLDEST_GIT[0] || (Number(major) === OLDEST_GIT[0] && Number(minor) >= OLDEST_GIT[1]);
}

function pinned({ hostname, port, addresses }: Pick<PinnedTarget, 'hostname' | 'port' | 'addresses'>): GitSettings {
  if (addresses.length === 0) return [];
  const list = addresses.map((address) => (isIP(address) === 6 ? `[${address}]` : address)).join(',');
  return [['http.curloptResolve', `${hostname}:${port}:${list}`]];
}

/**
 * Resolves and checks the host of `url`, and answers the settings with which git reaches that address and no other.
 * @param gitDir where the certificates of the route are put, which git reads from a file
 * @throws ForgewayError FORGEWAY_GIT_FAILED, with the refusal as its cause where there is one
 */
export async function gitNetwork(
  outbound: Pick<Outbound, 'pin'>,
  url: string,
  route: OutboundRoute | undefined,
  gitDir: string,
): Promise<GitSettings> {
  let target: PinnedTarget;
  try {
    target = await outbound.pin(url, route);
  } catch (error) {
    throw new ForgewayError('FORGEWAY_GIT_FAILED', `git is not started: ${messageOf(error)}`, { cause: error });
  }
  const settings = [...pinned(target)];
  if (settings.length > 0 || target.proxy !== undefined) {
    found.canPin ??= canPin();
    if (!(await found.canPin))
      throw new ForgewayError(
        'FORGEWAY_GIT_FAILED',
        `git ${OLDEST_GIT.join('.')} or newer is needed: an older one cannot be held to the address that was checked.`,
      );
  }
  if (route?.ca !== undefined) {
    const file = join(gitDir, CERTIFICATES);
    await writeFile(file, route.ca, { mode: 0o600 });
    settings.push(['http.sslCAInfo', file]);
  }
  if (target.proxy !== undefined) {
    const at = new URL(target.proxy.proxy.url);
    const [user = '', ...password] = target.proxy.proxy.credentials?.split(':') ?? [];
    at.username = encodeURIComponent(user);
    at.password = encodeURIComponent(password.join(':'));
    settings.push(...pinned(target.proxy), ['http.proxy', at.href], ['http.proxyAuthMethod', 'basic']);
  }
  return settings;
}
