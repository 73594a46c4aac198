/**
 * A server with an inbox, the mirror's app and one more that notes what it is told, and forges in memory beside it on
 * loopback: connected as `forgeway connections` does it, with nothing in between left out but the process.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { type ConnectOptions, type ConnectRequest, connectForge } from '../../src/accounts/connecting/connect.js';
import { type DisconnectRequest, disconnectForge } from '../../src/accounts/connecting/disconnect.js';
import { endToken } from '../../src/accounts/connecting/revocations.js';
import { serveMore } from '../../src/accounts/connecting/serve-repositories.js';
import { saveOAuthConnection } from '../../src/accounts/connection-kinds.js';
import { createConnectionDirectory, type OpenConnection } from '../../src/accounts/connections.js';
import { createVault } from '../../src/accounts/vault.js';
import { secretsOf } from '../../src/entry/default-app.js';
import { examineHooks, type HookFinding } from '../../src/entry/hooks-doctor.js';
import { createGiteaFake, type GiteaFake } from '../../src/forges/gitea/fake.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { createGitLabFake, type GitLabFake, type GitLabFakeOptions } from '../../src/forges/gitlab/fake.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { serveFake } from '../../src/forges/kit/fake/http-server.js';
import { forges } from '../../src/forges/registry.js';
import { createApps } from '../../src/handlers/apps.js';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { connectionNews } from '../../src/inbox/tell-apps.js';
import { systemClock } from '../../src/lib/clock.js';
import { createMetrics, type Metrics } from '../../src/lib/metrics.js';
import { withConnection } from '../../src/store/connection.js';
import { type App, type Bridge, createBridge } from '../../src/translate/bridge.js';
import type { DefaultApp } from '../../src/translate/connections.js';
import { openNativeAccess } from '../../src/translate/native-access.js';
import { createIngress, ingressServerOptions } from '../../src/webhook/ingress.js';
import { createTestDatabase, TEST_KEYS, type TestDatabase } from '../support/database.js';
import { loopback } from '../support/loopback.js';

/** What the noting app was given. */
export interface Noted {
  /** `installation.created`; without an action the name alone. */
  event: string;
  payload: Record<string, unknown>;
  /** Repositories that the mirror had as active when the app ran. */
  covered: readonly string[];
}

export interface ConnectionRig {
  test: TestDatabase;
  publicUrl: string;
  bridge: Bridge;
  metrics: Metrics;
  log: Logger;
  /** How our server meets forges from now on: as it does, with 503, or not at all. */
  door(state: 'open' | 'busy' | 'shut'): Promise<void>;
  noted: Noted[];
  /** What was said to the person at the command line. */
  said: string[];
  connect(
    request: Partial<ConnectRequest> & Pick<ConnectRequest, 'forge' | 'url' | 'token'>,
    options?: Partial<ConnectOptions>,
  ): ReturnType<typeof connectForge>;
  /** An account of the organization whose person agreed; answers the connection's id. */
  agree(account: Pick<ConnectRequest, 'forge' | 'token'> & { url: string }): Promise<string>;
  serve(connectionId: string, repositories: string[]): ReturnType<typeof serveMore>;
  disconnect(
    request: Partial<DisconnectRequest> & Pick<DisconnectRequest, 'connectionId'>,
  ): ReturnType<typeof disconnectForge>;
  doctor(options?: { repair?: boolean; test?: boolean }): Promise<HookFinding[]>;
  open(connectionId: string): Promise<OpenConnection>;
  /** Rows of a statement as the superuser, who sees all tenants. */
  rows<T extends object>(statement: string, values?: unknown[]): Promise<T[]>;
  /** Resolves when every delivery has been dealt with. */
  quiet(): Promise<void>;
  startGitLab(
    options?: Partial<GitLabFakeOptions>,
    below?: string,
  ): Promise<{ fake: GitLabFake; url: string; strays: readonly string[] }>;
  startGitea(below?: string): Promise<{ fake: GiteaFake; url: string; strays: readonly string[] }>;
  close(): Promise<void>;
}

