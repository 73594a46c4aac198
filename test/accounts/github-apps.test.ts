/** Several GitHub Apps side by side: two with the same number and the same installation number, on two hosts. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { pino } from 'pino';
import type { Probot } from 'probot';
import { saveAppConnection } from '../../src/accounts/connection-kinds.js';
import { createVault } from '../../src/accounts/vault.js';
import { openConnectionDirectory } from '../../src/entry/connection-directory.js';
import { systemClock } from '../../src/lib/clock.js';
import { createMetrics } from '../../src/lib/metrics.js';
import type { OutboundRoute } from '../../src/lib/outbound/outbound.js';
import { type Bridge, createBridge } from '../../src/translate/bridge.js';
import { createConnections } from '../../src/translate/connections.js';
import { gitAccessOf } from '../../src/translate/git-access.js';
import { createTestDatabase, TEST_KEYS, type TestDatabase } from '../support/database.js';
import { loopback } from '../support/loopback.js';

const HOSTS = ['ghe-a.example', 'ghe-b.example'] as const;
const INSTALLATION = 42n;
const vault = createVault(TEST_KEYS.versions);
const keys = new Map(
  HOSTS.map((host) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return [host as string, privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()] as const;
  }),
);

let test: TestDatabase;
let bridge: Bridge;
let app: Probot;
const ids = new Map<string, { id: string; virtualId: bigint }>();
/** What was sent, in order. */
const sent: { host: string; path: string; authorization: string; body: unknown; ca: string | undefined }[] = [];

/** Both servers: each signs nothing for a key that is not its App's. */
async function answer(href: string, init?: RequestInit, route?: OutboundRoute): Promise<Response> {
  const url = new URL(href);
  const authorization = new Headers(init?.headers).get('authorization') ?? '';
  const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
  sent.push({ host: url.host, path: url.pathname, authorization, body, ca: route?.ca });
  if (!url.pathname.startsWith('/api/v3/app')) return Response.json({ id: 1 }, { status: 201 });
  const key = createPublicKey(keys.get(url.host) ?? '');
  const { payload } = await jwtVerify(authorization.slice('Bearer '.length), key, { algorithms: ['RS256'] });
  const { iss, iat = 0, exp = 0 } = payload;
  if (iss !== '7' || exp - iat > 600) return Response.json({ message: 'bad signature' }, { status: 401 });
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  return Response.json({ token: `token of ${url.host}`, expires_at }, { status: 201 });
}

beforeAll(async () => {
  test = await createTestDatabase();
  const { organizationId } = test;
  for (const host of HOSTS)
    ids.set(
      host,
      await saveAppConnection(
        test.store('worker'),
        vault,
        { organizationId, forge: 'github', host, instanceUrl: `https://${host}` },
        {
          appId: '7',
          privateKey: keys.get(host) ?? '',
          installationId: INSTALLATION,
          account: { id: 5n, login: 'acme', type: 'Organization' },
        },
      ),
    );
  // One of them has a certificate of its own authority.
  await test
    .store('worker')
    .tenant(organizationId, (tx) =>
      tx.query('UPDATE connection SET ca_certificate = $2 WHERE host = $1', [HOSTS[0], 'its authority']),
    );
  bridge = await createBridge({
    apps: [
      {
        name: 'app',
        load(probot) {
          app = probot;
        },
      },
    ],
    store: test.store('worker'),
    keys: TEST_KEYS,
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
    fetch: answer,
  });
});
afterAll(() => test.drop());

const comment = { owner: 'acme', repo: 'web', issue_number: 1, body: 'hello' };
const idsOf = (host: string) => ids.get(host) ?? { id: '', virtualId: 0n };

