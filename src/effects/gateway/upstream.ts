/** Where a preview answers, and how it is reached: a port of this machine, a door into its own network, or a cluster. */
import { Agent, type ClientRequestArgs } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connectThroughDoor } from '../process/door.js';

/** A port of a Service in a cluster. */
export interface ServiceAddress {
  organizationId: string;
  cluster: string;
  namespace: string;
  name: string;
  port: number;
}

export type Upstream = { port: number } | { door: string } | { service: ServiceAddress };
/** Begins to connect; the socket tells how it went. */
export type ConnectService = (service: ServiceAddress) => Socket;

/** Null while nothing runs. */
export function upstreamOf(place: { port: number | null; door: string | null }): Upstream | null {
  if (place.port === null) return null;
  return place.door === null ? { port: place.port } : { door: place.door };
}

const ENCODED_HOST = /^(door|service)-((?:[0-9a-f]{2})+)\.localhost$/;
const hex = (text: string) => Buffer.from(text).toString('hex');

/** As the origin of a URL, which is all that a proxy hands to what connects: where it leads is its host, in hex. */
export function originOf(upstream: Upstream): string {
  if ('port' in upstream) return `http://127.0.0.1:${upstream.port}`;
  if ('door' in upstream) return `http://door-${hex(upstream.door)}.localhost`;
  const { organizationId, cluster, namespace, name, port } = upstream.service;
  return `http://service-${hex([organizationId, cluster, namespace, name, port].join('\n'))}.localhost`;
}

/** Begins to connect to what {@link originOf} named; the socket tells how it went. */
export function connectToOrigin(
  origin: { hostname: string; port: number | string },
  connectService?: ConnectService,
): Socket {
  const [, kind, encoded = ''] = ENCODED_HOST.exec(origin.hostname) ?? [];
  const text = Buffer.from(encoded, 'hex').toString();
  if (kind === 'door') return connectThroughDoor(text);
  if (kind === undefined) return connect({ host: '127.0.0.1', port: Number(origin.port) });
  if (connectService === undefined) throw new Error('this process reaches no cluster');
  const [organizationId = '', cluster = '', namespace = '', name = '', port = ''] = text.split('\n');
  return connectService({ organizationId, cluster, namespace, name, port: Number(port) });
}

class UpstreamAgent extends Agent {
  constructor(readonly connectService: ConnectService | undefined) {
    super({ keepAlive: false });
  }
  override createConnection({ host, port }: ClientRequestArgs): Socket {
    return connectToOrigin({ hostname: host ?? '', port: port ?? '' }, this.connectService);
  }
}

/** For requests to an {@link originOf}, each on a connection of its own. */
export const createUpstreamAgent = (connectService?: ConnectService): Agent => new UpstreamAgent(connectService);
export const upstreamAgent = createUpstreamAgent();
