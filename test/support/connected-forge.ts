/**
 * A forge, all of Forgeway, and apps: a fake is connected as `forgeway connections add` connects a real one, or its App is
 * that of the environment; its webhooks are posted to a real ingress, and inbox and bridge run the apps on them, whose requests
 * reach the fake over HTTP.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { pino } from 'pino';
import { connectForge } from '../../src/accounts/connecting/connect.js';
import { createVault } from '../../src/accounts/vault.js';
import { checkRunUrls, gitObjectsFor } from '../../src/entry/bridge-ports.js';
import { ensureDefaultHook, secretsOf } from '../../src/entry/default-app.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { ForgeFake, NewFakeRepository } from '../../src/forges/kit/fake/forge-fake.js';
import { forges } from '../../src/forges/registry.js';
import { inboxForRoutes } from '../../src/inbox/for-routes.js';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { connectionNews } from '../../src/inbox/tell-apps.js';
import { createMetrics } from '../../src/lib/metrics.js';
import type { Database, Store } from '../../src/store/database.js';
import { type App, type Bridge, createBridge } from '../../src/translate/bridge.js';
import { createCircuits } from '../../src/translate/circuits.js';
import { graphqlOf } from '../../src/translate/graphql/graphql.js';
import { openNativeAccess } from '../../src/translate/native-access.js';
import { createIngress, ingressServerOptions } from '../../src/webhook/ingress.js';
import { createTestDatabase, TEST_KEYS, TEST_MASTER_KEY } from './database.js';
import { loopback } from './loopback.js';

/** Every forge that can be played. */
export const playedForges: readonly ForgeDescriptor[] = [...forges.values()].filter((forge) => forge.startFake);

/** Those that are connected with a token, and whose requests are translated. */
export const fakedForges: readonly ForgeDescriptor[] = playedForges.filter(
  ({ administration }) => administration !== undefined,
);

