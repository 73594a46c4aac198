/** Registering an App from a manifest: there and back over real HTTP, and everything that must not work. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Probot } from 'probot';
import type { Admitted } from '../../src/accounts/admit-installation.js';
import { appAsks } from '../../src/entry/app-manifest.js';
import { secretsOf } from '../../src/entry/default-app.js';
import { createHookRecovery } from '../../src/entry/hook-recovery.js';
import { forges } from '../../src/forges/registry.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge } from '../../src/translate/bridge.js';
import { createHookDirectory } from '../../src/webhook/hooks.js';
import { type AppForge, startAppForge } from '../support/app-forge.js';
import { Browser } from '../support/browser.js';
import { TEST_KEYS } from '../support/database.js';
import { type OAuthForge, startOAuthForge } from '../support/oauth-forge.js';
import { type SignInRig, startSignInRig } from '../support/sign-in-rig.js';

const log = pino({ level: 'silent' });
const refused = 'https://metadata.example';

let rig: SignInRig;
let forge: AppForge;
let people: OAuthForge;
let provider: string;
let admin: Browser;
const admitted: [installation: string, by: string][] = [];
let outcome: Admitted = { kind: 'admitted', login: 'stranger', host: 'h', repositories: 3 };

/** Signs somebody in; `grant` makes them an administrator. */
async function person(id: number, grant: boolean): Promise<Browser> {
  people.person = { id, login: `user${id}` };
  const { browser, error } = await rig.go(provider);
  expect(error).toBeNull();
  if (grant)
    await rig.rows(
      `UPDATE "user" SET platform_admin = true WHERE id = (SELECT user_id FROM identity WHERE remote_id = $1)`,
      [id],
    );
  return browser;
}

const field = (html: string, name: string) => {
  const found = new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1];
  return found?.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
};
const actionOf = (html: string) =>
  [...html.matchAll(/<form method="post" action="([^"]*)"/g)].at(-1)?.[1]?.replaceAll('&#38;', '&') ?? '';

/** From our form to the forge's yes: the address that the browser would come back to. */
async function begin(browser: Browser, form: Record<string, string> = {}): Promise<{ back: string; manifest: string }> {
  const ours = await browser.post(`${rig.url}/setup/apps`, {
    forge: 'github',
    base_url: forge.url,
    name: 'Our bot',
    another: 'yes',
    ...form,
  });
  const text = await ours.text();
  expect([ours.status, text]).toEqual([200, expect.stringContaining('Continue on')]);
  const manifest = field(text, 'manifest') ?? '';
  const theirs = await browser.post(actionOf(text), { manifest });
  const draft = field(await theirs.text(), 'draft') ?? '';
  const made = await browser.post(`${forge.url}/settings/apps/create`, { draft });
  return { back: made.headers.get('location') ?? '', manifest };
}

async function pageOf(response: Response): Promise<[number, string]> {
  const text = await response.text();
  return [response.status, /<h1>([^<]*)<\/h1>/.exec(text)?.[1] ?? text];
}

const stored = () =>
  rig.rows<{ app_id: string; hook_id: string; name: string }>('SELECT * FROM forge_app ORDER BY created_at');

beforeAll(async () => {
  rig = await startSignInRig({
    async admit({ installationId }, by) {
      admitted.push([installationId.toString(), by]);
      return outcome;
    },
    check(url) {
      if (url.startsWith(refused)) throw new ForgewayError('FORGEWAY_ADDRESS_REFUSED', `${url} may not be asked.`);
    },
  });
  forge = await startAppForge();
  people = await startOAuthForge('gitea', { id: 1, login: 'x' });
  provider = await rig.register('gitea', people);
  await rig.policy('open');
  admin = await person(1, true);
});
beforeEach(() => {
  forge.asked.length = 0;
  forge.convertNext.length = 0;
});
afterAll(async () => {
  await forge.close();
  await people.close();
  await rig.close();
});

