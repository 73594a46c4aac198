/** Accounts that install an App and are not known here: who is served, who waits, and what admitting does. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { admitInstallation, waitingNamed } from '../../src/accounts/admit-installation.js';
import { listForgeApps, removeForgeApp, saveForgeApp } from '../../src/accounts/forge-apps/rows.js';
import { insertSource } from '../../src/accounts/membership/sources.js';
import { listWaiting } from '../../src/accounts/newcomers.js';
import { type SignUpPolicy, writeSignUpPolicy } from '../../src/accounts/sign-in/policy.js';
import { createVault } from '../../src/accounts/vault.js';
import { admitPorts } from '../../src/entry/admit-installations.js';
import { forges } from '../../src/forges/registry.js';
import { createApps } from '../../src/handlers/apps.js';
import { packBody } from '../../src/inbox/packed-body.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge } from '../../src/translate/bridge.js';
import { type AppForge, type DoubleApp, startAppForge } from '../support/app-forge.js';
import { TEST_KEYS } from '../support/database.js';
import { eventually, InboxDatabase } from './inbox-database.js';

const log = pino({ level: 'silent' });
const WAITS = /^(\S+) installed the App and is not admitted here: .*`forgeway installations admit \1`$/;
const STRANGER = { id: 500, login: 'stranger', type: 'Organization' };
const OWNER = { id: 900, login: 'acme', type: 'Organization' };

type Payload = Record<string, unknown> & { installation: Record<string, unknown> };
const fixture = (name: string) =>
  JSON.parse(
    readFileSync(new URL(`../../src/forges/github/fixtures/${name}.json`, import.meta.url), 'utf8'),
  ) as Payload;

let inbox: InboxDatabase;
let forge: AppForge;
let app: DoubleApp;
let bridge: Bridge;
/** Apps that ran, with what they ran on. */
let ran: string[];
/** Of the App that was registered, and of one whose key is in the environment. */
const REGISTERED = 'registered-hook';
const ENVIRONMENT = 'environment-hook';

