import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import { withConnection } from '../store/connection.js';
import { readInstallation } from './installation-facts.js';
import {
  installationActive,
  installationDeleted,
  installationRepositoriesChanged,
  installationResumed,
  installationSuspended,
  installBannerState,
} from './installations.js';

let database: TestDatabase;
const HOOK = 'github-app';
const CREATED = '2026-02-01T08:00:00Z';
const at = (minute: number) => new Date(Date.parse(CREATED) + minute * 60_000);

beforeAll(async () => {
  database = await createTestDatabase();
  await as((tx) =>
    tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, app_id) VALUES ($1, $2, 'github', 'github.com', 'app', '12345')`,
      [HOOK, database.organizationId],
    ),
  );
});
afterAll(() => database.drop());

const as = <T>(run: (tx: pg.PoolClient) => Promise<T>, organizationId = database.organizationId) =>
  database.store('worker').tenant(organizationId, run);
const source = (receivedAt: Date) => ({
  organizationId: database.organizationId,
  forge: 'github',
  host: 'github.com',
  hookId: HOOK,
  receivedAt,
});
/** Facts of an installation as of a minute after it was made. */
const facts = (id: number, minute: number, createdAt: Date = at(0)) =>
  readInstallation({
    id,
    account: { id: 100, login: 'acme', type: 'Organization' },
    repository_selection: 'selected',
    permissions: { contents: 'read' },
    created_at: createdAt.toISOString(),
    updated_at: at(minute).toISOString(),
  });

async function repository(remoteId: number): Promise<void> {
  await as((tx) =>
    tx.query(
      `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
       VALUES ($1, 'github', 'github.com', $2, 'https://github.com/acme/web', 'acme', 'web', 'main')`,
      [database.organizationId, remoteId],
    ),
  );
}
const repositoryState = (remoteId: number) =>
  as(async (tx) => {
    const found = await tx.query<{ status: string; installation_id: bigint | null }>(
      `SELECT r.status, i.installation_id FROM repository r LEFT JOIN installation i ON i.id = r.installation_id
       WHERE r.remote_id = $1`,
      [remoteId],
    );
    return [found.rows[0]?.status, found.rows[0]?.installation_id];
  });
const installationState = (id: number) =>
  as(async (tx) => {
    const found = await tx.query(
      'SELECT status, virtual_id, app_id, account_login FROM installation WHERE installation_id = $1',
      [id],
    );
    return found.rows[0] as { status: string } | undefined;
  });
const banner = () => as((tx) => installBannerState(tx, database.organizationId));

const created = (id: number, minute: number, repositories: bigint[] = []) =>
  as((tx) => installationActive(tx, source(at(minute)), 'created', facts(id, 0), repositories));

describe('readInstallation', () => {
  it('reads times as text and as Unix seconds', () => {
    const seconds = readInstallation({ id: 2, created_at: 1525109898, updated_at: '2018-04-30T17:38:19Z' });
    expect(seconds).toMatchObject({ id: 2n, createdAt: new Date('2018-04-30T17:38:18Z') });
    expect(seconds.updatedAt).toEqual(new Date('2018-04-30T17:38:19Z'));
    expect(readInstallation({ id: 2 })).toMatchObject({ createdAt: null, updatedAt: null, permissions: {} });
  });

  it.each([undefined, {}, { id: 'x' }, { id: 1.5 }, { id: 2, updated_at: 'soon' }, { id: 2, permissions: { a: 1 } }])(
    'refuses %j and names the field',
    (value) => {
      expect(() => readInstallation(value)).toThrow(/^installation\./);
    },
  );
});

describe('an installation', () => {
  it('becomes active with its repositories', async () => {
    await repository(1001);
    expect(await created(11, 0, [1001n])).toBe('applied');
    expect(await installationState(11)).toEqual({
      status: 'active',
      virtual_id: 11n,
      app_id: '12345',
      account_login: 'acme',
    });
    expect(await repositoryState(1001)).toEqual(['active', 11n]);
  });

  it('pauses its repositories while it is suspended, and only those', async () => {
    await repository(1002);
    await repository(1003);
    await created(12, 0, [1002n]);
    await as((tx) => installationSuspended(tx, source(at(1)), facts(12, 1)));
    expect(await repositoryState(1002)).toEqual(['paused', 12n]);
    expect(await repositoryState(1003)).toEqual(['active', null]);
    expect(await installationState(12)).toMatchObject({ status: 'suspended' });
    await as((tx) => installationResumed(tx, source(at(2)), facts(12, 2)));
    expect(await repositoryState(1002)).toEqual(['active', 12n]);
    expect(await installationState(12)).toMatchObject({ status: 'active' });
  });

  it('does not go back when an older event comes late', async () => {
    await repository(1004);
    await created(13, 0, [1004n]);
    await as((tx) => installationSuspended(tx, source(at(5)), facts(13, 5)));
    expect(await as((tx) => installationResumed(tx, source(at(6)), facts(13, 3)))).toBe('stale');
    expect(await created(13, 7, [1004n])).toBe('stale');
    expect(await repositoryState(1004)).toEqual(['paused', 13n]);
  });

  it('is not brought back by a late `created`, but by one that was made after the end', async () => {
    await repository(1005);
    await created(14, 0, [1005n]);
    await as((tx) => installationDeleted(tx, source(at(5)), facts(14, 5)));
    expect(await created(14, 6, [1005n])).toBe('stale');
    expect(await installationState(14)).toMatchObject({ status: 'deleted' });
    expect(await repositoryState(1005)).toEqual(['removed', null]);
    const again = facts(14, 8, at(8));
    expect(await as((tx) => installationActive(tx, source(at(8)), 'created', again, [1005n]))).toBe('applied');
    expect(await installationState(14)).toMatchObject({ status: 'active' });
    expect(await repositoryState(1005)).toEqual(['active', 14n]);
  });

  it('can end before its beginning arrives', async () => {
    expect(await as((tx) => installationDeleted(tx, source(at(5)), facts(15, 5)))).toBe('applied');
    expect(await created(15, 6)).toBe('stale');
    expect(await as((tx) => installationDeleted(tx, source(at(7)), facts(15, 5)))).toBe('stale');
    expect(await installationState(15)).toMatchObject({ status: 'deleted' });
  });

  it('gains and loses repositories, also when told late', async () => {
    await repository(1006);
    await repository(1007);
    await created(16, 0, [1006n]);
    await as((tx) => installationSuspended(tx, source(at(5)), facts(16, 5)));
    const change = (action: 'added' | 'removed', id: bigint) =>
      as((tx) =>
        installationRepositoriesChanged(tx, source(at(6)), facts(16, 2), action, [{ id, fullName: 'acme/web' }]),
      );
    expect(await change('removed', 1006n)).toBe('applied');
    expect(await change('added', 1007n)).toBe('applied');
    expect(await repositoryState(1006)).toEqual(['removed', null]);
    expect(await repositoryState(1007)).toEqual(['paused', 16n]);
    expect(await installationState(16)).toMatchObject({ status: 'suspended' });
  });

  it('of another organization is left alone', async () => {
    const other = await secondOrganization();
    await created(17, 0);
    const theirs = { ...source(at(9)), organizationId: other };
    const run = as((tx) => installationDeleted(tx, theirs, facts(17, 9)), other);
    await expect(run).rejects.toMatchObject({ code: 'FORGEWAY_INSTALLATION_UNKNOWN' });
    expect(await installationState(17)).toMatchObject({ status: 'active' });
  });

  it('leaves a trail that cannot be changed', async () => {
    const trail = await as((tx) =>
      tx.query(`SELECT action, detail FROM audit_entry WHERE subject = 'installation 14' ORDER BY created_at`),
    );
    expect(trail.rows.map((row: { action: string }) => row.action)).toEqual([
      'installation.created',
      'installation.deleted',
      'installation.created',
    ]);
    await expect(as((tx) => tx.query('DELETE FROM audit_entry'))).rejects.toThrow(/permission denied/);
  });
});

async function secondOrganization(): Promise<string> {
  return withConnection(database.superuser, async (client) => {
    const found = await client.query<{ id: string }>(
      `INSERT INTO organization (slug, name) VALUES ('other', 'Other')
       ON CONFLICT (slug) DO UPDATE SET name = 'Other' RETURNING id`,
    );
    return found.rows[0]?.id ?? '';
  });
}

describe('uninstalling', () => {
  const connection = async (organizationId: string, user: string | null, installation: number, host = 'github.com') => {
    if (user !== null) await database.addUser(user);
    await as(async (tx) => {
      await tx.query(
        `INSERT INTO connection (organization_id, user_id, name, kind, forge, host, provider_account_id, installation_id)
         VALUES ($1, $2, 'c', 'oauth', 'github', $3, $4, $5)`,
        [organizationId, user, host, `${user}-${host}-${installation}`, installation],
      );
    }, organizationId);
  };
  const left = () =>
    withConnection(database.superuser, async (client) => {
      const found = await client.query<{ account: string; number: number | null }>(
        'SELECT provider_account_id AS account, installation_id::int AS number FROM connection ORDER BY 1',
      );
      return Object.fromEntries(found.rows.map(({ account, number }) => [account, number]));
    });

  it('makes every connection of every user forget it, and nothing else, and raises the banner', async () => {
    const other = await secondOrganization();
    await created(21, 0);
    await connection(database.organizationId, 'ann', 21);
    await connection(database.organizationId, 'bob', 21);
    await connection(database.organizationId, null, 21);
    await connection(other, 'cat', 21);
    await connection(database.organizationId, 'ann', 22);
    await connection(database.organizationId, 'ann', 21, 'ghe.example.com');
    expect(await banner()).toEqual({ shown: false });

    await as((tx) => installationDeleted(tx, source(at(30)), facts(21, 30)));
    expect(await left()).toEqual({
      'ann-github.com-21': null,
      'bob-github.com-21': null,
      'null-github.com-21': null,
      'cat-github.com-21': null,
      'ann-github.com-22': 22,
      'ann-ghe.example.com-21': 21,
    });
    expect(await banner()).toEqual({ shown: true, since: at(30) });
    expect(await as((tx) => installBannerState(tx, other), other)).toEqual({ shown: true, since: at(30) });
  });

  it('is forgotten by the banner when the App is installed again', async () => {
    await as((tx) => installationActive(tx, source(at(40)), 'created', facts(23, 40, at(40)), []));
    expect(await banner()).toEqual({ shown: false });
  });
});
