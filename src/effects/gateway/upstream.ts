/** Where a preview answers, and how it is reached: a port of this machine's loopback, or a door into its own network. */
import { Agent, type ClientRequestArgs } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connectThroughDoor } from '../process/door.js';

export type Upstream = { port: number } | { door: string };

/** Null while nothing runs. */
export function upstreamOf(place: { port: number | null; door: string | null }): Upstream | null {
  if (place.port === null) return null;
  return place.door === null ? { port: place.port } : { door: place.door };
}

const DOOR_HOST = /^door-((?:[0-9a-f]{2})+)\.localhost$/;

/** As the origin of a URL, which is all that a proxy hands to what connects: a door's path is its host, in hex. */
export function originOf(upstream: Upstream): string {
  if ('port' in upstream) return `http://127.0.0.1:${upstream.port}`;
  return `http://door-${Buffer.from(upstream.door).toString('hex')}.localhost`;
}

/** Begins to connect to what {@link originOf} named; the socket tells how it went. */
export function connectToOrigin(origin: { hostname: string; port: number | string }): Socket {
  const [, hex] = DOOR_HOST.exec(origin.hostname) ?? [];
  if (hex !== undefined) return connectThroughDoor(Buffer.from(hex, 'hex').toString());
  return connect({ host: '127.0.0.1', port: Number(origin.port) });
}

class UpstreamAgent extends Agent {
  override createConnection({ host, port }: ClientRequestArgs): Socket {
    return connectToOrigin({ hostname: host ?? '', port: port ?? '' });
  }
}

/** For requests to an {@link originOf}, each on a connection of its own. */
export const upstreamAgent = new UpstreamAgent({ keepAlive: false });