beforeAll(async () => {
  forge = await startAppForge();
  app = forge.addApp({ id: 4_000, owner: OWNER });
});
afterAll(() => forge.close());
beforeEach(async () => {
  inbox = await InboxDatabase.create();
  const { organizationId } = inbox.test;
  ran = [];
  await saveForgeApp(
    { store: inbox.test.store('api'), vault: createVault(TEST_KEYS.versions), organizationId },
    {
      ...{ forge: 'github', host: forge.host, baseUrl: forge.url, hookId: REGISTERED, by: 'test' },
      app: {
        ...{ id: String(app.id), slug: app.slug, name: app.name, pageUrl: `${forge.url}/apps/x` },
        owner: { id: BigInt(OWNER.id), login: OWNER.login },
        ...{ clientId: 'c', clientSecret: 'secret', webhookSecret: 'secret', privateKey: app.pem },
      },
    },
  );
  const store = inbox.openWorkerStore();
  await store.tenant(organizationId, (tx) =>
    tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source)
       VALUES ($1, $2, 'github', $3, 'app', '1', 'environment')`,
      [ENVIRONMENT, organizationId, forge.host],
    ),
  );
  const poke = { name: 'x', poke: async () => undefined };
  bridge = await createBridge({
    apps: [
      ...createApps({
        store,
        pokes: { preview: poke, sync: poke, report: poke, run: poke, watch: poke, agent: poke },
        log,
      }),
      { name: 'other', load: (probot) => probot.onAny(({ name }) => void ran.push(name)) },
    ],
    ...{ store, keys: TEST_KEYS, log, metrics: createMetrics(), forges, fetch: (url, init) => fetch(url, init) },
  });
  inbox.start({ dispatcher: bridge, forges });
});
afterEach(async () => {
  await inbox.drop();
});

const policy = (value: SignUpPolicy) => writeSignUpPolicy(inbox.test.store('api').pool, value, 'test');

/** What became of a delivery of an App. */
async function deliver(hookId: string, eventType: string, payload: object) {
  const { coding, bytes } = packBody(Buffer.from(JSON.stringify(payload)));
  const { rows } = await inbox.pool.query<{ id: bigint }>(
    `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type, headers, body, body_coding)
     VALUES ($1, 'github', $2, $3, $4, '{"content-type":"application/json"}', $5, $6) RETURNING id`,
    [hookId, forge.host, randomUUID(), eventType, bytes, coding],
  );
  return inbox.settled(rows[0]?.id ?? 0n);
}

function installation(account: typeof STRANGER, id: number, action = 'created', hook = REGISTERED) {
  const payload = fixture('installation.created');
  return deliver(hook, 'installation', { ...payload, action, installation: { ...payload.installation, id, account } });
}

/** Of a repository of that account, with the number of its installation alone, as GitHub sends it. */
function pull(account: typeof STRANGER, id: number, hook = REGISTERED) {
  const payload = fixture('pull_request.opened') as Payload & { repository: object };
  const repository = { ...payload.repository, id: account.id * 10, owner: account, full_name: `${account.login}/web` };
  return deliver(hook, 'pull_request', { ...payload, repository, installation: { id } });
}

const tenantRows = async () => {
  return inbox.test.store('worker').tenant(inbox.test.organizationId, async (tx) => ({
    installations: (await tx.query('SELECT FROM installation')).rowCount,
    repositories: (await tx.query('SELECT FROM repository')).rowCount,
    claims: (await tx.query('SELECT FROM repository_claim')).rowCount,
    pulls: (await tx.query('SELECT FROM pull_request')).rowCount,
  }));
};
const NOTHING = { installations: 0, repositories: 0, claims: 0, pulls: 0 };

describe('a stranger who installs a registered App', () => {
  it.each(['closed', 'organization', undefined] as const)(
    'is served nothing while the policy is %s: no row, no app, one reason for everything',
    async (value) => {
      if (value !== undefined) await policy(value);
      for (const row of [await installation(STRANGER, 71), await pull(STRANGER, 71), await pull(STRANGER, 71)])
        expect(row).toMatchObject({
          status: 'ignored',
          organization_id: null,
          reason: expect.stringMatching(WAITS),
        });
      expect(ran).toEqual([]);
      expect(await tenantRows()).toEqual(NOTHING);
      const [{ n } = { n: -1 }] = (await inbox.pool.query<{ n: number }>('SELECT count(*)::int4 AS n FROM dispatch'))
        .rows;
      expect(n).toBe(0);
      expect(await listWaiting(inbox.test.store('api').pool)).toMatchObject([
        { accountId: 500n, accountLogin: 'stranger', installationId: 71n, appId: '4000', deliveries: 3 },
      ]);
    },
  );

  it('is noted by the first event of any kind, when the App was installed before we listened', async () => {
    expect((await pull(STRANGER, 72)).reason).toMatch(WAITS);
    expect(await listWaiting(inbox.pool)).toMatchObject([{ accountLogin: 'stranger', deliveries: 1 }]);
  });

  it('is served while the policy is open, and stays so when it is closed', async () => {
    await policy('open');
    expect(await installation(STRANGER, 73)).toMatchObject({
      status: 'done',
      organization_id: inbox.test.organizationId,
    });
    await policy('closed');
    expect(await pull(STRANGER, 73)).toMatchObject({ status: 'done' });
    expect(await installation({ ...STRANGER, id: 501 }, 74)).toMatchObject({ status: 'ignored' });
  });

  it('waits no more when they uninstall it', async () => {
    await installation(STRANGER, 75);
    expect(await installation(STRANGER, 75, 'deleted')).toMatchObject({ status: 'ignored' });
    expect(await listWaiting(inbox.pool)).toEqual([]);
  });
});

describe('an App that is not known here any more', () => {
  const remove = async () => {
    const store = inbox.test.store('api');
    const [app] = await listForgeApps(store.pool);
    await removeForgeApp({ store, organizationId: inbox.test.organizationId }, app?.id ?? '', 'test');
  };
  const GONE = { status: 'ignored', reason: expect.stringMatching(/^App \d+ was removed here/) };

  it.each(['open', undefined] as const)(
    'brings nobody new by what was queued when it was removed, while the policy is %s; who was served stays so',
    async (value) => {
      if (value !== undefined) await policy(value);
      await installation(OWNER, 76);
      await remove();
      expect(await installation(STRANGER, 77)).toMatchObject(GONE);
      expect(await pull(STRANGER, 78)).toMatchObject(GONE);
      expect(await listWaiting(inbox.pool)).toEqual([]);
      expect(await pull(OWNER, 76)).toMatchObject({ status: 'done' });
    },
  );

  it('nor one of the environment whose hook is disabled', async () => {
    const store = inbox.test.store('worker');
    await store.tenant(inbox.test.organizationId, (tx) => tx.query('UPDATE hook SET enabled = false'));
    expect(await installation(STRANGER, 79, 'created', ENVIRONMENT)).toMatchObject(GONE);
  });
});

describe('who is no stranger', () => {
  it('is the account that owns the App', async () => {
    await policy('closed');
    expect(await installation(OWNER, 80)).toMatchObject({ status: 'done' });
    expect(await pull(OWNER, 80)).toMatchObject({ status: 'done' });
    // By number: a name is given to others in time.
    expect(await installation({ ...STRANGER, login: OWNER.login }, 81)).toMatchObject({ status: 'ignored' });
  });

  it('by organization: who is linked, or served through another App; closed, they wait', async () => {
    await policy('organization');
    const { organizationId } = inbox.test;
    await inbox.test.store('worker').tenant(organizationId, async (tx) => {
      const values = [organizationId, forge.host, STRANGER.id];
      const { rows } = await tx.query<{ id: string }>(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, account_id)
         VALUES ($1, 'github', $2, 'another', 9, 9, $3) RETURNING id`,
        values,
      );
      const organization = { id: 600n, login: 'linked', name: 'Linked', url: '' };
      const place = { organizationId, forge: 'github', host: forge.host, installationId: rows[0]?.id ?? '' };
      await insertSource(tx, { ...place, organization, linkedBy: 'test' }, new Date());
    });
    expect(await installation(STRANGER, 82)).toMatchObject({ status: 'done' });
    expect(await installation({ ...STRANGER, id: 600 }, 83)).toMatchObject({ status: 'done' });
    expect(await installation({ ...STRANGER, id: 601 }, 84)).toMatchObject({ status: 'ignored' });
    await policy('closed');
    expect(await installation({ ...STRANGER, id: 600 }, 85)).toMatchObject({ status: 'ignored' });
  });

  it('for the App of the environment: everybody, until somebody says what the policy is', async () => {
    expect(await installation(STRANGER, 86, 'created', ENVIRONMENT)).toMatchObject({ status: 'done' });
    await policy('closed');
    expect(await pull(STRANGER, 86, ENVIRONMENT)).toMatchObject({ status: 'done' });
    expect(await installation({ ...STRANGER, id: 502 }, 87, 'created', ENVIRONMENT)).toMatchObject({
      status: 'ignored',
      reason: expect.stringMatching(WAITS),
    });
  });
});

