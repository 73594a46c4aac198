/** Connections by a GitHub App that are made through the API, from the first request to a comment in the App's name. */

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { pino } from 'pino';
import type { Probot } from 'probot';
import { listConnections, setSyncMode } from '../../src/accounts/connection-rows.js';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { forges } from '../../src/forges/registry.js';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { type Bridge, createBridge } from '../../src/translate/bridge.js';
import { TEST_KEYS } from '../support/database.js';
import { PATIENCE_MS } from '../support/patience.js';
import { type ApiRig, startApiRig } from './api-rig.js';

interface Document {
  data: { id: string; attributes: Record<string, unknown> };
}
interface Errors {
  errors: { detail: string; source?: { pointer: string } }[];
}

const newKey = () =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const pem = newKey();
const log = pino({ level: 'silent' });
const ALL = '/api/v2/organizations/mine/vcs-connections';
const self = (id: string) => `/api/v2/vcs-connections/${id}`;
const document = (attributes: Record<string, unknown>) => ({ data: { type: 'vcs-connections', attributes } });

/** GitHub: Apps that sign with `pem`, these installations of theirs, and whether it answers at all. */
const github = {
  installations: new Map<number, object>(),
  isUp: true,
  /** Whether it says what an installation covers. */
  lists: true,
  repositories: [] as object[],
  sent: [] as { url: string; authorization: string }[],
};
async function answer(href: string, init?: RequestInit): Promise<Response> {
  if (!github.isUp) throw new TypeError('fetch failed');
  const { host, pathname } = new URL(href);
  const authorization = new Headers(init?.headers).get('authorization') ?? '';
  github.sent.push({ url: `${host}${pathname}`, authorization });
  if (pathname.endsWith('/installation/repositories'))
    return github.lists
      ? Response.json({ total_count: github.repositories.length, repositories: github.repositories })
      : Response.json({ message: 'Oops' }, { status: 500 });
  const [, number, tokens] = /\/app\/installations\/(\d+)(\/access_tokens)?$/.exec(pathname) ?? [];
  if (number === undefined) return Response.json({ id: 1 }, { status: 201 });
  const isSigned = await jwtVerify(authorization.slice('Bearer '.length), createPublicKey(pem)).then(
    () => true,
    () => false,
  );
  if (!isSigned) return Response.json({ message: 'Bad credentials' }, { status: 401 });
  const installation = github.installations.get(Number(number));
  if (installation === undefined) return Response.json({ message: 'Not Found' }, { status: 404 });
  if (tokens === undefined) return Response.json(installation);
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  return Response.json({ token: `token of ${number}`, expires_at }, { status: 201 });
}

interface Heard {
  action: string;
  installation: { id: number; app_id: number; account: { login: string } };
  repositories: { full_name: string }[];
}
/** What apps were told of installations. */
const heard: Heard[] = [];
let rig: ApiRig;
let bridge: Bridge;
let probot: Probot;
let inbox: ReturnType<typeof startInbox>;
beforeAll(async () => {
  rig = await startApiRig({
    connections: (db) =>
      createApiConnections({
        ...{ store: db.store('worker'), keys: TEST_KEYS, log },
        ...{ outbound: { fetch: answer }, publicUrl: 'https://forgeway.example', brieflyMs: 10_000 },
      }),
  });
  bridge = await createBridge({
    apps: [
      {
        name: 'app',
        load(loaded) {
          probot = loaded;
          loaded.on('installation', ({ payload }) => void heard.push(payload as never));
        },
      },
    ],
    ...{ store: rig.db.store('worker'), keys: TEST_KEYS, log, metrics: createMetrics(), fetch: answer },
  });
  const timing = { pollMs: 50, leaseMs: 5_000, tickMs: 100, inPlaceMs: 10 };
  inbox = startInbox({
    ...{ store: rig.db.store('worker'), dispatcher: bridge, forges, log, metrics: createMetrics() },
    ...{ ownerId: 'test', concurrency: 2, handlerTimeoutMs: 10_000 },
    timing: { ...timing, backoff: { baseMs: 10, capMs: 50, attempts: 3 } },
  });
});
afterAll(async () => {
  await inbox.drain(5_000);
  await rig.close();
});
beforeEach(() => {
  github.isUp = true;
  github.sent.length = 0;
});

/** As in the documentation. */
const app = (id: number, more: Record<string, unknown> = {}) => ({
  name: 'my-github',
  provider: 'github',
  'github-app-id': 12345,
  'github-installation-id': id,
  'github-account-login': 'my-org',
  'github-account-type': 'Organization',
  'private-key': pem,
  ...more,
});
const create = (attributes: Record<string, unknown>) => rig.call('admin', 'POST', ALL, document(attributes));
const install = (id: number, login = 'my-org', more: object = {}) =>
  github.installations.set(id, { id, account: { id: id + 1_000, login, type: 'Organization' }, ...more });

