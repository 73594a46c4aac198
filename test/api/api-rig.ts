/** The API over a database with two tenants that have everything, and one caller of every kind. Forges are stood in for. */
import { randomUUID } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { type Access, createAccess } from '../../src/accounts/access/access.js';
import type { Scope } from '../../src/accounts/access/actor.js';
import { type Role, roles } from '../../src/accounts/access/roles.js';
import { createToken, type TokenOwner } from '../../src/accounts/api-tokens/rows.js';
import { exportConnection } from '../../src/accounts/connecting/held-data.js';
import { freshMemberships } from '../../src/accounts/membership/fresh.js';
import type { MembershipPorts } from '../../src/accounts/membership/ports.js';
import { listPreviewSecrets, previewSecretWork } from '../../src/accounts/preview-secrets.js';
import { createVault } from '../../src/accounts/vault.js';
import { sealedValues, sealSecrets } from '../../src/accounts/vault-columns.js';
import type { ConnectionWork, Services } from '../../src/api/procedures/services.js';
import { createResources, type Resources, type ResourcesOptions } from '../../src/api/resources.js';
import { createApiWorkspaces } from '../../src/entry/api-workspaces.js';
import type { TokenFacts } from '../../src/forges/administration.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { oauth } from '../../src/forges/gitea/oauth.js';
import { forges } from '../../src/forges/registry.js';
import { askPreviewByHand } from '../../src/jobs/preview/by-hand.js';
import { createPreviewLogs } from '../../src/jobs/preview/logs.js';
import { systemClock } from '../../src/lib/clock.js';
import { withConnection } from '../../src/store/connection.js';
import { createTestDatabase, TEST_KEYS, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';
import { plannedFor } from '../support/planned-agents.js';
import { populateTenant } from '../support/tenant-rows.js';

/** As in section H of the test plan. */
export const callers = [
  'anonymous',
  'stranger',
  'viewer',
  'member',
  'maintainer',
  'admin',
  'owner',
  'suspended',
  'read token',
  'run token',
  'machine',
  'other owner',
] as const;
export type Caller = (typeof callers)[number];

/** Ids of one tenant's things, by the names that inputs have for them. */
export interface TenantIds {
  organization: string;
  connection: string;
  repository: string;
  pullRequest: string;
  issue: string;
  delivery: string;
  preview: string;
  token: string;
  ownToken: string;
  previewSecret: string;
  session: string;
  /** On the pull request; what is done to it is not done to the other. */
  otherSession: string;
  pushedSession: string;
}

export const CANARY = 'glpat-CANARYcanaryCANARY00';
const ALL: readonly Scope[] = ['read', 'run', 'manage'];

export interface ApiRig extends Resources {
  db: TestDatabase;
  mine: TenantIds;
  theirs: TenantIds;
  access: Access;
  /** What was asked of the forges and of other roles, in order. */
  asked: string[];
  headers(caller: Caller): Record<string, string>;
  call(
    caller: Caller,
    method: string,
    url: string,
    body?: unknown,
    more?: Record<string, string>,
  ): Promise<LightMyRequestResponse>;
  tokenOf(owner: TokenOwner, scopes?: readonly Scope[]): Promise<{ id: string; token: string }>;
  rows<T extends object>(statement: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

const facts: TokenFacts = {
  version: '1.0.0',
  edition: 'x',
  account: { id: 77n, login: 'bot' },
  isPerson: false,
  scopes: [],
  capabilities: ['read'],
  warnings: [],
  expiresAt: null,
};

/** Roles here are given by hand: no forge has to confirm them. */
const noForge = (db: TestDatabase): MembershipPorts => ({
  store: db.store('worker'),
  forges,
  clock: systemClock,
  log: pino({ level: 'silent' }),
  async access() {
    throw new Error('no forge is asked here');
  },
});

/** Stands in for what would ask a forge; notes that it was asked, and for which organization. */
function stubServices(db: TestDatabase, access: Access, asked: string[], connectionOf: () => string): Services {
  const note = (what: string, organizationId: string) => void asked.push(`${what} ${organizationId}`);
  return {
    store: db.store('api'),
    access,
    forges,
    log: pino({ level: 'silent' }),
    connections: {
      async connect(organizationId) {
        note('connect', organizationId);
        return { id: connectionOf(), notes: [], problems: [] };
      },
      async connectOAuth({ organizationId }) {
        note('connect-oauth', organizationId);
        return { id: connectionOf() };
      },
      async serve(organizationId) {
        note('serve', organizationId);
        return { notes: [], problems: [] };
      },
      async keep(organizationId: string) {
        throw new Error(`nothing is kept for ${organizationId} here`);
      },
      async disconnect(organizationId) {
        note('disconnect', organizationId);
        return { problems: [] };
      },
      export: (...asked) => exportConnection(db.store('worker'), ...asked),
      async test(organizationId) {
        note('test', organizationId);
        return { ok: true, facts };
      },
      probe: async () => ({ ok: true, facts }),
      operatorsRoute: async () => ({}),
      installation: async () => ({
        ok: true,
        facts: { accountId: 1n, accountLogin: 'my-org', accountType: 'Organization', suspended: false },
      }),
      async declare({ organizationId }) {
        note('declare', organizationId);
        return connectionOf();
      },
      change: async (organizationId) => note('change', organizationId),
      secretsOf: async () => ({}),
    },
    previewSecrets: {
      ...previewSecretWork(db.store('worker'), createVault(new Map([[1, TEST_MASTER_KEY]]))),
      // Found as by the real one, and left, so that the next caller finds it too.
      async delete(organizationId, id) {
        note('preview-secrets.delete', organizationId);
        return (await listPreviewSecrets(db.store('worker'), organizationId)).some((one) => one.id === id);
      },
    },
    workspaces: createApiWorkspaces({
      store: db.store('api'),
      keys: TEST_KEYS,
      archives: { compressedBytes: 1_000_000, bytes: 5_000_000, entries: 1_000 },
      runSoon: async ({ organizationId }) => note('run', organizationId),
    }),
    previewLog: createPreviewLogs({ dataDir: '/nowhere' }),
    appPage: async () => () => 'https://forge.example/apps/forgeway',
    async visibleWith() {
      throw new Error('nobody is asked');
    },
    freshMemberships: (o) => freshMemberships(noForge(db), o),
    async replay(deliveryId) {
      asked.push(`replay ${deliveryId}`);
      return { kind: 'queued', dispatches: [1n] };
    },
    async askPreview(wish) {
      const asked = await db.store('worker').tenant(wish.organizationId, (tx) => askPreviewByHand(tx, wish));
      if ('wanted' in asked && asked.wanted !== null) note('preview', wish.organizationId);
      return asked;
    },
    sessionSoon: async ({ agents }) => void agents.map(({ organizationId }) => note('session', organizationId)),
    agents: plannedFor('scripted'),
    syncSoon: async ({ organizationId }) => note('sync', organizationId),
    async requestsOf(organizationId) {
      return {
        async request(route) {
          note(route, organizationId);
          return { status: 200, data: { html_url: 'https://forge.example/x' } };
        },
      };
    },
  };
}

/** One instance to agree at; nobody here has a browser. */
const agreeing = {
  clients: async () => [
    {
      ...{ providerId: 'gitea-git.example.com', label: 'Gitea', forge: gitea, oauth, clientId: 'c', enabled: true },
      endpoint: gitea.endpoint('https://git.example.com'),
      reached: { certificates: [], proxy: null },
    },
  ],
  session: async () => undefined,
  links: undefined as never,
};

export interface ApiRigOptions extends Omit<Partial<ResourcesOptions>, 'services'> {
  /** In place of the stand-in. */
  connections?(db: TestDatabase): ConnectionWork;
  freshMemberships?(db: TestDatabase): Services['freshMemberships'];
  previewLog?: Services['previewLog'];
  requestsOf?(db: TestDatabase): Services['requestsOf'];
}

export async function startApiRig(o: ApiRigOptions = {}): Promise<ApiRig> {
  const { connections, freshMemberships: fresh, previewLog, requestsOf, ...more } = o;
  const db = await createTestDatabase();
  const organizations = { mine: randomUUID(), theirs: randomUUID() };
  const asked: string[] = [];
  const rows: ApiRig['rows'] = (statement, values) =>
    withConnection(db.superuser, async (client) => (await client.query(statement, values)).rows as never[]);

  await withConnection(db.superuser, async (client) => {
    await populateTenant(client, organizations.mine, 1);
    await populateTenant(client, organizations.theirs, 2);
    await client.query(`UPDATE organization SET slug = 'mine' WHERE id = $1`, [organizations.mine]);
    await client.query(`UPDATE organization SET slug = 'theirs' WHERE id = $1`, [organizations.theirs]);
    const add = async (userId: string, organizationId: string | undefined, role: Role) => {
      await client.query(`INSERT INTO "user" (id, name) VALUES ($1, $1)`, [userId]);
      if (organizationId === undefined) return;
      await client.query('INSERT INTO member (organization_id, user_id, role) VALUES ($1, $2, $3)', [
        organizationId,
        userId,
        role,
      ]);
    };
    for (const role of roles) await add(role, organizations.mine, role);
    await add('stranger', undefined, 'owner');
    await add('suspended', organizations.mine, 'owner');
    await client.query(`UPDATE "user" SET suspended_at = now() WHERE id = 'suspended'`);
    await add('other', organizations.theirs, 'owner');
    await client.query(
      `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
         command_key, requested_by, agent, triggered_at, limit_seconds)
       SELECT organization_id, repository_id, forge, host, remote_repository_id, 1, true, 'another', requested_by, agent,
         triggered_at, limit_seconds FROM agent_session`,
    );
    await client.query(`UPDATE pull_request p SET updated_at = now(),
       session_id = (SELECT id FROM agent_session s WHERE s.organization_id = p.organization_id
         AND NOT s.on_pull_request)`);
    await client.query(
      `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
         command_key, requested_by, agent, triggered_at, limit_seconds, status)
       SELECT organization_id, repository_id, forge, host, remote_repository_id, 2, true, 'pushed', requested_by, agent,
         triggered_at, limit_seconds, 'pushing' FROM agent_session WHERE NOT on_pull_request`,
    );
    const vault = createVault(TEST_KEYS.versions);
    for (const organizationId of Object.values(organizations)) {
      const id = randomUUID();
      const sealed = sealedValues(
        'connection',
        await sealSecrets(client, vault, { table: 'connection', organizationId, rowId: id }, undefined, {
          access_token: CANARY,
        }),
      );
      await client.query(
        `INSERT INTO connection (id, organization_id, name, kind, forge, host, instance_url, provider_account_id,
           account_login, ${sealed.names.join(', ')})
         VALUES ($1, $2, 'c', 'pat', 'gitlab', 'forge.example', 'https://forge.example', '99', 'bot', ${sealed.names.map((_, i) => `$${i + 3}`).join(', ')})`,
        [id, organizationId, ...sealed.values],
      );
      await client.query(`UPDATE repository SET forge = 'gitlab' WHERE organization_id = $1`, [organizationId]);
    }
  });

  const store = db.store('api');
  const tokenOf: ApiRig['tokenOf'] = (owner, scopes = ALL) =>
    createToken(store, { owner, name: 't', scopes, expiresAt: null, createdBy: 'test' });
  const user = (userId: string): TokenOwner => ({ kind: 'user', userId });
  const tokens: Partial<Record<Caller, string>> = {};
  for (const name of ['stranger', 'suspended', ...roles] as const) tokens[name] = (await tokenOf(user(name))).token;
  tokens['other owner'] = (await tokenOf(user('other'))).token;
  tokens['read token'] = (await tokenOf(user('owner'), ['read'])).token;
  tokens['run token'] = (await tokenOf(user('owner'), ['run'])).token;
  const machine: TokenOwner = { kind: 'machine', organizationId: organizations.mine, role: 'member' };
  tokens.machine = (await tokenOf(machine)).token;

  const idsOf = async (organizationId: string, ownerId: string): Promise<TenantIds> => {
    const idIn = async (table: string, where = '') => {
      const [row] = await rows<{ id: string }>(
        `SELECT id::text FROM ${table} WHERE organization_id = $1 ${where} ORDER BY created_at DESC LIMIT 1`,
        [organizationId],
      );
      if (row === undefined) throw new Error(`${table} has no row`);
      return row.id;
    };
    const [delivery] = await rows<{ id: string }>('SELECT id::text FROM webhook_delivery WHERE organization_id = $1', [
      organizationId,
    ]);
    return {
      organization: organizationId,
      connection: await idIn('connection', 'AND user_id IS NULL'),
      repository: await idIn('repository'),
      pullRequest: await idIn('pull_request'),
      issue: await idIn('issue'),
      delivery: delivery?.id ?? '',
      preview: await idIn('preview'),
      token: (await tokenOf({ kind: 'machine', organizationId, role: 'viewer' })).id,
      ownToken: (await tokenOf(user(ownerId))).id,
      previewSecret: await idIn('preview_secret'),
      session: await idIn('agent_session', 'AND NOT on_pull_request'),
      otherSession: await idIn('agent_session', `AND command_key = 'another'`),
      pushedSession: await idIn('agent_session', `AND command_key = 'pushed'`),
    };
  };
  const mine = await idsOf(organizations.mine, 'owner');
  const theirs = await idsOf(organizations.theirs, 'other');

  const access = createAccess({ store, log: pino({ level: 'silent' }), organizationId: db.organizationId });
  const stub = stubServices(db, access, asked, () => mine.connection);
  const services = {
    ...stub,
    ...(connections && { connections: connections(db) }),
    ...(fresh && { freshMemberships: fresh(db) }),
    ...(previewLog && { previewLog }),
    ...(requestsOf && { requestsOf: requestsOf(db) }),
  };
  const resources = await createResources({
    ...{ services, publicOrigin: () => 'https://forgeway.example', signIn: agreeing },
    ...more,
  });
  const headers = (caller: Caller): Record<string, string> =>
    tokens[caller] === undefined ? {} : { authorization: `Bearer ${tokens[caller]}` };
  return {
    ...resources,
    db,
    access,
    mine,
    theirs,
    asked,
    headers,
    tokenOf,
    rows,
    call: (caller, method, url, body, added) =>
      resources.app.inject({
        method: method as 'GET',
        url,
        headers: {
          ...headers(caller),
          ...added,
          ...(body !== undefined && {
            'content-type': url.startsWith('/api/v2') ? 'application/vnd.api+json' : 'application/json',
          }),
        },
        ...(body !== undefined && { payload: JSON.stringify(body) }),
      }),
    async close() {
      resources.endStreams();
      // The fetch of this process keeps connections whose answers it has given up.
      resources.app.server.closeAllConnections();
      await resources.app.close();
      await access.close();
      await db.drop();
    },
  };
}
