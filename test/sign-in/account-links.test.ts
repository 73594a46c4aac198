/** Accounts that are connected with consent, for people and for organizations: the way there and back on each forge, and what does not come through. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import type { Role } from '../../src/accounts/access/roles.js';
import { tryRevocations } from '../../src/accounts/connecting/revocations.js';
import { createStoredTokens, tokenKey } from '../../src/accounts/tokens/stored-tokens.js';
import { openSecrets } from '../../src/accounts/vault-columns.js';
import { createResources, type Resources } from '../../src/api/resources.js';
import { createApiWorkspaces } from '../../src/entry/api-workspaces.js';
import { vcsOn } from '../../src/entry/vcs.js';
import { forges as registry } from '../../src/forges/registry.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createBridge } from '../../src/translate/bridge.js';
import { Browser } from '../support/browser.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { type OAuthForge, type OAuthPerson, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const FORGES = ['github', 'gitlab', 'gitea'];
const ada: OAuthPerson = { id: 7, login: 'ada' };

let rig: SignInRig;
const forges = new Map<string, OAuthForge>();
const providers = new Map<string, string>();

beforeAll(async () => {
  rig = await startSignInRig();
  for (const id of FORGES) {
    const forge = await startOAuthForge(id, ada);
    forges.set(id, forge);
    providers.set(id, await rig.register(id, forge));
  }
  await rig.policy('open');
});
afterAll(async () => {
  for (const forge of forges.values()) await forge.close();
  await rig.close();
});
beforeEach(async () => {
  await noMembers();
  await rig.db.store('migrate').tenant(rig.db.organizationId, (tx) => tx.query('DELETE FROM connection'));
  for (const forge of forges.values())
    Object.assign(forge, { denies: false, person: ada, endsWith: undefined, ended: [] });
  await rig.db.store('migrate').tenant(rig.db.organizationId, (tx) => tx.query('DELETE FROM token_revocation'));
});

const noMembers = () => rig.db.store('migrate').tenant(rig.db.organizationId, (tx) => tx.query('DELETE FROM member'));
const forgeOf = (id: string): OAuthForge => forges.get(id) as OAuthForge;
const providerOf = (id: string): string => providers.get(id) ?? '';
const connections = () =>
  rig.store.tenant(
    rig.db.organizationId,
    async (tx) => (await tx.query('SELECT * FROM connection ORDER BY created_at')).rows,
  );

/** Signs in with a forge, and belongs to the organization. */
async function member(
  id = 'gitlab',
  role: Role = 'viewer',
  organizationId = rig.db.organizationId,
): Promise<{ browser: Browser; userId: string }> {
  const browser = new Browser();
  await rig.go(providerOf(id), browser);
  const actor = await rig.actor(browser);
  const userId = actor?.userId ?? '';
  await rig.db
    .store('migrate')
    .tenant(organizationId, (tx) =>
      tx.query('INSERT INTO member (organization_id, user_id, role) VALUES ($1, $2, $3)', [
        organizationId,
        userId,
        role,
      ]),
    );
  return { browser, userId };
}

type Form = { owner?: 'organization'; organization?: string };

/** From the button to the forge, which is not followed yet. */
async function begin(browser: Browser, id: string, more: Form = {}): Promise<string> {
  rig.later();
  const answer = await browser.post(`${rig.url}/account/connect`, {
    provider: providerOf(id),
    organization: rig.db.organizationId,
    ...more,
  });
  return answer.headers.get('location') ?? `${answer.status} ${await answer.text()}`;
}

async function connect(browser: Browser, id: string, more: Form = {}): Promise<{ url: string; page: string }> {
  const { url, response } = await browser.follow(await browser.get(await begin(browser, id, more)), rig.url);
  return { url, page: await response.text() };
}

