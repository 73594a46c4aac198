/** Which repositories lack something as one person sees it: asked with their own connections, and said where nobody was asked. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { visibleRepositories } from '../../src/accounts/install-state.js';
import { readInstallation } from '../../src/accounts/installation-facts.js';
import { installationActive, installationDeleted } from '../../src/accounts/installations.js';
import {
  lackingIn,
  type PersonalInstallStateOptions,
  personalInstallState,
} from '../../src/accounts/personal-install-state.js';
import { homePage } from '../../src/api/home-page.js';
import type { ForgeRepository } from '../../src/forges/administration.js';
import type { NativeClient } from '../../src/forges/kit/native-client.js';
import { forges } from '../../src/forges/registry.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const HOST = 'github.com';
const OTHER_HOST = 'git.example.com';

let db: TestDatabase;
let other: string;
/** What each connection answers. */
const answers = new Map<string, () => Promise<readonly ForgeRepository[]>>();

const within = (organizationId: string, sql: string, values: unknown[]) =>
  db.store('worker').tenant(organizationId, (tx) => tx.query(sql, values));

beforeAll(async () => {
  db = await createTestDatabase();
  other = randomUUID();
  await within(other, 'INSERT INTO organization (id, slug, name) VALUES ($1, $2, $2)', [other, 'other']);
  const { pool } = db.store('api');
  for (const id of ['ann', 'bob']) {
    await pool.query('INSERT INTO "user" (id, name) VALUES ($1, $1)', [id]);
    await pool.query(
      `INSERT INTO identity (id, user_id, provider_id, account_id, forge, host, login)
       VALUES ($1, $1, 'github-github.com', $2, 'github', $3, $1)`,
      [id, id === 'ann' ? '1' : '2', HOST],
    );
  }
  await within(
    db.organizationId,
    `INSERT INTO hook (id, organization_id, forge, host, scope, app_id) VALUES ('app', $1, 'github', $2, 'app', '1')`,
    [db.organizationId, HOST],
  );
  for (const [host, id, name] of [
    [HOST, 1, 'web'],
    [HOST, 2, 'not-anns'],
    [OTHER_HOST, 3, 'elsewhere'],
  ] as const)
    await within(
      db.organizationId,
      `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
       VALUES ($1, 'github', $2, $3, 'x', 'acme', $4, 'main')`,
      [db.organizationId, host, id, name],
    );
});
afterAll(() => db.drop());
beforeEach(async () => {
  answers.clear();
  for (const organizationId of [db.organizationId, other]) await within(organizationId, 'DELETE FROM connection', []);
});

async function connect(userId: string | null, o: { organizationId?: string; account?: string } = {}): Promise<string> {
  const { organizationId = db.organizationId, account = '1' } = o;
  const id = randomUUID();
  await within(
    organizationId,
    `INSERT INTO connection (id, organization_id, user_id, name, kind, forge, host, provider_account_id, account_login, status)
     VALUES ($1, $2, $3, 'c', 'oauth', 'github', $4, $5, $3, 'active')`,
    [id, organizationId, userId, HOST, account],
  );
  return id;
}

const repository = (
  id: number,
  name: string,
  rights: Pick<ForgeRepository, 'mayHook' | 'mayPush'>,
): ForgeRepository => ({
  ...{ id: BigInt(id), owner: 'acme', name, url: 'x', private: true, defaultBranch: 'main' },
  ...rights,
});
const OWN = { mayHook: true, mayPush: true };
const seen = [
  repository(1, 'web', OWN),
  repository(10, 'new', { mayHook: false, mayPush: true }),
  repository(11, 'read-only', { mayHook: false, mayPush: false }),
  repository(12, 'untold', { mayHook: undefined }),
];

const options = (): Omit<PersonalInstallStateOptions, 'organizationId'> => ({
  ...{ store: db.store('api'), forges, userId: 'ann', withinMs: 30_000, appPage: () => 'https://github.com/apps/f' },
  async visibleWith(_organizationId, connectionId) {
    const ask = answers.get(connectionId) ?? (() => Promise.reject(new Error('It is away.')));
    return { forge: 'github', host: HOST, baseUrl: 'https://github.com', repositories: await ask() };
  },
});
const state = async (change: Partial<PersonalInstallStateOptions> = {}) => {
  const found = await personalInstallState({ ...options(), organizationId: db.organizationId, ...change });
  return { ...found, repositories: Object.fromEntries(found.repositories.map(({ name, state }) => [name, state])) };
};
let minute = 0;
async function happen(action: 'created' | 'deleted') {
  minute += 1;
  const receivedAt = new Date(Date.UTC(2026, 0, 1, 0, minute));
  const source = { organizationId: db.organizationId, forge: 'github', host: HOST, hookId: 'app', receivedAt };
  const times = { created_at: (action === 'created' ? receivedAt : new Date(0)).toISOString() };
  const facts = readInstallation({
    id: 7,
    account: { id: 100, login: 'acme' },
    ...times,
    updated_at: receivedAt.toISOString(),
  });
  await db
    .store('worker')
    .tenant(db.organizationId, (tx) =>
      action === 'created'
        ? installationActive(tx, source, 'created', facts, [1n])
        : installationDeleted(tx, source, facts),
    );
}

