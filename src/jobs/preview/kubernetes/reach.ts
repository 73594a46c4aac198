/** How visitors are led to a Service: by the cluster's own names from inside it, else through its API server. */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { V1Pod, V1Service } from '@kubernetes/client-node';
import type { ConnectService, ServiceAddress } from '../../../effects/gateway/upstream.js';
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import { ForgewayError } from '../../../lib/errors.js';
import type { PreviewClusters } from './clusters.js';

/** A pod that is ready is asked for again after this. */
const FRESH_MS = 5_000;
const REMEMBERED = 1_000;

async function readyPod(cluster: Cluster, { namespace, name }: ServiceAddress): Promise<string> {
  const service = await cluster.get<V1Service>({ kind: 'Service', namespace, name });
  const labels = Object.entries(service?.spec?.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  const { items } =
    labels.length === 0 ? { items: [] } : await cluster.list<V1Pod>('Pod', { namespace, labels: labels.join(',') });
  const ready = items.find(({ metadata, status }) => {
    const isReady = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
    return isReady === true && metadata.deletionTimestamp === undefined;
  });
  if (ready === undefined)
    throw new ForgewayError('FORGEWAY_CLUSTER_FAILED', `Nothing is ready behind the service ${name} in ${namespace}.`);
  return ready.metadata.name;
}

/**
 * A socket for whoever wants one and nothing else: what it is written to and read from is asked for meanwhile. It says
 * `connect` once that is there.
 */
class LateSocket extends Duplex {
  #inner: Duplex | undefined;
  #waiting: (() => void)[] = [];

  constructor(opening: Promise<Duplex>) {
    super({ allowHalfOpen: true });
    opening.then(
      (inner) => {
        if (this.destroyed) return void inner.destroy();
        this.#inner = inner;
        inner.on('data', (chunk: Buffer) => {
          if (!this.push(chunk)) inner.pause();
        });
        inner.once('end', () => this.push(null));
        inner.once('error', (error) => this.destroy(error));
        inner.once('close', () => this.destroy());
        for (const run of this.#waiting.splice(0)) run();
        this.emit('connect');
      },
      (error: Error) => this.destroy(error),
    );
  }
  override _read(): void {
    this.#inner?.resume();
  }
  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const write = () => void this.#inner?.write(chunk, encoding, done);
    if (this.#inner === undefined) this.#waiting.push(write);
    else write();
  }
  override _final(done: (error?: Error | null) => void): void {
    const end = () => void this.#inner?.end(done);
    if (this.#inner === undefined) this.#waiting.push(end);
    else end();
  }
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner?.destroy();
    done(error);
  }
  // What an HTTP client asks of a socket beside; none of it has a meaning here.
  setKeepAlive = () => this;
  setNoDelay = () => this;
  setTimeout = () => this;
  ref = () => this;
  unref = () => this;
}

/** @param o.inside whether this process runs in the cluster of this id, and knows its names */
export function createServiceReach(o: {
  clusters: PreviewClusters;
  inside: (clusterId: string) => boolean;
}): ConnectService {
  const pods = new Map<string, { at: number; pod: Promise<string> }>();

  async function forward(service: ServiceAddress): Promise<Duplex> {
    const { cluster } = await o.clusters.open(service.cluster, service.organizationId);
    const { namespace, name, port } = service;
    const key = [service.organizationId, service.cluster, namespace, name].join('\n');
    const now = performance.now();
    let known = pods.get(key);
    if (known === undefined || now - known.at > FRESH_MS) {
      if (pods.size >= REMEMBERED) pods.clear();
      known = { at: now, pod: readyPod(cluster, service) };
      pods.set(key, known);
    }
    try {
      return await cluster.forward({ namespace, pod: await known.pod, port });
    } catch (error) {
      pods.delete(key);
      throw error;
    }
  }

  return (service) => {
    const { cluster, namespace, name, port } = service;
    if (o.inside(cluster)) return connect({ host: `${name}.${namespace}.svc`, port });
    // Whoever takes sockets asks no more of one than a stream and the few methods above.
    return new LateSocket(forward(service)) as unknown as Socket;
  };
}
