/** Signing in over real HTTP against OAuth servers on loopback: the way there and back, and who somebody is afterwards. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listDecisions } from '../../src/accounts/access/trail.js';
import { setSuspended } from '../../src/accounts/sign-in/administrators.js';
import { authOptions } from '../../src/accounts/sign-in/auth-options.js';
import { withConnection } from '../../src/store/connection.js';
import { Browser } from '../support/browser.js';
import { readColumns } from '../support/catalog.js';
import { createTestDatabase } from '../support/database.js';
import { type OAuthForge, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const forgeIds = ['github', 'gitlab', 'gitea', 'forgejo'] as const;

describe('signing in', () => {
  let rig: SignInRig;
  const forges = new Map<string, OAuthForge>();
  const providers = new Map<string, string>();
  const forge = (id: string) => forges.get(id) as OAuthForge;
  const provider = (id: string) => providers.get(id) as string;

  beforeAll(async () => {
    rig = await startSignInRig();
    await rig.policy('open');
    for (const id of forgeIds) {
      const started = await startOAuthForge(id, {
        id: 7,
        login: 'mona',
        email: 'mona@example.com',
        emailVerified: true,
      });
      forges.set(id, started);
      providers.set(id, await rig.register(id, started));
    }
  });
  afterAll(async () => {
    for (const one of forges.values()) await one.close();
    await rig.close();
  });

  it.each(forgeIds)('%s: there and back, with PKCE, to the page that was meant', async (id) => {
    forge(id).person = { id: 7, login: 'mona', name: 'Mona Lisa', email: 'mona@example.com', emailVerified: true };
    const { browser, url } = await rig.go(provider(id), new Browser(), '/healthz?a=1');
    expect(url).toBe(`${rig.url}/healthz?a=1`);
    const asked = forge(id).authorizeRequests.at(-1);
    expect(asked?.get('code_challenge_method')).toBe('S256');
    expect(forge(id).tokenRequests.at(-1)?.get('code_verifier')).toHaveLength(128);
    expect(await rig.actor(browser)).toEqual({
      kind: 'user',
      userId: expect.any(String),
      name: 'Mona Lisa',
      platformAdmin: false,
      suspended: false,
      memberships: new Map(),
    });
  });

  it('the same number on four hosts is four people, whatever addresses and names they have', async () => {
    const people = await rig.rows<{ forge: string; host: string; remote_id: bigint; user_id: string }>(
      'SELECT forge, host, remote_id, user_id FROM identity ORDER BY forge',
    );
    expect(people.map((one) => one.forge)).toEqual([...forgeIds].sort());
    expect(new Set(people.map((one) => one.user_id)).size).toBe(4);
    expect(people.every((one) => one.remote_id === 7n)).toBe(true);
  });
});

describe('who may come in, and who somebody is', () => {
  let rig: SignInRig;
  let github: OAuthForge;
  let gitea: OAuthForge;
  const ids = { github: '', gitea: '' };
  beforeAll(async () => {
    rig = await startSignInRig();
    github = await startOAuthForge('github', { id: 1, login: 'x' });
    gitea = await startOAuthForge('gitea', { id: 1, login: 'x' });
    ids.github = await rig.register('github', github);
    ids.gitea = await rig.register('gitea', gitea);
  });
  afterAll(async () => {
    await github.close();
    await gitea.close();
    await rig.close();
  });
  let next = 100;
  const fresh = (login = 'somebody') => ({ id: ++next, login });
  const users = async () => (await rig.rows<{ n: number }>('SELECT count(*)::int4 AS n FROM "user"'))[0]?.n ?? 0;

  it('closed, the default: nobody new; whoever is known comes back', async () => {
    await rig.policy('open');
    github.person = fresh();
    await rig.go(ids.github);
    await rig.policy('closed');
    expect((await rig.go(ids.github)).error).toBeNull();
    const before = await users();
    github.person = fresh();
    const { error, browser, url } = await rig.go(ids.github);
    expect(error).toBe('sign_up_closed');
    expect(await (await browser.get(url)).text()).toContain('nobody new is let in');
    expect(await users()).toBe(before);
    expect(await rig.rows('SELECT FROM identity WHERE remote_id = $1', [github.person.id])).toHaveLength(0);
  });

  it('by organization: who is served, asked with the forge’s token at that moment', async () => {
    await rig.policy('organization');
    github.person = fresh();
    const asked: unknown[] = [];
    rig.ports.isServed = async ({ client, identity, accessToken }) => {
      asked.push([client.endpoint.host, identity.id, accessToken.startsWith('token-')]);
      return asked.length > 1;
    };
    expect((await rig.go(ids.github)).error).toBe('not_in_organization');
    expect((await rig.go(ids.github)).error).toBeNull();
    expect(asked).toEqual(Array(2).fill([new URL(github.url).host, BigInt(github.person.id), true]));
    // Known now: not asked again.
    expect((await rig.go(ids.github)).error).toBeNull();
    expect(asked).toHaveLength(2);
  });

  it('no token of a forge is stored, here or in the trail', async () => {
    const [{ text } = { text: '' }] = await rig.rows<{ text: string }>(
      `SELECT concat((SELECT json_agg(i) FROM identity i), (SELECT json_agg(v) FROM verification v),
                     (SELECT json_agg(u) FROM "user" u), (SELECT json_agg(a) FROM platform_audit_entry a)) AS text`,
    );
    expect(text).toContain('signed-in');
    for (const secret of ['token-', 'refresh-1', github.clientSecret]) expect(text).not.toContain(secret);
  });

  // 24 cells: what is known of the one who was here before, what the forge says of the one who comes, and which forge it is.
  const matrix = [true, false].flatMap((local) =>
    [true, false].flatMap((said) =>
      (['same', 'other', 'none'] as const).flatMap((address) =>
        (['github', 'gitea'] as const).map((forge) => ({ local, said, address, forge })),
      ),
    ),
  );
  it.each(matrix)('addresses link nobody: %j', async ({ local, said, address, forge }) => {
    await rig.policy('open');
    const email = `victim-${next}@example.com`;
    // The victim came by the other forge.
    const [theirs, mine] = forge === 'github' ? [gitea, github] : [github, gitea];
    const [theirId, myId] = forge === 'github' ? [ids.gitea, ids.github] : [ids.github, ids.gitea];
    theirs.person = { ...fresh('victim'), email, emailVerified: local };
    const victim = await rig.actor((await rig.go(theirId)).browser);
    // As a row of before sign-in, or of somebody's import, might be.
    await rig.rows('UPDATE "user" SET email_verified = $2 WHERE id = $1', [victim?.userId, local]);
    const said_ = { same: email, other: 'other@example.com', none: undefined }[address];
    mine.person = { ...fresh('victim'), ...(said_ && { email: said_ }), emailVerified: said };
    const came = await rig.actor((await rig.go(myId)).browser);
    expect(came?.userId).toBeDefined();
    expect(came?.userId).not.toBe(victim?.userId);
    const kept = await rig.rows<{ contact_email: string | null }>('SELECT contact_email FROM "user" WHERE id = $1', [
      came?.userId,
    ]);
    expect(kept).toEqual([{ contact_email: said ? (said_ ?? null) : null }]);
  });

  it('not even the made-up address of another: whoever has it as their address on a forge gets nothing by it', async () => {
    await rig.policy('open');
    github.person = fresh('victim');
    const victim = await rig.actor((await rig.go(ids.github)).browser);
    const [row] = await rig.rows<{ email: string }>('SELECT email FROM "user" WHERE id = $1', [victim?.userId]);
    gitea.person = { ...fresh('thief'), email: row?.email, emailVerified: true };
    const thief = await rig.actor((await rig.go(ids.gitea)).browser);
    expect(thief?.userId).not.toBe(victim?.userId);
  });

  it('a login that the forge gave to somebody else is somebody else; a new login is the same person', async () => {
    await rig.policy('open');
    github.person = fresh('mona');
    const { id } = github.person;
    const first = await rig.actor((await rig.go(ids.github)).browser);
    github.person = fresh('mona');
    const second = await rig.actor((await rig.go(ids.github)).browser);
    expect(second?.userId).not.toBe(first?.userId);
    github.person = { id, login: 'mona-renamed' };
    const renamed = await rig.actor((await rig.go(ids.github)).browser);
    expect(renamed).toMatchObject({ userId: first?.userId, name: 'mona-renamed' });
    expect(await rig.rows('SELECT login FROM identity WHERE remote_id = $1', [id])).toEqual([
      { login: 'mona-renamed' },
    ]);
  });

  it('numbers beyond 2^53 are exact', async () => {
    await rig.policy('open');
    const of = async (id: string) => {
      gitea.person = { id, login: 'big' };
      return rig.actor((await rig.go(ids.gitea)).browser);
    };
    const [one, other] = [await of('9007199254740993'), await of('9007199254740992')];
    expect(one?.userId).not.toBe(other?.userId);
  });

  it('a client that is removed and registered again finds the same people, without a restart', async () => {
    await rig.policy('open');
    gitea.person = fresh();
    const before = await rig.actor((await rig.go(ids.gitea)).browser);
    await rig.rows('DELETE FROM oauth_client WHERE provider_id = $1', [ids.gitea]);
    expect((await rig.go(ids.gitea)).error).toBe('unknown_instance');
    gitea.clientSecret = 'a-new-secret-0123456789';
    expect(await rig.register('gitea', gitea)).toBe(ids.gitea);
    const after = await rig.actor((await rig.go(ids.gitea)).browser);
    expect(after?.userId).toBe(before?.userId);
  });

  it('a client of a forge that this version does not know is in nobody’s way', async () => {
    await rig.rows(
      `INSERT INTO oauth_client (provider_id, forge, host, base_url, label, client_id) VALUES ('f-x', 'f', 'x', 'https://x', 'F', 'c')`,
    );
    expect((await rig.signIn.clients()).map(({ providerId }) => providerId)).toEqual(
      expect.not.arrayContaining(['f-x']),
    );
    expect((await rig.go(ids.github)).error).toBeNull();
    await rig.rows(`DELETE FROM oauth_client WHERE forge = 'f'`);
  });

  it('a wrong secret signs nobody in, and says what may be wrong', async () => {
    await rig.register('gitea', gitea, { clientSecret: 'not-the-secret-at-all' });
    const { error, browser, url } = await rig.go(ids.gitea);
    expect(error).toBe('invalid_code');
    expect(await (await browser.get(url)).text()).toContain('secret may be wrong');
    await rig.register('gitea', gitea);
  });

  describe('sessions', () => {
    const cookieOf = (browser: Browser) => browser.jar(rig.url).get('forgeway.session_token');

    it('a session that was put into a browser before is not the one that it has afterwards', async () => {
      github.person = fresh('attacker');
      await rig.policy('open');
      const attacker = await rig.go(ids.github);
      const planted = cookieOf(attacker.browser) ?? '';
      const victim = new Browser();
      victim.jar(rig.url).set('forgeway.session_token', planted);
      github.person = fresh('victim');
      await rig.go(ids.github, victim);
      expect(cookieOf(victim)).not.toBe(planted);
      expect((await rig.actor(victim))?.name).toBe('victim');
      // And what was there before has ended with the new one.
      expect(await rig.actor(attacker.browser)).toBeUndefined();
    });

    it.each(['x', 'x.y', `${'A'.repeat(32)}.${'A'.repeat(43)}%3D`])('a made-up cookie is nobody: %s', async (value) => {
      const browser = new Browser();
      browser.jar(rig.url).set('forgeway.session_token', value);
      expect(await rig.actor(browser)).toBeUndefined();
    });

    it('the token in the database is none without its signature', async () => {
      const { browser } = await rig.go(ids.github);
      const [row] = await rig.rows<{ token: string }>('SELECT token FROM session ORDER BY created_at DESC LIMIT 1');
      expect(cookieOf(browser)).toContain(row?.token);
      const thief = new Browser();
      thief.jar(rig.url).set('forgeway.session_token', row?.token ?? '');
      expect(await rig.actor(thief)).toBeUndefined();
    });

    it('signing out ends one session; everywhere ends all, at once', async () => {
      github.person = fresh('many');
      const [one, two, three] = [await rig.go(ids.github), await rig.go(ids.github), await rig.go(ids.github)];
      const kept = cookieOf(one.browser) ?? '';
      expect((await one.browser.post(`${rig.url}/sign-out`, {})).headers.get('location')).toBe('/');
      expect(cookieOf(one.browser)).toBeUndefined();
      one.browser.jar(rig.url).set('forgeway.session_token', kept);
      expect(await rig.actor(one.browser)).toBeUndefined();
      expect(await rig.actor(two.browser)).toBeDefined();
      await two.browser.post(`${rig.url}/sign-out-everywhere`, {});
      expect(await rig.actor(three.browser)).toBeUndefined();
      expect(await rig.actor(two.browser)).toBeUndefined();
    });

    it('an expired one is nobody', async () => {
      const { browser } = await rig.go(ids.github);
      await rig.rows(`UPDATE session SET expires_at = now() - interval '1 second'`);
      expect(await rig.actor(browser)).toBeUndefined();
    });

    it('suspended: signed out at once, and not let in again', async () => {
      github.person = fresh('bad');
      const { browser } = await rig.go(ids.github);
      const actor = await rig.actor(browser);
      await setSuspended(rig.store.pool, actor?.userId ?? '', true, 'test');
      expect(await rig.actor(browser)).toBeUndefined();
      expect((await rig.go(ids.github)).error).toBe('suspended');
      await setSuspended(rig.store.pool, actor?.userId ?? '', false, 'test');
      expect((await rig.go(ids.github)).error).toBeNull();
    });

    it('roles are those of the moment', async () => {
      github.person = fresh('member');
      const { browser } = await rig.go(ids.github);
      const { userId } = (await rig.actor(browser)) ?? { userId: '' };
      const set = (role: string) =>
        rig.store.tenant(rig.db.organizationId, (tx) =>
          tx.query(
            `INSERT INTO member (organization_id, user_id, role) VALUES ($1, $2, $3)
             ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role`,
            [rig.db.organizationId, userId, role],
          ),
        );
      await set('maintainer');
      expect((await rig.actor(browser))?.memberships).toEqual(new Map([[rig.db.organizationId, 'maintainer']]));
      await set('a role of a later version');
      expect((await rig.actor(browser))?.memberships.size).toBe(0);
    });
  });

  describe('the first administrator', () => {
    const open = async (code: string) => {
      const browser = new Browser();
      const answer = await browser.get(`${rig.url}/setup?code=${code}`);
      expect(answer.headers.get('location')).toBe('/setup');
      return browser;
    };

    it('is not whoever signs in first', async () => {
      const admins = await rig.rows('SELECT FROM "user" WHERE platform_admin');
      expect([await users(), admins.length]).toEqual([expect.any(Number), 0]);
    });

    it('is who holds the link, once, past a closed sign-up, and owns the default organization', async () => {
      await rig.policy('closed');
      const code = await rig.setupCode();
      const browser = await open(code);
      expect(await (await browser.get(`${rig.url}/setup`)).text()).toContain('Become the administrator');
      github.person = fresh('root');
      expect((await rig.go(ids.github, browser)).error).toBeNull();
      expect(await rig.actor(browser)).toMatchObject({
        platformAdmin: true,
        memberships: new Map([[rig.db.organizationId, 'owner']]),
      });
      const page = await (await browser.get(`${rig.url}/setup`)).text();
      const trail = await listDecisions(rig.store, rig.db.organizationId, { action: 'platform.manage', limit: 10 });
      expect(trail).toMatchObject([{ allowed: true, subject: 'set-up' }]);
      expect(page).toContain('Who may sign in');
      expect(page).not.toContain(github.clientSecret);

      const second = await open(code);
      expect((await second.get(`${rig.url}/setup`)).status).toBe(403);
      github.person = fresh('late');
      expect((await rig.go(ids.github, second)).error).toBe('sign_up_closed');
    });

    it('two browsers with one link at the same time are one administrator', async () => {
      const code = await rig.setupCode();
      const [a, b] = [await open(code), await open(code)];
      github.person = fresh('a');
      const first = await rig.begin(ids.github, a);
      github.person = fresh('b');
      const second = await rig.begin(ids.github, b);
      await Promise.all([a.get(String(first)), b.get(String(second))]);
      const actors = [await rig.actor(a), await rig.actor(b)];
      expect(actors.filter((one) => one?.platformAdmin)).toHaveLength(1);
      expect(actors.filter((one) => one === undefined)).toHaveLength(1);
    });

    it('an expired link, one that was replaced, and a guess are worth nothing', async () => {
      const old = await rig.setupCode();
      const code = await rig.setupCode();
      for (const worthless of [old, 'A'.repeat(43), '../../x']) {
        const browser = await open(encodeURIComponent(worthless));
        expect((await browser.get(`${rig.url}/setup`)).status).toBe(403);
      }
      await rig.rows(`UPDATE sign_in_code SET expires_at = now() - interval '1 second'`);
      expect((await (await open(code)).get(`${rig.url}/setup`)).status).toBe(403);
    });

    it('sets clients up with the link; the policy is for a person who is one', async () => {
      const browser = await open(await rig.setupCode());
      const form = {
        forge: 'gitlab',
        base_url: 'https://git.example.com/lab',
        client_id: 'abc',
        client_secret: 'hidden-secret-1',
      };
      expect((await browser.post(`${rig.url}/setup/clients`, form)).status).toBe(303);
      const page = await (await browser.get(`${rig.url}/setup`)).text();
      expect(page).toContain('https://git.example.com/lab');
      expect(page).not.toContain('hidden-secret-1');
      await browser.post(`${rig.url}/setup/policy`, { policy: 'open' });
      expect(await rig.rows('SELECT value FROM platform_setting')).toEqual([{ value: { policy: 'closed' } }]);
      const bad = await browser.post(`${rig.url}/setup/clients`, { ...form, base_url: 'javascript:alert(1)' });
      expect(bad.status).toBe(422);
      // What was filled in is still there, but for what is secret; and the sentence about it is what is read first.
      const again = await bad.text();
      for (const kept of ['value="gitlab" selected', 'value="javascript:alert(1)"', 'value="abc"'])
        expect(again).toContain(kept);
      expect(again).not.toMatch(/hidden-secret-1| autofocus/);
      const row = await rig.rows<{ text: string }>(
        `SELECT oauth_client::text AS text FROM oauth_client WHERE forge = 'gitlab'`,
      );
      expect(row[0]?.text).not.toContain('hidden-secret-1');
    });

    it('is let to the page alone', async () => {
      await rig.policy('open');
      github.person = fresh('nobody special');
      const { browser } = await rig.go(ids.github);
      expect((await browser.get(`${rig.url}/setup`)).status).toBe(403);
      for (const path of ['clients', 'clients/remove', 'policy'])
        expect(
          (await browser.post(`${rig.url}/setup/${path}`, { policy: 'closed', provider: ids.github })).status,
        ).toBe(403);
      expect((await new Browser().get(`${rig.url}/setup`)).headers.get('location')).toBe('/sign-in?return_to=%2Fsetup');
      expect(await rig.rows('SELECT FROM oauth_client WHERE provider_id = $1', [ids.github])).toHaveLength(1);
    });
  });
});

describe('Better Auth’s tables', () => {
  it('are in the database under the names and with the types that it will use', async () => {
    const { getAuthTables } = await import('better-auth/db');
    const db = await createTestDatabase();
    const columns = await withConnection(db.superuser, readColumns).finally(() => db.drop());
    const tables = getAuthTables(
      authOptions({ origin: 'http://x', basePath: '/api/auth', errorUrl: '/', secret: 's' }),
    );
    const types: Record<string, string> = { string: 'text', boolean: 'bool', date: 'timestamptz' };
    expect(Object.keys(tables).sort()).toEqual(['account', 'session', 'user', 'verification']);
    for (const { modelName, fields } of Object.values(tables)) {
      const mine = columns.filter((column) => column.table === modelName);
      expect(mine.find(({ column }) => column === 'id')).toMatchObject({ type: 'text', nullable: false });
      for (const [name, field] of Object.entries(fields)) {
        const column = field.fieldName ?? name;
        const found = mine.find((one) => one.column === column);
        expect([modelName, column, found?.type]).toEqual([modelName, column, types[String(field.type)]]);
      }
      // What it does not write must fill itself.
      const written = new Set(Object.entries(fields).map(([name, field]) => field.fieldName ?? name));
      for (const { column, nullable, hasDefault, generated } of mine)
        if (!written.has(column) && column !== 'id')
          expect([column, nullable || hasDefault || generated]).toEqual([column, true]);
    }
  });
});
