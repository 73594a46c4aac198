/** An instance with a certificate of its own authority, or behind a proxy: signing in with it, and renewing what it gave. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAccess } from '../../src/accounts/access/access.js';
import { saveOAuthConnection } from '../../src/accounts/connection-kinds.js';
import { readProxy } from '../../src/accounts/connection-route.js';
import { openConnectionDirectory } from '../../src/entry/connection-directory.js';
import { makeLoopbackCertificate } from '../../src/entry/loopback-certificate.js';
import { openSignIn } from '../../src/entry/sign-in.js';
import { forges } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { createLogger } from '../../src/lib/logger.js';
import { createOutbound } from '../../src/lib/outbound/outbound.js';
import { Browser } from '../support/browser.js';
import { TEST_KEYS } from '../support/database.js';
import { type OAuthForge, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const tls = makeLoopbackCertificate(new Date());
const ca = tls.certificate;
const log = createLogger({ level: 'silent', format: 'json' });
const outbound = createOutbound({ allowed: ['127.0.0.1'] });
/** What the machine of the person trusts is not what this server does. */
const browser = () =>
  new Browser((url, init) => outbound.fetch(url, init, url.startsWith('https:') ? { ca } : undefined));

let rig: SignInRig;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  rig = await startSignInRig({
    open: ({ db, publicUrl, clock }) =>
      openSignIn({
        config: { trustedProxies: [] },
        store: db.store('api'),
        keys: TEST_KEYS,
        access: createAccess({ store: db.store('api'), log, organizationId: db.organizationId }),
        organizationId: db.organizationId,
        publicUrl,
        outbound,
        connections: async () => ({
          connectOAuth: async () => {
            throw new Error('no organization is connected here');
          },
          disconnect: async () => ({ problems: [] }),
        }),
        members: {
          ...{ store: db.store('worker'), forges, clock: systemClock, log },
          access: async () => {
            throw new Error('nothing is linked');
          },
        },
        clock,
        log,
      }),
  });
  await rig.policy('open');
});
afterAll(async () => {
  await rig.close();
  for (const close of closing) await close();
  await outbound.close();
});

async function startForge(forgeId: string, below?: string): Promise<OAuthForge> {
  const forge = await startOAuthForge(forgeId, { id: 7, login: 'ann' }, { tls, ...(below && { below }) });
  closing.push(() => forge.close());
  return forge;
}

/** Wants a password, and notes what it was asked for. */
async function startProxy() {
  const asked: string[] = [];
  const server: Server = createServer();
  server.on('connect', (request, client, head) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    const socket = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.write(head);
      client.pipe(socket).pipe(client);
    });
    socket.on('error', () => client.destroy());
    client.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, port: (server.address() as AddressInfo).port };
}

const renewed = async (forgeId: string, forge: OAuthForge, refreshToken: string): Promise<string> => {
  const store = rig.db.store('worker');
  const { organizationId } = rig.db;
  const host = forges.get(forgeId)?.endpoint(forge.url).host ?? '';
  const place = { organizationId, forge: forgeId, host, instanceUrl: forge.url };
  const { id } = await saveOAuthConnection(store, rig.vault, place, {
    identity: { id: 70n, login: 'bot', name: null, email: null, emailVerified: false, avatarUrl: null },
    tokens: { accessToken: 'old', refreshToken, expiresAt: new Date(Date.now() - 1_000) },
  });
  // Nothing is renewed within half a minute of its last token. The connection trusts the server itself.
  await store.tenant(organizationId, (tx) =>
    tx.query(`UPDATE connection SET token_granted_at = now() - interval '1 hour', ca_certificate = $2 WHERE id = $1`, [
      id,
      ca,
    ]),
  );
  const directory = openConnectionDirectory({ store, keys: TEST_KEYS, outbound, log });
  return (await directory.open(organizationId, id)).token();
};

describe.each([
  ['github', undefined],
  ['gitlab', undefined],
  ['gitea', undefined],
  // The same below a path, where nothing else is.
  ['gitlab', '/gitlab'],
  ['gitea', '/git/here'],
])('%s with a certificate of its own authority, below %s', (forgeId, below) => {
  it('is signed in with, and its tokens are renewed, once its client says which certificate is trusted', async () => {
    const forge = await startForge(forgeId, below);
    const provider = await rig.register(forgeId, forge);
    expect((await rig.go(provider, browser())).error).not.toBeNull();
    forge.refreshTokens.add('refresh-a');
    // What the tenant trusts is not what the client's secret is sent to.
    await expect(renewed(forgeId, forge, 'refresh-a')).rejects.toThrow(
      /certificate of 127\.0\.0\.1:\d+\S* is not trusted.*--ca-file/,
    );
    expect(forge.tokenRequests).toHaveLength(0);

    await rig.register(forgeId, forge, { route: { ca } });
    expect((await rig.go(provider, browser())).error).toBeNull();
    expect(await renewed(forgeId, forge, 'refresh-a')).toBe('renewed');
    // Registering it again leaves what is not given.
    await rig.register(forgeId, forge);
    expect((await rig.go(provider, browser())).error).toBeNull();
    await rig.register(forgeId, forge, { route: { ca: null } });
    expect((await rig.go(provider, browser())).error).not.toBeNull();
  });
});