describe('who may', () => {
  it('is an administrator, or whoever has the setup link; nobody else', async () => {
    const nobody = await new Browser().get(`${rig.url}/setup/apps`);
    expect(nobody.headers.get('location')).toBe('/sign-in?return_to=%2Fsetup%2Fapps');
    const other = await person(2, false);
    for (const answer of [
      await other.get(`${rig.url}/setup/apps`),
      await other.post(`${rig.url}/setup/apps`, { forge: 'github', base_url: forge.url, name: 'x' }),
      await other.get(`${rig.url}/setup/apps/callback?code=a&state=b`),
      await other.post(`${rig.url}/setup/apps/remove`, { id: rig.db.organizationId }),
    ])
      expect(await pageOf(answer)).toEqual([403, 'Not for you']);
    const first = new Browser();
    await first.get(`${rig.url}/setup?code=${await rig.setupCode()}`);
    expect((await first.get(`${rig.url}/setup/apps`)).status).toBe(200);
    expect(await rig.rows('SELECT FROM forge_app_registration')).toHaveLength(0);
  });

  it('is not a page of somebody else that the administrator has open', async () => {
    const form = { forge: 'github', base_url: forge.url, name: 'x' };
    const answer = await admin.post(`${rig.url}/setup/apps`, form, { origin: 'https://evil.example' });
    expect(await pageOf(answer)).toEqual([403, 'Not from here']);
  });
});

describe('the way there and back', () => {
  let bridge: Bridge;
  let app: Probot;
  it('registers an App with what app.yml lists, and ends on the page where it is installed', async () => {
    const { back, manifest } = await begin(admin, { organization: 'acme-inc' });
    const { manifest: posted, ...made } = forge.apps.at(-1) ?? ({} as never);
    expect(JSON.parse(manifest)).toEqual({
      name: 'Our bot',
      url: rig.url,
      hook_attributes: { url: expect.stringMatching(`^${rig.url}/api/webhooks/github/[0-9a-f-]{36}$`), active: true },
      redirect_url: `${rig.url}/setup/apps/callback`,
      callback_urls: [rig.signIn.callbackUrl(rig.providerIdOf('github', forge as never))],
      setup_url: rig.url,
      public: false,
      default_permissions: { contents: 'read', pull_requests: 'write' },
      default_events: ['push', 'pull_request'],
    });
    const done = await admin.get(back);
    expect([done.status, done.headers.get('location')]).toEqual([303, `${forge.url}/apps/our-bot/installations/new`]);
    const [row] = await stored();
    expect(row).toMatchObject({ app_id: String(made.id), name: 'Our bot', owner_login: 'acme-inc' });
    expect(posted.hook_attributes.url.endsWith(`/${row?.hook_id}`)).toBe(true);
    const [{ text } = { text: '' }] = await rig.rows<{ text: string }>(
      `SELECT concat((SELECT json_agg(a) FROM forge_app a), (SELECT json_agg(r) FROM forge_app_registration r),
         (SELECT json_agg(c) FROM oauth_client c), (SELECT json_agg(t) FROM platform_audit_entry t)) AS text`,
    );
    expect(text).toContain('forge-app.registered');
    for (const secret of [
      made.webhookSecret,
      made.clientSecret,
      made.pem.split('\n')[1] ?? '',
      admin.jar(rig.url).get('forgeway.app') ?? '',
    ])
      expect([secret.length > 10, text.includes(secret)]).toEqual([true, false]);
  });

  it('what app.yml lists is what the program asks for', () => {
    const { permissions, events } = appAsks();
    expect(permissions.pull_requests).toBe('write');
    expect(events).toContain('pull_request');
  });

  it('its webhooks are accepted with its secret at once, by the role that receives them', async () => {
    const [row] = await stored();
    const directory = createHookDirectory(
      rig.db.store('ingress').pool,
      secretsOf({ webhookSecret: undefined }, TEST_KEYS as never),
      log,
    );
    const found = await directory.find(row?.hook_id ?? '', 'github');
    expect(found?.secrets).toEqual([forge.apps.at(-1)?.webhookSecret]);
    expect(found?.hook).toMatchObject({ appId: row?.app_id, host: forge.host, organizationId: rig.db.organizationId });
  });

  it('a worker that was running signs with its key, for its installations and about its webhooks', async () => {
    const store = rig.db.store('worker');
    bridge = await createBridge({
      apps: [
        {
          name: 'app',
          load: (probot) => {
            app = probot;
          },
        },
      ],
      ...{ store, keys: TEST_KEYS, log },
      forges,
      metrics: createMetrics(),
      fetch: (url, init) => fetch(url, init),
    });
    const [row] = await stored();
    const [installation] = await store.tenant(rig.db.organizationId, async (tx) => {
      const sql = `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
        VALUES ($1, 'github', $2, $3, 55, 4503599627370999) RETURNING virtual_id`;
      return (await tx.query<{ virtual_id: bigint }>(sql, [rig.db.organizationId, forge.host, row?.app_id])).rows;
    });
    forge.installations.set(55, { id: 55, account: { id: 1, login: 'a', type: 'User' }, repositories: [] });
    const octokit = await app.auth(Number(installation?.virtual_id));
    const { data } = await octokit.request('GET /installation/repositories');
    expect(data).toMatchObject({ total_count: 0 });
    expect(forge.asked).toEqual(['POST /app/installations/55/access_tokens 201', 'GET /installation/repositories 200']);
    // And the App itself, for the list of what could not be delivered: not the one of the environment.
    const recovery = createHookRecovery({
      ...{ store, metrics: createMetrics(), log, keys: TEST_KEYS as never, bridge },
      config: { hookWatchSeconds: 60, publicUrl: rig.url },
    });
    await recovery?.cycle();
    await recovery?.stop();
    expect(forge.asked.at(-1)).toBe('GET /app/hook/deliveries 404');
  });

  it('people sign in with its client, where nobody could with that host', async () => {
    const id = rig.providerIdOf('github', forge as never);
    const { error, browser } = await rig.go(id);
    expect(error).toBeNull();
    expect(await rig.actor(browser)).toMatchObject({ name: 'mona', platformAdmin: false });
  });

  it('a client that is registered for the host already stays', async () => {
    const client = () => rig.rows(`SELECT client_id FROM oauth_client WHERE forge = 'github'`);
    const before = await client();
    await admin.get((await begin(admin, { name: 'Second' })).back);
    expect(await stored()).toHaveLength(2);
    expect(await client()).toEqual(before);
  });
});

