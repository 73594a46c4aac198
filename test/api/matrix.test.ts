/** Section H of the test plan: roles x endpoints and tenants, generated from the router itself. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LightMyRequestResponse } from 'fastify';
import { z } from 'zod';
import { openApiDocument } from '../../src/api/openapi.js';
import { listProcedures, REST_PREFIX } from '../../src/api/rest.js';
import { statementsOf } from '../support/statements.js';
import { type ApiRig, CANARY, type Caller, callers, startApiRig, type TenantIds } from './api-rig.js';
import { procedures, routes } from './expectations.js';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const listed = listProcedures();
const named = new Map(listed.map((one) => [one.name, one]));
const isMutation = (method: string) => method !== 'GET';

/** As a client would send it: what is in the path there, the rest in query or body. */
function rest(name: string, input: Record<string, unknown>): { method: string; url: string; body?: unknown } {
  const { meta } = named.get(name) ?? {};
  if (meta === undefined) throw new Error(`there is no procedure ${name}`);
  const left = { ...input };
  const path = meta.path.replace(/\{(\w+)\}/g, (_, field: string) => {
    const value = String(left[field]);
    delete left[field];
    return encodeURIComponent(value);
  });
  const url = `${REST_PREFIX}${path}`;
  if (meta.method !== 'GET' && meta.method !== 'DELETE') return { method: meta.method, url, body: left };
  const query = new URLSearchParams(
    Object.fromEntries(Object.entries(left).map(([key, value]) => [key, String(value)])),
  ).toString();
  return { method: meta.method, url: query === '' ? url : `${url}?${query}` };
}

const takesOrganization = (name: string) => named.get(name)?.meta.action !== 'signed-in';
const inputFor = (name: string, ids: TenantIds, organization: string) => ({
  ...procedures[name]?.input(ids),
  ...(takesOrganization(name) && { organization }),
});

async function viaRest(caller: Caller, name: string, input: Record<string, unknown>): Promise<LightMyRequestResponse> {
  const { method, url, body } = rest(name, input);
  return rig.call(caller, method, url, body);
}

async function viaTrpc(caller: Caller, name: string, input: Record<string, unknown>): Promise<LightMyRequestResponse> {
  const method = named.get(name)?.meta.method ?? 'GET';
  if (isMutation(method)) return rig.call(caller, 'POST', `/api/trpc/${name}`, input);
  return rig.call(caller, 'GET', `/api/trpc/${name}?input=${encodeURIComponent(JSON.stringify(input))}`);
}

const outcome = ({ statusCode }: { statusCode: number }): string =>
  statusCode >= 200 && statusCode < 300 ? 'ok' : String(statusCode);

describe('who may call what', () => {
  it('is said for every procedure and every route that there is, and for none that there is not', () => {
    expect(listed.map(({ name }) => name).sort()).toEqual(Object.keys(procedures).sort());
    const ofProcedures = listed.map(
      ({ meta }) => `${meta.method} ${REST_PREFIX}${meta.path.replace(/\{(\w+)\}/g, ':$1')}`,
    );
    // Those of workspaces have a test of their own: workspaces-matrix.test.ts.
    const isOther = (route: string) =>
      / \/api\/v2\/(?!.*vcs-connections)/.test(route) || route.endsWith(' /api/trpc/:path');
    const others = rig.routes.filter((route) => !ofProcedures.includes(route) && !isOther(route));
    expect(rig.routes).toEqual(expect.arrayContaining(ofProcedures));
    expect([...new Set(others)].sort()).toEqual(Object.keys(routes).sort());
    for (const row of [...Object.values(procedures), ...Object.values(routes)])
      expect(row.expected).toHaveLength(callers.length);
  });

  it.each(Object.keys(procedures))('%s', async (name) => {
    const answers = callers.map((caller) => viaRest(caller, name, inputFor(name, rig.mine, 'mine')));
    const found = (await Promise.all(answers)).map(outcome);
    expect(found).toEqual(procedures[name]?.expected);
  });

  const some: readonly Caller[] = ['anonymous', 'viewer', 'owner', 'other owner'];
  it('is the same by tRPC, with the same codes', async () => {
    for (const name of Object.keys(procedures))
      for (const caller of some) {
        const input = inputFor(name, rig.mine, 'mine');
        const answer = await viaTrpc(caller, name, input);
        expect([name, caller, outcome(answer)]).toEqual([
          name,
          caller,
          procedures[name]?.expected[callers.indexOf(caller)],
        ]);
        if (answer.statusCode < 400) continue;
        const { error } = answer.json<{ error: { message: string; data: { code: string; httpStatus: number } } }>();
        const other = (await viaRest(caller, name, input)).json<{ error: { code: string; message: string } }>().error;
        expect([error.data.code, error.message, error.data.httpStatus]).toEqual([
          other.code,
          other.message,
          answer.statusCode,
        ]);
        expect(answer.body).not.toContain('stack');
      }
  });

  it('needs no input where none is needed, and answers several calls together', async () => {
    expect((await rig.call('viewer', 'GET', '/api/trpc/organization.get')).statusCode).toBe(200);
    const batch = await rig.call('viewer', 'GET', '/api/trpc/organization.get,delivery.list?batch=1');
    expect(batch.json<object[]>()).toMatchObject([
      { result: { data: { slug: 'mine' } } },
      { error: { data: { code: 'FORGEWAY_FORBIDDEN', httpStatus: 403 } } },
    ]);
  });

  it.each(Object.keys(routes).filter((route) => route !== 'GET /api/events'))('%s', async (route) => {
    const [method = '', path = ''] = route.split(' ');
    const id = path.startsWith(REST_PREFIX) ? rig.mine.connection : `vcs-${rig.mine.connection}`;
    const url = path.replace(':organization', 'mine').replace(':preview', rig.mine.preview).replace(':id', id);
    const body = method === 'POST' || method === 'PATCH' ? routes[route]?.input(rig.mine) : undefined;
    const answers = callers.map((caller) => rig.call(caller, method, url, body));
    const found = (await Promise.all(answers)).map(outcome);
    expect(found).toEqual(routes[route]?.expected);
  });
});