describe.each(FORGES)('an account on %s', (id) => {
  it('is connected with consent, sealed, seen by its person alone, and taken away', async () => {
    const { browser, userId } = await member();
    // Whoever agrees there need not be who signed in here.
    forgeOf(id).person = { id: 4_711, login: 'ada-at-work' };
    const { page } = await connect(browser, id);
    const { host } = new URL(forgeOf(id).url);
    expect(page).toContain(`ada-at-work on ${host} is connected.`);
    const [row] = await connections();
    expect(row).toMatchObject({
      kind: 'oauth',
      forge: id,
      host,
      user_id: userId,
      provider_account_id: '4711',
      status: 'active',
    });
    const asked = forgeOf(id).authorizeRequests.at(-1);
    expect(asked?.get('scope')?.length).toBeGreaterThan(0);
    expect(asked?.get('redirect_uri')).toBe(rig.signIn.callbackUrl(providerOf(id)));
    const { access_token } = openSecrets(
      rig.vault,
      { table: 'connection', organizationId: rig.db.organizationId, rowId: row.id },
      row,
    );
    expect(access_token).toMatch(/^token-[0-9a-f]{32}$/);
    expect(JSON.stringify(row)).not.toContain(access_token);

    const { browser: other } = await member('github');
    expect(await (await other.get(`${rig.url}/account`)).text()).not.toContain('ada-at-work');
    const form = { id: row.id, organization: rig.db.organizationId };
    expect((await other.post(`${rig.url}/account/remove`, form)).status).toBe(404);
    expect(await connections()).toHaveLength(1);

    const gone = await browser.post(`${rig.url}/account/remove`, form);
    expect(await gone.text()).toContain('was taken away');
    expect(await connections()).toEqual([]);
  });

  it('stays unconnected when its person does not agree', async () => {
    const { browser } = await member();
    forgeOf(id).denies = true;
    const { page } = await connect(browser, id);
    expect(page).toContain('You did not allow it');
    expect(await connections()).toEqual([]);
  });
});