async function refusals(attributes: Record<string, unknown>) {
  const refused = await create(attributes);
  return [refused.statusCode, refused.json<Errors>().errors.map(({ source }) => source?.pointer)];
}

const comment = { owner: 'my-org', repo: 'web', issue_number: 1, body: 'hello' };
/** A comment by the connection, and one as an app that was handed its installation. */
async function speak(external: string): Promise<{ url: string; authorization: string }[]> {
  github.sent.length = 0;
  const id = external.slice('vcs-'.length);
  const [row] = await rig.rows<{ virtual_id: string }>(
    'SELECT virtual_id::text FROM installation WHERE connection_id = $1',
    [id],
  );
  if (row === undefined) throw new Error('apps do not see it');
  await (await bridge.octokitOf(rig.mine.organization, id)).rest.issues.createComment(comment);
  await (await probot.auth(Number(row.virtual_id))).rest.issues.createComment(comment);
  return github.sent.filter(({ url }) => url.endsWith('/comments'));
}

describe('a connection by an App', () => {
  it('is asked for at the forge, complete with what it says, and apps speak by it with its token', async () => {
    install(7, 'My-Org');
    const made = await create(app(7));
    const { id, attributes } = made.json<Document>().data;
    expect([made.statusCode, attributes]).toMatchObject([
      201,
      {
        provider: 'github',
        status: 'active',
        'server-url': null,
        'has-token': true,
        'github-app-id': 12345,
        'github-installation-id': 7,
        'github-account-login': 'My-Org',
      },
    ]);
    expect(made.body).not.toMatch(/PRIVATE KEY|MII/);
    expect(await refusals(app(7))).toEqual([422, ['/data/attributes/github-installation-id']]);
    const sent = { url: 'api.github.com/repos/my-org/web/issues/1/comments', authorization: 'token token of 7' };
    expect(await speak(id)).toEqual([sent, sent]);
    const [row] = await rig.rows<{ row: string }>(
      `SELECT row_to_json(c)::text AS row FROM connection c WHERE kind = 'github-app'`,
    );
    expect(row?.row).not.toContain(pem.slice(40, 80));
    // Whoever runs the machine finds it too, and its events come by the webhook of the App.
    const store = rig.db.store('worker');
    const listed = await listConnections(store, rig.mine.organization);
    const connectionId = id.slice('vcs-'.length);
    expect(listed.find((one) => one.id === connectionId)).toMatchObject({ kind: 'github-app', account: 'My-Org' });
    expect(await setSyncMode(store, rig.mine.organization, connectionId, 'poll')).toBe(false);
  });

  it('of an Enterprise Server is named by its API, and spoken with there', async () => {
    install(8);
    const url = 'https://github.your-company.com/api/v3';
    const { id, attributes } = (await create(app(8, { 'server-url': url }))).json<Document>().data;
    expect(attributes).toMatchObject({ status: 'active', 'server-url': url });
    expect((await speak(id))[0]).toEqual({
      url: 'github.your-company.com/api/v3/repos/my-org/web/issues/1/comments',
      authorization: 'token token of 8',
    });
  });

  it('is refused where the App, the installation or its account is another', async () => {
    expect((await create(app(5))).json<Errors>().errors[0]?.detail).toBe(
      'App 12345 has no installation 5 on https://github.com.',
    );
    install(5, 'somebody');
    expect(await refusals(app(5))).toEqual([422, ['/data/attributes/github-account-login']]);
    expect(await refusals(app(5, { 'private-key': newKey() }))).toEqual([422, ['/data/attributes/private-key']]);
  });

  it('that another organization has is refused at the installation, and nothing is stored', async () => {
    install(9);
    await rig.rows(
      `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
       VALUES ($1, 'github', 'github.com', '12345', 9, 9007199254740009)`,
      [rig.theirs.organization],
    );
    const refused = await create(app(9));
    expect([refused.statusCode, refused.json<Errors>().errors]).toMatchObject([
      422,
      [{ source: { pointer: '/data/attributes/github-installation-id' } }],
    ]);
    expect(await rig.rows('SELECT id FROM connection WHERE installation_id = 9')).toEqual([]);
  });

  it('with the key of the documentation, which is none, says what to do, and is complete with the right one', async () => {
    const key = '-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----';
    install(6);
    const made = await create(app(6, { 'private-key': key }));
    const { id, attributes } = made.json<Document>().data;
    expect([made.statusCode, attributes.status, attributes['status-reason']]).toEqual([
      201,
      'revoked',
      'The private key cannot be read: download a new one on the App’s settings page, and change this connection.',
    ]);
    await expect(speak(id)).rejects.toThrow('apps do not see it');
    const mended = await rig.call('admin', 'PATCH', self(id), document({ 'private-key': pem }));
    expect(mended.json<Document>().data.attributes).toMatchObject({ status: 'active', 'status-reason': null });
    expect((await speak(id))[0]?.authorization).toBe('token token of 6');
  });

  it('made while GitHub is away, or suspended, is complete once a test succeeds', async () => {
    install(10);
    install(11, 'my-org', { suspended_at: '2026-01-01T00:00:00Z' });
    github.isUp = false;
    const away = (await create(app(10))).json<Document>().data;
    github.isUp = true;
    const suspended = (await create(app(11))).json<Document>().data;
    expect([away.attributes.status, suspended.attributes.status]).toEqual(['unreachable', 'revoked']);
    install(11);
    for (const { id } of [away, suspended]) {
      await expect(speak(id)).rejects.toThrow('apps do not see it');
      const tested = await rig.call('admin', 'POST', `/api/v1/connections/${id.slice(4)}/test`);
      expect(tested.json()).toMatchObject({ ok: true, account: 'my-org' });
      expect((await rig.call('viewer', 'GET', self(id))).json<Document>().data.attributes.status).toBe('active');
      expect(await speak(id)).toHaveLength(2);
    }
  });

  it('is deleted in every state', async () => {
    github.isUp = false;
    const away = (await create(app(12))).json<Document>().data;
    github.isUp = true;
    install(13);
    const active = (await create(app(13))).json<Document>().data;
    for (const { id } of [away, active]) {
      expect((await rig.call('admin', 'DELETE', self(id))).statusCode).toBe(204);
      expect((await rig.call('admin', 'GET', self(id))).statusCode).toBe(404);
    }
  });
});