describe('what does not work', () => {
  it.each([
    ['an address that the guard refuses', { base_url: refused }, 422, 'may not be asked'],
    ['no address', { base_url: 'ftp://x' }, 422, 'is not the address of a server'],
    ['a forge without Apps', { forge: 'gitlab' }, 422, 'Choose a forge that has Apps'],
    ['an organization that is a path', { organization: '../x' }, 422, 'one word'],
    ['no name', { name: ' ' }, 422, 'Give the App a name'],
    ['a host that has an App', { another: '' }, 409, 'already: Our bot'],
  ] as const)('%s', async (_, form, status, text) => {
    const before = await rig.rows('SELECT FROM forge_app_registration');
    const whole = { forge: 'github', base_url: forge.url, name: 'x', another: 'yes', ...form };
    const { another, ...rest } = whole;
    const answer = await admin.post(`${rig.url}/setup/apps`, another === '' ? rest : whole);
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(text)]);
    expect(await rig.rows('SELECT FROM forge_app_registration')).toHaveLength(before.length);
  });

  /** Nothing was stored, and the forge was asked as often as said. */
  async function without(times: number, run: () => Promise<void>): Promise<void> {
    const before = (await stored()).length;
    await run();
    expect(forge.asked.filter((line) => line.includes('conversions'))).toHaveLength(times);
    expect(await stored()).toHaveLength(before);
  }

  it('the same callback twice', async () => {
    const { back } = await begin(admin);
    expect((await admin.get(back)).status).toBe(303);
    await without(1, async () => expect(await pageOf(await admin.get(back))).toEqual([409, 'Done already']));
  });

  it('the same callback twice at the same moment', async () => {
    const { back } = await begin(admin);
    const before = (await stored()).length;
    const statuses = await Promise.all([1, 2, 3].map(async () => (await admin.get(back)).status));
    expect(statuses.sort()).toEqual([303, 409, 409]);
    expect(await stored()).toHaveLength(before + 1);
  });

  it('a state that was never given, or none, or no code', () =>
    without(0, async () => {
      const { back } = await begin(admin);
      const wrong = new URL(back);
      wrong.searchParams.set('state', 'x'.repeat(43));
      expect(await pageOf(await admin.get(wrong.href))).toEqual([400, 'Not begun here']);
      for (const name of ['state', 'code']) {
        const lacking = new URL(back);
        lacking.searchParams.delete(name);
        expect(await pageOf(await admin.get(lacking.href))).toEqual([400, 'Not completed']);
      }
    }));

  it('another browser, of the same administrator and of another; the first one completes it', async () => {
    const { back } = await begin(admin);
    await without(0, async () => {
      const sameElsewhere = new Browser();
      const here = admin.jar(rig.url);
      const there = sameElsewhere.jar(rig.url);
      for (const [name, value] of here) if (name !== 'forgeway.app') there.set(name, value);
      expect(await pageOf(await sameElsewhere.get(back))).toEqual([403, 'Another browser']);
      const other = await person(3, true);
      other.jar(rig.url).set('forgeway.app', here.get('forgeway.app') ?? '');
      expect(await pageOf(await other.get(back))).toEqual([403, 'Somebody else']);
      expect((await new Browser().get(back)).headers.get('location')).toContain(
        '/sign-in?return_to=%2Fsetup%2Fapps%2Fcallback',
      );
    });
    expect((await admin.get(back)).status).toBe(303);
  });

  it('after an hour', () =>
    without(0, async () => {
      const { back } = await begin(admin);
      await rig.rows(`UPDATE forge_app_registration SET expires_at = now() WHERE consumed_at IS NULL`);
      expect(await pageOf(await admin.get(back))).toEqual([410, 'Too late']);
    }));

  it.each([
    [404, 'The code was refused'],
    [422, 'The code was refused'],
    [201, 'Not understood'],
  ])('a forge that answers %d', (status, title) =>
    without(1, async () => {
      const { back } = await begin(admin);
      // A page on another server would be gone to.
      const body = { message: 'no', html_url: 'https://evil.example/apps/x' };
      forge.convertNext.push({ status, body });
      expect(await pageOf(await admin.get(back))).toEqual([502, title]);
      expect(await pageOf(await admin.get(back))).toEqual([409, 'Done already']);
    }),
  );

  it('an App that is stored already', async () => {
    const { back } = await begin(admin);
    const [first] = forge.apps;
    const body = {
      id: first?.id,
      slug: 'x',
      name: 'Twice',
      html_url: `${forge.url}/apps/x`,
      owner: { id: 1, login: 'x' },
    };
    const secrets = { client_id: 'x', client_secret: 'x', webhook_secret: 'x', pem: first?.pem };
    forge.convertNext.push({ status: 201, body: { ...body, ...secrets } });
    await without(1, async () => expect(await pageOf(await admin.get(back))).toEqual([409, 'Registered already']));
  });

  it('a forge that does not answer may be asked again with the same address', async () => {
    const { back } = await begin(admin);
    forge.convertNext.push('no answer', { status: 502, body: {} });
    for (const _ of [1, 2]) expect(await pageOf(await admin.get(back))).toEqual([502, 'Not reached']);
    expect((await admin.get(back)).status).toBe(303);
  });
});