describe('a token whose connection goes', () => {
  /** What is to be told to forges yet. */
  const left = () => asWorker('SELECT * FROM token_revocation');
  const asWorker = (text: string, values: unknown[] = []) =>
    rig.db
      .store('worker')
      .tenant(rig.db.organizationId, async (tx) => (await tx.query(text, values)).rows as Record<string, unknown>[]);
  const trail = async (action: string) =>
    asWorker(`SELECT detail FROM audit_entry WHERE action = $1 ORDER BY created_at DESC`, [action]);
  const nowDue = () => asWorker('UPDATE token_revocation SET due_at = now()');
  /** Connects, and takes it away on the page; answers the token, and what the page said. */
  async function takenAway(id: string) {
    const { browser } = await member();
    await connect(browser, id);
    const [row] = await connections();
    const place = { table: 'connection', organizationId: rig.db.organizationId, rowId: row.id } as const;
    const token = openSecrets(rig.vault, place, row).access_token ?? '';
    const answer = await browser.post(`${rig.url}/account/remove`, { id: row.id, organization: row.organization_id });
    expect(await connections()).toEqual([]);
    return { token, page: await answer.text() };
  }

  it.each([
    ['github', (token: string) => [token]],
    ['gitlab', (token: string) => ['refresh-1', token]],
  ])('is ended on %s by the client that it was given to', async (id, ended) => {
    const { token, page } = await takenAway(id);
    expect(forgeOf(id).ended).toEqual(ended(token));
    expect(page).toContain('was taken away.');
    expect(page).not.toContain('tried again');
    expect(await left()).toEqual([]);
    expect((await trail('connection.token_ended'))[0]).toEqual({
      detail: { forge: id, host: new URL(forgeOf(id).url).host },
    });
  });

  it('is said to hold still where only its owner can end it', async () => {
    const { page } = await takenAway('gitea');
    expect(page).toContain('still holds at the forge: Gitea has no way to end it');
    expect(page).toContain(`ada ends it on ${forgeOf('gitea').url}/user/settings/applications.`);
    expect(await left()).toEqual([]);
  });

  it('is ended later where the forge does not answer, however its connection went', async () => {
    const gitlab = forgeOf('gitlab');
    gitlab.endsWith = 503;
    const { token, page } = await takenAway('gitlab');
    expect(page).toMatch(
      /not ended at the forge yet \(127\.0\.0\.1:\d+ answered 503\): that is tried again for a week/,
    );
    // Sealed still, and nothing of it is readable.
    expect(JSON.stringify(await left())).not.toContain(token);
    await nowDue();
    expect(await tryRevocations(rig.connections.revocations)).toBe(1);
    expect(await left()).toMatchObject([{ attempts: 2 }]);
    gitlab.endsWith = undefined;
    await nowDue();
    // Of two processes one does it.
    const both = [tryRevocations(rig.connections.revocations), tryRevocations(rig.connections.revocations)];
    expect((await Promise.all(both)).sort()).toEqual([0, 1]);
    expect(gitlab.ended).toEqual(['refresh-1', token]);
    expect(await left()).toEqual([]);

    // Whoever leaves takes nothing away by hand.
    await noMembers();
    const { browser } = await member();
    await connect(browser, 'gitlab');
    await noMembers();
    expect(await connections()).toEqual([]);
    expect(await tryRevocations(rig.connections.revocations)).toBe(1);
    expect(gitlab.ended).toHaveLength(4);
  });

  it('is ended as well when its person agrees anew, and the new one stays', async () => {
    const gitlab = forgeOf('gitlab');
    const { browser } = await member();
    const tokenNow = async () => {
      const [row] = await connections();
      const place = { table: 'connection', organizationId: rig.db.organizationId, rowId: row.id } as const;
      return openSecrets(rig.vault, place, row).access_token ?? '';
    };
    await connect(browser, 'gitlab');
    const before = await tokenNow();
    await connect(browser, 'gitlab');
    expect(await tryRevocations(rig.connections.revocations)).toBe(1);
    // The double gives the same refresh token again, which is the new one's.
    expect(gitlab.ended).toEqual([before]);
    expect(await tokenNow()).not.toBe(before);
    expect(await left()).toEqual([]);
  });

  it('is given up after a week, and said so in the trail', async () => {
    forgeOf('github').endsWith = 500;
    await takenAway('github');
    await asWorker(`UPDATE token_revocation SET due_at = now(), created_at = now() - interval '8 days'`);
    await tryRevocations(rig.connections.revocations);
    expect(await left()).toEqual([]);
    expect((await trail('connection.token_left'))[0]).toMatchObject({
      detail: { because: expect.stringMatching(/500/) },
    });
  });

  it('is ended in its newest form when it was renewed at that moment', async () => {
    const gitlab = forgeOf('gitlab');
    const { browser } = await member();
    await connect(browser, 'gitlab');
    const [row] = await connections();
    const key = tokenKey(rig.db.organizationId, row.id);
    const tokens = createStoredTokens({ store: rig.db.store('worker'), vault: rig.vault });
    await tokens.lock(key, async () => {
      const before = await tokens.read(key);
      if (before === undefined) throw new Error('no tokens');
      await noMembers();
      // Whoever renews has the lock, and is waited for.
      expect(await tryRevocations(rig.connections.revocations)).toBe(0);
      await tokens.replace(key, before, { accessToken: 'newest', refreshToken: 'newest-refresh' });
    });
    expect(await tryRevocations(rig.connections.revocations)).toBe(1);
    expect(gitlab.ended).toEqual(['newest-refresh', 'newest']);
  });
});

