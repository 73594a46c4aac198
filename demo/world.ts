/** Everything one demo runs: the emulated GitHub, Forgeway, and Alice. Stopped in the opposite order. */
import { randomBytes, randomInt } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../src/lib/errors.js';
import { Alice } from './alice.js';
import { readAppManifest } from './app-manifest.js';
import { type EmulatedGitHub, startEmulatedGitHub } from './emulated-github/emulated-github.js';
import { type ForgewayServer, startForgeway } from './forgeway-server.js';
import type { DemoOptions } from './options.js';
import { processesIn } from './process-table.js';
import type { RunFolder } from './run-folder.js';

export const owner = 'acme';
export const repository = 'web';
export const appSlug = 'forgeway';

export const appId = 12_345;

export interface World {
  folder: RunFolder;
  github: EmulatedGitHub;
  server: ForgewayServer;
  alice: Alice;
  /** What the emulated GitHub could not answer; empty when all is well. */
  githubErrors: readonly unknown[];
  /** @throws Error when a process of Forgeway is left. */
  stop(): Promise<void>;
}

/** @throws Error that says what to do when somebody listens there already. */
async function assertFree(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  } catch (error) {
    throw new Error(`Port ${port} cannot be used (${messageOf(error)}). Name another with --port, or none.`, {
      cause: error,
    });
  }
  await new Promise((resolve) => server.close(resolve));
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Starts all of it. What was started is stopped again when a later part does not start. */
export async function startWorld(
  options: DemoOptions,
  folder: RunFolder,
  stopped: AbortSignal,
  began: (what: string) => void,
): Promise<World> {
  const [free = 0, previewPort = 0] = await freePorts(2);
  const port = options.port ?? free;
  await assertFree(port);
  const token = randomBytes(20).toString('hex');
  const webhookSecret = randomBytes(32).toString('hex');
  const manifest = await readAppManifest(folder.checkout);
  const githubErrors: unknown[] = [];
  const github = await startEmulatedGitHub({
    port: 0,
    directory: folder.github,
    owner,
    repository,
    app: { id: appId, slug: appSlug, ...manifest, webhookSecret, installationId: randomInt(1, 2 ** 31) },
    webhookUrl: `http://127.0.0.1:${port}/api/webhooks/github`,
    writers: { alice: token },
    onError: (error) => githubErrors.push(error),
  });
  began(`emulated GitHub at ${github.origin}`);
  try {
    const alice = new Alice({
      origin: github.origin,
      token,
      repository: `${owner}/${repository}`,
      clone: folder.clone,
    });
    await alice.createProject(join(folder.checkout, 'demo/project'));
    const server = await startForgeway(folder, stopped, {
      APP_ID: String(appId),
      PRIVATE_KEY: github.privateKey,
      WEBHOOK_SECRET: webhookSecret,
      GHE_HOST: github.host,
      GHE_PROTOCOL: 'http',
      HOST: '127.0.0.1',
      PORT: String(port),
      FORGEWAY_DATA_DIR: folder.data,
      PREVIEW_DRIVER: 'process',
      PREVIEW_PORT: String(previewPort),
      PREVIEW_DOMAIN: 'preview.localhost',
      LOG_FORMAT: 'json',
    });
    const stop = async () => {
      try {
        await server.stop();
      } finally {
        await github.close();
      }
      const left = processesIn(folder.data);
      if (left.length > 0) throw new Error(`Forgeway has ended, but left the processes ${left.join(', ')}.`);
    };
    return { folder, github, server, alice, githubErrors, stop };
  } catch (error) {
    await github.close();
    throw error;
  }
}
