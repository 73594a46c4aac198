/** Which repositories lack the App or a webhook, and the page or command that mends it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { installState, type RepositoryState, visibleRepositories } from '../../src/accounts/install-state.js';
import { readInstallation } from '../../src/accounts/installation-facts.js';
import { installationNewsWritten } from '../../src/accounts/installation-news.js';
import { installationActive, installationDeleted, installationSuspended } from '../../src/accounts/installations.js';
import { github } from '../../src/forges/github/forge.js';
import { forges } from '../../src/forges/registry.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { githubWorld } from './worlds.js';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await tell(
    `INSERT INTO hook (id, organization_id, forge, host, scope, app_id) VALUES ('app', $1, 'github', 'github.com', 'app', '1')`,
    [db.organizationId],
  );
});
afterAll(() => db.drop());

const tell = (sql: string, values: unknown[]) =>
  db.store('worker').tenant(db.organizationId, (tx) => tx.query(sql, values));
let minute = 0;
const happen = async (event: typeof installationDeleted | 'created', ids: readonly bigint[] = []) => {
  minute += 1;
  const receivedAt = new Date(Date.UTC(2026, 0, 1, 0, minute));
  const source = { organizationId: db.organizationId, forge: 'github', host: 'github.com', hookId: 'app', receivedAt };
  const facts = readInstallation({
    id: 7,
    account: { id: 100, login: 'acme', type: 'Organization' },
    created_at: (event === 'created' ? receivedAt : new Date(0)).toISOString(),
    updated_at: receivedAt.toISOString(),
  });
  await db
    .store('worker')
    .tenant(db.organizationId, (tx) =>
      event === 'created' ? installationActive(tx, source, 'created', facts, ids) : event(tx, source, facts),
    );
};
const repository = (forge: string, host: string, id: number, owner: string, name: string) =>
  tell(
    `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_instance_url, remote_owner, remote_name,
       default_branch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'main')`,
    [
      db.organizationId,
      forge,
      host,
      id,
      `https://${host}/${owner}/${name}`,
      forge === 'github' ? null : `https://${host}`,
      owner,
      name,
    ],
  );

const ask = (visible?: Parameters<typeof installState>[0]['visible'], store = db.store('api')) =>
  installState({
    store,
    forges,
    organizationId: db.organizationId,
    appPage: () => 'https://github.com/apps/forgeway',
    ...(visible && { visible }),
  });
const brief = (list: readonly RepositoryState[]) =>
  Object.fromEntries(list.map(({ name, state, fix }) => [name, fix === undefined ? state : { state, ...fix }]));

describe('an App', () => {
  const settings = { link: 'https://github.com/organizations/acme/settings/installations/7' };
  const visible = async () => [
    {
      forge: 'github',
      host: 'github.com',
      baseUrl: 'https://github.com',
      repositories: await personsRepositories(),
    },
  ];
  const world = githubWorld();
  world.add('ann');
  const personsRepositories = () => visibleRepositories(github, world.native('ann'));
  afterAll(() => expect(world.api.violations).toEqual([]));

  it('that was never installed is to be installed', async () => {
    const install = { state: 'lacks-app', link: 'https://github.com/apps/forgeway/installations/new' };
    expect(brief((await ask(await visible())).repositories)).toEqual({ web: install, api: install });
  });

  it('covers what it reaches, and is to reach the rest', async () => {
    await repository('github', 'github.com', 41, 'acme', 'web');
    await happen('created', [41n]);
    const state = await ask(await visible());
    expect(state.banner).toEqual({ shown: false });
    expect(brief(state.repositories)).toEqual({ web: 'covered', api: { state: 'lacks-app', ...settings } });
    // What lacks something comes first; without a person's token it is what the organization knows.
    expect(state.repositories.map(({ name }) => name)).toEqual(['api', 'web']);
    expect(brief((await ask()).repositories)).toEqual({ web: 'covered' });
  });

  it('that is suspended says where that is ended', async () => {
    await happen(installationSuspended);
    expect(brief((await ask()).repositories)).toEqual({ web: { state: 'suspended', ...settings } });
  });

  it('that is uninstalled shows in the next request', async () => {
    await happen(installationDeleted);
    const state = await ask();
    expect(state.banner).toMatchObject({ shown: true });
    expect(brief(state.repositories)).toEqual({
      web: { state: 'lacks-app', link: 'https://github.com/apps/forgeway/installations/new' },
    });
    await happen('created', [41n]);
    expect(await ask()).toMatchObject({ banner: { shown: false }, repositories: [{ state: 'covered' }] });
  });

  it('is waited for while its webhook is still to be written down, but not for ever', async () => {
    const store = db.store('api');
    await installationNewsWritten(store, 0);
    await db.store('ingress').pool.query(
      `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type, headers, body)
       VALUES ('app', 'github', 'github.com', 'gone', 'installation', '{}', '\\x7b7d')`,
    );
    const asked: string[] = [];
    const pool = new Proxy(store.pool, {
      get: (target, name) =>
        name === 'query'
          ? async (...given: [never]) => {
              asked.push('looked');
              if (asked.length === 3)
                await db
                  .store('worker')
                  .pool.query(`UPDATE webhook_delivery SET status = 'ignored' WHERE delivery_key = 'gone'`);
              return target.query(...given);
            }
          : Reflect.get(target, name),
    });
    await installationNewsWritten({ pool }, 60_000);
    expect(asked).toHaveLength(3);
    await db.store('worker').pool.query(`UPDATE webhook_delivery SET status = 'received' WHERE delivery_key = 'gone'`);
    await installationNewsWritten(store, 60);
  });

  it('says nothing of another organization', async () => {
    const other = randomUUID();
    const store = db.store('worker');
    await store.tenant(other, (tx) =>
      tx.query('INSERT INTO organization (id, slug, name) VALUES ($1, $2, $2)', [other, 'other']),
    );
    const options = { store, forges, organizationId: other, appPage: () => undefined };
    expect(await installState(options)).toEqual({ banner: { shown: false }, repositories: [] });
  });
});

describe('a connection by token', () => {
  it('covers what a webhook tells of, polls the rest, and names the command', async () => {
    const connectionId = randomUUID();
    const host = 'git.example.com';
    await tell(
      `INSERT INTO connection (id, organization_id, name, kind, forge, host, instance_url, provider_account_id)
       VALUES ($1, $2, 'c', 'pat', 'gitlab', $3, 'https://git.example.com', '1')`,
      [connectionId, db.organizationId, host],
    );
    await tell(
      `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, connection_id)
       VALUES ($1, 'gitlab', $2, 'token:x', 1, 424242, $3)`,
      [db.organizationId, host, connectionId],
    );
    const hook = (scope: string, target: string, remote: string | null) =>
      tell(
        `INSERT INTO hook (id, organization_id, forge, host, scope, connection_id, target, remote_hook_id)
         VALUES ($1, $2, 'gitlab', $3, $4, $5, $6, $7)`,
        [randomUUID(), db.organizationId, host, scope, connectionId, target, remote],
      );
    for (const [id, owner, name] of [
      [1, 'a', 'own-hook'],
      [2, 'a', 'failed-hook'],
      [3, 'b~c', 'of-group'],
      [4, 'bc', 'like-group'],
    ] as const)
      await repository('gitlab', host, id, owner, name);
    await tell(
      `UPDATE repository SET installation_id = (SELECT id FROM installation WHERE virtual_id = 424242) WHERE host = $1`,
      [host],
    );
    await hook('repository', 'a/own-hook', '9');
    await hook('repository', 'a/failed-hook', null);
    await hook('organization', 'b', '10');
    const command = (path: string) => ({
      command: `forgeway connections add --forge gitlab --url https://git.example.com --repo ${path}`,
    });
    const states = async () => brief((await ask()).repositories.filter((one) => one.host === host));
    expect(await states()).toEqual({
      'own-hook': 'covered',
      'of-group': 'covered',
      'failed-hook': { state: 'polled', ...command('a/failed-hook') },
      'like-group': { state: 'polled', ...command('bc/like-group') },
    });
    await tell(`UPDATE connection SET sync_mode = 'webhook' WHERE id = $1`, [connectionId]);
    expect(await states()).toMatchObject({ 'failed-hook': { state: 'lacks-hook', ...command('a/failed-hook') } });
    const unknown = { id: 77n, owner: 'b~c', name: 'new', url: 'x', private: true, defaultBranch: null, mayHook: true };
    const visible = [{ forge: 'gitlab', host, baseUrl: 'https://git.example.com', repositories: [unknown] }];
    expect(brief((await ask(visible)).repositories)).toEqual({ new: { state: 'lacks-hook', ...command('b/c/new') } });
  });
});
