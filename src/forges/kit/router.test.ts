import { describe, expect, it } from '@jest/globals';
import { parseJson } from './json-body.js';
import { type Route, type RouteAnswer, RouteFailure, type RouteRequest } from './route.js';
import { createRouter, expandRoute, failureBody, failureResponse, mediaOf, runRoute, toResponse } from './router.js';

const seen: RouteRequest[] = [];
const row = (answer: RouteAnswer = {}): Route<string> => ({
  support: 'exact',
  retry: 'read',
  source: 'test',
  run: async (request, context) => {
    expect(context).toBe('the context');
    seen.push(request);
    return answer;
  },
});
const router = createRouter<string>({
  'GET /repos/{owner}/{repo}': row(),
  'GET /repos/{owner}/{repo}/contents/{path}': row(),
  'GET /repos/{owner}/{repo}/branches/{branch}': row(),
  'GET /repos/{owner}/{repo}/branches/{branch}/protection': row(),
  'GET /repos/{owner}/{repo}/issues/{issue_number}': row(),
  'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': row(),
  'POST /repos/{owner}/{repo}/issues': row(),
});

describe('match', () => {
  it.each([
    ['GET', '/repos/a~b/web', 'GET /repos/{owner}/{repo}', { owner: 'a~b', repo: 'web' }],
    ['HEAD', '/repos/a/web/', 'GET /repos/{owner}/{repo}', { owner: 'a', repo: 'web' }],
    [
      'GET',
      '/repos/a/web/contents/x/y%20z.txt?ref=m',
      'GET /repos/{owner}/{repo}/contents/{path}',
      { path: 'x/y z.txt' },
    ],
    [
      'GET',
      '/repos/a/web/contents/.github%2Fbot.yml',
      'GET /repos/{owner}/{repo}/contents/{path}',
      { path: '.github/bot.yml' },
    ],
    ['GET', '/repos/a/web/contents/?ref=m', 'GET /repos/{owner}/{repo}/contents/{path}', { path: '' }],
    ['GET', '/repos/a/web/branches/feature/x', 'GET /repos/{owner}/{repo}/branches/{branch}', { branch: 'feature/x' }],
    [
      'GET',
      '/repos/a/web/branches/main/protection',
      'GET /repos/{owner}/{repo}/branches/{branch}/protection',
      { branch: 'main' },
    ],
    [
      'GET',
      '/repos/a/web/issues/comments/7',
      'GET /repos/{owner}/{repo}/issues/comments/{comment_id}',
      { comment_id: '7' },
    ],
  ])('%s %s', (method, path, key, params) => {
    const match = router.match(method, path);
    expect(match?.key).toBe(key);
    expect(match?.params).toMatchObject(params);
  });

  it('finds nothing for another method, a path that is too long, or no path at all', () => {
    for (const [method, path] of [
      ['PUT', '/repos/a/web'],
      ['GET', '/repos/a/web/issues/7/8'],
      ['GET', '/'],
      ['POST', '/repos/a/web/issues/7'],
    ] as const)
      expect(router.match(method, path)).toBeUndefined();
  });

  it('refuses what is encoded badly, and keys that are no routes', () => {
    expect(() => router.match('GET', '/repos/%zz/web')).toThrow(RouteFailure);
    expect(() => createRouter({ 'FETCH /x': row() })).toThrow(TypeError);
  });
});

it('hands a row its parameters, pages, media type and body', async () => {
  seen.length = 0;
  const run = (method: string, path: string, body?: string, accept = '') =>
    runRoute(
      router.match(method, path) as NonNullable<ReturnType<typeof router.match>>,
      { method, path, headers: new Headers({ accept }), body },
      'the context',
    );
  await run('GET', '/repos/a/web?page=3&per_page=500&q=x%20y', undefined, 'application/vnd.github.v3.diff');
  await run('POST', '/repos/a/web/issues', '{"title":"t","id":12345678901234567890}');
  await run('POST', '/repos/a/web/issues', '["bug"]');
  expect(seen[0]).toMatchObject({ page: 3, perPage: 100, media: 'diff', query: { q: 'x y' }, body: {} });
  expect(seen[1]).toMatchObject({
    page: 1,
    perPage: 30,
    media: 'json',
    body: { title: 't', id: '12345678901234567890' },
  });
  expect(seen[2]?.body).toEqual({ labels: ['bug'] });
  for (const bad of ['{', '7', 'null', '"x"'])
    await expect(run('POST', '/repos/a/web/issues', bad)).rejects.toMatchObject({ status: 400 });
});

it('knows GitHub’s media types', () => {
  expect(mediaOf('application/vnd.github.raw')).toBe('raw');
  expect(mediaOf('application/vnd.github.v3.raw+json; charset=utf-8')).toBe('raw');
  expect(mediaOf('application/vnd.github.patch')).toBe('patch');
  expect(mediaOf('application/vnd.github+json')).toBe('json');
  expect(mediaOf('text/html')).toBe('json');
  expect(mediaOf(null)).toBe('json');
});

