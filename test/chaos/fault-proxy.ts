/** A TCP proxy that misbehaves on demand, as networks do. It understands nothing of what it carries. */
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Fault =
  /** Everything passes. */
  | { kind: 'none' }
  /** Connections are cut, and new ones are cut at once. */
  | { kind: 'drop' }
  /** Connections stay open and nothing passes any more; what was sent meanwhile is lost with the connection. */
  | { kind: 'half-open' }
  /** Each piece arrives so much later. */
  | { kind: 'delay'; ms: number }
  /** A connection is cut when so many bytes of its answers have passed. */
  | { kind: 'reset'; afterBytes: number }
  /** So many bytes pass in each direction and second. */
  | { kind: 'throttle'; bytesPerSecond: number };

export interface FaultProxy {
  readonly port: number;
  /** From now on. Ends the fault before it; connections that hang because of that one are cut. */
  set(fault: Fault): void;
  close(): Promise<void>;
}

interface Pair {
  client: Socket;
  target: Socket;
  answered: number;
  /** Nothing of it passes any more. */
  stuck: boolean;
}

const SLICE_MS = 50;

/** @param target where it carries everything: a port or the path of a socket */
export async function startFaultProxy(target: NetConnectOpts, port = 0): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  const state: { fault: Fault } = { fault: { kind: 'none' } };

  function cut(pair: Pair): void {
    pairs.delete(pair);
    // A reset and not an orderly end: nobody may take what came for the whole of it.
    pair.client.resetAndDestroy();
    pair.target.destroy();
  }

  async function carry(pair: Pair, from: Socket, to: Socket, isAnswer: boolean): Promise<void> {
    for await (const piece of from as AsyncIterable<Buffer>) {
      const { fault } = state;
      if (fault.kind === 'half-open') pair.stuck = true;
      if (pair.stuck) continue;
      if (fault.kind === 'delay') await sleep(fault.ms);
      if (isAnswer) pair.answered += piece.length;
      if (fault.kind === 'reset' && pair.answered >= fault.afterBytes) return cut(pair);
      if (fault.kind === 'throttle') await trickle(piece, to, fault.bytesPerSecond);
      else await write(to, piece);
    }
    if (!pair.stuck) to.end();
  }

  async function trickle(piece: Buffer, to: Socket, bytesPerSecond: number): Promise<void> {
    const slice = Math.max(1, Math.floor((bytesPerSecond * SLICE_MS) / 1_000));
    for (let at = 0; at < piece.length; at += slice) {
      if (state.fault.kind !== 'throttle') return write(to, piece.subarray(at));
      await write(to, piece.subarray(at, at + slice));
      await sleep(SLICE_MS);
    }
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (state.fault.kind === 'drop') {
      client.resetAndDestroy();
      return;
    }
    const pair: Pair = {
      client,
      target: connect({ ...target, allowHalfOpen: true } as NetConnectOpts),
      answered: 0,
      stuck: false,
    };
    pairs.add(pair);
    client.setNoDelay(true);
    pair.target.setNoDelay(true);
    // What went wrong with a connection is what `carry` fails with.
    for (const socket of [client, pair.target]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (client.destroyed && pair.target.destroyed) pairs.delete(pair);
      });
    }
    // A client that died has sent what it had sent: that still arrives, as on a network.
    carry(pair, client, pair.target, false).catch(() => pair.target.end());
    carry(pair, pair.target, client, true).catch(() => cut(pair));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    set(fault) {
      state.fault = fault;
      for (const pair of pairs) if (fault.kind === 'drop' || pair.stuck) cut(pair);
    },
    async close() {
      for (const pair of pairs) cut(pair);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Resolves when more may be written; rejects with the connection. */
function write(to: Socket, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(piece, (error) => (error ? reject(error) : resolve()));
  });
}
