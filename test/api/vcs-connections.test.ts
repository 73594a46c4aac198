/** JSON:API for VCS connections, with the requests of its documentation and forges that answer, refuse or are silent. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { CANNOT_BE_REACHED } from '../../src/accounts/connecting/discreet.js';
import { connectionStates } from '../../src/accounts/connection-state.js';
import { createApiConnections } from '../../src/entry/api-connections.js';
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
