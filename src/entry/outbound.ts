/** The way out to forges, as the environment says. */
import { type Config, githubOrigin } from '../config/config.js';
import { createOutbound, type Outbound } from '../lib/outbound/outbound.js';

export type OutboundConfig = Pick<
  Config,
  'allowedPrivateNetworks' | 'outboundProxy' | 'outboundNoProxy' | 'publicUrl' | 'gheHost' | 'gheProtocol'
>;

/** The host of the GitHub that the environment names is where the administrator says it is. */
export function outboundOf(config: OutboundConfig): Outbound {
  const { allowedPrivateNetworks, outboundProxy, outboundNoProxy, publicUrl, gheHost } = config;
  const chosen = gheHost === undefined ? [] : [new URL(githubOrigin(config).web).hostname];
  return createOutbound({
    allowed: [...allowedPrivateNetworks, ...chosen],
    ownUrl: publicUrl,
    withoutProxy: outboundNoProxy,
    ...(outboundProxy && { proxy: proxyOf(outboundProxy) }),
  });
}

function proxyOf(url: URL) {
  const { username, password, origin } = url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { url: origin, ...(username !== '' && { credentials }) };
}
