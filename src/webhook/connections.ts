import type { Server } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';

export interface ConnectionLimitOptions {
  /** Connections that one address may have at a time; 0: as many as it likes. */
  perAddress: number;
  log: Logger;
  metrics: Metrics;
  /** Addresses that are not limited. */
  isNear?: (address: string) => boolean;
}

const near = new BlockList();
for (const [network, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const)
  near.addSubnet(network, bits, 'ipv4');
near.addAddress('::1', 'ipv6');
near.addSubnet('fc00::', 7, 'ipv6');
near.addSubnet('fe80::', 10, 'ipv6');

/** Loopback and private networks: what comes from there is our own proxy, which speaks for everybody. */
export const isNearAddress = (address: string): boolean => near.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

const SAID_EVERY_MS = 60_000;

/** Closes connections of one address beyond the limit at once, so that one sender cannot hold every socket. */
export function limitConnections(server: Server, o: ConnectionLimitOptions): void {
  if (o.perAddress === 0) return;
  const isNear = o.isNear ?? isNearAddress;
  const open = new Map<string, number>();
  let saidAt = Number.NEGATIVE_INFINITY;
  server.on('connection', (socket) => {
    const address = socket.remoteAddress?.replace(/^::ffff:/, '');
    if (address === undefined || isNear(address)) return;
    const count = open.get(address) ?? 0;
    if (count >= o.perAddress) {
      o.metrics.ingressRefusals.inc({ reason: 'connections' });
      // Once a minute: whoever opens thousands must not fill the log too.
      if (performance.now() - saidAt > SAID_EVERY_MS) {
        saidAt = performance.now();
        o.log.warn({ address, connections: count }, 'an address has too many connections; further ones are closed');
      }
      socket.destroy();
      return;
    }
    open.set(address, count + 1);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  });
}
