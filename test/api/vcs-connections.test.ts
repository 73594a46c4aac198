/** JSON:API for VCS connections, with the requests of its documentation and forges that answer, refuse or are silent. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import nock from 'nock';
import { pino } from 'pino';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { type ApiRig, startApiRig } from './api-rig.js';

interface Document {
  data: { id: string; type: string; attributes: Record<string, unknown>; links: { self: string } };
}
interface Errors {
  errors: { status: string; code: string; detail: string; source?: { pointer: string } }[];
}

let rig: ApiRig;
let folder: string;
const fakes: Record<'gitlab' | 'gitea', ForgeFake> = {} as never;
const MEDIA = 'application/vnd.api+json; charset=utf-8';
const ALL = '/api/v2/organizations/mine/vcs-connections';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-api-'));
  for (const [name, forge] of Object.entries({ gitlab, gitea }))
    fakes[name as 'gitlab'] = (await forge.startFake?.({ folder: await mkdtemp(join(folder, name)) })) as ForgeFake;
  rig = await startApiRig({
    connections: (db) =>
      createApiConnections({
        store: db.store('worker'),
        keys: TEST_KEYS,
        outbound: loopback,
        publicUrl: 'https://forgeway.example',
        log: pino({ level: 'silent' }),
      }),
  });
});
afterAll(async () => {
  await rig.close();
  for (const fake of Object.values(fakes)) await fake.close();
  await rm(folder, { recursive: true, force: true });
});

const document = (attributes: Record<string, unknown>) => ({ data: { type: 'vcs-connections', attributes } });
const create = (attributes: Record<string, unknown>) => rig.call('admin', 'POST', ALL, document(attributes));
const self = (id: string) => `/api/v2/vcs-connections/${id}`;

/** The App connection of the documentation. */
const app = (more: Record<string, unknown> = {}) => ({
  name: 'my-github',
  provider: 'github',
  'github-app-id': 12345,
  'github-installation-id': 112887490,
  'github-account-login': 'my-org',
  'github-account-type': 'Organization',
  'private-key': pem,
  ...more,
});
const answersInstallation = (id: number, body: object, status = 200) =>
  nock('https://api.github.com').get(`/app/installations/${id}`).reply(status, body);

async function refusals(attributes: Record<string, unknown>): Promise<[number, (string | undefined)[]]> {
  const answer = await create(attributes);
  return [answer.statusCode, answer.json<Errors>().errors.map(({ source }) => source?.pointer)];
}

describe('a connection by token', () => {
  it.each(['gitlab', 'gitea'] as const)(
    'to %s is made, shown, listed, changed and deleted, and its token never told',
    async (forge) => {
      const { url, token } = fakes[forge];
      const made = await create({ name: `my-${forge}`, provider: forge, 'server-url': url, token });
      expect([made.statusCode, made.headers['content-type']]).toEqual([201, MEDIA]);
      const { data } = made.json<Document>();
      expect(data).toMatchObject({
        id: expect.stringMatching(/^vcs-[0-9a-f-]{36}$/),
        type: 'vcs-connections',
        attributes: { name: `my-${forge}`, provider: forge, 'server-url': url, status: 'active', 'has-token': true },
      });
      expect(made.headers.location).toBe(self(data.id));
      const shown = await rig.call('viewer', 'GET', self(data.id));
      expect([shown.statusCode, shown.headers['content-type'], shown.json()]).toEqual([200, MEDIA, made.json()]);
      const listed = await rig.call('viewer', 'GET', `${ALL}?filter[name]=my-${forge}`);
      expect(listed.json<{ data: unknown[] }>().data).toEqual([data]);
      const again = await create({ name: 'twice', provider: forge, 'server-url': url, token });
      expect([again.statusCode, again.json<Errors>().errors]).toMatchObject([
        422,
        [
          {
            status: '422',
            code: 'FORGEWAY_REQUEST_INVALID',
            detail: expect.stringContaining(data.id),
            source: { pointer: '/data/attributes/token' },
          },
        ],
      ]);
      const renamed = await rig.call(
        'admin',
        'PATCH',
        self(data.id),
        document({ name: 'renamed', token, 'server-url': url }),
      );
      expect([renamed.statusCode, renamed.json<Document>().data.attributes.name]).toEqual([200, 'renamed']);
      const deleted = await rig.call('admin', 'DELETE', self(data.id));
      expect([deleted.statusCode, deleted.body]).toEqual([204, '']);
      expect((await rig.call('admin', 'GET', self(data.id))).statusCode).toBe(404);
      for (const answer of [made, shown, listed, again, renamed]) expect(answer.body).not.toContain(token);
    },
  );

  it('is refused with what the forge says of a wrong token, at the attribute', async () => {
    const wrong = await create({
      name: 'x',
      provider: 'gitlab',
      'server-url': fakes.gitlab.url,
      token: 'glpat-wrongwrong',
    });
    expect(wrong.statusCode).toBe(422);
    expect(wrong.json<Errors>().errors).toMatchObject([
      { detail: expect.stringContaining('does not accept the token'), source: { pointer: '/data/attributes/token' } },
    ]);
  });

  it('to a forge that is silent is kept, says so, and is complete when the forge answers', async () => {
    const silent = await mkdtemp(join(folder, 'silent'));
    const gone = (await gitea.startFake?.({ folder: silent })) as ForgeFake;
    const { url, token } = gone;
    const port = Number(new URL(url).port);
    await gone.close();
    const made = await create({ name: 'silent', provider: 'gitea', 'server-url': url, token });
    expect([made.statusCode, made.json<Document>().data.attributes]).toMatchObject([
      201,
      { status: 'unreachable', 'status-reason': expect.stringContaining('cannot be reached'), 'has-token': true },
    ]);
    const back = (await gitea.startFake?.({ folder: await mkdtemp(join(folder, 'back')), port })) as ForgeFake;
    try {
      const { id } = made.json<Document>().data;
      const changed = await rig.call('admin', 'PATCH', self(id), document({ token: back.token }));
      expect([changed.statusCode, changed.json<Document>().data.attributes]).toMatchObject([200, { status: 'active' }]);
      const [told] = await rig.rows<{ n: number }>(
        `SELECT count(*)::int AS n FROM installation WHERE connection_id = $1::uuid AND organization_id = $2`,
        [id.slice(4), rig.mine.organization],
      );
      expect(told?.n).toBe(1);
    } finally {
      await back.close();
    }
  });
});

