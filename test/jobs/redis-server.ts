/** A real Redis on a free loopback port, for one test file; its data dies with it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { Redis } from 'ioredis';
import { eventually } from './eventually.js';

const { skip } = describe;
const isInstalled = spawnSync('redis-server', ['--version']).status === 0;

/** Tests that need Redis; where it is not installed they are counted as skipped, with the line to type in their name. */
export function describeWithRedis(name: string, tests: () => void): void {
  if (isInstalled) describe(name, tests);
  else skip(`${name} (needs redis-server: apt-get install redis-server)`, tests);
}

export interface RedisServer {
  url: string;
  /** A connection for the test itself. */
  client: Redis;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'forgeway-redis-'));
  const url = `redis://127.0.0.1:${port}`;
  const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50, lazyConnect: true });
  client.on('error', () => undefined);
  const state: { child?: ChildProcess } = {};

  async function start(): Promise<void> {
    const bind = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
    state.child = spawn('redis-server', [...bind, ...settings], { stdio: 'ignore' });
    if (client.status === 'wait') await client.connect().catch(() => undefined);
    await eventually(async () => (await client.ping()) === 'PONG', 'redis answers');
  }

  async function kill(): Promise<void> {
    const { child } = state;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }

  await start();
  return {
    url,
    client,
    kill,
    restart: start,
    async stop() {
      client.disconnect();
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