const timing = {
  pollMs: 50,
  leaseMs: 5_000,
  tickMs: 200,
  inPlaceMs: 20,
  backoff: { baseMs: 10, capMs: 50, attempts: 3 },
};
const QUIET_MS = 30_000;

/** Features behind the mirror have nothing to do here. */
const queue = (name: string) => ({ name, poke: async () => undefined });

export interface ConnectionRigOptions {
  /** An App beside the connections, with the secret of its hook. */
  github?: DefaultApp & { webhookSecret: string };
  /** Beside the mirror's and the one that notes. */
  apps?: readonly App[];
}

export async function startConnectionRig(options: ConnectionRigOptions = {}): Promise<ConnectionRig> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-connections-'));
  const test = await createTestDatabase();
  const { organizationId } = test;
  const store = test.store('worker');
  const log = pino({ level: 'silent' });
  const metrics = createMetrics();
  const noted: Noted[] = [];
  const said: string[] = [];
  const closing: (() => Promise<unknown>)[] = [];

  const ingress = createIngress({
    pool: test.store('ingress').pool,
    forges,
    secretsOf: secretsOf({ webhookSecret: options.github?.webhookSecret }, TEST_KEYS),
    log,
    metrics,
  });
  const door = { busy: false };
  const server = createServer(ingressServerOptions, (request, response) => {
    if (door.busy) request.resume().on('end', () => response.writeHead(503).end());
    else if (!ingress.handle(request, response)) response.writeHead(404).end();
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
  const shut = async () => {
    if (!server.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const publicUrl = `http://127.0.0.1:${port}`;

  const activeNames = () =>
    store.tenant(organizationId, async (tx) => {
      const found = await tx.query<{ name: string }>(
        `SELECT r.remote_owner || '/' || r.remote_name AS name FROM repository r
           JOIN installation i ON i.id = r.installation_id
         WHERE r.status = 'active' AND i.connection_id IS NOT NULL ORDER BY 1`,
      );
      return found.rows.map(({ name }) => name);
    });
  const mirror = createApps({
    store,
    log,
    pokes: {
      preview: queue('preview'),
      sync: queue('sync'),
      report: queue('report'),
      run: queue('run'),
      watch: queue('watch'),
      agent: queue('agent'),
    },
  });
  const bridge = await createBridge({
    fetch: loopback.fetch,
    ...(options.github && { github: options.github }),
    apps: [
      ...mirror,
      {
        name: 'noter',
        load(app) {
          app.onAny(async ({ name, payload }) => {
            const plain = structuredClone(payload) as unknown as Record<string, unknown>;
            const action = typeof plain.action === 'string' ? `.${plain.action}` : '';
            noted.push({ event: `${name}${action}`, payload: plain, covered: await activeNames() });
          });
        },
      },
      ...(options.apps ?? []),
    ],
    store,
    keys: TEST_KEYS,
    log,
    metrics,
    requestTimeoutMs: 10_000,
  });
  const inbox = startInbox({
    store,
    dispatcher: bridge,
    forges,
    log,
    metrics,
    ownerId: 'test',
    concurrency: 4,
    handlerTimeoutMs: 20_000,
    timing,
  });

  const nativeOf = openNativeAccess({ log, fetch: loopback.fetch });
  const vault = createVault(TEST_KEYS.versions);
  const news = connectionNews(store);
  const directory = createConnectionDirectory({ store, vault, forges, clock: systemClock });
  const progress = (line: string) => void said.push(line);
  const rows: ConnectionRig['rows'] = async (statement, values = []) =>
    withConnection(test.superuser, async (client) => (await client.query(statement, values)).rows);
  const served = async (options: Parameters<typeof serveFake>[0], moveTo: (url: string) => void) => {
    const { url, strays, close } = await serveFake(options);
    closing.push(close);
    moveTo(url);
    return { url, strays };
  };

  return {
    test,
    publicUrl,
    bridge,
    metrics,
    log,
    async door(state) {
      door.busy = state === 'busy';
      if (state === 'shut') await shut();
      else if (!server.listening) await listen(port);
    },
    noted,
    said,
    rows,
    connect: (request, options = {}) =>
      connectForge(
        { store, vault, news, organizationId, publicUrl, nativeOf, progress, ...options },
        {
          name: undefined,
          repositories: [],
          all: false,
          level: 'repository',
          organization: undefined,
          confidential: undefined,
          ...request,
        },
      ),
    agree: async ({ forge, url, token }) => {
      const { host, webUrl } = forge.endpoint(url);
      const identity = {
        id: 4_711n,
        login: 'acme-bot',
        name: null,
        email: null,
        emailVerified: false,
        avatarUrl: null,
      };
      const place = { organizationId, forge: forge.id, host, instanceUrl: webUrl };
      return (await saveOAuthConnection(store, vault, place, { identity, tokens: { accessToken: token } })).id;
    },
    serve: (connectionId, repositories) =>
      serveMore({ store, vault, news, organizationId, publicUrl, nativeOf, directory, progress }, connectionId, {
        repositories,
        all: false,
        level: 'repository',
        organization: undefined,
        confidential: undefined,
      }),
    disconnect: (request) =>
      disconnectForge(
        {
          ...{ store, news, organizationId, directory, nativeOf, progress },
          endToken: (ended) => endToken({ store, vault, fetch: loopback.fetch, clock: systemClock, log }, ended),
        },
        { repositories: [], keepHooks: false, ...request },
      ),
    doctor: ({ repair = false, test: tested = false } = {}) =>
      examineHooks(
        { store, keys: TEST_KEYS, organizationId, publicUrl, directory, nativeOf, arrivesWithinMs: 2_000 },
        { repair, test: tested },
      ),
    open: (connectionId) => directory.openInAnyState(organizationId, connectionId),
    async quiet() {
      const end = performance.now() + QUIET_MS;
      for (;;) {
        const [waiting] = await rows<{ count: string }>(
          `SELECT count(*) FROM webhook_delivery WHERE status IN ('received', 'assigned')`,
        );
        if (waiting?.count === '0') return;
        if (performance.now() > end) throw new Error(`${waiting?.count} deliveries are not dealt with`);
        await sleep(20);
      }
    },
    async startGitLab(options = {}, below) {
      const fake = await createGitLabFake({ folder: join(folder, `gitlab-${closing.length}`), ...options });
      fake.addUser({ username: 'group_1_bot_x', bot: true, token: 'glpat-first-token' });
      const place = await served({ api: fake.api, gitPath: fake.gitPath, below }, (at) => fake.moveTo(at));
      for (const path of ['acme/web', 'acme/sub/deep', 'acme/api'])
        await fake.addProject({ path, members: { group_1_bot_x: 40 }, files: { 'README.md': '# x\n' } });
      await fake.addProject({ path: 'other/lib', members: { group_1_bot_x: 20 }, files: { 'README.md': '# x\n' } });
      return { fake, ...place };
    },
    async startGitea(below) {
      const fake = await createGiteaFake({ folder: join(folder, `gitea-${closing.length}`) });
      fake.addUser('forgeway-bot');
      fake.addToken('forgeway-bot', 'gitea-token');
      fake.addOrganization('acme', { owners: ['forgeway-bot'] });
      for (const name of ['web', 'api']) await fake.addRepository('acme', name);
      const place = await served({ api: fake.api, gitPath: fake.gitPath, below }, (at) => fake.moveTo(at));
      return { fake, ...place };
    },
    async close() {
      await inbox.drain(5_000);
      await shut();
      await ingress.close();
      for (const end of closing) await end();
      await test.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What both doubles are asked for in tests that hold for every forge. */
export interface DoubleForge {
  forge: ConnectRequest['forge'];
  url: string;
  token: string;
  /** Hooks of a repository as the forge keeps them; what a test does to them, somebody did on its page. */
  hooksOf(name: string): { id: number; url: string; events: unknown }[];
  /** As a person renames or transfers it: its number and its hooks stay. */
  rename(name: string, to: string): void;
  /** As a person sets it on the page of the hook. */
  filterBranches(name: string, pattern: string): void;
  /** Changes the secret that the forge signs with. */
  spoil(name: string): void;
  push(name: string): Promise<unknown>;
  /** The account of the token owns the organization from now on. */
  own(organization: string): void;
  /** The token does not work any more. */
  revoke(): void;
  violations(): readonly string[];
  /** What was asked for outside of the path below which it is. */
  strays: readonly string[];
}

export const doubles: Readonly<
  Record<'GitLab' | 'Gitea', (rig: ConnectionRig, below?: string) => Promise<DoubleForge>>
> = {
  async GitLab(rig, below) {
    const { fake, url, strays } = await rig.startGitLab({}, below);
    const projectOf = (name: string) => {
      const found = fake.state.projects.find(({ fullPath }) => fullPath === name);
      if (found === undefined) throw new Error(`no project ${name}`);
      return found;
    };
    return {
      forge: gitlab,
      url,
      token: 'glpat-first-token',
      hooksOf: (name) => projectOf(name).hooks,
      rename(name, to) {
        Object.assign(projectOf(name), { fullPath: to, path: to.split('/').at(-1) });
      },
      filterBranches(name, pattern) {
        for (const hook of projectOf(name).hooks)
          Object.assign(hook, { branchFilter: pattern, branchFilterStrategy: 'wildcard' });
      },
      spoil(name) {
        for (const hook of projectOf(name).hooks) {
          hook.signingToken = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
        }
      },
      push(name) {
        const [bot] = fake.state.users;
        if (bot === undefined) throw new Error('nobody');
        const files = [{ path: 'a.txt', content: `${Math.random()}` }];
        return fake.push(projectOf(name), bot, { branch: 'main', message: 'Change', files });
      },
      own(organization) {
        const [bot] = fake.state.users;
        const group = fake.state.groups.find(({ fullPath }) => fullPath === organization);
        if (bot === undefined || group === undefined) throw new Error(`no group ${organization}`);
        group.members.set(bot.id, 50);
      },
      revoke: () => fake.state.tokens.clear(),
      violations: () => fake.api.violations,
      strays,
    };
  },
  async Gitea(rig, below) {
    const { fake, url, strays } = await rig.startGitea(below);
    const repositoryOf = (name: string) => {
      const found = fake.state.repositories.find((one) => `${one.owner}/${one.name}` === name);
      if (found === undefined) throw new Error(`no repository ${name}`);
      return found;
    };
    return {
      forge: gitea,
      url,
      token: 'gitea-token',
      hooksOf: (name) => repositoryOf(name).hooks,
      rename(name, to) {
        const [owner, short] = to.split('/');
        Object.assign(repositoryOf(name), { owner, name: short });
      },
      filterBranches(name, pattern) {
        for (const hook of repositoryOf(name).hooks) hook.branchFilter = pattern;
      },
      spoil(name) {
        for (const hook of repositoryOf(name).hooks) hook.secret = 'somebody else wrote this';
      },
      async push(name) {
        const [owner = '', short = ''] = name.split('/');
        await fake.push(owner, short, { branch: 'main', by: 'forgeway-bot', files: { 'a.txt': `${Math.random()}` } });
        await fake.webhooks.settled();
      },
      // It does already.
      own: () => undefined,
      revoke: () => fake.state.tokens.clear(),
      violations: () => fake.api.violations,
      strays,
    };
  },
};