it('goes through the proxy of the client, whose password is sealed', async () => {
  const forge = await startForge('gitlab');
  const proxy = await startProxy();
  const provider = await rig.register('gitlab', forge, {
    route: { ca, proxy: readProxy(`http://user:p%40ss@127.0.0.1:${proxy.port}`) },
  });
  expect((await rig.go(provider, browser())).error).toBeNull();
  forge.refreshTokens.add('refresh-p');
  expect(await renewed('gitlab', forge, 'refresh-p')).toBe('renewed');
  const basic = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  expect(new Set(proxy.asked)).toEqual(new Set([`${new URL(forge.url).host} ${basic}`]));
  expect(forge.tokenRequests).toHaveLength(2);
  const [row] = await rig.rows<{ text: string }>(
    'SELECT oauth_client::text AS text FROM oauth_client WHERE provider_id = $1',
    [provider],
  );
  expect(row?.text).toContain(`http://127.0.0.1:${proxy.port}`);
  expect(row?.text).not.toContain('p@ss');
});

it('is connected with consent, and the connection reaches it as its client does', async () => {
  const forge = await startForge('gitea');
  const proxy = await startProxy();
  const provider = await rig.register('gitea', forge, {
    route: { ca, proxy: readProxy(`http://user:p%40ss@127.0.0.1:${proxy.port}`) },
  });
  const person = browser();
  expect((await rig.go(provider, person)).error).toBeNull();
  const { organizationId } = rig.db;
  const { userId } = (await rig.actor(person)) ?? {};
  await rig.db
    .store('migrate')
    .tenant(organizationId, (tx) =>
      tx.query(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, $2, 'viewer')`, [
        organizationId,
        userId,
      ]),
    );
  rig.later();
  const begun = await person.post(`${rig.url}/account/connect`, { provider, organization: organizationId });
  const { response } = await person.follow(begun, rig.url);
  expect(await response.text()).toContain('is connected.');

  const store = rig.db.store('worker');
  const [row] = await store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string; text: string }>(
      'SELECT id, c::text AS text FROM connection c WHERE user_id = $1',
      [userId],
    );
    return rows;
  });
  expect(row?.text).not.toContain('p@ss');
  const directory = openConnectionDirectory({ store, keys: TEST_KEYS, outbound, log });
  const { route } = await directory.open(organizationId, row?.id ?? '');
  expect(route).toEqual({ ca, proxy: { url: `http://127.0.0.1:${proxy.port}`, credentials: 'user:p@ss' } });
  expect((await outbound.fetch(`${forge.url}/api/v1/user`, {}, route)).status).toBeLessThan(500);
});

describe('/setup', () => {
  const form = {
    forge: 'gitea',
    base_url: 'https://git.private.example',
    client_id: 'c',
    client_secret: 'secret-of-c',
  };

  it('takes certificates and a proxy, shows them without the password, and takes them away again', async () => {
    const admin = new Browser();
    await admin.follow(await admin.get(`${rig.url}/setup?code=${await rig.setupCode()}`), `${rig.url}/setup`);
    const put = (more: object) => admin.post(`${rig.url}/setup/clients`, { ...form, ...more });
    const shown = async () => {
      const text = await (await admin.get(`${rig.url}/setup`)).text();
      return text.split('<section').find((part) => part.includes(form.base_url)) ?? '';
    };
    expect((await put({ ca_certificate: 'hello' })).status).toBe(422);
    expect((await put({ proxy: 'ftp://x' })).status).toBe(422);
    // A private place that nobody allowed.
    expect((await put({ proxy: 'http://10.0.0.7:3128' })).status).toBe(422);
    expect((await put({ ca_certificate: ca, proxy: 'http://me:pass-word-1@127.0.0.1:3128' })).status).toBe(303);
    expect(await shown()).toMatch(/Trusts CN=[^<]*SHA-256/);
    expect(await shown()).toContain('Through http://127.0.0.1:3128');
    expect(await shown()).not.toContain('pass-word-1');
    await put({});
    expect(await shown()).toContain('Through http://127.0.0.1:3128');
    await put({ ca_certificate: 'none', proxy: 'none' });
    expect(await shown()).not.toMatch(/Through|Trusts/);
  });
});
