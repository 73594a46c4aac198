import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../src/forges/forge.js';
import type { Route, RouteAnswer, RouteRequest, RouteTable } from '../../src/forges/kit/route.js';
import { RouteFailure } from '../../src/forges/kit/route.js';
import { runInDelivery } from '../../src/lib/delivery-scope.js';
import { createVirtualRig, json, WEB } from './virtual-rig.js';

const row = (retry: Route['retry'], run: Route['run']): Route => ({ support: 'exact', retry, source: 'test: it', run });
const CONTENTS = 'GET /repos/{owner}/{repo}/contents/{path}';
const place = { owner: 'acme', repo: 'web' };

/** A forge whose table is what a test says. */
const served = (routes: RouteTable, more: object = {}) =>
  createVirtualRig(() => json({ native: true }), { routes, ...more });

describe('requests in GitHub’s language', () => {
  it('reach the row with what GitHub’s parameters are', async () => {
    const asked: RouteRequest[] = [];
    const { octokit } = served({
      'POST /repos/{owner}/{repo}/issues': row('findable', async (request) => {
        asked.push(request);
        return { status: 201, data: { number: 1, state: 'open' } };
      }),
    });
    const { status, data } = await octokit.rest.issues.create({ owner: 'a~b', repo: 'web', title: 'Hi' });
    expect([status, data.number]).toEqual([201, 1]);
    expect(asked).toMatchObject([
      { params: { owner: 'a~b', repo: 'web' }, body: { title: 'Hi' }, media: 'json', page: 1 },
    ]);
  });

  it('for which there is no row are a 501 that names route and forge, and are counted', async () => {
    const { octokit, metrics, sent } = served({});
    await expect(octokit.rest.repos.listDeployments(place)).rejects.toMatchObject({
      name: 'HttpError',
      status: 501,
      message: expect.stringContaining('GET /repos/acme/web/deployments is not supported on Toy.'),
    });
    expect(sent).toEqual([]);
    const { values } = await metrics.unsupportedRequests.get();
    expect(values).toMatchObject([
      { value: 1, labels: { forge: 'toy', app: '', route: 'GET /repos/{}/{}/deployments' } },
    ]);
  });

  it('are counted for the app that made them', async () => {
    const { octokit, metrics } = served({});
    const scope = { app: 'greeter', signal: new AbortController().signal, loopDepth: 0 } as never;
    await runInDelivery(scope, () => octokit.request('GET /nothing').catch(() => undefined));
    expect((await metrics.unsupportedRequests.get()).values).toMatchObject([{ labels: { app: 'greeter' } }]);
  });

  it('are answered page by page through links on the virtual base', async () => {
    const asked: (readonly [number, number])[] = [];
    const { octokit } = served({
      'GET /repos/{owner}/{repo}/labels': row('read', async ({ page, perPage }) => {
        asked.push([page, perPage]);
        return { data: [{ name: `l${page}` }], pages: { next: page < 3, last: 3 } };
      }),
    });
    const labels = await octokit.paginate(octokit.rest.issues.listLabelsForRepo, { ...place, per_page: 1 });
    expect(labels.map(({ name }) => name)).toEqual(['l1', 'l2', 'l3']);
    expect(asked).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    const { headers } = await octokit.rest.issues.listLabelsForRepo({ ...place, per_page: 1, page: 2 });
    expect(headers.link).toContain(`<${WEB}/api/v3/repos/acme/web/labels?per_page=1&page=3>; rel="next"`);
  });

  it('are answered with the headers of every answer of GitHub’s, also when they are refused', async () => {
    const { octokit } = served({
      'GET /repos/{owner}/{repo}/labels': row('read', async () => ({ data: [] })),
      'GET /repos/{owner}/{repo}/milestones': row('read', async () => {
        throw new RouteFailure(429, 'Slow down', { headers: { 'retry-after': '9' } });
      }),
    });
    const told = { 'x-github-media-type': 'github.v3; format=json', 'x-github-request-id': expect.stringMatching(/:/) };
    const { headers } = await octokit.rest.issues.listLabelsForRepo(place);
    expect(headers).toMatchObject({ ...told, 'x-ratelimit-limit': '5000', 'x-ratelimit-resource': 'core' });
    const refused = await octokit.rest.issues.listMilestones(place).catch((error) => error.response.headers);
    expect(refused).toMatchObject({ ...told, 'retry-after': '9' });
    expect(refused).not.toHaveProperty('x-ratelimit-remaining');
    const missing = await octokit.request('GET /nothing').catch((error) => error.response.headers);
    expect(missing).toMatchObject({ ...told, 'x-ratelimit-remaining': '5000' });
  });

  it('that were answered before are a 304 for whoever names the answer', async () => {
    let name = 'a';
    const { octokit } = served({
      'GET /repos/{owner}/{repo}/labels': row('read', async () => ({ data: [{ name }] })),
    });
    const list = (headers = {}) => octokit.rest.issues.listLabelsForRepo({ ...place, headers });
    const known = { 'if-none-match': (await list()).headers.etag };
    await expect(list(known)).rejects.toMatchObject({ status: 304 });
    name = 'b';
    expect((await list(known)).data).toEqual([{ name: 'b' }]);
  });

  it('for a diff that is larger than anybody takes is GitHub’s 406, for anything else a failure', async () => {
    const large = row('read', async (_request, { native }) => ({ data: await native.get('/large') }));
    const { octokit } = createVirtualRig(
      () => new Response('x'.repeat(2_000)),
      { routes: { 'GET /repos/{owner}/{repo}/pulls/{pull_number}': large } },
      { maxBytes: 1_000 },
    );
    const get = (format: string) => octokit.rest.pulls.get({ ...place, pull_number: 1, mediaType: { format } });
    for (const format of ['diff', 'patch'])
      await expect(get(format)).rejects.toMatchObject({
        status: 406,
        message: expect.stringContaining('Sorry, the diff exceeded the maximum'),
        response: { data: { errors: [{ resource: 'PullRequest', field: format, code: 'too_large' }] } },
      });
    await expect(get('json')).rejects.not.toMatchObject({ status: 406 });
  });

  it.each(['raw', 'diff', 'patch'])('ask for another form as %s', async (format) => {
    const { octokit } = served({
      'GET /repos/{owner}/{repo}/pulls/{pull_number}': row('read', async ({ media }) => ({
        body: { contentType: 'text/plain; charset=utf-8', bytes: `as ${media}` },
      })),
    });
    const { data } = await octokit.rest.pulls.get({ ...place, pull_number: 1, mediaType: { format } });
    expect(data).toBe(`as ${format}`);
  });

  describe('of what is written, in the forms beside Markdown', () => {
    const html = '<p dir="auto">One &lt;b&gt; &amp; <em>two</em>&#33;</p>\n';
    const written = { id: 1, html_url: `${WEB}/acme/web/issues/1`, body: '*two*' };
    const page = {
      type: 'file',
      name: 'README.md',
      encoding: 'base64',
      content: Buffer.from('*two*').toString('base64'),
    };
    const rendered: JsonObject[] = [];
    const forge = (markdown: () => RouteAnswer) =>
      served({
        'GET /repos/{owner}/{repo}/issues': row('read', async () => ({
          data: [written, { ...written, id: 2 }, { ...written, id: 3, body: null }],
        })),
        'GET /repos/{owner}/{repo}/issues/{issue_number}': row('read', async () => ({ data: written })),
        'GET /repos/{owner}/{repo}/readme': row('read', async () => ({ data: page })),
        'POST /markdown': row('idempotent', async ({ body }) => {
          rendered.push(body);
          return markdown();
        }),
      }).octokit;
    const asHtml = () => ({ body: { contentType: 'text/html', bytes: html } });
    const words = 'One <b> & two!';

    it.each([
      ['full', { body: '*two*', body_html: html, body_text: words }],
      ['html', { body_html: html }],
      ['text', { body_text: words }],
      ['raw', { body: '*two*' }],
    ])('%s', async (format, forms) => {
      const { body: _, ...rest } = written;
      const { data } = await forge(asHtml).rest.issues.get({ ...place, issue_number: 1, mediaType: { format } });
      expect(data).toEqual({ ...rest, ...forms });
    });

    it('each text of a list once, in the name of its repository', async () => {
      rendered.length = 0;
      const { data } = await forge(asHtml).rest.issues.listForRepo({ ...place, mediaType: { format: 'html' } });
      expect(data.map(({ body_html }) => body_html)).toEqual([html, html, null]);
      expect(rendered).toEqual([{ text: '*two*', mode: 'gfm', context: 'acme/web' }]);
    });

    it('a file as its page', async () => {
      const { data } = await forge(asHtml).rest.repos.getReadme({ ...place, mediaType: { format: 'html' } });
      expect(data).toBe(html);
    });

    it('is read all the same where the forge will not render, and fails where it may later', async () => {
      const get = (status: number) =>
        forge(() => {
          throw new RouteFailure(status, 'No');
        }).rest.issues.get({ ...place, issue_number: 1, mediaType: { format: 'full' } });
      expect((await get(403)).data).toEqual(written);
      await expect(get(429)).rejects.toMatchObject({ status: 429 });
    });
  });

  it('fail as GitHub’s do', async () => {
    const { octokit } = served({
      'GET /repos/{owner}/{repo}': row('read', async () => {
        const errors = [{ resource: 'Repository', field: 'name', code: 'invalid' }];
        throw new RouteFailure(422, 'Validation Failed', { errors, headers: { 'retry-after': '5' } });
      }),
    });
    const error: unknown = await octokit.rest.repos.get(place).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      status: 422,
      response: {
        headers: { 'retry-after': '5' },
        data: { message: 'Validation Failed', errors: [{ field: 'name' }], documentation_url: expect.any(String) },
      },
    });
  });

  it('that find a fault of ours are not taken for an answer', async () => {
    const { octokit } = served({
      'GET /repos/{owner}/{repo}': row('read', async () => {
        throw new TypeError('ours');
      }),
    });
    await expect(octokit.rest.repos.get(place)).rejects.toMatchObject({ status: 500 });
  });

  it('with a body that is no JSON are a 400', async () => {
    const { fetch } = served({ 'POST /repos/{owner}/{repo}/issues': row('unsafe', async () => ({ data: {} })) });
    const answer = await fetch(`${WEB}/api/v3/repos/acme/web/issues`, { method: 'POST', body: '{"a":' });
    expect([answer.status, await answer.json()]).toMatchObject([400, { message: 'Problems parsing JSON' }]);
  });
});

