/** JSON:API for VCS connections, with the requests of its documentation and forges that answer, refuse or are silent. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { CANNOT_BE_REACHED } from '../../src/accounts/connecting/discreet.js';
import { connectionStates } from '../../src/accounts/connection-state.js';
import { type ApiConnections, createApiConnections } from '../../src/entry/api-connections.js';
import { makeLoopbackCertificate } from '../../src/entry/loopback-certificate.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { type ApiRig, type Caller, startApiRig } from './api-rig.js';

interface Document {
  data: { id: string; type: string; attributes: Record<string, unknown>; links: { self: string } };
}
interface Errors {
  errors: { status: string; code: string; detail: string; source?: { pointer: string } }[];
}

let rig: ApiRig;
let work: ApiConnections;
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
    connections: (db) => {
      work = createApiConnections({
        store: db.store('worker'),
        keys: TEST_KEYS,
        outbound: loopback,
        publicUrl: 'https://forgeway.example',
        log: pino({ level: 'silent' }),
      });
      return work;
    },
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
async function refusals(attributes: Record<string, unknown>): Promise<[number, (string | undefined)[]]> {
  const answer = await create(attributes);
  return [answer.statusCode, answer.json<Errors>().errors.map(({ source }) => source?.pointer)];
}

describe('two at the same moment', () => {
  const count = async (forge: string) =>
    (await rig.rows(`SELECT id FROM connection WHERE forge = $1 AND name = 'race'`, [forge])).length;
  const race = async (attributes: Record<string, unknown>) => {
    const answers = await Promise.all([1, 2, 3].map(() => create({ name: 'race', ...attributes })));
    return answers
      .map((answer) => [answer.statusCode, answer.json<Partial<Errors>>().errors?.[0]?.source?.pointer])
      .sort();
  };

  it('make one connection by a token', async () => {
    const { url, token } = fakes.gitea;
    const refusal = [422, '/data/attributes/token'];
    expect(await race({ provider: 'gitea', 'server-url': url, token })).toEqual([[201, undefined], refusal, refusal]);
    expect(await count('gitea')).toBe(1);
    await rig.rows(`DELETE FROM connection WHERE name = 'race'`);
    const connecting = [1, 2].map(() =>
      rig.call('admin', 'POST', '/api/v1/connections', { forge: 'gitea', url, token, name: 'race', hooks: 'none' }),
    );
    const codes = (await Promise.all(connecting)).map(({ statusCode }) => statusCode).sort();
    // Who comes after the first has stored it gives it the same token once more.
    expect([[201, 201].join(), [201, 409].join()]).toContain(codes.join());
    expect(await count('gitea')).toBe(1);
    await rig.rows(`DELETE FROM connection WHERE name = 'race'`);
  });

  it('make one while the forge is silent, and while it is an App that nobody has confirmed', async () => {
    const closed = { provider: 'gitlab', 'server-url': 'http://127.0.0.1:9', token: 'glpat-0123456789' };
    const refusal = [422, '/data/attributes/token'];
    expect(await race(closed)).toEqual([[201, undefined], refusal, refusal]);
    expect(await count('gitlab')).toBe(1);
    const dots = '-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----';
    const { 'github-account-login': _, ...unconfirmed } = app({ 'github-installation-id': 7, 'private-key': dots });
    const taken = [422, '/data/attributes/github-installation-id'];
    expect(await race({ ...unconfirmed, name: 'race' })).toEqual([[201, undefined], taken, taken]);
    expect(await count('github')).toBe(1);
    await rig.rows(`DELETE FROM connection WHERE name = 'race'`);
  });
});

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
      {
        status: 'unreachable',
        'status-reason': null,
        'status-advice': connectionStates.unreachable,
        'has-token': true,
      },
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

describe('a forge behind a proxy, with a certificate of its own authority', () => {
  const { key, certificate } = makeLoopbackCertificate(new Date());
  const asked: string[] = [];
  let isProxyAway = false;
  let front: TlsServer;
  let proxy: Server;
  let url: string;
  let way: string;
  beforeAll(async () => {
    front = createTlsServer({ key, cert: certificate }, (socket) => {
      const back = connect(Number(new URL(fakes.gitea.url).port), '127.0.0.1');
      socket.on('error', () => back.destroy()).pipe(back);
      back.on('error', () => socket.destroy()).pipe(socket);
    });
    proxy = createHttpServer().on('connect', (request, socket, head) => {
      if (isProxyAway) return socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n');
      asked.push(request.headers['proxy-authorization'] ?? 'nobody');
      const back = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        back.write(head);
        socket.pipe(back).pipe(socket);
      });
      back.on('error', () => socket.destroy());
      socket.on('error', () => back.destroy());
    });
    for (const server of [front, proxy]) await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
    way = `http://me:pass-word-1@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    proxy.closeAllConnections();
    for (const server of [front, proxy]) server.close();
  });
  const basic = `Basic ${Buffer.from('me:pass-word-1').toString('base64')}`;
  const shownProxy = () => way.replace('me:pass-word-1@', '');
  const forget = () => rig.rows('DELETE FROM connection WHERE host = $1', [new URL(url).host]);
  const restOf = (more: object) =>
    rig.call('admin', 'POST', '/api/v1/connections', {
      ...{ forge: 'gitea', url, token: fakes.gitea.token, hooks: 'none', ...more },
    });

  it('is connected by the procedure, which tells neither the password nor another connection of it', async () => {
    const made = await restOf({ caCertificate: certificate, proxy: way });
    expect([made.statusCode, made.json()]).toMatchObject([
      201,
      {
        connection: { status: 'active', proxy: shownProxy(), certificates: [expect.stringContaining('SHA-256')] },
      },
    ]);
    expect(new Set(asked)).toEqual(new Set([basic]));
    const [row] = await rig.rows<{ text: string }>('SELECT c::text AS text FROM connection c WHERE host = $1', [
      new URL(url).host,
    ]);
    for (const text of [made.body, row?.text]) expect(text).not.toContain('pass-word-1');

    // Somebody else's token for the host takes the usual way, which does not trust that certificate.
    asked.length = 0;
    expect((await restOf({ token: 'another-token-0' })).statusCode).toBe(422);
    expect(asked).toEqual([]);
    // What the operator said for the host is not the owner's to choose, and holds for all.
    await rig.rows(`UPDATE connection SET route_by = 'operator' WHERE host = $1`, [new URL(url).host]);
    const refused = await restOf({ token: 'another-token-0' });
    expect([refused.statusCode, refused.body.includes('does not accept the token')]).toEqual([422, true]);
    expect(asked).toContain(basic);
    const shown = await rig.call('admin', 'GET', '/api/v1/connections?forge=gitea');
    expect(shown.body).not.toContain(shownProxy());
    await forget();
  });

  it('that is kept while it is away is made by the same way, which stays its owner’s', async () => {
    isProxyAway = true;
    // Other credentials are another tunnel: that of the case before may be open still.
    const other = way.replace('pass-word-1', 'pass-word-2');
    const kept = await restOf({ caCertificate: certificate, proxy: other, keep: true });
    isProxyAway = false;
    const { connection } = kept.json<{ connection: { id: string; status: string } }>();
    expect([kept.statusCode, connection.status]).toEqual([201, 'unreachable']);
    const { organization } = rig.mine;
    expect(await work.confirm(organization, connection.id, { level: 'none' })).toEqual({ kind: 'done', problems: [] });
    expect(await rig.rows('SELECT status, proxy_url, route_by FROM connection WHERE id = $1', [connection.id])).toEqual(
      [{ status: 'active', proxy_url: shownProxy(), route_by: 'owner' }],
    );
    await forget();
  });

  it.each([
    ['no certificate', { caCertificate: 'hello' }, /holds none/],
    ['a private key', { caCertificate: key }, /private key/],
    ['no address of a proxy', { proxy: 'ftp://x' }, /http:\/\/proxy/],
    ['a proxy in a private network', { proxy: 'http://10.0.0.7:3128' }, /./],
  ])('is refused with %s, and the token is sent nowhere', async (_what, more, reason) => {
    asked.length = 0;
    const answer = await restOf(more);
    expect(answer.statusCode).toBe(422);
    expect(answer.body).toMatch(reason);
    expect(asked).toEqual([]);
  });

  it('is connected in JSON:API, where the way changes together with the token alone', async () => {
    const { token } = fakes.gitea;
    const attributes = { name: 'private', provider: 'gitea', 'server-url': url, token };
    const bad = await create({ ...attributes, 'ca-certificate': 'hello', proxy: 'ftp://x' });
    expect([bad.statusCode, bad.json<Errors>().errors.map(({ source }) => source?.pointer)]).toEqual([
      422,
      ['/data/attributes/ca-certificate', '/data/attributes/proxy'],
    ]);
    asked.length = 0;
    const made = await create({ ...attributes, 'ca-certificate': certificate, proxy: way });
    expect([made.statusCode, made.json<Document>().data.attributes]).toMatchObject([
      201,
      { status: 'active', proxy: shownProxy(), certificates: [expect.stringContaining('SHA-256')] },
    ]);
    expect(new Set(asked)).toEqual(new Set([basic]));
    const { id } = made.json<Document>().data;
    const patch = (change: Record<string, unknown>) => rig.call('admin', 'PATCH', self(id), document(change));

    // Who may change it may not read its token on a way of their own.
    for (const change of [{ proxy: 'http://127.0.0.1:9' }, { 'ca-certificate': certificate }, { proxy: null }]) {
      const refused = await patch(change);
      expect([refused.statusCode, refused.json<Errors>().errors[0]?.source?.pointer]).toEqual([
        422,
        `/data/attributes/${Object.keys(change)[0]}`,
      ]);
    }
    asked.length = 0;
    const direct = await patch({ token, proxy: null });
    expect([direct.statusCode, direct.json<Document>().data.attributes]).toMatchObject([
      200,
      { status: 'active', proxy: null, certificates: [expect.any(String)] },
    ]);
    expect(asked).toEqual([]);
    // Programs send what is not there as null.
    expect((await patch({ name: 'same', proxy: null })).statusCode).toBe(200);
    const tested = await rig.call('admin', 'POST', `/api/v1/connections/${id.slice(4)}/test`);
    expect(tested.json()).toMatchObject({ ok: true });
    const untrusted = await patch({ token, 'ca-certificate': null });
    expect(untrusted.json<Document>().data.attributes).toMatchObject({ status: 'unreachable', certificates: [] });
    await forget();
  });
});

describe('states', () => {
  const at = (path: string, caller: Caller) => rig.call(caller, 'GET', path);
  const shown = async (caller: Caller) => {
    const { attributes } = (await at(self(`vcs-${rig.mine.connection}`), caller)).json<Document>().data;
    const typed = (await at(`/api/v1/connections/${rig.mine.connection}`, caller)).json<Record<string, unknown>>();
    return [
      [attributes.status, attributes['status-reason'], attributes['status-advice']],
      [typed.status, typed.statusReason, typed.advice],
    ];
  };

  it.each(Object.entries(connectionStates))('%s is shown with its sentence', async (status, advice) => {
    await rig.rows(`UPDATE connection SET status = $2, status_reason = 'seen' WHERE id = $1`, [
      rig.mine.connection,
      status,
    ]);
    // Why a forge cannot be reached says what there is in the network.
    const hidden = status === 'unreachable' ? null : 'seen';
    expect(await shown('viewer')).toEqual([
      [status, hidden, advice],
      [status, hidden, advice],
    ]);
    await rig.rows(`UPDATE "user" SET platform_admin = true WHERE id = 'owner'`);
    expect((await shown('owner'))[0]).toEqual([status, 'seen', advice]);
    await rig.rows(`UPDATE "user" SET platform_admin = false WHERE id = 'owner'`);
  });

  it('an address that is refused and one where nobody answers are the same to whoever does not run the server', async () => {
    const connect = async (caller: Caller, url: string) => {
      const body = { forge: 'gitlab', url, token: 'glpat-0123456789' };
      const answer = await rig.call(caller, 'POST', '/api/v1/connections', body);
      return [answer.statusCode, answer.json<{ error: { message: string } }>().error.message];
    };
    const refused = 'http://169.254.169.254';
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const silent = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
    closed.close();
    await once(closed, 'close');
    const answers = [...(await Promise.all([connect('admin', refused), connect('admin', silent)]))];
    expect(answers).toEqual([
      [422, CANNOT_BE_REACHED],
      [422, CANNOT_BE_REACHED],
    ]);
    await rig.rows(`UPDATE "user" SET platform_admin = true WHERE id = 'owner'`);
    expect((await connect('owner', silent))[1]).toMatch(/127\.0\.0\.1:\d+/);
    await rig.rows(`UPDATE "user" SET platform_admin = false WHERE id = 'owner'`);
  });
});

describe('who did it', () => {
  it('is in the audit trail by the caller’s own name', async () => {
    const { url, token } = fakes.gitea;
    const made = await rig.call('admin', 'POST', '/api/v1/connections', { forge: 'gitea', url, token });
    const { id } = made.json<{ connection: { id: string } }>().connection;
    await rig.call('admin', 'DELETE', `/api/v1/connections/${id}?wait=false`);
    const rows = await rig.rows<{ actor: string; action: string }>(
      `SELECT actor, action FROM audit_entry WHERE subject = $1 ORDER BY created_at`,
      [id],
    );
    expect(rows).toEqual(
      ['connection.added', 'connection.removed'].map((action) => ({
        actor: expect.stringMatching(/^user:admin token:/),
        action,
      })),
    );
  });

  it('may not put a token where the account is connected by signing in', async () => {
    const { url, token } = fakes.gitea;
    const body = { forge: 'gitea', url, token };
    const { id } = (await rig.call('admin', 'POST', '/api/v1/connections', body)).json<{ connection: { id: string } }>()
      .connection;
    await rig.rows(`UPDATE connection SET kind = 'oauth' WHERE id = $1`, [id]);
    const again = await rig.call('admin', 'POST', '/api/v1/connections', body);
    expect([again.statusCode, again.json()]).toMatchObject([
      409,
      { error: { code: 'FORGEWAY_CONFLICT', message: expect.stringContaining(`by signing in already, as ${id}`) } },
    ]);
    const json = await create({ name: 'twice', provider: 'gitea', 'server-url': url, token });
    expect([json.statusCode, json.json<Errors>().errors[0]?.detail]).toEqual([
      422,
      `is connected already, as vcs-${id}`,
    ]);
    const change = (attributes: object) =>
      rig.call('admin', 'PATCH', `/api/v2/vcs-connections/vcs-${id}`, {
        data: { type: 'vcs-connections', attributes },
      });
    const refused = await change({ token });
    expect([refused.statusCode, refused.json<Errors>().errors[0]?.detail]).toEqual([
      422,
      'is not how it is connected: its account agreed to it at /account',
    ]);
    expect((await change({ name: 'ours' })).statusCode).toBe(200);
    // A test asks the forge; it does not look for a key, and leaves the state to what the forge says.
    const tested = await rig.call('admin', 'POST', `/api/v1/connections/${id}/test`, {});
    expect(tested.json()).toMatchObject({ ok: true });
    const [row] = await rig.rows('SELECT name, status FROM connection WHERE id = $1', [id]);
    expect(row).toEqual({ name: 'ours', status: 'active' });
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