describe('apps', () => {
  const shown = async (external: string) =>
    rig.rows<{ virtual_id: string }>('SELECT virtual_id::text FROM installation WHERE connection_id = $1', [
      external.slice(4),
    ]);
  const told = async (id: number, action: string): Promise<Heard> => {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const found = heard.find((one) => one.action === action && one.installation.id === id);
      if (found !== undefined) return found;
      await sleep(50);
    }
    throw new Error(`nobody was told ${action}: ${JSON.stringify(heard)}`);
  };
  const repository = {
    ...{ id: 501, name: 'web', owner: { login: 'my-org' }, private: false, default_branch: 'main' },
    html_url: 'https://github.com/my-org/web',
  };

  it('hear of an installation that is connected, with what it covers, and of its end', async () => {
    install(21);
    github.repositories = [repository];
    const { id } = (await create(app(21))).json<Document>().data;
    const [row] = await shown(id);
    const number = Number(row?.virtual_id);
    expect(await told(number, 'created')).toMatchObject({
      installation: { id: number, app_id: 12345, account: { login: 'my-org' } },
      repositories: [{ full_name: 'my-org/web' }],
    });
    expect((await rig.call('admin', 'POST', `/api/v1/connections/${id.slice(4)}/test`)).statusCode).toBe(200);
    expect((await rig.call('admin', 'DELETE', self(id))).statusCode).toBe(204);
    expect(await told(number, 'deleted')).toMatchObject({ installation: { app_id: 12345 } });
    const actions = () => heard.flatMap(({ action, installation }) => (installation.id === number ? [action] : []));
    expect(actions()).toEqual(['created', 'deleted']);
    const again = (await create(app(21))).json<Document>().data;
    const numberAgain = Number((await shown(again.id))[0]?.virtual_id);
    for (const end = Date.now() + PATIENCE_MS; actions().length < 3 && Date.now() < end; ) await sleep(50);
    expect(actions()).toEqual(['created', 'deleted', 'created']);
    expect(numberAgain).toBe(number);
  });

  it('hear of it once its forge says what it covers', async () => {
    install(22);
    github.lists = false;
    const { id } = (await create(app(22))).json<Document>().data;
    const number = Number((await shown(id))[0]?.virtual_id);
    github.lists = true;
    expect((await rig.call('admin', 'POST', `/api/v1/connections/${id.slice(4)}/test`)).statusCode).toBe(200);
    expect(await told(number, 'created')).toBeDefined();
    expect(heard.filter(({ installation }) => installation.id === number)).toHaveLength(1);
  });

  it('do not hear twice of what the webhook of the App has told already', async () => {
    install(23);
    await rig.rows(
      `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
       VALUES ($1, 'github', 'github.com', '12345', 23, 4503599627371023)`,
      [rig.mine.organization],
    );
    const { id } = (await create(app(23))).json<Document>().data;
    expect(await shown(id)).toHaveLength(1);
    expect(await rig.rows('SELECT id FROM webhook_delivery WHERE hook_id = $1', [id.slice(4)])).toEqual([]);
    expect((await rig.call('admin', 'DELETE', self(id))).statusCode).toBe(204);
    expect(await told(4_503_599_627_371_023, 'deleted')).toBeDefined();
  });
});