describe('writes', () => {
  it('leave traces one deeper than what caused them; reads leave none', async () => {
    const comment = row('findable', async () => ({ status: 201, data: { id: 77 } }));
    const { octokit, noted } = served({
      'POST /repos/{owner}/{repo}/issues/{issue_number}/comments': comment,
      'GET /repos/{owner}/{repo}': row('read', async () => ({ data: {} })),
    });
    const scope = { app: 'greeter', signal: new AbortController().signal, loopDepth: 2 } as never;
    await runInDelivery(scope, async () => {
      await octokit.rest.repos.get(place);
      await octokit.rest.issues.createComment({ ...place, issue_number: 3, body: 'Hi' });
    });
    const traces = ['acme/web comment 77', 'acme/web comment 77 by 7'];
    expect(noted).toEqual([{ traces, write: { app: 'greeter', depth: 3 } }]);
  });

  it('that failed leave none', async () => {
    const { octokit, noted } = served({
      'POST /repos/{owner}/{repo}/issues': row('findable', async () => {
        throw new RouteFailure(403, 'no');
      }),
    });
    await expect(octokit.rest.issues.create({ ...place, title: 'x' })).rejects.toMatchObject({ status: 403 });
    expect(noted).toEqual([]);
  });
});

describe('settings of apps', () => {
  const files = (present: Record<string, string>, asked: string[] = []): RouteTable => ({
    [CONTENTS]: row('read', async ({ params, query, media }) => {
      const { repo = '', path = '' } = params;
      asked.push(`${repo}/${path}${query.ref === undefined ? '' : `@${query.ref}`}`);
      const text = present[`${repo}/${path}`];
      if (text === undefined) throw new RouteFailure(404, 'Not Found');
      const contentType = 'application/vnd.github.raw; charset=utf-8';
      return media === 'raw' ? { body: { contentType, bytes: text } } : { data: { content: text } };
    }),
  });
  const config = (present: Record<string, string>, configFolders: readonly string[], asked?: string[]) =>
    served(files(present, asked), { configFolders }).octokit.config.get({ ...place, path: '.github/bot.yml' });

  it('are read from .github first', async () => {
    const asked: string[] = [];
    const present = { 'web/.github/bot.yml': 'a: 1', 'web/.forge/bot.yml': 'a: 2' };
    expect((await config(present, ['.forge'], asked)).config).toEqual({ a: 1 });
    expect(asked).toEqual(['web/.github/bot.yml']);
  });

  it('then from the folders of the forge, in their order', async () => {
    const asked: string[] = [];
    expect((await config({ 'web/.old/bot.yml': 'a: 3' }, ['.forge', '.old'], asked)).config).toEqual({ a: 3 });
    expect(asked).toEqual(['web/.github/bot.yml', 'web/.forge/bot.yml', 'web/.old/bot.yml']);
  });

  it('then from the repository .github, as on GitHub, and there in the same folders', async () => {
    expect((await config({ '.github/.forge/bot.yml': 'a: 4' }, ['.forge'])).config).toEqual({ a: 4 });
  });

  it('may be nowhere; and on a forge without such folders nothing else is asked for', async () => {
    const asked: string[] = [];
    expect((await config({}, [], asked)).config).toEqual({});
    expect(asked).toEqual(['web/.github/bot.yml', '.github/.github/bot.yml']);
  });

  it('of another branch are looked for there', async () => {
    const asked: string[] = [];
    const { octokit } = served(files({}, asked), { configFolders: ['.forge'] });
    await expect(octokit.rest.repos.getContent({ ...place, path: '.github/x', ref: 'dev' })).rejects.toMatchObject({
      status: 404,
    });
    expect(asked).toEqual(['web/.github/x@dev', 'web/.forge/x@dev']);
  });

  it('are no excuse for other failures, nor for other files', async () => {
    const asked: string[] = [];
    const refusing = row('read', async ({ params }) => {
      asked.push(params.path ?? '');
      throw new RouteFailure(params.path?.startsWith('.github') ? 403 : 404, 'no');
    });
    const { octokit } = served({ [CONTENTS]: refusing }, { configFolders: ['.forge'] });
    await expect(octokit.rest.repos.getContent({ ...place, path: '.github/x' })).rejects.toMatchObject({ status: 403 });
    await expect(octokit.rest.repos.getContent({ ...place, path: 'src/x' })).rejects.toMatchObject({ status: 404 });
    expect(asked).toEqual(['.github/x', 'src/x']);
  });
});

