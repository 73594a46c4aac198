/** The way out of tests: their forges listen on this machine, which no server may connect to unless it is told so. */
import { createOutbound } from '../../src/lib/outbound/outbound.js';

/** For what reads the environment. */
export const ALLOW_LOOPBACK = { ALLOWED_PRIVATE_NETWORKS: '127.0.0.0/8,::1,localhost,*.localhost' } as const;

export const loopback = createOutbound({
  allowed: ALLOW_LOOPBACK.ALLOWED_PRIVATE_NETWORKS.split(','),
  // No test asks the world for a name.
  async resolve(hostname) {
    if (!/(^|\.)localhost$/.test(hostname)) throw new Error(`a test wants to reach ${hostname}`);
    return [{ address: '127.0.0.1', family: 4 }];
  },
});
