import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { portTaken } from './port-taken.js';

it('says what an app that listens itself can do, and nothing of other errors', async () => {
  const first = createServer().listen(0, '127.0.0.1');
  await once(first, 'listening');
  const { port } = first.address() as AddressInfo;
  const second = createServer().listen(port, '127.0.0.1');
  const [error] = (await once(second, 'error')) as [unknown];
  first.close();
  expect(portTaken(error)).toContain(`Port ${port} is taken. If an app listens there itself`);
  expect(portTaken(Object.assign(new Error('no'), { code: 'EADDRINUSE', syscall: 'bind' }))).toBeUndefined();
  expect(portTaken(new Error('other'))).toBeUndefined();
});