describe('two Apps with one number', () => {
  it('are two installations to apps, and each request goes to its own host with its own key and token', async () => {
    expect(idsOf(HOSTS[0]).virtualId).not.toBe(idsOf(HOSTS[1]).virtualId);
    for (const host of HOSTS) {
      sent.length = 0;
      const octokit = await app.auth(Number(idsOf(host).virtualId));
      await octokit.rest.issues.createComment(comment);
      await octokit.rest.issues.createComment(comment);
      expect(sent.map((one) => `${one.host} ${one.path}`)).toEqual([
        `${host} /api/v3/app/installations/42/access_tokens`,
        `${host} /api/v3/repos/acme/web/issues/1/comments`,
        `${host} /api/v3/repos/acme/web/issues/1/comments`,
      ]);
      // Its tokens are asked for, and used, by the way of the connection.
      expect(new Set(sent.map(({ ca }) => ca))).toEqual(new Set([host === HOSTS[0] ? 'its authority' : undefined]));
      expect(sent.slice(1).map(({ authorization }) => authorization)).toEqual([
        `token token of ${host}`,
        `token token of ${host}`,
      ]);
    }
  });

  it('git reads by the way of the connection as well', async () => {
    const repository = (url: string) => ({ owner: 'acme', name: 'web', url });
    const directory = openConnectionDirectory({
      ...{ store: test.store('worker'), keys: TEST_KEYS, outbound: loopback, log: pino({ level: 'silent' }) },
    });
    const connections = createConnections({
      ...{ github: undefined, lookup: undefined as never, directory, clock: systemClock },
      fetchFor: () => async () =>
        Response.json({ token: 't', expires_at: new Date(Date.now() + 3_600_000).toISOString() }, { status: 201 }),
    });
    const routes = HOSTS.map(async (host) => {
      const credential = await connections.ofConnection(test.organizationId, idsOf(host).id);
      return (await gitAccessOf(credential, repository(`https://${host}/acme/web`) as never)).route;
    });
    expect(await Promise.all(routes)).toEqual([{ ca: 'its authority' }, undefined]);
  });

  it('the same by the connection, with the token that is cached', async () => {
    sent.length = 0;
    for (const host of HOSTS) {
      const octokit = await bridge.octokitOf(test.organizationId, idsOf(host).id);
      await octokit.rest.issues.createComment(comment);
    }
    expect(sent.map(({ host, authorization }) => [host, authorization])).toEqual(
      HOSTS.map((host) => [host, `token token of ${host}`]),
    );
  });

  it('a token for one repository is asked for by its number', async () => {
    const store = test.store('worker');
    const repositoryId = await store.tenant(test.organizationId, async (tx) => {
      const { rows } = await tx.query<{ id: string }>(
        `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name,
           default_branch, installation_id)
         SELECT organization_id, forge, host, 99, 'https://ghe-b.example/acme/web', 'acme', 'web', 'main', id
         FROM installation WHERE connection_id = $1 RETURNING id`,
        [idsOf(HOSTS[1]).id],
      );
      return rows[0]?.id ?? '';
    });
    sent.length = 0;
    await (await bridge.octokitFor(test.organizationId, repositoryId)).rest.issues.createComment(comment);
    expect(sent[0]).toMatchObject({ host: HOSTS[1], body: { repository_ids: [99] } });
    const access = await bridge.gitAccess(test.organizationId, repositoryId);
    expect(access).toMatchObject({ url: 'https://ghe-b.example/acme/web.git', password: 'token of ghe-b.example' });
  });

  it('an installation of the same App that no connection names is spoken for with its key', async () => {
    const store = test.store('worker');
    await store.tenant(test.organizationId, (tx) =>
      tx.query(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
         VALUES ($1, 'github', $2, '7', 43, 9007199254740001)`,
        [test.organizationId, HOSTS[0]],
      ),
    );
    sent.length = 0;
    await (await app.auth(9007199254740001)).rest.issues.createComment(comment);
    expect(sent[0]).toMatchObject({ host: HOSTS[0], path: '/api/v3/app/installations/43/access_tokens' });
  });

  it('one whose key was lost says so, and the other goes on', async () => {
    const { organizationId } = test;
    const place = { organizationId, forge: 'github', host: 'ghe-c.example', instanceUrl: 'https://ghe-c.example' };
    const broken = await saveAppConnection(test.store('worker'), vault, place, {
      appId: '8',
      privateKey: 'no key',
      installationId: INSTALLATION,
      account: { id: 5n, login: 'acme', type: 'Organization' },
    });
    await expect(app.auth(Number(broken.virtualId))).rejects.toMatchObject({
      code: 'FORGEWAY_CONNECTION_UNUSABLE',
      message: expect.stringMatching(/App 8 on ghe-c\.example cannot be read/),
    });
    await (await app.auth(Number(idsOf(HOSTS[0]).virtualId))).rest.issues.createComment(comment);
  });
});
