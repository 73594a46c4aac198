/** A TCP proxy that can stall what passes through it, as a network does that loses packets, or cut it. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface FaultProxy {
  port: number;
  /** Nothing passes any more, in neither direction; connections stay open, and new ones are taken and stall too. */
  stall(): void;
  /** What stalled passes, and all that comes. */
  resume(): void;
  /** Ends every connection, and refuses new ones until {@link resume}. */
  cut(): void;
  close(): Promise<void>;
}

export async function startFaultProxy(target: { host: string; port: number }): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const state = { stalled: false, refusing: false };
  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (state.refusing) return void near.destroy();
    const far = target.host.startsWith('/')
      ? connect(`${target.host}/.s.PGSQL.${target.port}`)
      : connect(target.port, target.host);
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
      if (state.stalled) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stall() {
      state.stalled = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    resume() {
      Object.assign(state, { stalled: false, refusing: false });
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    cut() {
      state.refusing = true;
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
