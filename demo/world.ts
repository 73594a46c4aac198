/** Everything one demo runs: the emulated forges, Forgeway, and Alice. Stopped in the opposite order. */
import { randomBytes, randomInt } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { probeSandbox } from '../src/effects/process/sandbox.js';
import { forgeById } from '../src/forges/registry.js';
import { messageOf } from '../src/lib/errors.js';
import { demoAgents } from './agent-story.js';
import { Alice } from './alice.js';
import { readAppManifest } from './app-manifest.js';
import { startConnectedForge } from './connected-forge.js';
import { startEmulatedGitHub } from './emulated-github/emulated-github.js';
import { type ForgewayServer, startForgeway } from './forgeway-server.js';
import { githubForge } from './github-forge.js';
import type { DemoOptions } from './options.js';
import { processesIn } from './process-table.js';
import type { RunFolder } from './run-folder.js';
import type { StoryForge } from './story-forge.js';

const owner = 'acme';
const repository = 'web';
const appSlug = 'forgeway';

const appId = 12_345;

export interface World {
  folder: RunFolder;
  server: ForgewayServer;
  /** GitHub first, then those that are connected by a token. */
  forges: readonly StoryForge[];
  /** Agents need a network of their own, which not every machine gives. */
  hasAgents: boolean;
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

/** Forges that the story is told on after GitHub, each on its own double. */
const connectedForges: readonly string[] = ['gitlab', 'gitea'];

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
  const closing: (() => Promise<unknown>)[] = [];
  const closeAll = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const started: { server?: ForgewayServer } = {};
    const server = () => {
      if (started.server === undefined) throw new Error('Forgeway has not been started yet.');
      return started.server;
    };
    const project = join(folder.checkout, 'demo/project');
    const { forge: github, settings } = await startGitHub(folder, port, project, closing);
    began(`emulated GitHub at ${settings.GHE_HOST}`);
    const connected: StoryForge[] = [];
    for (const id of connectedForges) {
      const descriptor = forgeById(id);
      if (descriptor === undefined) throw new Error(`There is no forge ${id}.`);
      const made = await startConnectedForge({ descriptor, project, folder: folder.forges, owner, repository, server });
      closing.push(made.close);
      began(`emulated ${descriptor.label} at ${new URL(made.fake.url).host}`);
      connected.push(made.forge);
    }
    // Where there is no sandbox at all, Forgeway says itself what is missing.
    const probe = await probeSandbox({ unsafeSameUser: false }).catch(() => undefined);
    const hasAgents = probe?.network === true;
    started.server = await startForgeway(folder, stopped, {
      ...settings,
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      FORGEWAY_DATA_DIR: folder.data,
      PREVIEW_DRIVER: 'process',
      PREVIEW_PORT: String(previewPort),
      PREVIEW_DOMAIN: 'preview.localhost',
      // The emulated forges listen on this machine.
      ALLOWED_PRIVATE_NETWORKS: '127.0.0.1',
      ...(hasAgents && { AGENTS: await demoAgents(folder.checkout) }),
      LOG_FORMAT: 'json',
    });
    const stop = async () => {
      try {
        await server().stop();
      } finally {
        await closeAll();
      }
      const left = processesIn(folder.data);
      if (left.length > 0) throw new Error(`Forgeway has ended, but left the processes ${left.join(', ')}.`);
    };
    return { folder, server: started.server, forges: [github, ...connected], hasAgents, stop };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The emulated GitHub with the App and the project, and what Forgeway must be told to serve it. */
async function startGitHub(
  folder: RunFolder,
  port: number,
  project: string,
  closing: (() => Promise<unknown>)[],
): Promise<{ forge: StoryForge; settings: Record<string, string> }> {
  const token = randomBytes(20).toString('hex');
  const webhookSecret = randomBytes(32).toString('hex');
  const manifest = await readAppManifest(folder.checkout);
  const installationId = randomInt(1, 2 ** 31);
  const errors: unknown[] = [];
  const github = await startEmulatedGitHub({
    port: 0,
    directory: folder.github,
    owner,
    repository,
    app: { id: appId, slug: appSlug, ...manifest, webhookSecret, installationId },
    webhookUrl: `http://127.0.0.1:${port}/api/webhooks/github`,
    writers: { alice: token },
    onError: (error) => errors.push(error),
  });
  closing.push(() => github.close());
  const name = `${owner}/${repository}`;
  const alice = new Alice({ origin: github.origin, token, repository: name, clone: folder.clone });
  await alice.createProject(project);
  return {
    forge: githubForge({ github, alice, appId, installationId, appSlug, repository: name, errors }),
    settings: {
      APP_ID: String(appId),
      PRIVATE_KEY: github.privateKey,
      WEBHOOK_SECRET: webhookSecret,
      GHE_HOST: github.host,
      GHE_PROTOCOL: 'http',
    },
  };
}