describe('what comes back', () => {
  it('counts once, in the session that began it, at the instance that it began at', async () => {
    const { browser } = await member();
    const there = await begin(browser, 'gitea');
    const back = (await browser.get(there)).headers.get('location') ?? '';
    expect(new URL(back).searchParams.get('code')).toMatch(/./);

    const stranger = new Browser();
    const { browser: other } = await member('github');
    const moved = new URL(back);
    moved.pathname = moved.pathname.replace(providerOf('gitea'), providerOf('gitlab'));
    for (const [who, address] of [
      [stranger, back],
      [other, back],
      [browser, moved.href],
    ] as const) {
      // Each uses its state up, so each has one of its own.
      const own = who === stranger || who === other ? address : await again(browser, 'gitea', 'gitlab');
      const answer = await who.get(own);
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain('Begin again');
    }
    // What another browser tried is worth nothing to the right one either.
    expect((await browser.get(back)).status).toBe(400);
    expect(await connections()).toEqual([]);
    expect(
      forgeOf('gitea').tokenRequests.filter(
        (request) => request.get('code') === new URL(back).searchParams.get('code'),
      ),
    ).toEqual([]);
  });

  /** A good answer of one instance at the address of another. */
  async function again(browser: Browser, from: string, to: string): Promise<string> {
    const back = new URL((await browser.get(await begin(browser, from))).headers.get('location') ?? '');
    back.pathname = back.pathname.replace(providerOf(from), providerOf(to));
    return back.href;
  }

  it('is nothing after ten minutes, or after signing out', async () => {
    const { browser } = await member();
    const late = (await browser.get(await begin(browser, 'gitlab'))).headers.get('location') ?? '';
    rig.time.now = new Date(rig.time.now.getTime() + 11 * 60_000);
    expect((await browser.get(late)).status).toBe(400);
    const left = (await browser.get(await begin(browser, 'gitlab'))).headers.get('location') ?? '';
    await browser.post(`${rig.url}/sign-out`, {});
    expect((await browser.get(left)).status).toBe(400);
    expect(await connections()).toEqual([]);
  });

  it('makes nothing for somebody whose membership ended on the way', async () => {
    const { browser } = await member();
    const back = (await browser.get(await begin(browser, 'gitlab'))).headers.get('location') ?? '';
    await noMembers();
    const answer = await browser.get(back);
    expect([answer.status, await connections()]).toEqual([400, []]);
    expect(await answer.text()).toContain('Only those who belong to the organization');
  });

  it('is the same connection when the same account is connected again', async () => {
    const { browser } = await member();
    await connect(browser, 'gitlab');
    await connect(browser, 'gitlab');
    expect(await connections()).toHaveLength(1);
  });
});

it('can be taken away, and no other be connected, while no forge confirms that its person belongs there', async () => {
  const { browser, userId } = await member();
  await connect(browser, 'gitlab');
  const [row] = await connections();
  await rig.db
    .store('migrate')
    .tenant(rig.db.organizationId, (tx) =>
      tx.query(`UPDATE member SET origin = 'forge', confirmed_at = now() - interval '25 hours' WHERE user_id = $1`, [
        userId,
      ]),
    );
  expect(await begin(browser, 'gitea')).toMatch(/^404 /);
  expect(await (await browser.get(`${rig.url}/account`)).text()).toContain(row.id);
  await browser.post(`${rig.url}/account/remove`, { id: row.id, organization: rig.db.organizationId });
  expect(await connections()).toEqual([]);
});

it('takes membership, whichever organization is named', async () => {
  const { browser } = await member();
  await noMembers();
  rig.later();
  const form = { provider: providerOf('gitlab'), organization: rig.db.organizationId };
  expect((await browser.post(`${rig.url}/account/connect`, form)).status).toBe(404);
  expect(await (await browser.get(`${rig.url}/account`)).text()).toContain('You belong to no organization here yet');
});