describe('a connection by an App', () => {
  it('is asked for at the forge, and complete with what it says', async () => {
    answersInstallation(112887490, { id: 112887490, account: { id: 9, login: 'My-Org', type: 'Organization' } });
    const made = await create(app());
    expect([made.statusCode, made.json<Document>().data.attributes]).toMatchObject([
      201,
      {
        provider: 'github',
        status: 'active',
        'server-url': null,
        'has-token': true,
        'github-app-id': 12345,
        'github-installation-id': 112887490,
        'github-account-login': 'My-Org',
        'github-account-type': 'Organization',
      },
    ]);
    expect(made.body).not.toMatch(/PRIVATE KEY|MII/);
    expect(await refusals(app())).toEqual([422, ['/data/attributes/github-installation-id']]);
    const [row] = await rig.rows<{ row: string }>(
      `SELECT row_to_json(c)::text AS row FROM connection c WHERE kind = 'github-app'`,
    );
    expect(row?.row).not.toContain(pem.slice(40, 80));
  });

  it('is refused where the App, the installation or its account is another', async () => {
    const other = app({ 'github-installation-id': 5 });
    answersInstallation(5, { message: 'Bad credentials' }, 401);
    expect(await refusals(other)).toEqual([422, ['/data/attributes/private-key']]);
    answersInstallation(5, { message: 'Not Found' }, 404);
    expect((await create(other)).json<Errors>().errors[0]?.detail).toBe(
      'App 12345 has no installation 5 on https://github.com.',
    );
    answersInstallation(5, { account: { id: 1, login: 'somebody', type: 'User' } });
    expect(await refusals(other)).toEqual([422, ['/data/attributes/github-account-login']]);
  });

  it('with the key of the documentation, which is none, is kept and says what to do', async () => {
    const key = '-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----';
    const made = await create(app({ 'github-installation-id': 6, 'private-key': key }));
    const { id, attributes } = made.json<Document>().data;
    expect([made.statusCode, attributes.status, attributes['status-reason']]).toEqual([
      201,
      'invalid',
      'The private key cannot be read: download a new one on the App’s settings page, and change this connection.',
    ]);
    answersInstallation(6, { account: { id: 9, login: 'my-org', type: 'Organization' } });
    const mended = await rig.call('admin', 'PATCH', self(id), document({ 'private-key': pem }));
    expect(mended.json<Document>().data.attributes).toMatchObject({ status: 'active', 'status-reason': null });
  });

  it('on a GitHub Enterprise Server is named by its API', async () => {
    nock('https://github.your-company.com')
      .get('/api/v3/app/installations/7')
      .reply(200, { account: { id: 9, login: 'my-org' } });
    const made = await create(
      app({ 'github-installation-id': 7, 'server-url': 'https://github.your-company.com/api/v3' }),
    );
    expect(made.json<Document>().data.attributes).toMatchObject({
      status: 'active',
      'server-url': 'https://github.your-company.com/api/v3',
    });
  });
});

