/** Sign-in as the program wires it: what the forge says of who signs in counts here, and every request passes the guard. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAccess } from '../../src/accounts/access/access.js';
import { saveOAuthConnection } from '../../src/accounts/connection-kinds.js';
import { insertSource, listSources } from '../../src/accounts/membership/sources.js';
import { putOAuthClient } from '../../src/accounts/sign-in/oauth-clients.js';
import { openConnectionDirectory } from '../../src/entry/connection-directory.js';
import { openSignIn } from '../../src/entry/sign-in.js';
import { forges } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { createLogger } from '../../src/lib/logger.js';
import { createOutbound } from '../../src/lib/outbound/outbound.js';
import type { Store } from '../../src/store/database.js';
import { Browser } from '../support/browser.js';
import { TEST_KEYS } from '../support/database.js';
import { type OAuthForge, type OAuthPerson, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const ACME = { id: 900, login: 'acme' };
const OTHER = { id: 901, login: 'other' };
/** What each person is in which organization, as GitHub names it. */
const members = new Map<number, { organization: typeof ACME; role: 'admin' | 'member'; state: string }[]>();
const outbound = createOutbound({ allowed: ['127.0.0.1'] });

let rig: SignInRig;
let forge: OAuthForge;
let provider: string;
let host: string;
let store: Store;
/** Whether the forge's own API works, apart from saying who somebody is. */
let works = true;
let next = 10;

function answers(path: string, who: OAuthPerson): unknown {
  if (!works) return undefined;
  const own = members.get(Number(who.id)) ?? [];
  const [, orgs, name, memberships] = path.split('/');
  if (path === '/user/memberships/orgs') return own;
  if (orgs !== 'orgs') return undefined;
  const mine = own.find(({ organization }) => organization.login === name);
  if (mine === undefined) return undefined;
  return memberships === undefined ? mine.organization : { state: mine.state, role: mine.role, user: who };
}

function person(organization?: typeof ACME, role: 'admin' | 'member' = 'member', state = 'active'): OAuthPerson {
  next += 1;
  if (organization !== undefined) members.set(next, [{ organization, role, state }]);
  return { id: next, login: `user${next}` };
}

async function signIn(who: OAuthPerson) {
  forge.person = who;
  return rig.go(provider);
}

const asTenant = <T>(text: string, values: unknown[] = []) =>
  store.tenant(rig.db.organizationId, async (tx) => (await tx.query(text, values)).rows as T[]);

async function installation(accountId: number, connectionId: string | null = null): Promise<string> {
  const [row] = await asTenant<{ id: string }>(
    `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, account_id, account_login,
       account_type, connection_id) VALUES ($1, 'github', $2, '1', $3, $3, $3, 'a', 'Organization', $4) RETURNING id`,
    [rig.db.organizationId, host, accountId, connectionId],
  );
  return row?.id ?? '';
}

const scopes = () => forge.authorizeRequests.at(-1)?.get('scope')?.split(' ').sort();

beforeAll(async () => {
  rig = await startSignInRig({
    open: ({ db, publicUrl, clock, log }) =>
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
          store: db.store('worker'),
          forges,
          clock: systemClock,
          log,
          access: async () => {
            throw new Error('the installation cannot be asked');
          },
        },
        clock,
        log,
      }),
  });
  store = rig.db.store('worker');
  forge = await startOAuthForge('github', { id: 1, login: 'x' });
  forge.answers = answers;
  host = new URL(forge.url).host;
  provider = await rig.register('github', forge);
});
afterAll(async () => {
  await forge.close();
  await rig.close();
  await outbound.close();
});

describe('scopes', () => {
  it('for memberships are asked for only where they are needed', async () => {
    await rig.policy('open');
    await signIn(person());
    expect(scopes()).toEqual(['read:user', 'user:email']);
    await rig.policy('organization');
    await signIn(person());
    expect(scopes()).toEqual(['read:org', 'read:user', 'user:email']);
  });
});

describe('sign-up by organization', () => {
  it('is for people of an organization that the App is installed on, by its number', async () => {
    const ann = person(ACME);
    expect((await signIn(ann)).error).toBe('not_in_organization');
    await installation(ACME.id);
    expect((await signIn(ann)).error).toBeNull();
    expect((await signIn(person(OTHER))).error).toBe('not_in_organization');
    expect((await signIn(person())).error).toBe('not_in_organization');
    expect((await signIn(person({ ...OTHER, login: 'acme' }))).error).toBe('not_in_organization');
  });

  it('is not for whoever was only invited, nor where the account of a connection has the number of their organization', async () => {
    expect((await signIn(person(ACME, 'member', 'pending'))).error).toBe('not_in_organization');
    const [connection] = await asTenant<{ id: string }>(
      `INSERT INTO connection (organization_id, name, kind, forge, host, provider_account_id)
       VALUES ($1, 'c', 'pat', 'github', $2, '901') RETURNING id`,
      [rig.db.organizationId, host],
    );
    await installation(OTHER.id, connection?.id);
    expect((await signIn(person(OTHER))).error).toBe('not_in_organization');
  });

  it('says that the forge did not tell, and lets nobody in for that', async () => {
    works = false;
    const { error, browser, url } = await signIn(person(ACME));
    works = true;
    expect(error).toBe('organizations_unknown');
    expect(await (await browser.get(url)).text()).toContain('did not tell which organizations');
  });
});

