import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';

let server: Server;
let proxy: FaultProxy;
/** What the server has received, over all connections. */
let received: string;
const clients: Socket[] = [];

beforeEach(async () => {
  received = '';
  server = createServer((socket) => {
    socket.on('data', (piece) => {
      received += piece.toString();
      socket.write(piece);
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await startFaultProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

interface Client {
  socket: Socket;
  text(): string;
  /** Resolves with how it ended. */
  ended: Promise<string>;
}

function open(): Client {
  const socket = connect(proxy.port, '127.0.0.1');
  clients.push(socket);
  let text = '';
  let reason = 'end';
  socket.on('data', (piece) => {
    text += piece.toString();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? '';
  });
  return { socket, text: () => text, ended: new Promise((resolve) => socket.once('close', () => resolve(reason))) };
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await sleep(5);
}

describe('startFaultProxy', () => {
  it('carries both ways, and the end of either', async () => {
    const client = open();
    client.socket.write('hello');
    await until(() => client.text() === 'hello');
    client.socket.end();
    expect(await client.ended).toBe('end');
  });

  it('drops: cuts what is there and what comes', async () => {
    const before = open();
    before.socket.write('x');
    await until(() => before.text() === 'x');
    proxy.set({ kind: 'drop' });
    expect(await before.ended).toBe('ECONNRESET');
    expect(await open().ended).toBe('ECONNRESET');
    proxy.set({ kind: 'none' });
    const after = open();
    after.socket.write('y');
    await until(() => after.text() === 'y');
  });

  it('half-open: nothing passes, nothing ends, until the fault does', async () => {
    const client = open();
    client.socket.write('1');
    await until(() => client.text() === '1');
    proxy.set({ kind: 'half-open' });
    client.socket.write('2');
    await sleep(100);
    expect([received, client.text(), client.socket.destroyed]).toEqual(['1', '1', false]);
    proxy.set({ kind: 'none' });
    expect(await client.ended).toBe('ECONNRESET');
    expect(received).toBe('1');
  });

  it('delay: what a client sent before it died still arrives', async () => {
    proxy.set({ kind: 'delay', ms: 300 });
    const client = open();
    await once(client.socket, 'connect');
    client.socket.write('last words');
    // It has reached the proxy by then, or the test fails.
    await sleep(100);
    client.socket.resetAndDestroy();
    await until(() => received === 'last words');
  });

  it('reset: cuts an answer after so many bytes, when the request has been carried out', async () => {
    proxy.set({ kind: 'reset', afterBytes: 3 });
    const client = open();
    client.socket.write('hello');
    expect(await client.ended).toBe('ECONNRESET');
    expect([received, client.text()]).toEqual(['hello', '']);
  });

  it('throttle: everything arrives, slowly', async () => {
    proxy.set({ kind: 'throttle', bytesPerSecond: 200 });
    const client = open();
    client.socket.write('x'.repeat(40));
    await until(() => received.length > 0);
    expect(received.length).toBeLessThan(40);
    await until(() => client.text().length === 40);
  });
});