describe('what is wrong', () => {
  it('is told all together, with a pointer to each', async () => {
    expect(await refusals({})).toEqual([422, ['/data/attributes/name', '/data/attributes/provider']]);
    expect(await refusals({ name: 'x', provider: 'github' })).toEqual([
      422,
      ['github-app-id', 'github-installation-id', 'private-key'].map((name) => `/data/attributes/${name}`),
    ]);
    expect(await refusals({ name: 'x', provider: 'gitlab', 'private-key': pem })).toEqual([
      422,
      ['/data/attributes/token', '/data/attributes/private-key'],
    ]);
    expect(await refusals({ name: 'x', provider: 'gitea', token: '0123456789abcdef' })).toEqual([
      422,
      ['/data/attributes/server-url'],
    ]);
    expect(await refusals({ name: 'x', provider: 'bitbucket' })).toEqual([422, ['/data/attributes/provider']]);
    expect(await refusals(app({ 'private-key': 'no key', 'github-app-id': 'x' }))).toEqual([
      422,
      ['/data/attributes/github-app-id', '/data/attributes/private-key'],
    ]);
    expect(await refusals({ name: 'x', provider: 'gitlab', token: 'glpat-12345678', 'server-url': 'ftp://x' })).toEqual(
      [422, ['/data/attributes/server-url']],
    );
    expect(
      await refusals({ name: 'x', provider: 'gitlab', token: 'glpat-12345678', 'server-url': 'https://a:b@x.example' }),
    ).toEqual([422, ['/data/attributes/server-url']]);
  });

  it('in form is answered in the form of JSON:API too', async () => {
    const raw = (payload: string, type = 'application/vnd.api+json') =>
      rig.app.inject({ method: 'POST', url: ALL, payload, headers: { ...rig.headers('admin'), 'content-type': type } });
    const answers = [
      await raw('{'),
      await raw('[]'),
      await raw('{"data":{}}'),
      await raw('{"data":{"type":"workspaces","attributes":{"name":"x","provider":"gitlab"}}}'),
      await raw('x', 'text/plain'),
      await raw('{"__proto__":{"data":1}}'),
    ];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([400, 422, 422, 409, 415, 400]);
    const others = [
      await rig.call('admin', 'GET', '/api/v2/vcs-connections/vcs-nonsense'),
      await rig.call('admin', 'GET', '/api/v2/nothing'),
      await rig.call('anonymous', 'GET', ALL),
      await rig.call('viewer', 'POST', ALL, document({})),
      await rig.call('admin', 'GET', `${ALL}?page[size]=0&sort=name`),
    ];
    expect(others.map(({ statusCode }) => statusCode)).toEqual([404, 404, 401, 403, 422]);
    for (const answer of [...answers, ...others]) {
      expect(answer.headers['content-type']).toBe(MEDIA);
      for (const error of answer.json<Errors>().errors)
        expect(error).toMatchObject({
          status: String(answer.statusCode),
          code: expect.any(String),
          detail: expect.any(String),
        });
    }
  });

  it('is changing what a connection is', async () => {
    const { url, token } = fakes.gitlab;
    const { id } = (await create({ name: 'fixed', provider: 'gitlab', 'server-url': url, token })).json<Document>()
      .data;
    const change = async (attributes: Record<string, unknown>) => {
      const answer = await rig.call('admin', 'PATCH', self(id), document(attributes));
      return [answer.statusCode, answer.json<Errors>().errors?.map(({ source }) => source?.pointer)];
    };
    expect(await change({ provider: 'gitea' })).toEqual([422, ['/data/attributes/provider']]);
    expect(await change({ 'server-url': 'https://other.example' })).toEqual([422, ['/data/attributes/server-url']]);
    expect(await change({ 'private-key': pem })).toEqual([422, ['/data/attributes/private-key']]);
    expect(await change({ provider: 'gitlab', 'server-url': url, name: 'still' })).toEqual([200, undefined]);
    const mismatched = {
      data: { type: 'vcs-connections', id: `vcs-${rig.theirs.connection}`, attributes: { name: 'x' } },
    };
    expect((await rig.call('admin', 'PATCH', self(id), mismatched)).statusCode).toBe(409);
  });
});

describe('pages', () => {
  it('lead from one to the next and count', async () => {
    const first = (await rig.call('admin', 'GET', `${ALL}?page[size]=2`)).json<{
      data: { id: string }[];
      links: Record<string, string | null>;
      meta: { pagination: Record<string, number | null> };
    }>();
    expect(first.data).toHaveLength(2);
    expect(first.meta.pagination).toMatchObject({
      'current-page': 1,
      'page-size': 2,
      'prev-page': null,
      'next-page': 2,
    });
    const seen = new Set(first.data.map(({ id }) => id));
    for (let next = first.links.next; next; ) {
      const page = (await rig.call('admin', 'GET', next)).json<typeof first>();
      for (const { id } of page.data) seen.add(id);
      next = page.links.next;
    }
    expect(seen.size).toBe(first.meta.pagination['total-count']);
  });
});
