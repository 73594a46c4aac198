import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { parameter } from './request-check.js';
import { AnswerLost, createFakeApi, FakeRefusal, type FakeRoute } from './routing.js';

const answerParams: FakeRoute['run'] = ({ params }) => ({ json: params });
const route = (method: string, path: string, rest: Partial<FakeRoute> = {}): FakeRoute => ({
  method,
  path,
  source: 'test',
  run: answerParams,
  ...rest,
});

function apiOf(...routes: FakeRoute[]) {
  const api = createFakeApi({
    prefix: '/api/v4',
    routes,
    authenticate: (headers) => headers.get('private-token') ?? undefined,
    unauthorized: { status: 401, json: { message: '401 Unauthorized' } },
    notFound: { status: 404, json: { message: '404 Not Found' } },
    badRequest: (message) => ({ status: 400, json: { message } }),
  });
  const ask = async (method: string, path: string, init: { headers?: Record<string, string>; body?: string } = {}) => {
    const headers = { 'private-token': 'anna', ...init.headers };
    const answer = await api.handle(new Request(`http://forge.test/api/v4${path}`, { method, ...init, headers }));
    const text = await answer.text();
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) };
  };
  const json = (body: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { api, ask, json };
}

describe('paths', () => {
  it('keep an encoded slash within its segment, decode it once, and prefer fixed text', async () => {
    const { api, ask } = apiOf(
      route('GET', '/projects/:id'),
      route('GET', '/projects/:id/*rest'),
      route('GET', '/projects/new'),
      route('GET', '/projects/:id/pulls/:index'),
      route('GET', '/projects/:id/pulls/:index.:type'),
    );
    expect((await ask('GET', '/projects/a%2Fb%252Fc')).json).toEqual({ id: 'a/b%2Fc' });
    expect((await ask('GET', '/projects/new')).json).toEqual({});
    expect((await ask('GET', '/projects/1/pulls/3')).json).toEqual({ id: '1', index: '3' });
    expect((await ask('GET', '/projects/1/pulls/3.diff')).json).toEqual({ id: '1', index: '3', type: 'diff' });
    expect((await ask('GET', '/projects/1/files/a%20b/c')).json).toEqual({ id: '1', rest: 'files/a b/c' });
    expect(api.violations).toEqual([]);
    expect([...api.used].sort()).toEqual([
      'GET /projects/:id',
      'GET /projects/:id/*rest',
      'GET /projects/:id/pulls/:index',
      'GET /projects/:id/pulls/:index.:type',
      'GET /projects/new',
    ]);
  });

  it('that nobody declared are answered and remembered', async () => {
    const { api, ask } = apiOf(route('GET', '/projects/:id'));
    expect(await ask('DELETE', '/projects/1')).toEqual({ status: 404, json: { message: '404 Not Found' } });
    expect((await ask('GET', '/projects/%E0%A4')).status).toBe(404);
    expect((await api.handle(new Request('http://forge.test/api/v40/projects/1'))).status).toBe(404);
    expect(api.violations).toEqual([
      'DELETE /projects/1: there is no such route',
      'GET /projects/%E0%A4: there is no such route',
      'GET /api/v40/projects/1: not below /api/v4',
    ]);
    expect(api.log.map(({ status }) => status)).toEqual([404, 404, 404]);
  });

  it('are declared once', () => {
    expect(() => apiOf(route('GET', '/a'), route('GET', '/a'))).toThrow('The route GET /a is there twice.');
  });
});