describe('a linked organization', () => {
  it('gives its people their role as they sign in, and asks for the scopes by itself', async () => {
    await rig.policy('open');
    await store.tenant(rig.db.organizationId, async (tx) => {
      const { rows } = await tx.query<{ id: string }>('SELECT id FROM installation WHERE account_id = $1', [ACME.id]);
      const { organizationId } = rig.db;
      const organization = { ...ACME, id: BigInt(ACME.id), name: 'Acme', url: '' };
      const place = { organizationId, forge: 'github', host };
      await insertSource(
        tx,
        { ...place, organization, installationId: rows[0]?.id ?? '', linkedBy: 'test' },
        new Date(),
      );
    });
    const rolesOf = async (who: OAuthPerson) => [
      ...((await rig.actor((await signIn(who)).browser))?.memberships ?? []),
    ];
    const { organizationId } = rig.db;
    expect(await rolesOf(person(ACME))).toEqual([[organizationId, 'member']]);
    expect(scopes()).toContain('read:org');
    expect(await rolesOf(person(ACME, 'admin'))).toEqual([[organizationId, 'admin']]);
    expect(await rolesOf(person(OTHER))).toEqual([]);
  });

  it('that cannot be asked keeps nobody out, leaves the role as it was, and is read soon', async () => {
    const ann = person(ACME);
    await signIn(ann);
    await asTenant(`UPDATE organization_source SET due_at = now() + interval '4 minutes', read_at = NULL`);
    works = false;
    const { error, browser } = await signIn(ann);
    works = true;
    expect(error).toBeNull();
    expect([...((await rig.actor(browser))?.memberships.values() ?? [])]).toEqual(['member']);
    const [source] = await listSources(store, rig.db.organizationId);
    expect(source?.dueAt.getTime()).toBeLessThanOrEqual(Date.now());
  });
});

describe('the guard', () => {
  it('refuses an instance at a forbidden or private address when it is registered', async () => {
    const { store: api, vault } = rig;
    const put = (baseUrl: string) =>
      putOAuthClient({ pool: api.pool, vault, outbound }, { forge: 'gitlab', baseUrl, clientId: 'abc' });
    for (const url of ['http://169.254.169.254', 'http://10.0.0.7', 'http://metadata.google.internal', 'http://[::1]'])
      await expect(put(url)).rejects.toMatchObject({ code: 'FORGEWAY_ADDRESS_REFUSED' });
  });

  it('is passed at each connect too, and a browser learns no more than that it did not work', async () => {
    const [{ base_url: url } = { base_url: '' }] = await rig.rows<{ base_url: string }>(
      'SELECT base_url FROM oauth_client',
    );
    const before = forge.tokenRequests.length;
    // As the row of an earlier version, or an address that was allowed then. The browser is still sent to the forge by us.
    const browser = new Browser();
    const back = await rig.begin(provider, browser);
    await rig.rows('UPDATE oauth_client SET base_url = $1, updated_at = clock_timestamp()', ['http://127.0.0.2:9']);
    const answer = await browser.get(String(back));
    expect(new URL(answer.headers.get('location') ?? '', rig.url).searchParams.get('error')).not.toBeNull();
    await rig.rows('UPDATE oauth_client SET base_url = $1, updated_at = clock_timestamp()', [url]);
    expect(forge.tokenRequests.length).toBe(before);
  });
});

describe('renewing a token that OAuth gave', () => {
  const connection = async (baseUrl: string, accountId: bigint) => {
    const { id } = await saveOAuthConnection(
      store,
      rig.vault,
      { organizationId: rig.db.organizationId, forge: 'github', host, instanceUrl: baseUrl } as never,
      {
        identity: { id: accountId, login: 'bot', name: null, email: null, emailVerified: false, avatarUrl: null },
        tokens: { accessToken: 'old', refreshToken: 'refresh-1', expiresAt: new Date(Date.now() - 1_000) },
      },
    );
    // Nothing is renewed within half a minute of its last token.
    await asTenant(`UPDATE connection SET token_granted_at = now() - interval '1 hour' WHERE id = $1`, [id]);
    const log = createLogger({ level: 'silent', format: 'json' });
    const directory = openConnectionDirectory({ store, keys: TEST_KEYS, outbound, log });
    return directory.open(rig.db.organizationId, id);
  };

  it('is done with the client that people sign in with, by the role of the worker', async () => {
    const opened = await connection(forge.url, 70n);
    await expect(opened.token()).rejects.toMatchObject({ code: 'FORGEWAY_CONNECTION_UNUSABLE' });
    const asked = forge.tokenRequests.at(-1);
    expect(Object.fromEntries(asked ?? [])).toMatchObject({
      grant_type: 'refresh_token',
      client_id: forge.clientId,
      client_secret: forge.clientSecret,
    });
  });

  it('does not tell the client’s secret to another address of the same name', async () => {
    const before = forge.tokenRequests.length;
    const opened = await connection(forge.url.replace('http:', 'https:'), 71n);
    await expect(opened.token()).rejects.toThrow('no OAuth client');
    expect(forge.tokenRequests.length).toBe(before);
  });
});