describe('other addresses', () => {
  it('of the forge’s own API are asked for as they are, signed', async () => {
    const { octokit, sent } = served({});
    const { data } = await octokit.request(`GET ${WEB}/wire/call/shelf.show`);
    expect(data).toEqual({ native: true });
    expect(sent).toMatchObject([{ url: `${WEB}/wire/call/shelf.show`, authorization: 'Toy secret-token' }]);
  });

  it.each([
    'https://elsewhere.test/api/v3/user',
    'https://forge.test.evil.test/api/v3/user',
    'http://forge.test/api/v3/user',
  ])('such as %s are refused, and nothing is sent', async (url) => {
    const { fetch, sent } = served({});
    await expect(fetch(url)).rejects.toMatchObject({ code: 'FORGEWAY_ORIGIN_REFUSED' });
    expect(sent).toEqual([]);
  });

  it('that only begin like the virtual base are not below it', async () => {
    const { fetch, sent } = served({});
    await fetch(`${WEB}/api/v3x/user`);
    expect(sent).toMatchObject([{ url: `${WEB}/api/v3x/user` }]);
  });
});

describe('GraphQL', () => {
  it.each(['/api/graphql', '/api/v3/graphql'])('is answered at %s, over the same rows', async (path) => {
    const { fetch } = served({
      'GET /user': row('read', async () => ({ data: { login: 'bot', id: 7, node_id: 'x', type: 'Bot' } })),
    });
    const body = JSON.stringify({ query: '{ viewer { login } }' });
    const answer = await fetch(`${WEB}${path}`, { method: 'POST', body });
    expect(await answer.json()).toEqual({ data: { viewer: { login: 'bot' } } });
  });

  it('that is not served is an error that names the forge, and is counted', async () => {
    const { octokit, metrics } = served({});
    await expect(octokit.graphql('{ sponsorables { totalCount } }')).rejects.toMatchObject({
      errors: [{ message: expect.stringContaining('Toy') }],
    });
    const { values } = await metrics.unsupportedRequests.get();
    expect(values).toMatchObject([{ labels: { route: 'graphql Query.sponsorables' } }]);
  });
});