describe('parameters and bodies', () => {
  const query = z.object({ page: parameter.integer.optional(), 'labels[]': parameter.texts.optional() });
  const body = z.object({ title: z.string(), draft: z.boolean().default(false) });
  const setup = () =>
    apiOf(
      route('GET', '/issues', { query, run: ({ query: asked }) => ({ json: [...asked] }) }),
      route('POST', '/issues', { body, run: ({ body: sent }) => ({ status: 201, json: sent }) }),
      route('POST', '/open', { body: z.looseObject({}), run: ({ body: sent }) => ({ json: sent }) }),
      route('POST', '/files', { body: z.instanceof(Buffer), run: ({ raw }) => ({ json: raw.length }) }),
      route('DELETE', '/issues', { run: () => ({ status: 204 }) }),
    );

  it('that are declared get through', async () => {
    const { api, ask, json } = setup();
    const list = (await ask('GET', '/issues?page=2&labels[]=a&labels[]=b')).json;
    expect(list).toEqual([
      ['page', '2'],
      ['labels[]', 'a'],
      ['labels[]', 'b'],
    ]);
    expect(await ask('POST', '/issues', json({ title: 'One' }))).toEqual({
      status: 201,
      json: { title: 'One', draft: false },
    });
    expect((await ask('POST', '/open', json({ anything: 1 }))).json).toEqual({ anything: 1 });
    expect((await ask('POST', '/files', { body: '\0\0\0', headers: { 'content-type': 'image/png' } })).json).toBe(3);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await ask('POST', '/issues', { body: 'title=Two', headers: form })).json).toMatchObject({ title: 'Two' });
    expect(await ask('DELETE', '/issues')).toEqual({ status: 204, json: undefined });
    expect((await ask('DELETE', '/issues', json({}))).status).toBe(204);
    expect(api.violations).toEqual([]);
  });

  it.each([
    ['an unknown parameter', 'GET', '/issues?pages=2', undefined, /query: .*pages/],
    [
      'a parameter where there is none',
      'DELETE',
      '/issues?force=1',
      undefined,
      /no query is known here, but it has force/,
    ],
    ['a parameter of the wrong type', 'GET', '/issues?page=two', undefined, /query\.page: is no integer/],
    ['an unknown field', 'POST', '/issues', { title: 'a', tilte: 'b' }, /body: .*tilte/],
    ['a missing field', 'POST', '/issues', undefined, /body\.title: /],
    ['a field of the wrong type', 'POST', '/issues', { title: 1 }, /body\.title: /],
    ['a body where there is none', 'DELETE', '/issues', { a: 1 }, /no body is known here, but it has a/],
  ])('with %s are refused and remembered', async (_what, method, path, sent, message) => {
    const { api, ask, json } = setup();
    const answer = await ask(method, path, sent === undefined ? {} : json(sent));
    expect(answer).toEqual({ status: 400, json: { message: expect.stringMatching(message) } });
    expect(api.violations).toEqual([expect.stringMatching(message)]);
  });

  it('that are no JSON are refused', async () => {
    const { api, ask } = setup();
    expect((await ask('POST', '/issues', { body: '{', headers: { 'content-type': 'application/json' } })).status).toBe(
      400,
    );
    expect(api.violations).toEqual(['POST /issues: the body is not JSON']);
  });

  it('that bring a file may bring any, whatever it says it is', async () => {
    const { api } = apiOf(
      route('POST', '/files', {
        body: z.instanceof(Buffer),
        file: true,
        run: ({ body }) => ({ body: body as Buffer }),
      }),
    );
    const headers = { 'content-type': 'application/json', 'private-token': 'anna' };
    const answer = await api.handle(
      new Request('http://forge.test/api/v4/files', { method: 'POST', body: '{half of it', headers }),
    );
    expect([answer.status, await answer.text(), api.violations]).toEqual([200, '{half of it', []]);
  });
});

describe('answers', () => {
  it('need a token unless the route is open', async () => {
    const { api } = apiOf(
      route('GET', '/user', { run: ({ user }) => ({ json: user }) }),
      route('GET', '/version', { open: true, run: ({ user }) => ({ json: { user: user ?? null } }) }),
    );
    const ask = (path: string) => api.handle(new Request(`http://forge.test/api/v4${path}`));
    expect((await ask('/user')).status).toBe(401);
    expect(await (await ask('/version')).json()).toEqual({ user: null });
    expect(api.violations).toEqual([]);
  });

  it('may be bytes, have headers, or have no body at all', async () => {
    const { api, ask } = apiOf(
      route('GET', '/raw', {
        run: () => ({ body: Buffer.from('abc'), contentType: 'text/x', headers: { 'x-total': '1' } }),
      }),
    );
    const get = (method: string) =>
      api.handle(new Request('http://forge.test/api/v4/raw', { method, headers: { 'private-token': 'anna' } }));
    const answer = await get('GET');
    expect([answer.headers.get('content-type'), answer.headers.get('x-total')]).toEqual(['text/x', '1']);
    expect(await answer.text()).toBe('abc');
    expect(await (await get('HEAD')).text()).toBe('');
    expect((await ask('POST', '/raw')).status).toBe(404);
  });

  it('can be given up, which is no violation, and broken, which is one', async () => {
    const { api, ask } = apiOf(
      route('GET', '/refused', {
        run: () => {
          throw new FakeRefusal({ status: 409, json: { message: 'No' } });
        },
      }),
      route('GET', '/broken', {
        run: () => {
          throw new Error('oops');
        },
      }),
    );
    expect(await ask('GET', '/refused')).toEqual({ status: 409, json: { message: 'No' } });
    expect(api.violations).toEqual([]);
    expect((await ask('GET', '/broken')).status).toBe(500);
    expect(api.violations).toEqual([expect.stringContaining('GET /broken: the fake broke: Error: oops')]);
  });
});

describe('planned failures', () => {
  it('answer one request that then does nothing', async () => {
    const done: string[] = [];
    const { api, ask } = apiOf(
      route('POST', '/notes', {
        run: () => {
          done.push('note');
          return { status: 201 };
        },
      }),
    );
    api.failNext('POST', /^\/notes$/, { status: 502 });
    expect((await ask('POST', '/notes')).status).toBe(502);
    expect(done).toEqual([]);
    expect((await ask('POST', '/notes')).status).toBe(201);
    expect(done).toEqual(['note']);
  });

  it('lose an answer after everything was done', async () => {
    const done: string[] = [];
    const { api, ask } = apiOf(
      route('POST', '/notes', {
        run: () => {
          done.push('note');
          return { status: 201 };
        },
      }),
    );
    api.failNext('POST', /notes/, 'lost');
    await expect(ask('POST', '/notes')).rejects.toThrow(AnswerLost);
    expect(done).toEqual(['note']);
    expect(api.log).toEqual([{ method: 'POST', path: '/notes', status: 0 }]);
  });
});
