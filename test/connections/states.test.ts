/** What becomes of a connection while it is used, and what is left of it when it goes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { disconnectForge } from '../../src/accounts/connecting/disconnect.js';
import { exportConnection, heldTables } from '../../src/accounts/connecting/held-data.js';
import { testConnection } from '../../src/accounts/connecting/test-connection.js';
import { listConnections, setSyncMode } from '../../src/accounts/connection-rows.js';
import { connectionStates, noteState } from '../../src/accounts/connection-state.js';
import { createConnectionDirectory } from '../../src/accounts/connections.js';
import { createVault } from '../../src/accounts/vault.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { forges } from '../../src/forges/registry.js';
import { connectionNews } from '../../src/inbox/tell-apps.js';
import { systemClock } from '../../src/lib/clock.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { createConnectionWatch } from '../../src/translate/connection-watch.js';
import { openNativeAccess } from '../../src/translate/native-access.js';
import { TEST_MASTER_KEY } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { PATIENCE_MS } from '../support/patience.js';
import { type ConnectionRig, doubles, startConnectionRig } from './connection-rig.js';

let rig: ConnectionRig;
beforeAll(async () => {
  rig = await startConnectionRig();
});
afterAll(() => rig?.close());

const store = () => rig.test.store('worker');
const one = async (id: string) => {
  const found = (await listConnections(store(), rig.test.organizationId)).find((row) => row.id === id);
  if (found === undefined) throw new Error('gone');
  return found;
};
async function until(id: string, status: string) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const row = await one(id);
    if (row.status === status) return row;
    if (performance.now() > end) throw new Error(`${row.status}, not ${status}`);
    await sleep(20);
  }
}
const setTo = (id: string, status: keyof typeof connectionStates) =>
  rig.rows('UPDATE connection SET status = $2, status_reason = $3 WHERE id = $1', [id, status, 'before']);
const audited = (id: string) =>
  rig.rows<{ action: string; detail: Record<string, unknown> }>(
    'SELECT action, detail FROM audit_entry WHERE subject = $1 ORDER BY created_at',
    [id],
  );

describe.each(Object.entries(doubles))('a connection to %s', (_name, start) => {
  let double: Awaited<ReturnType<typeof start>>;
  let id: string;
  const native = async () => (await rig.bridge.nativeOf(rig.test.organizationId, id)).native;

  beforeAll(async () => {
    double = await start(rig);
    const { forge, url, token } = double;
    ({ id } = await rig.connect({ forge, url, token, repositories: ['acme/web'], mode: 'webhook' }));
    await rig.quiet();
  });

  it('is active, and answers make one that was unreachable active again', async () => {
    expect(await one(id)).toMatchObject({ status: 'active', advice: connectionStates.active });
    await setTo(id, 'unreachable');
    rig.bridge.directory?.forget(id);
    await (await native()).get('/user');
    expect(await until(id, 'active')).toMatchObject({ statusReason: null });
    expect((await audited(id)).at(-1)).toMatchObject({ action: 'connection.state', detail: { status: 'active' } });
  });

  it('lacks a scope when an operation is refused for want of it, and is unreachable when its host does not answer', async () => {
    const watch = createConnectionWatch({
      ...{ store: store(), log: rig.log, clock: systemClock, forget: () => undefined },
      isRefused: async () => false,
    });
    const connection = await rig.open(id);
    watch.unanswered(connection, 'git.example.com does not answer.');
    expect(await until(id, 'unreachable')).toMatchObject({ statusReason: 'git.example.com does not answer.' });
    // It is asked all the same: only so is it found out that it is back.
    await expect(rig.bridge.nativeOf(rig.test.organizationId, id)).resolves.toBeDefined();
    const bodies: Record<string, object> = {
      [gitea.id]: { message: 'token does not have at least one of required scope(s), required=[write:issue]' },
      [gitlab.id]: { error: 'insufficient_scope', scope: 'write:issue' },
    };
    const forbidden = (body: object | undefined) => new Response(JSON.stringify(body), { status: 403 });
    watch.answered(connection, 'POST', '/repos/acme/web/issues', forbidden({ message: 'not a collaborator' }));
    watch.answered(connection, 'POST', '/repos/acme/web/issues', forbidden(bodies[double.forge.id]));
    expect(await until(id, 'insufficient_scope')).toMatchObject({
      statusReason: expect.stringMatching(/lacks the scope write:issue, which POST .*issues.* needs/),
      advice: connectionStates.insufficient_scope,
    });
    await expect(rig.bridge.nativeOf(rig.test.organizationId, id)).resolves.toBeDefined();
    // One refused request is no proof.
    watch.answered(connection, 'GET', '/user', new Response(null, { status: 401 }));
    await sleep(50);
    expect((await one(id)).status).toBe('insufficient_scope');
  });

  it('is revoked when the forge refuses its token, or expired when that was due; then nobody is asked with it', async () => {
    double.revoke();
    const before = await native();
    await expect(before.get('/user')).rejects.toMatchObject({ status: 401 });
    expect(await until(id, 'revoked')).toMatchObject({ advice: connectionStates.revoked });
    await expect(native()).rejects.toMatchObject({
      code: 'FORGEWAY_CONNECTION_UNUSABLE',
      message: expect.stringContaining(connectionStates.revoked),
    });
    // What comes late changes nothing: it was refused, whatever else is seen.
    for (const late of ['active', 'unreachable', 'insufficient_scope'] as const)
      expect(await noteState(store(), rig.test.organizationId, id, late, 'late')).toBe(false);
    await rig.rows(`UPDATE connection SET access_token_expires_at = now() - interval '1 day' WHERE id = $1`, [id]);
    const directory = createConnectionDirectory({
      ...{ store: store(), vault: createVault(new Map([[1, TEST_MASTER_KEY]])), forges, clock: systemClock },
    });
    const nativeOf = openNativeAccess({ log: rig.log, fetch: loopback.fetch });
    await testConnection({ store: store(), directory, nativeOf }, rig.test.organizationId, id);
    expect(await one(id)).toMatchObject({ status: 'expired', advice: connectionStates.expired });
  });
});

it('names the scope that a token lacks', () => {
  const gone = 'token does not have at least one of required scope(s), required=[write:issue], token scope=read:user';
  expect(gitea.administration?.missingScope?.(JSON.stringify({ message: gone }))).toBe('write:issue');
  expect(gitea.administration?.missingScope?.('{"message":"user should be a collaborator"}')).toBeUndefined();
  const scope = {
    error: 'insufficient_scope',
    error_description: 'The request requires higher privileges',
    scope: 'api',
  };
  expect(gitlab.administration?.missingScope?.(JSON.stringify(scope))).toBe('api');
  expect(gitlab.administration?.missingScope?.('{"message":"403 Forbidden"}')).toBeUndefined();
});

const OTHERS = '0a0a0a0a-0000-4000-8000-000000000001';

describe('the end of a connection', () => {
  it('does not wait at every webhook for a forge that is away', async () => {
    const { url } = await rig.startGitea();
    const repositories = ['acme/web', 'acme/api'];
    const { id } = await rig.connect({ forge: gitea, url, token: 'gitea-token', repositories, mode: 'webhook' });
    await rig.quiet();
    let asked = 0;
    const nativeOf = () => {
      asked += 1;
      throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', 'nobody answers');
    };
    const directory = createConnectionDirectory({
      ...{ store: store(), vault: createVault(new Map([[1, TEST_MASTER_KEY]])), forges, clock: systemClock },
    });
    const { removed, problems } = await disconnectForge(
      {
        ...{
          store: store(),
          news: connectionNews(store()),
          organizationId: rig.test.organizationId,
          directory,
          nativeOf,
        },
        ...{ progress: () => undefined, endToken: async () => undefined },
      },
      { connectionId: id, repositories: [], keepHooks: false },
    );
    expect([removed, asked]).toEqual([true, 1]);
    expect(problems).toEqual([
      expect.stringMatching(/webhook at acme\/\w+ is still there: nobody answers/),
      expect.stringMatching(/webhook at acme\/\w+ is still there: the forge does not answer. Delete it/),
    ]);
  });

  it('does not wait for a forge that hangs', async () => {
    const { url } = await rig.startGitea();
    const { id } = await rig.connect({ forge: gitea, url, token: 'gitea-token', repositories: ['acme/web'] });
    await rig.quiet();
    const never = () => new Promise<never>(() => undefined);
    const directory = createConnectionDirectory({
      ...{ store: store(), vault: createVault(new Map([[1, TEST_MASTER_KEY]])), forges, clock: systemClock },
    });
    const { removed, problems } = await disconnectForge(
      {
        ...{ store: store(), news: connectionNews(store()), organizationId: rig.test.organizationId, directory },
        ...{ nativeOf: () => ({ send: never, get: never, find: never }), hookWithinMs: 50 },
        ...{ progress: () => undefined, endToken: async () => undefined },
      },
      { connectionId: id, repositories: [], keepHooks: false },
    );
    expect([removed, problems]).toEqual([
      true,
      [expect.stringMatching(/is still there: The forge has not answered in 0.05 s/)],
    ]);
  });

  it('is exported without secrets, and with its data when that is asked for', async () => {
    const { fake, url } = await rig.startGitea();
    const { id } = await rig.connect({
      forge: gitea,
      url,
      token: 'gitea-token',
      repositories: ['acme/web', 'acme/api'],
    });
    await fake.push('acme', 'web', { branch: 'main', by: 'forgeway-bot', files: { 'a.txt': 'x' } });
    await fake.webhooks.settled();
    await rig.quiet();

    await rig.rows(
      `INSERT INTO preview_secret (organization_id, repository_id, name, set_by, value_ciphertext, value_iv, value_tag, secret_salt)
       SELECT organization_id, id, 'STRIPE_KEY', 'ann', 'sealed', 'iv', 'tag', 'salt' FROM repository
       WHERE host = $1 AND remote_name = 'web'`,
      [url.replace('http://', '')],
    );
    // Of another organization that served the same repository once.
    await rig.rows(`INSERT INTO organization (id, slug, name) VALUES ($1, 'others', 'Others')`, [OTHERS]);
    await rig.rows(
      `INSERT INTO poll_report (organization_id, forge, host, remote_repository_id, number, piece, version)
       SELECT $1, forge, host, remote_id, 1, 'state', 'theirs' FROM repository WHERE host = $2 AND remote_name = 'web'`,
      [OTHERS, url.replace('http://', '')],
    );

    const lines: string[] = [];
    const count = await exportConnection(store(), rig.test.organizationId, id, async (line) => void lines.push(line));
    expect(lines.filter((line) => line.includes(OTHERS))).toEqual([]);
    expect(lines.filter((line) => line.includes('"preview_secret"'))).toEqual([
      expect.stringMatching(/"name": ?"STRIPE_KEY"/),
    ]);
    expect(count).toBe(lines.length);
    const rows = lines.map((line) => JSON.parse(line) as { table: string; row: Record<string, unknown> });
    const tables = new Set(rows.map(({ table }) => table));
    expect([...tables]).toEqual(
      expect.arrayContaining(['connection', 'hook', 'webhook_delivery', 'dispatch', 'repository']),
    );
    expect(lines.join('')).not.toContain('gitea-token');
    expect(
      rows.flatMap(({ row }) => Object.keys(row)).filter((name) => /ciphertext|_iv$|_tag$|secret_salt/.test(name)),
    ).toEqual([]);
    expect(await exportConnection(store(), rig.test.organizationId, 'nobody', async () => undefined)).toBeUndefined();

    const mine = [url.replace('http://', '')];
    const count2 = async (table: string) =>
      Number((await rig.rows<{ n: string }>(`SELECT count(*) AS n FROM ${table} WHERE host = $1`, mine))[0]?.n);
    expect(await count2('webhook_delivery')).toBeGreaterThan(2);
    await expect(
      rig.disconnect({ connectionId: id, repositories: ['acme/api'], withData: true }),
    ).rejects.toMatchObject({ code: 'FORGEWAY_CONNECTION_REFUSED' });
    // Somebody's own account on that host keeps nothing of it; one that was away when its apps heard of its end lost its row.
    await rig.rows(`INSERT INTO "user" (id, name) VALUES ('ann', 'Ann')`);
    await rig.rows(
      `INSERT INTO connection (organization_id, user_id, name, kind, forge, host, provider_account_id)
       SELECT organization_id, 'ann', 'own', 'pat', forge, host, '5' FROM connection WHERE id = $1`,
      [id],
    );
    await rig.rows(
      `INSERT INTO repository (organization_id, forge, host, remote_id, remote_owner, remote_name, remote_url, default_branch, status)
       SELECT organization_id, forge, host, 777, 'acme', 'left', '', 'main', 'removed' FROM connection WHERE id = $1`,
      [id],
    );
    await rig.rows(
      `INSERT INTO forge_record (organization_id, forge, host, kind, key, data)
       SELECT organization_id, forge, host, 'x', 'x', '{}' FROM connection WHERE id = $1`,
      [id],
    );
    await rig.disconnect({ connectionId: id, withData: true });
    expect(await rig.rows(`DELETE FROM connection WHERE user_id = 'ann' RETURNING name`)).toEqual([{ name: 'own' }]);
    for (const table of [
      'connection',
      'hook',
      'installation',
      'webhook_delivery',
      'repository',
      'pull_request',
      'repository_claim',
      'forge_record',
      'own_write',
    ])
      expect([table, await count2(table)]).toEqual([table, 0]);
    expect(fake.state.repositories.flatMap(({ hooks }) => hooks)).toEqual([]);
    const log = await audited(id);
    expect(log.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['connection.exported', 'connection.removed']),
    );
    expect(log.at(-1)?.detail).toMatchObject({ deleted: { repository: 3 } });
    expect(await rig.rows('SELECT version FROM poll_report WHERE organization_id = $1', [OTHERS])).toEqual([
      { version: 'theirs' },
    ]);
    // Those of others are still there.
    expect((await listConnections(store(), rig.test.organizationId)).length).toBeGreaterThan(0);
  });

  it('is not for whoever runs the server to see, change or copy, where a person connected it for themselves', async () => {
    const { organizationId } = rig.test;
    await rig.test.addUser('bob');
    const [own] = await rig.rows<{ id: string }>(
      `INSERT INTO connection (organization_id, user_id, name, kind, forge, host, provider_account_id)
       VALUES ($1, 'bob', 'bob’s', 'pat', 'gitea', 'bobs.example', '6') RETURNING id`,
      [organizationId],
    );
    const id = own?.id ?? '';
    const told: string[] = [];
    expect((await listConnections(store(), organizationId)).map((found) => found.id)).not.toContain(id);
    expect(await setSyncMode(store(), organizationId, id, 'poll')).toBe(false);
    expect(await exportConnection(store(), organizationId, id, async (line) => void told.push(line))).toBeUndefined();
    expect([told, await audited(id)]).toEqual([[], []]);
    expect(await rig.rows(`SELECT sync_mode FROM connection WHERE id = $1 AND sync_mode = 'poll'`, [id])).toEqual([]);
  });

  it('leaves nothing to be told where the organization itself is deleted', async () => {
    const gone = '0a0a0a0a-0000-4000-8000-000000000002';
    await rig.rows(`INSERT INTO organization (id, slug, name) VALUES ($1, 'gone', 'Gone')`, [gone]);
    const add = (account: string) =>
      rig.rows(
        `INSERT INTO connection (organization_id, name, kind, forge, host, provider_account_id, access_token_ciphertext)
         VALUES ($1, 'c', 'oauth', 'gitlab', 'gone.example', $2, 'sealed')`,
        [gone, account],
      );
    await add('1');
    await add('2');
    await rig.rows(`DELETE FROM connection WHERE host = 'gone.example' AND provider_account_id = '1'`);
    const left = () =>
      rig.rows<{ host: string }>('SELECT host FROM token_revocation WHERE organization_id = $1', [gone]);
    expect(await left()).toEqual([{ host: 'gone.example' }]);
    await rig.rows('DELETE FROM organization WHERE id = $1', [gone]);
    expect(await left()).toEqual([]);
  });

  it('knows every table that holds something of a tenant', async () => {
    const all = await rig.rows<{ name: string }>(
      `SELECT DISTINCT table_name AS name FROM information_schema.columns
       WHERE table_schema = 'public' AND column_name IN ('organization_id', 'delivery_id')`,
    );
    const held = new Set(heldTables.map(({ table }) => table));
    /** Belong to people or to the organization, or are the record of who did what. */
    const others = new Set([
      ...['member', 'team', 'team_member', 'forge_membership', 'organization_source', 'role_mapping', 'api_token'],
      ...['audit_entry', 'access_decision', 'change_event'],
      // Of a person on their way to a forge, for minutes.
      'account_link',
      // Workspaces outlive the connection that they were linked by, with their runs, states and what is stored of them.
      ...['workspace', 'workspace_team', 'workspace_variable', 'configuration_version', 'state_version'],
      ...['run', 'run_phase', 'run_log_chunk', 'blob', 'blob_chunk', 'repository_watch'],
      // Of runs and turns of agents, so that what they left on a cluster is known as ours.
      ...['cluster_job', 'cluster_job_print'],
      // What the organization gave its previews and agents.
      ...['preview_cluster', 'agent_secret'],
      // Of a connection that is gone, until its forge was told.
      'token_revocation',
      // Requests of callers, which go by themselves after a day.
      ...['api_request', 'api_write'],
    ]);
    expect(all.map(({ name }) => name).filter((name) => !held.has(name) && !others.has(name))).toEqual([]);
  });
});
