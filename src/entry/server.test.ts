import { access, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { loadConfig } from '../config/config.js';
import { runServer } from './server.js';

it('a second start is refused its port before it makes a database', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-port-'));
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  try {
    const dataDir = join(folder, 'data');
    const { port } = holder.address() as AddressInfo;
    const config = loadConfig({ FORGEWAY_DATA_DIR: dataDir, PORT: String(port), WORKER_PROCESSES: '0' });
    const log = pino({ level: 'silent' });
    await expect(runServer(config, log)).rejects.toMatchObject({ code: 'FORGEWAY_PORT_IN_USE' });
    await expect(access(dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
  } finally {
    await new Promise((resolve) => holder.close(resolve));
    await rm(folder, { recursive: true });
  }
});
