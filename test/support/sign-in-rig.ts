/** Forgeway's HTTP side with sign-in, on loopback, beside forges to sign in with. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAccess } from '../../src/accounts/access/access.js';
import { createCheckRunLinks } from '../../src/accounts/check-run-links.js';
import { freshMemberships } from '../../src/accounts/membership/fresh.js';
import { createPageLinks } from '../../src/accounts/page-links.js';
import { createSetupCode } from '../../src/accounts/sign-in/codes.js';
import { type NewOAuthClient, providerIdOf, putOAuthClient } from '../../src/accounts/sign-in/oauth-clients.js';
import { type SignUpPolicy, writeSignUpPolicy } from '../../src/accounts/sign-in/policy.js';
import { createSessionActor } from '../../src/accounts/sign-in/session-actor.js';
import { createSignIn, type SignInOptions } from '../../src/accounts/sign-in/sign-in.js';
import { createVault } from '../../src/accounts/vault.js';
import { trustedProxies } from '../../src/api/client-address.js';
import type { ForgeAppRoutesOptions } from '../../src/api/forge-app-routes.js';
import { createHttpApi } from '../../src/api/http-api.js';
import type { SetupRoutesOptions } from '../../src/api/setup-routes.js';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { forges } from '../../src/forges/registry.js';
import { createPreviewLogs } from '../../src/jobs/preview/logs.js';
import type { Clock } from '../../src/lib/clock.js';
import { createLogger, type Logger } from '../../src/lib/logger.js';
import { Browser } from './browser.js';
import { createTestDatabase, TEST_KEYS, TEST_MASTER_KEY, type TestDatabase } from './database.js';
import { loopback } from './loopback.js';
import type { OAuthForge } from './oauth-forge.js';

export type SignInRig = Awaited<ReturnType<typeof startSignInRig>>;

export interface SignInRigOptions {
  trusted?: readonly string[];
  admit?: ForgeAppRoutesOptions['admit'];
  /** What the guard says to addresses that somebody typed. */
  check?(url: string): void;
  /** Instead of the stand-in: as the program wires it. */
  open?(o: { db: TestDatabase; publicUrl(): string; clock: Clock; log: Logger }): SetupRoutesOptions;
}

const noForge = async (): Promise<never> => {
  throw new Error('no forge is asked for roles here');
};
const notAdmitted: ForgeAppRoutesOptions['admit'] = async ({ host }) => ({ kind: 'gone', host });

