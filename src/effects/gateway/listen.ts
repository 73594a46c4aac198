/**
 * Listens on both loopback addresses where one is asked for. A browser that is sent to `localhost` tries `::1` too, and
 * another process, such as a preview or a build that shares our network, could wait there and pass as the gateway.
 */
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { FastifyInstance } from 'fastify';

const NO_IPV6 = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);
/** A free port of the one address may be taken on the other. */
const ATTEMPTS = 10;

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? '';

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Undefined where this machine has no IPv6. */
async function listenOnSix(port: number, take: (server: Server) => void): Promise<Server | undefined> {
  // The options that an HTTP server gives its own sockets.
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  take(server);
  try {
    await listenOn(server, '::1', port);
    return server;
  } catch (error) {
    if (NO_IPV6.has(codeOf(error))) return undefined;
    throw error;
  }
}

/**
 * Starts the server and answers its port. Its close ends what listens beside it.
 * @throws when the port is taken, on either address
 */
export async function listenEverywhereMeant(
  server: FastifyInstance,
  o: { host: string; port: number },
): Promise<number> {
  const portOf = () => (server.server.address() as AddressInfo).port;
  if (o.host !== 'localhost' && o.host !== '127.0.0.1') {
    await server.listen(o);
    return portOf();
  }
  // One HTTP server answers for both, so that its limits, hooks and web sockets hold for both.
  const take = (six: Server) => six.on('connection', (socket) => server.server.emit('connection', socket));
  const beside: { server?: Server } = {};
  // First, so that no connection comes after the HTTP server has ended those it has; it ends also what came from here.
  server.addHook('preClose', async () => void beside.server?.close());
  for (let attempt = 1; ; attempt += 1) {
    const six = await listenOnSix(o.port, take);
    const port = (six?.address() as AddressInfo | undefined)?.port ?? o.port;
    try {
      await server.listen({ host: '127.0.0.1', port });
    } catch (error) {
      if (six !== undefined) await close(six);
      if (o.port === 0 && codeOf(error) === 'EADDRINUSE' && attempt < ATTEMPTS) continue;
      throw error;
    }
    beside.server = six;
    return portOf();
  }
}