const KNOWN = { web: 'lacks-app', 'not-anns': 'lacks-app', elsewhere: 'lacks-app' };

describe('with a connection of their own', () => {
  it('is what they may push to or administer there; of other hosts what the organization knows', async () => {
    answers.set(await connect('ann'), async () => seen);
    expect(await state()).toMatchObject({
      repositories: { web: 'lacks-app', new: 'lacks-app', untold: 'lacks-app', elsewhere: 'lacks-app' },
      asked: [{ forge: 'github', host: HOST, login: 'ann' }],
      notAsked: [],
    });
    expect(Object.keys((await state()).repositories).sort()).toEqual(['elsewhere', 'new', 'untold', 'web']);
  });

  it('shows the App that was installed, and uninstalled, in the next request', async () => {
    answers.set(await connect('ann'), async () => seen);
    await happen('created');
    expect((await state()).repositories.web).toBe('covered');
    await happen('deleted');
    expect(await state()).toMatchObject({ banner: { shown: true }, repositories: { web: 'lacks-app' } });
  });

  it('is not asked with the connection of somebody else, nor with that of the organization', async () => {
    answers.set(await connect('bob'), async () => seen);
    answers.set(await connect(null), async () => seen);
    expect(await state()).toMatchObject({ repositories: KNOWN, asked: [] });
  });
});

describe('where nobody could be asked, that is said, and it is what the organization knows', () => {
  it('for want of a connection', async () => {
    expect(await state()).toEqual({
      banner: expect.anything(),
      repositories: KNOWN,
      asked: [],
      notAsked: [
        { forge: 'github', host: HOST, login: 'ann', reason: expect.stringContaining('no connection of your own') },
      ],
    });
  });

  it('since the forge is away, or the connection has ended', async () => {
    await connect('ann');
    expect(await state()).toMatchObject({ repositories: KNOWN, notAsked: [{ reason: 'It is away.' }] });
    await within(
      db.organizationId,
      `UPDATE connection SET status = 'revoked', status_reason = 'You took it back.'`,
      [],
    );
    expect(await state()).toMatchObject({ repositories: KNOWN, notAsked: [{ reason: 'You took it back.' }] });
  });

  it('since it takes too long: nobody waits longer than was said', async () => {
    answers.set(await connect('ann'), () => new Promise(() => undefined));
    expect(await state({ withinMs: 20 })).toMatchObject({
      repositories: KNOWN,
      notAsked: [{ reason: `${HOST} did not answer within 0.02 s.` }],
    });
  });

  it('a second account on the same host that answers is enough', async () => {
    await connect('ann');
    const second = await connect('ann', { account: '9' });
    answers.set(second, async () => [seen[0] as ForgeRepository]);
    expect(await state()).toMatchObject({ notAsked: [], repositories: { web: 'lacks-app', elsewhere: 'lacks-app' } });
  });
});

describe('the start page', () => {
  const lacking = () => lackingIn({ ...options(), organizationIds: [db.organizationId, other], most: 2 });

  it('takes a repository for what it is in the better of two organizations', async () => {
    await happen('created');
    answers.set(await connect('ann', { organizationId: other }), async () => seen);
    const found = await lacking();
    expect(found.repositories.map(({ name }) => name)).not.toContain('web');
    expect(found).toMatchObject({ number: 4, notAsked: [] });
    expect(found.repositories).toHaveLength(2);
    await happen('deleted');
    expect((await lacking()).number).toBe(5);
  });

  it('says with whom nobody was asked, also when nothing lacks', async () => {
    const { notAsked } = await lacking();
    expect(notAsked).toHaveLength(1);
    const home = { version: '1', missing: [], webhookUrl: '', previews: false, holds: undefined };
    const html = homePage({ ...home, lacking: { number: 0, repositories: [], notAsked } }, '');
    expect(html).toContain('github.com was not asked which repositories ann may push to. You have no connection');
  });
});

describe('whether somebody may push', () => {
  const common = {
    id: 1,
    name: 'a',
    path: 'a',
    full_name: 'o/a',
    path_with_namespace: 'o/a',
    owner: { id: 1, login: 'o' },
  };
  const page = { ...common, html_url: 'https://x/o/a', web_url: 'https://x/o/a', visibility: 'private', private: true };
  const levels = (level: number) => ({ project_access: { access_level: level }, group_access: null });
  it.each([
    ['github', { admin: false, push: true }, true],
    ['github', { admin: false, push: false }, false],
    ['github', undefined, undefined],
    ['gitlab', levels(30), true],
    ['gitlab', levels(20), false],
    ['gitea', { admin: false, push: true, pull: true }, true],
    ['gitea', { admin: false, push: false, pull: true }, false],
  ] as const)('%s says %j', async (id, permissions, mayPush) => {
    const forge = forges.get(id);
    let asked = 0;
    const data = async () => (asked++ === 0 ? [{ ...page, ...(permissions && { permissions }) }] : []);
    const native = { get: data, send: async () => ({ status: 200, headers: new Headers(), data: await data() }) };
    if (forge === undefined) throw new Error('no such forge');
    const found = await visibleRepositories(forge, native as unknown as NativeClient);
    expect(found.map((one) => one.mayPush)).toEqual([mayPush]);
  });
});