describe('toResponse', () => {
  it('has an ETag, and is 304 for whoever knows it, with its links and without a body', async () => {
    const at = new URL('https://forge/api/v3/repos/a/b/issues?page=2');
    const answer = { data: [{ id: 1 }], pages: { next: true } };
    const first = toResponse(answer, at, 'GET');
    const etag = first.headers.get('etag') ?? '';
    expect([first.status, etag]).toEqual([200, expect.stringMatching(/^W\/"[0-9a-f]{64}"$/)]);
    for (const known of [etag, etag.slice(2), `"x", ${etag}`]) {
      const again = toResponse(answer, at, 'GET', known);
      expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
      expect(again.headers.get('link')).toBe(first.headers.get('link'));
    }
    const changed = toResponse({ data: [{ id: 2 }] }, at, 'GET', etag);
    expect([changed.status, await changed.json()]).toEqual([200, [{ id: 2 }]]);
    // Other media of the same bytes are another answer.
    const bytes = { body: { contentType: 'text/x-diff', bytes: '[{"id":1}]' } };
    expect(toResponse(bytes, at, 'GET', etag).status).toBe(200);
    expect(toResponse(answer, at, 'POST', etag).status).toBe(200);
    expect(toResponse({ status: 404, data: {} }, at, 'GET').headers.get('etag')).toBeNull();
    const archive = { body: { contentType: 'application/gzip', bytes: Buffer.alloc(2 * 1024 * 1024) } };
    expect(toResponse(archive, at, 'GET').headers.get('etag')).toBeNull();
  });

  const url = new URL('https://forge.example/api/v3/repos/a/web/issues?per_page=2&page=2');

  it('links pages on the address that was asked for', async () => {
    const response = toResponse({ data: [1], pages: { next: true, last: 5 } }, url, 'GET');
    expect(response.headers.get('link')).toBe(
      [
        '<https://forge.example/api/v3/repos/a/web/issues?per_page=2&page=1>; rel="first"',
        '<https://forge.example/api/v3/repos/a/web/issues?per_page=2&page=1>; rel="prev"',
        '<https://forge.example/api/v3/repos/a/web/issues?per_page=2&page=3>; rel="next"',
        '<https://forge.example/api/v3/repos/a/web/issues?per_page=2&page=5>; rel="last"',
      ].join(', '),
    );
    expect(response.url).toBe(url.href);
    expect(await response.json()).toEqual([1]);
  });

  it('answers without a body where there is none to give', async () => {
    expect(toResponse({ status: 204 }, url, 'DELETE').body).toBeNull();
    expect(toResponse({ data: { a: 1 } }, url, 'HEAD').body).toBeNull();
    const raw = toResponse({ body: { contentType: 'text/x-diff', bytes: Buffer.from('diff') } }, url, 'GET');
    expect([raw.headers.get('content-type'), await raw.text()]).toEqual(['text/x-diff', 'diff']);
  });

  it('words a failure as GitHub does', async () => {
    const failure = new RouteFailure(422, 'Validation Failed', {
      errors: [{ resource: 'Label', code: 'already_exists', field: 'name' }],
      headers: { 'retry-after': '7' },
    });
    const response = failureResponse(failure, url);
    expect([response.status, response.headers.get('retry-after')]).toEqual([422, '7']);
    expect(await response.json()).toMatchObject({
      message: 'Validation Failed',
      errors: [{ field: 'name' }],
      status: '422',
    });
  });

  it.each([
    [404, 'Not Found', undefined],
    [403, 'Resource not accessible by integration', undefined],
    [401, 'Bad credentials', undefined],
    [422, 'Validation Failed', [{ code: 'custom', message: 'no such thing here' }]],
    [409, 'no such thing here', undefined],
  ])('says what GitHub says to %i, and keeps the forge’s own words', (status, message, errors) => {
    const failure = new RouteFailure(status, 'no such thing here', { inForgesWords: true });
    const body = failureBody(failure);
    expect([body.message, body.errors]).toEqual([message, errors]);
    expect(JSON.stringify(body)).toContain('no such thing here');
  });

  it('leaves a limit’s words alone', () => {
    const options = { inForgesWords: true, headers: { 'retry-after': '7' } };
    const body = failureBody(new RouteFailure(403, 'Slow down', options));
    expect(body.message).toBe('Slow down');
  });
});

it('fills route strings for requests of our own', () => {
  expect(
    expandRoute('GET /repos/{owner}/{repo}/contents/{path}', { owner: 'a', repo: 'b', path: 'x/y', ref: 'm n' }),
  ).toEqual({
    method: 'GET',
    path: '/repos/a/b/contents/x%2Fy?ref=m+n',
    body: undefined,
  });
  expect(
    expandRoute('POST /repos/{owner}/{repo}/issues', { owner: 'a', repo: 'b', title: 't', body: undefined }),
  ).toEqual({
    method: 'POST',
    path: '/repos/a/b/issues',
    body: '{"title":"t"}',
  });
});

it('reads ids that JavaScript would round as text, and leaves text, fractions and small numbers alone', () => {
  const text =
    '{"id":9007199254740993,"small":9007199254740991,"in":"id 9007199254740993","f":1.12345678901234567,"l":[-9007199254740993]}';
  expect(parseJson(text)).toEqual({
    id: '9007199254740993',
    small: 9007199254740991,
    in: 'id 9007199254740993',
    f: 1.1234567890123457,
    l: ['-9007199254740993'],
  });
});