describe('tenants', () => {
  const random = (): TenantIds => ({
    organization: randomUUID(),
    connection: randomUUID(),
    repository: randomUUID(),
    pullRequest: randomUUID(),
    issue: randomUUID(),
    delivery: '999999999',
    preview: randomUUID(),
    token: randomUUID(),
    ownToken: randomUUID(),
    previewSecret: randomUUID(),
    session: randomUUID(),
    otherSession: randomUUID(),
    pushedSession: randomUUID(),
  });
  const dump = async () => {
    const tables = await rig.rows<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.columns WHERE column_name = 'organization_id' AND table_schema = 'public'`,
    );
    const all: Record<string, unknown> = {};
    for (const { name } of tables)
      all[name] = await rig.rows(
        // What they did themselves before may be written down in the meantime.
        `SELECT row_to_json(t)::text AS row FROM "${name}" t WHERE organization_id = $1
           ${name === 'access_decision' ? "AND actor NOT LIKE 'user:other %'" : ''} ORDER BY 1`,
        [rig.theirs.organization],
      );
    return all;
  };

  it('see of each other what they see of what never existed, byte for byte, and change nothing there', async () => {
    const before = await dump();
    rig.asked.length = 0;
    const differing: string[] = [];
    for (const name of Object.keys(procedures)) {
      const needsIds =
        JSON.stringify(procedures[name]?.input(rig.theirs)) !== JSON.stringify(procedures[name]?.input(random()));
      for (const via of [viaRest, viaTrpc]) {
        // Their things from my own organization, and my caller in theirs.
        const never = random();
        if (needsIds) {
          const [foreign, unknown] = await Promise.all([
            via('owner', name, inputFor(name, rig.theirs, 'mine')),
            via('owner', name, inputFor(name, never, 'mine')),
          ]);
          const same = foreign.statusCode === unknown.statusCode && foreign.body === unknown.body;
          const empty = foreign.statusCode === 200 && /"items":\[\]/.test(foreign.body);
          if (!same || !(foreign.statusCode === 404 || empty))
            differing.push(`${name} by id: ${foreign.statusCode} ${foreign.body}`);
        }
        if (takesOrganization(name)) {
          const input = { ...procedures[name]?.input(rig.theirs) };
          const [inTheirs, byId, nowhere] = await Promise.all([
            via('owner', name, { ...input, organization: 'theirs' }),
            via('owner', name, { ...input, organization: rig.theirs.organization }),
            via('owner', name, { ...input, organization: 'never' }),
          ]);
          const bodies = new Set([inTheirs.body, byId.body, nowhere.body]);
          if (bodies.size !== 1 || inTheirs.statusCode !== 404)
            differing.push(`${name} by organization: ${[...bodies].join(' ')}`);
        }
      }
    }
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body =
        method === 'PATCH' ? { data: { type: 'vcs-connections', attributes: { name: 'stolen' } } } : undefined;
      const answers = [rig.theirs.connection, randomUUID()].map((id) =>
        rig.call('owner', method, `/api/v2/vcs-connections/vcs-${id}`, body),
      );
      const [foreign, unknown] = await Promise.all(answers);
      expect([foreign?.statusCode, foreign?.body]).toEqual([404, unknown?.body]);
      expect(foreign?.headers['content-length']).toBe(unknown?.headers['content-length']);
    }
    const listedThere = await rig.call('owner', 'GET', '/api/v2/organizations/theirs/vcs-connections');
    const listedNowhere = await rig.call('owner', 'GET', '/api/v2/organizations/never/vcs-connections');
    expect([listedThere.statusCode, listedThere.body]).toEqual([404, listedNowhere.body]);
    expect(differing).toEqual([]);
    expect(rig.asked.filter((line) => line.includes(rig.theirs.organization))).toEqual([]);
    expect(await dump()).toEqual(before);
  });

  /** What there is to be told of an answer, and of what was done for it. The trail is written now and then, for many. */
  const traced = async (ask: () => Promise<LightMyRequestResponse>) => {
    const { result, statements } = await statementsOf(ask, 'access_decision');
    const { 'x-request-id': _, date: __, ...headers } = result.headers;
    return { status: result.statusCode, headers, body: result.body, asked: statements };
  };
  const json = (url: string, method: string) => () =>
    rig.call(
      'owner',
      method,
      url,
      method === 'PATCH' ? { data: { type: 'vcs-connections', attributes: {} } } : undefined,
    );

  const missing = (): never => {
    throw new Error('there are two');
  };
  const both = (urls: string[], method: string) => [json(urls[0] ?? '', method), json(urls[1] ?? '', method)] as const;

  it('are told the same of each other’s things as of none, headers too, by the same statements', async () => {
    const pairs: [string, () => Promise<LightMyRequestResponse>, () => Promise<LightMyRequestResponse>][] = [];
    const never = random();
    for (const name of Object.keys(procedures))
      for (const [surface, via] of Object.entries({ rest: viaRest, trpc: viaTrpc })) {
        const ids = (of: TenantIds, organization: string) => () => via('owner', name, inputFor(name, of, organization));
        if (JSON.stringify(procedures[name]?.input(rig.theirs)) !== JSON.stringify(procedures[name]?.input(never)))
          pairs.push([`${surface} ${name} by id`, ids(rig.theirs, 'mine'), ids(never, 'mine')]);
        if (!takesOrganization(name)) continue;
        pairs.push([`${surface} ${name} by name`, ids(rig.theirs, 'theirs'), ids(rig.theirs, 'nobodys')]);
        const byId = [rig.theirs.organization, never.organization].map((id) => ids(rig.theirs, id));
        pairs.push([`${surface} ${name} by number`, byId[0] ?? missing, byId[1] ?? missing]);
      }
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const [foreign = '', none = ''] = [rig.theirs, never].map((of) => `/api/v2/vcs-connections/vcs-${of.connection}`);
      pairs.push([`JSON:API ${method}`, json(foreign, method), json(none, method)]);
    }
    const lists = ['theirs', 'nobodys'].map((name) => `/api/v2/organizations/${name}/vcs-connections`);
    for (const method of ['GET', 'POST']) pairs.push([`JSON:API list ${method}`, ...both(lists, method)]);
    pairs.push([
      'events',
      ...both(
        ['theirs', 'nobodys'].map((name) => `/api/events?organization=${name}`),
        'GET',
      ),
    ]);
    for (const [what, foreign, none] of pairs) {
      const [theirs, nobodys] = [await traced(foreign), await traced(none)];
      expect([what, theirs]).toEqual([what, nobodys]);
      expect([what, theirs.asked.length > 0]).toEqual([what, true]);
    }
    expect(pairs.length).toBeGreaterThan(Object.keys(procedures).length * 3);
  });

  it('count only their own in every list', async () => {
    // The trail has what its own people asked for, in their words; trail.test.ts shows that nobody else writes there.
    const inOwnWords = 'audit.listDecisions';
    for (const [name, { meta }] of named) {
      if (meta.method !== 'GET' || !/list/i.test(name) || name === 'token.listOwn') continue;
      const answer = await viaRest('owner', name, inputFor(name, rig.mine, 'mine'));
      expect([name, answer.body.includes(rig.theirs.organization), answer.statusCode]).toEqual([name, false, 200]);
      if (name === inOwnWords) continue;
      for (const id of Object.values(rig.theirs).filter((value) => value.length > 20))
        expect(answer.body).not.toContain(id);
    }
  });
});

describe('input and output', () => {
  const extra = Object.fromEntries(
    `role tenantId tenant_id organizationId organization_id verified admin isAdmin platformAdmin owner ownerId userId user_id
     status createdAt created_at updatedAt updatedBy createdBy permissions __proto2__ constructor capabilities secret
     secretHash accessToken access_token_ciphertext revokedAt scopesExtra internal`
      .split(/\s+/)
      .map((field) => [field, 'x']),
  );

  it('refuses thirty fields that are not there, each by its name, and does nothing', async () => {
    expect(Object.keys(extra)).toHaveLength(30);
    for (const [name, { meta }] of named) {
      if (!isMutation(meta.method)) continue;
      rig.asked.length = 0;
      const input = inputFor(name, rig.mine, 'mine');
      const added = Object.keys(extra).filter((field) => !(field in input));
      const answer = await viaRest('owner', name, { ...extra, ...input });
      expect([name, answer.statusCode]).toEqual([name, 422]);
      const { issues } = answer.json<{ error: { issues: { path: string[] }[] } }>().error;
      const refused = new Set(issues.map(({ path }) => path.at(-1)));
      expect([name, added.filter((field) => !refused.has(field))]).toEqual([name, []]);
      expect(rig.asked).toEqual([]);
    }
  });

  it('is refused, and is no fault of the server, where a text has a character that no text may have', async () => {
    const organization = { organization: 'mine' };
    const failed: unknown[] = [];
    for (const [name, { input: schema }] of named) {
      const { properties = {} } = z.toJSONSchema(schema as z.ZodType, { io: 'input' }) as {
        properties?: Record<string, { type?: string; format?: string; enum?: unknown }>;
      };
      for (const [field, { type, format, enum: words }] of Object.entries(properties)) {
        if (type !== 'string' || format !== undefined || words !== undefined) continue;
        const input = { ...organization, ...inputFor(name, rig.mine, 'mine'), [field]: 'a\u0000b' };
        const via = field === 'organization' ? viaTrpc : viaRest;
        const { statusCode } = await via('owner', name, input);
        if (statusCode >= 500) failed.push([name, field, statusCode]);
      }
    }
    expect(failed).toEqual([]);
    const named404 = '/api/v2/organizations/a%00b/vcs-connections';
    for (const url of [named404, '/api/v2/organizations/mine/vcs-connections?filter%5Bname%5D=a%00b'])
      expect([url, (await rig.call('owner', 'GET', url)).statusCode]).toEqual([url, 422]);
  });

  it('passes them over in JSON:API, as the API that it follows does', async () => {
    const answer = await rig.call('owner', 'PATCH', `/api/v2/vcs-connections/vcs-${rig.mine.connection}`, {
      data: { type: 'vcs-connections', attributes: { name: 'c', ...extra }, relationships: { organization: 'x' } },
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json<{ data: { attributes: object } }>().data.attributes).not.toHaveProperty('role');
  });

  const SECRET = /secret|token|password|private|credential|cipher|hash$|_iv$|salt/i;
  /** Each with why it holds none. */
  const harmless = new Set([
    // What a model has read and written.
    ...['list', 'get', 'reply', 'retry', 'cancel', 'assign'].map((name) => `session.${name} tokens`),
    // The one answer that holds a secret: the one that makes it.
    'token.create secret',
    'token.create token',
    'token.createOwn secret',
    'token.createOwn token',
    // Whether a repository is private.
    'repository.list private',
    'repository.get private',
  ]);
  it('has no field for a secret in any answer', () => {
    const { paths } = openApiDocument() as {
      paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
    };
    const found: string[] = [];
    const walk = (operation: string, node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      const properties: unknown = Reflect.get(node, 'properties');
      if (typeof properties === 'object' && properties !== null)
        for (const field of Object.keys(properties)) if (SECRET.test(field)) found.push(`${operation} ${field}`);
      for (const value of Object.values(node)) walk(operation, value);
    };
    for (const methods of Object.values(paths))
      for (const { operationId, responses } of Object.values(methods))
        walk(
          operationId,
          Object.entries(responses).filter(([status]) => status.startsWith('2')),
        );
    expect([...new Set(found)].filter((field) => !harmless.has(field))).toEqual([]);
    expect(found).toEqual(expect.arrayContaining(['token.create secret']));
  });

  it('answers nothing sealed to anybody', async () => {
    for (const [name, { meta }] of named) {
      if (meta.method !== 'GET') continue;
      const { body } = await viaRest('owner', name, inputFor(name, rig.mine, 'mine'));
      expect([name, body.includes(CANARY), /ciphertext|secret_/.test(body)]).toEqual([name, false, false]);
    }
    const { body } = await rig.call('owner', 'GET', `/api/v2/vcs-connections/vcs-${rig.mine.connection}`);
    expect(body).toContain('"has-token":true');
    expect(body).not.toContain(CANARY);
  });
});