describe('who waits', () => {
  const wait = async () => {
    await rig.db.store('worker').pool.query(
      `INSERT INTO waiting_installation (forge, host, app_id, installation_id, hook_id, account_id, account_login)
       VALUES ('github', 'h', '1', 9, 'x', 5, '<b>stranger')`,
    );
    const [row] = await rig.rows<{ id: string }>('SELECT id FROM waiting_installation');
    return row?.id ?? '';
  };

  it('is listed, and admitted by an administrator, who reads what became of it', async () => {
    const id = await wait();
    const page = await (await admin.get(`${rig.url}/setup/apps`)).text();
    expect(page).toContain('&#60;b&#62;stranger');
    expect(page).not.toContain('<b>stranger');
    const answer = await admin.post(`${rig.url}/setup/apps/admit`, { id });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('with 3 repositories')]);
    outcome = { kind: 'not-asked', host: 'h', reason: 'It is away.' };
    const failed = await admin.post(`${rig.url}/setup/apps/admit`, { id });
    expect([failed.status, await failed.text()]).toEqual([502, expect.stringContaining('It is away.')]);
    const [person] = await rig.rows<{ user_id: string }>(`SELECT user_id FROM identity WHERE remote_id = 1`);
    expect(admitted).toEqual(Array(2).fill(['9', `user:${person?.user_id}`]));
  });

  it('is admitted neither by others nor with the setup link', async () => {
    const [{ id } = { id: '' }] = await rig.rows<{ id: string }>('SELECT id FROM waiting_installation');
    const first = new Browser();
    await first.get(`${rig.url}/setup?code=${await rig.setupCode()}`);
    expect((await first.post(`${rig.url}/setup/apps/admit`, { id })).status).toBe(303);
    expect((await (await person(4, false)).post(`${rig.url}/setup/apps/admit`, { id })).status).toBe(403);
    expect(admitted).toHaveLength(2);
  });
});

it('an App that is forgotten is spoken for and heard no more', async () => {
  const [{ id, hook_id } = { id: '', hook_id: '' }] = await rig.rows<{ id: string; hook_id: string }>(
    'SELECT id, hook_id FROM forge_app ORDER BY created_at LIMIT 1',
  );
  await admin.post(`${rig.url}/setup/apps/remove`, { id });
  expect(await rig.rows('SELECT FROM forge_app WHERE id = $1', [id])).toHaveLength(0);
  const directory = createHookDirectory(
    rig.db.store('ingress').pool,
    secretsOf({ webhookSecret: undefined }, TEST_KEYS as never),
    log,
  );
  expect(await directory.find(hook_id, 'github')).toBeUndefined();
});