export interface ConnectedForge {
  fake: ForgeFake;
  /** As the worker. */
  store: Store;
  /** For processes that a test starts. */
  database: Database;
  organizationId: string;
  bridge: Bridge;
  /** As its members, who may sign in. */
  addMember(userId: string): Promise<void>;
  /** Somebody who signs in with their account on this forge. */
  addAccount(userId: string, account: { id: number; login: string }): Promise<void>;
  /** What was logged, one JSON object each. */
  lines: readonly string[];
  /** While it is down, no request of ours reaches the forge; what happens there is told all the same. */
  forgeIs: { down: boolean };
  /** The forge is up again, and is asked again at once. */
  forgeIsBack(): Promise<void>;
  /**
   * Resolves when nothing is under way any more: the forge has told everything, and every delivery has been worked off.
   * @throws Error with the reasons when then an app has failed for good, or when it takes longer than `timeoutMs`
   */
  quiet(timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

export interface ConnectedForgeOptions {
  /** Or how they are made, for those that need the database. */
  apps: readonly App[] | ((store: Store, organizationId: string) => readonly App[]);
  people: readonly string[];
  repository: NewFakeRepository;
  /** Of the worker; more than usual where one of its handlers hangs. */
  connections?: number;
}

/** A story is dozens of processes of git: on a busy machine it takes its time, and is right all the same. */
jest.setTimeout(180_000);

/**
 * Retries are short, so that a test waits for nothing but the work itself. What only looks whether there is something takes its
 * time: deliveries are told of as they arrive, and asking ten times a second took a quarter of all the statements of a story.
 */
const timing = {
  pollMs: 500,
  leaseMs: 10_000,
  tickMs: 2_000,
  inPlaceMs: 20,
  backoff: { baseMs: 10, capMs: 50, attempts: 8 },
};

export async function startConnectedForge(
  descriptor: ForgeDescriptor,
  { apps, people, repository, connections }: ConnectedForgeOptions,
): Promise<ConnectedForge> {
  if (descriptor.startFake === undefined) throw new Error(`${descriptor.label} has no fake.`);
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-connected-'));
  const fake = await descriptor.startFake({ folder: join(folder, 'forge'), graphql: graphqlOf(descriptor.label) });
  for (const login of people) await fake.addPerson(login);
  await fake.addRepository(repository);

  const test = await createTestDatabase({ ...(connections !== undefined && { connections }) });
  const { organizationId } = test;
  const store = test.store('worker');
  const lines: string[] = [];
  const log = pino({ level: 'debug', base: null }, { write: (line: string) => void lines.push(line) });
  const metrics = createMetrics();
  // Those of the registry, and one that only a test knows.
  const served = new Map(forges).set(descriptor.id, descriptor);

  const { app } = fake;
  const endpoint = descriptor.endpoint(fake.url);
  const webhookSecret = app && randomBytes(32).toString('hex');

  const ingress = createIngress({
    pool: test.store('ingress').pool,
    forges: served,
    secretsOf: secretsOf({ webhookSecret }, TEST_KEYS),
    log,
    metrics,
  });
  const server = createServer(ingressServerOptions, (request, response) => {
    if (!ingress.handle(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const forgeIs = { down: false, passedMs: 0 };
  const bridge = await createBridge({
    fetch: async (...request) => {
      if (forgeIs.down) throw new TypeError('fetch failed', { cause: new Error('the forge is down') });
      return loopback.fetch(...request);
    },
    ...(app && { github: { ...endpoint, appId: app.id, privateKey: app.privateKey } }),
    apps: typeof apps === 'function' ? apps(store, organizationId) : apps,
    forges: served,
    store,
    keys: TEST_KEYS,
    gitFor: gitObjectsFor({ dataDir: folder }, loopback),
    inboxFor: inboxForRoutes(store),
    checkRunUrl: checkRunUrls({ publicUrl }, TEST_MASTER_KEY),
    log,
    metrics,
    requestTimeoutMs: 10_000,
    circuits: createCircuits({ log, metrics, now: () => performance.now() + forgeIs.passedMs }),
  });
  const inbox = startInbox({
    store,
    dispatcher: bridge,
    forges: served,
    log,
    metrics,
    ownerId: 'test',
    concurrency: 4,
    handlerTimeoutMs: 30_000,
    timing,
  });
  if (app === undefined) await connect();
  else {
    const served = { gheHost: endpoint.host, gheProtocol: 'http' as const };
    await ensureDefaultHook(store, organizationId, { appId: app.id, ...served });
    app.setHook({ url: `${publicUrl}/api/webhooks/${descriptor.id}`, secret: webhookSecret ?? '' });
  }

  async function connect(): Promise<void> {
    const connected = await connectForge(
      {
        store,
        vault: createVault(TEST_KEYS.versions),
        news: connectionNews(store),
        organizationId,
        publicUrl,
        nativeOf: openNativeAccess({ log, fetch: loopback.fetch }),
        progress: (line) => log.info(line),
      },
      {
        forge: descriptor,
        url: fake.url,
        token: fake.token,
        name: 'fake',
        repositories: [`${repository.owner}/${repository.name}`],
        all: false,
        level: 'repository',
        organization: undefined,
        confidential: false,
      },
    );
    if (connected.problems.length > 0) throw new Error(connected.problems.join('\n'));
  }

  /** What is not finished, and what failed for good, one sentence each. */
  async function unfinished(): Promise<{ waiting: string[]; dead: string[] }> {
    const { rows } = await store.pool.query<{ event: string; app: string; status: string; why: string | null }>(
      `SELECT event_type AS event, '' AS app, status, coalesce(error_message, reason) AS why FROM webhook_delivery
         WHERE status IN ('received', 'assigned', 'dead')
       UNION ALL
       SELECT d.event_name, d.app, d.status, coalesce(d.error, d.reason) FROM dispatch d
         WHERE d.status IN ('pending', 'parked', 'dead')`,
    );
    const told = rows.map(({ event, app, status, why }) => ({
      status,
      text: `${app || 'delivery'} on ${event} is ${status}: ${why ?? 'no reason yet'}`,
    }));
    return {
      waiting: told.filter(({ status }) => status !== 'dead').map(({ text }) => text),
      dead: told.filter(({ status }) => status === 'dead').map(({ text }) => text),
    };
  }

  return {
    fake,
    store,
    database: test.database,
    organizationId,
    bridge,
    async addMember(userId) {
      await test.addUser(userId);
      await test
        .store('api')
        .tenant(organizationId, (tx) =>
          tx.query(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, $2, 'member')`, [
            organizationId,
            userId,
          ]),
        );
    },
    async addAccount(userId, { id, login }) {
      const { host } = endpoint;
      await test.addUser(userId);
      await test.store('api').pool.query(
        `INSERT INTO identity (id, user_id, provider_id, account_id, forge, host, login)
         VALUES ($1, $1, $2, $3, $4, $5, $6)`,
        [userId, `${descriptor.id}:${host}`, String(id), descriptor.id, host, login],
      );
    },
    lines,
    forgeIs,
    async forgeIsBack() {
      forgeIs.down = false;
      forgeIs.passedMs += 3_600_000;
      await store.pool.query("UPDATE dispatch SET next_attempt_at = now() WHERE status = 'parked'");
    },
    async quiet(timeoutMs = 150_000) {
      const end = performance.now() + timeoutMs;
      // Twice, since the last handler's requests may have caused webhooks that were still on their way.
      for (let calm = 0; calm < 2; ) {
        await fake.settled();
        const { waiting, dead } = await unfinished();
        if (dead.length > 0 && waiting.length === 0) throw new Error(dead.join('\n'));
        calm = waiting.length === 0 ? calm + 1 : 0;
        if (performance.now() > end) throw new Error(`not quiet after ${timeoutMs} ms:\n${waiting.join('\n')}`);
        if (calm === 0) await sleep(20);
      }
    },
    async close() {
      await inbox.drain(5_000);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await ingress.close();
      await fake.close();
      await test.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