export async function startSignInRig(o: SignInRigOptions = {}) {
  const db = await createTestDatabase();
  const store = db.store('api');
  const log = createLogger({ level: 'silent', format: 'json' });
  const vault = createVault(new Map([[1, TEST_MASTER_KEY]]));
  const outbound = { check: () => undefined };
  const time = { now: new Date('2026-01-02T00:00:00Z') };
  const place = { url: '' };
  const worker = db.store('worker');
  const members = { store: worker, forges, clock: { now: () => time.now }, log, access: noForge };
  const connections = createApiConnections({
    ...{ store: worker, keys: TEST_KEYS, outbound: loopback, publicUrl: undefined, log, brieflyMs: 20 },
  });
  /** What a test may change between two sign-ins. */
  const ports: Pick<SignInOptions, 'isServed' | 'signedIn'> = { isServed: async () => false };
  const publicUrl = () => place.url;
  const clock = { now: () => time.now };
  const auth = o.open?.({ db, publicUrl, clock, log }) ?? standIn();
  const { signIn, sessionActor } = auth;

  /** Sign-in whose questions about memberships are answered by a test. */
  function standIn(): SetupRoutesOptions {
    const made = createSignIn({
      store,
      vault,
      masterKey: TEST_MASTER_KEY,
      publicUrl,
      organizationId: db.organizationId,
      isServed: (vouched) => ports.isServed(vouched),
      connectForOrganization: connections.connectOAuth,
      needsMembership: async () => true,
      fetch: (url, init) => fetch(url, init),
      signedIn: async (person) => ports.signedIn?.(person),
      clock,
      log,
    });
    return {
      signIn: made,
      sessionActor: createSessionActor(made, store),
      publicUrl,
      trustedProxies: trustedProxies(o.trusted ?? []),
      store,
      pool: store.pool,
      vault,
      access: createAccess({ store, log, organizationId: db.organizationId }),
      freshMemberships: (asked) => freshMemberships(members, asked),
      disconnect: connections.disconnect,
      outbound,
    };
  }
  const api = await createHttpApi({
    log,
    forgeApps: {
      admit: async (waiting, by) => (o.admit ?? notAdmitted)(waiting, by),
      asks: () => ({ permissions: { contents: 'read', pull_requests: 'write' }, events: ['push', 'pull_request'] }),
      ...{ store, vault, organizationId: db.organizationId, log },
      outbound: { fetch: (url, init) => fetch(url, init), check: o.check ?? (() => undefined) },
    },
    health: { checks: async () => [], metrics: async () => ({ contentType: 'text/plain', text: '' }) },
    home: async () => ({ version: '1', missing: [], webhookUrl: '', previews: false, holds: undefined }),
    checkRuns: { store, links: createCheckRunLinks(TEST_MASTER_KEY), requests: noForge },
    runPages: { store, links: createPageLinks(TEST_MASTER_KEY, 'run') },
    previewLogs: {
      ...{ store, links: createPageLinks(TEST_MASTER_KEY, 'preview') },
      read: async () => createPreviewLogs({ dataDir: '/nowhere' }),
    },
    cron: { secret: undefined, askForCycle: async () => 0 },
    auth,
  });
  const server = createServer((request, response) => api.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  place.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const rows = async <T>(text: string, values: unknown[] = []): Promise<T[]> =>
    (await store.pool.query(text, values)).rows as T[];
  /** A minute later, so that limits begin anew. */
  const later = () => {
    time.now = new Date(time.now.getTime() + 61_000);
  };
  return {
    db,
    store,
    vault,
    connections,
    time,
    later,
    ports,
    url: place.url,
    signIn,
    sessionActor,
    rows,
    policy: (policy: SignUpPolicy) => writeSignUpPolicy(store.pool, policy, 'test'),
    setupCode: () => createSetupCode(store.pool),
    /** Registers a client on both sides; answers its provider id. */
    async register(forgeId: string, forge: OAuthForge, change: Partial<NewOAuthClient> = {}): Promise<string> {
      const client = await putOAuthClient(
        { pool: store.pool, vault, outbound },
        {
          forge: forgeId,
          baseUrl: forge.url,
          clientId: forge.clientId,
          clientSecret: forge.clientSecret,
          ...change,
        },
      );
      forge.callbacks.add(signIn.callbackUrl(client.providerId));
      return client.providerId;
    },
    providerIdOf: (forgeId: string, forge: OAuthForge) => providerIdOf(forgeId, new URL(forge.url).host),
    /** From the button to the page that it ends on. A minute passes first. */
    async go(
      provider: string,
      browser = new Browser(),
      returnTo = '/',
    ): Promise<{ browser: Browser; url: string; error: string | null }> {
      later();
      const address = `${place.url}/sign-in`;
      const begun = await browser.post(address, { provider, return_to: returnTo });
      const { url } = await browser.follow(begun, address);
      return { browser, url, error: new URL(url).searchParams.get('error') };
    },
    /** From the button to the forge's yes: the address that the browser would be sent back to. */
    async begin(provider: string, browser: Browser): Promise<URL> {
      later();
      const begun = await browser.post(`${place.url}/sign-in`, { provider, return_to: '/' });
      const agreed = await browser.get(begun.headers.get('location') ?? '');
      return new URL(agreed.headers.get('location') ?? '');
    },
    /** Who a browser is to the permission engine. */
    async actor(browser: Browser) {
      const cookie = [...browser.jar(place.url)].map(([name, value]) => `${name}=${value}`).join('; ');
      return sessionActor({ cookie });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await api.close();
      await db.drop();
    },
  };
}