describe('an account of an organization', () => {
  const organization = { owner: 'organization' } as const;
  const BOT: OAuthPerson = { id: 900, login: 'acme-bot' };
  let api: Resources;
  const log = pino({ level: 'silent' });
  /** As another process opens it: what it knows is what is stored. */
  const facade = async () => {
    const store = rig.db.store('worker');
    const options = { apps: [], store, keys: TEST_KEYS, fetch: loopback.fetch, log };
    const bridge = await createBridge({ ...options, metrics: createMetrics() });
    return vcsOn({ store, bridge, organizationId: rig.db.organizationId });
  };

  beforeAll(async () => {
    const services = {
      ...{ store: rig.store, forges: registry, connections: rig.connections, log },
      access: createAccess({ store: rig.store, log, organizationId: rig.db.organizationId }),
      workspaces: createApiWorkspaces({
        ...{ store: rig.store, keys: TEST_KEYS, runSoon: async () => undefined },
        archives: { compressedBytes: 1, bytes: 1, entries: 1 },
      }),
      freshMemberships: async ({ organizationIds }: { organizationIds: readonly string[] }) => ({
        roles: new Map(organizationIds.map((one) => [one, 'admin'])),
        unknown: new Map(),
      }),
    };
    const { signIn, sessionActor } = rig;
    const publicOrigin = () => rig.url;
    api = await createResources({ services: services as never, signIn, sessionActor, publicOrigin });
    const known: Record<string, unknown> = {
      '/version': { version: '1.22.0' },
      '/user/repos': [],
      '/repos/acme/shop': {
        id: 5,
        name: 'shop',
        full_name: 'acme/shop',
        owner: { id: 1, login: 'acme' },
        html_url: 'http://x/acme/shop',
      },
    };
    for (const forge of forges.values()) forge.answers = (path) => known[path];
  });
  afterAll(async () => {
    api.endStreams();
    await api.app.close();
  });

  const asWorker = <T>(text: string, values: unknown[] = [], at = rig.db.organizationId) =>
    rig.db.store('worker').tenant(at, async (tx) => (await tx.query(text, values)).rows as T[]);
  const hostOf = (id: string) => new URL(forgeOf(id).url).host;

  it.each(FORGES)(
    'on %s is connected by whoever manages its connections, sealed, measured, seen by apps',
    async (id) => {
      const { browser, userId } = await member('gitlab', 'admin');
      forgeOf(id).person = BOT;
      const { page } = await connect(browser, id, organization);
      expect(page).toContain(`acme-bot on ${hostOf(id)} is connected for everyone in `);
      const [row] = await connections();
      expect(row).toMatchObject({ kind: 'oauth', user_id: null, provider_account_id: '900', status: 'active' });
      expect(row.capabilities).toContain('read');
      expect(row.access_token_expires_at.getTime()).toBeGreaterThan(Date.now());
      const place = { table: 'connection', organizationId: rig.db.organizationId, rowId: row.id } as const;
      expect(openSecrets(rig.vault, place, row)).toMatchObject({
        access_token: expect.stringMatching(/^token-[0-9a-f]{32}$/),
        refresh_token: 'refresh-1',
      });
      const seen = 'SELECT account_login, status FROM installation WHERE connection_id = $1';
      expect(await asWorker(seen, [row.id])).toEqual([{ account_login: 'acme-bot', status: 'active' }]);
      const told = await rig.db
        .store('worker')
        .pool.query('SELECT event_type FROM webhook_delivery WHERE hook_id = $1', [row.id]);
      expect(told.rows).toEqual([{ event_type: 'installation' }]);
      const trail = 'SELECT actor, action FROM audit_entry WHERE subject = $1';
      expect(await asWorker(trail, [row.id])).toEqual([{ actor: `user:${userId}`, action: 'connection.added' }]);

      // Again is the same one; by others it is not seen; whoever manages takes it away.
      await connect(browser, id, organization);
      expect(await connections()).toHaveLength(1);
      const { browser: other } = await member('github');
      expect(await (await other.get(`${rig.url}/account`)).text()).not.toContain('acme-bot');
      const form = { id: row.id, organization: rig.db.organizationId, ...organization };
      expect((await other.post(`${rig.url}/account/remove`, form)).status).toBe(404);
      const { owner: _, ...own } = form;
      expect((await browser.post(`${rig.url}/account/remove`, own)).status).toBe(404);
      expect(await connections()).toHaveLength(1);
      const gone = await browser.post(`${rig.url}/account/remove`, form);
      expect([gone.status, await gone.text()]).toEqual([200, expect.stringContaining('was taken away')]);
      expect(await connections()).toEqual([]);
      expect(await asWorker(seen, [row.id])).toEqual([]);
    },
  );

  it('speaks through the facade, is renewed, and ends with a sentence when the forge gives no other token', async () => {
    const { browser } = await member('gitlab', 'owner');
    const gitea = forgeOf('gitea');
    gitea.person = BOT;
    await connect(browser, 'gitea', organization);
    const [{ id }] = await connections();
    const scope = { organization: rig.db.organizationId, forge: 'gitea', host: hostOf('gitea') };
    const speak = async () => (await (await facade()).getScoped(scope)).repos.get({ owner: 'acme', repo: 'shop' });
    expect(await speak()).toMatchObject({ full_name: 'acme/shop' });
    await expect((await facade()).getScoped({ ...scope, user: 'ada' })).rejects.toThrow('has no connection');
    // Five minutes before its end another one is fetched, before the forge is asked.
    const soon = `UPDATE connection SET access_token_expires_at = now() + interval '4 minutes',
      token_granted_at = now() - interval '1 hour' WHERE id = $1`;
    await asWorker(soon, [id]);
    gitea.refreshTokens.add('refresh-1');
    gitea.bearers.length = 0;
    await speak();
    expect([...new Set(gitea.bearers)]).toEqual(['renewed']);
    // A test measures it, and leaves what was granted as it was.
    const before = (await connections())[0];
    expect(await rig.connections.test(rig.db.organizationId, id)).toMatchObject({ ok: true });
    expect((await connections())[0]).toMatchObject({
      ...{ status: 'active', scopes: before.scopes, access_token_expires_at: before.access_token_expires_at },
    });
    // A forge that was away for a while ends nothing: nobody has to connect anew, and the first answer makes it active.
    for (const status of ['unreachable', 'insufficient_scope']) {
      await asWorker(`UPDATE connection SET status = $2, status_reason = 'it was so' WHERE id = $1`, [id, status]);
      expect(await speak()).toMatchObject({ full_name: 'acme/shop' });
    }
    expect(await rig.connections.test(rig.db.organizationId, id)).toMatchObject({ ok: true });
    await asWorker(soon.replace('+', '-'), [id]);
    await asWorker(`UPDATE connection SET status = 'unreachable' WHERE id = $1`, [id]);
    await expect(speak()).rejects.toThrow('Connect the account again');
    await expect(facade().then((vcs) => vcs.getScoped(scope))).rejects.toMatchObject({ details: { reconnect: true } });
    expect((await connections())[0].status).toBe('revoked');
    await connect(browser, 'gitea', organization);
    expect(await connections()).toMatchObject([{ id, status: 'active', status_reason: null }]);
  });

  it('is refused to whoever lacks the role, also when they lost it on the way, and in another browser', async () => {
    const { browser: plain } = await member('gitlab', 'maintainer');
    expect(await begin(plain, 'gitea', organization)).toMatch(/^403 .*It takes the role admin to connect a forge/s);
    expect(await (await plain.get(`${rig.url}/account`)).text()).not.toContain('for everyone');
    await noMembers();
    const { browser, userId } = await member('gitlab', 'admin');
    const backOf = async () =>
      (await browser.get(await begin(browser, 'gitea', organization))).headers.get('location') ?? '';
    const { browser: other } = await member('github', 'owner');
    const [foreign, stranger] = [await backOf(), await backOf()];
    expect((await other.get(foreign)).status).toBe(400);
    expect((await new Browser().get(stranger)).status).toBe(400);
    const granted = forgeOf('gitea').granted.length;
    const back = await backOf();
    const demote = `UPDATE member SET role = 'member' WHERE user_id = $1`;
    await rig.db.store('migrate').tenant(rig.db.organizationId, (tx) => tx.query(demote, [userId]));
    const late = await browser.get(back);
    expect([late.status, await late.text()]).toEqual([400, expect.stringContaining('It takes the role admin')]);
    // The forge was not even asked for a token.
    expect(forgeOf('gitea').granted).toHaveLength(granted);
    expect(await connections()).toEqual([]);
  });

  it('is one for each organization, which do not see each other’s', async () => {
    const theirs = randomUUID();
    const migrate = rig.db.store('migrate');
    await migrate.tenant(theirs, (tx) =>
      tx.query(`INSERT INTO organization (id, slug, name) VALUES ($1, 'theirs', 'Theirs')`, [theirs]),
    );
    const { browser } = await member('gitlab', 'admin');
    const { browser: other } = await member('github', 'admin', theirs);
    forgeOf('gitea').person = BOT;
    expect(await begin(browser, 'gitea', { ...organization, organization: theirs })).toMatch(/^404 /);
    expect((await connect(browser, 'gitea', organization)).page).toContain('acme-bot');
    expect(await (await other.get(`${rig.url}/account`)).text()).not.toContain('acme-bot');
    expect((await connect(other, 'gitea', { ...organization, organization: theirs })).page).toContain('acme-bot');
    const ofThem = await asWorker<{ id: string }>('SELECT id FROM connection', [], theirs);
    const ours = await connections();
    expect([ours.length, ofThem.length, ofThem[0]?.id === ours[0].id]).toEqual([1, 1, false]);
    expect(await (await browser.get(`${rig.url}/account`)).text()).not.toContain(ofThem[0]?.id);
    for (const [form, at] of [
      [{ id: ofThem[0]?.id ?? '', organization: theirs }, 404],
      [{ id: ofThem[0]?.id ?? '', organization: rig.db.organizationId }, 404],
      [{ id: ours[0].id, organization: rig.db.organizationId }, 200],
    ] as const)
      expect((await browser.post(`${rig.url}/account/remove`, { ...form, ...organization })).status).toBe(at);
    expect(await asWorker('SELECT FROM connection', [], theirs)).toHaveLength(1);
    const scope = { forge: 'gitea', host: hostOf('gitea') };
    const vcs = await facade();
    await expect(vcs.getScoped({ ...scope, organization: rig.db.organizationId })).rejects.toThrow('no connection');
    expect(await vcs.getScoped({ ...scope, organization: theirs })).toBeDefined();
    await migrate.tenant(theirs, (tx) => tx.query('DELETE FROM organization WHERE id = $1', [theirs]));
  });

  it('does not take the place of one by a token', async () => {
    const { browser } = await member('gitlab', 'admin');
    forgeOf('gitea').person = BOT;
    await connect(browser, 'gitea', organization);
    await asWorker(`UPDATE connection SET kind = 'pat'`);
    expect((await connect(browser, 'gitea', organization)).page).toContain('Take that connection away first');
    expect(await connections()).toMatchObject([{ kind: 'pat' }]);
  });

  it('is begun by the API as well, in the browser that asks', async () => {
    const { browser } = await member('gitlab', 'admin');
    const cookie = [...browser.jar(rig.url)].map(([name, value]) => `${name}=${value}`).join('; ');
    const ask = (headers: Record<string, string>, instance = providerOf('gitea')) =>
      api.app.inject({
        method: 'POST',
        url: '/api/v1/connections/oauth',
        headers: { 'content-type': 'application/json', ...headers },
        payload: JSON.stringify({ instance, organization: rig.db.organizationId }),
      });
    const listed = await api.app.inject({ method: 'GET', url: '/api/v1/connections/oauth', headers: { cookie } });
    expect(
      listed
        .json<{ items: { instance: string }[] }>()
        .items.map(({ instance }) => instance)
        .sort(),
    ).toEqual([...providers.values()].sort());
    expect((await ask({ cookie })).statusCode).toBe(403);
    expect((await ask({ cookie, origin: rig.url }, 'gitea-nowhere')).json()).toMatchObject({
      error: { message: expect.stringContaining('No OAuth client is registered') },
    });
    forgeOf('gitea').person = BOT;
    const begun = (await ask({ cookie, origin: rig.url })).json<{ page: string; authorizationUrl: string }>();
    expect(begun.page).toBe(`${rig.url}/account`);
    expect((await new Browser().follow(await new Browser().get(begun.authorizationUrl), rig.url)).response.status).toBe(
      400,
    );
    const again = (await ask({ cookie, origin: rig.url })).json<{ authorizationUrl: string }>();
    await browser.follow(await browser.get(again.authorizationUrl), rig.url);
    expect(await connections()).toMatchObject([{ kind: 'oauth', user_id: null, account_login: 'acme-bot' }]);
  });
});