describe('admitting', () => {
  const admit = async () => {
    const [waiting] = await waitingNamed(inbox.pool, 'Stranger');
    if (waiting === undefined) throw new Error('nobody waits');
    const store = inbox.openWorkerStore();
    return admitInstallation(admitPorts({ store, bridge: async () => bridge }), waiting, 'user:1');
  };
  const repository = { id: 5_000, node_id: 'R', name: 'web', full_name: 'stranger/web', private: true };
  const install = (id: number) => forge.installations.set(id, { id, account: STRANGER, repositories: [repository] });

  it('asks the forge what it reaches, tells the apps, and serves everything from then on', async () => {
    await policy('closed');
    install(90);
    await installation(STRANGER, 90);
    expect(await admit()).toEqual({ kind: 'admitted', login: 'stranger', host: forge.host, repositories: 1 });
    await eventually(() => ran.includes('installation'));
    await eventually(async () => (await tenantRows()).repositories === 1);
    expect(await listWaiting(inbox.pool)).toEqual([]);
    expect(await pull(STRANGER, 90)).toMatchObject({ status: 'done' });
    expect(await tenantRows()).toMatchObject({ installations: 1, repositories: 1, pulls: 1 });
    const trail = await inbox.test.store('api').pool.query('SELECT actor, detail FROM platform_audit_entry');
    expect(trail.rows).toContainEqual({
      actor: 'user:1',
      detail: { login: 'stranger', app: '4000', installation: '90' },
    });
    // The account, and not this installation alone.
    expect(await installation(STRANGER, 91)).toMatchObject({ status: 'done' });
  });

  it('of somebody who uninstalled it meanwhile, or whose forge is away, serves nobody', async () => {
    await policy('closed');
    await installation(STRANGER, 92);
    expect(await admit()).toEqual({ kind: 'gone', host: forge.host });
    expect(await installation(STRANGER, 92)).toMatchObject({ status: 'ignored' });
    forge.failing = true;
    expect(await admit()).toMatchObject({ kind: 'not-asked' });
    expect(await pull(STRANGER, 92)).toMatchObject({ status: 'ignored' });
    forge.failing = false;
    install(92);
    expect(await admit()).toMatchObject({ kind: 'admitted' });
  });
});
