/** What the bridge is handed from layers that it may not import: git, and the address of our own pages. */
import { join } from 'node:path';
import { createCheckRunLinks } from '../accounts/check-run-links.js';
import type { Config } from '../config/config.js';
import { createGitObjectStore } from '../effects/git/objects.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { BridgeOptions } from '../translate/bridge.js';

/** Git objects of a connection's repositories, kept in the data directory until they are pushed. */
export function gitObjectsFor(
  config: Pick<Config, 'dataDir'>,
  outbound: Pick<Outbound, 'pin'>,
): NonNullable<BridgeOptions['gitFor']> {
  const open = createGitObjectStore(join(config.dataDir, 'git-objects'), outbound);
  return ({ connection, endpoint }) =>
    connection &&
    open({
      namespace: JSON.stringify([connection.organizationId, endpoint.forge, endpoint.host]),
      credential: {
        username: connection.forge.gitUsername,
        password: () => connection.token(),
        origin: new URL(endpoint.webUrl).origin,
        ...(connection.route && { route: connection.route }),
      },
    });
}

/** Without PUBLIC_URL nobody could follow a link, and a commit status goes without one. */
export function checkRunUrls(
  config: Pick<Config, 'publicUrl'>,
  rootKey: Buffer,
): NonNullable<BridgeOptions['checkRunUrl']> {
  const links = createCheckRunLinks(rootKey);
  return (organizationId, recordId) =>
    config.publicUrl === undefined ? undefined : `${config.publicUrl}${links.pathOf(organizationId, recordId)}`;
}
