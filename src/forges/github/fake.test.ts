/** What only GitHub's fake has: an App, its signature and its tokens. And whether its words are GitHub's. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { WANTED_ROUTES } from '../../../test/conformance/forge/wanted-routes.js';
import { githubDefinitionErrors, githubEventErrors } from '../../../test/support/webhook-schema.js';
import { expandRoute } from '../kit/router.js';
import { createAppAuth } from './app-auth.js';
import { createGitHubFake, type GitHubFake } from './fake.js';
import { github } from './forge.js';

const SECRET = 's3cret';
const HOUR = 3_600_000;
/** Nobody's. */
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

/** What the App hears of the story below. */
const TOLD = [
  'check_run.completed',
  'check_run.created',
  'check_suite.requested',
  'create',
  'delete',
  'issue_comment.created',
  'issue_comment.deleted',
  'issue_comment.edited',
  'issues.assigned',
  'issues.closed',
  'issues.edited',
  'issues.labeled',
  'issues.locked',
  'issues.milestoned',
  'issues.opened',
  'label.created',
  'milestone.created',
  'pull_request.closed',
  'pull_request.opened',
  'pull_request.ready_for_review',
  'pull_request.review_requested',
  'pull_request.synchronize',
  'pull_request_review.dismissed',
  'pull_request_review.submitted',
  'pull_request_review_comment.created',
  'push',
  'release.created',
  'release.published',
  'release.released',
  'status',
];

describe('the fake', () => {
  let folder: string;
  let fake: GitHubFake;
  let received: { headers: Record<string, string>; body: string }[];
  const time = { now: Date.parse('2026-05-01T12:00:00Z') };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-fake-'));
    received = [];
    fake = await createGitHubFake({
      folder,
      clock: () => new Date(time.now),
      fetch: async (_url, init) => {
        received.push({ headers: init?.headers as Record<string, string>, body: String(init?.body) });
        return new Response(null, { status: 202 });
      },
    });
    fake.app.hook = { url: 'https://forgeway.test/hook', secret: SECRET };
    for (const login of ['alice', 'bob', 'carol']) fake.addUser(login);
    fake.addOrganization('acme', { owners: ['bob'], members: ['alice'] });
    fake.addTeam('acme', { name: 'Core Team', members: ['alice'] });
    await fake.addRepository('acme', 'web', { collaborators: { alice: 'write', carol: 'read' } });
    await fake.addRepository('acme', 'secret', { private: true });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function ask(token: string, method: string, path: string, json?: unknown, accept = 'application/json') {
    const answer = await fake.api.handle(
      new Request(`${fake.apiUrl}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      }),
    );
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: answer.status, text, json: isJson && text !== '' ? JSON.parse(text) : undefined };
  }
  const here = '/repos/acme/web';

  function sign(o: { key?: string; issuer?: number; minutes?: number }): Promise<string> {
    const own = createAppAuth({
      appId: String(o.issuer ?? fake.app.id),
      privateKey: o.key ?? fake.app.privateKey,
      apiUrl: fake.apiUrl,
      clock: { now: () => new Date(time.now) },
      send: (url, init) => fake.api.handle(new Request(url, init)),
    });
    if (o.minutes === undefined) return own.signature().then(({ token }) => token);
    const seconds = time.now / 1000;
    return new SignJWT()
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer(String(fake.app.id))
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + o.minutes * 60)
      .sign(stranger);
  }

  it('takes reactions back, tells languages, a repository by its number and what it is, and what it does not play', async () => {
    const alice = fake.addToken('alice');
    const issue = (await ask(alice, 'POST', `${here}/issues`, { title: 'React' })).json;
    const reactions = `${here}/issues/${issue.number}/reactions`;
    const made = (await ask(alice, 'POST', reactions, { content: 'heart' })).json;
    expect((await ask(fake.addToken('carol'), 'DELETE', `${reactions}/${made.id}`)).status).toBe(403);
    expect((await ask(alice, 'DELETE', `${reactions}/${made.id}`)).status).toBe(204);
    expect((await ask(alice, 'GET', reactions)).json).toEqual([]);
    expect((await ask(alice, 'DELETE', `${reactions}/${made.id}`)).status).toBe(404);
    expect((await ask(alice, 'GET', `${here}/languages`)).json).toEqual({});
    const { id } = (await ask(alice, 'GET', here)).json;
    expect((await ask(alice, 'GET', `/repositories/${id}`)).json).toMatchObject({ full_name: 'acme/web' });
    expect((await ask(alice, 'GET', '/meta')).status).toBe(200);
    expect(fake.api.violations).toEqual([]);
    await ask(alice, 'GET', `${here}/stargazers`);
    await ask(alice, 'GET', `${here}/unicorns`);
    expect(fake.api.violations).toEqual([
      `GET ${here}/stargazers: the forge has this route, and its double does not play it`,
      `GET ${here}/unicorns: there is no such route`,
    ]);
  });

  it('knows its App by its signature alone', async () => {
    const jwt = await sign({});
    expect((await ask(jwt, 'GET', '/app')).json).toMatchObject({ id: fake.app.id, slug: 'forgeway' });
    const pem = stranger.export({ type: 'pkcs1', format: 'pem' }).toString();
    for (const wrong of [await sign({ key: pem }), await sign({ issuer: 99 }), await sign({ minutes: 5 }), 'none'])
      expect((await ask(wrong, 'GET', '/app')).status).toBe(401);
    time.now += HOUR;
    expect((await ask(jwt, 'GET', '/app')).status).toBe(401);
    // The App itself reads no repository.
    expect((await ask(await sign({}), 'GET', here)).status).toBe(404);
    expect(fake.api.violations).toEqual([]);
  });

  it('gives tokens that end, reach what they were asked for, and do no more', async () => {
    const make = async (body: object) => {
      const path = `/app/installations/${fake.app.installationId}/access_tokens`;
      return ask(await sign({}), 'POST', path, body);
    };
    const whole = await make({});
    expect(whole).toMatchObject({ status: 201, json: { repository_selection: 'all' } });
    expect(Date.parse(whole.json.expires_at)).toBe(time.now + HOUR);
    expect((await ask(whole.json.token, 'GET', '/repos/acme/secret')).status).toBe(200);
    const both = await ask(whole.json.token, 'GET', '/installation/repositories');
    expect(both.json).toMatchObject({ total_count: 2, repositories: [{ name: 'web' }, { name: 'secret' }] });

    const narrow = await make({ repositories: ['web'], permissions: { issues: 'read' } });
    const { token } = narrow.json;
    expect((await ask(token, 'GET', '/repos/acme/secret')).status).toBe(404);
    expect((await ask(token, 'GET', `${here}/issues`)).status).toBe(200);
    const refused = await ask(token, 'POST', `${here}/labels`, { name: 'bug' });
    expect(refused).toMatchObject({ status: 403, json: { message: 'Resource not accessible by integration' } });
    expect((await ask(token, 'GET', `${here}/contents/README.md`)).status).toBe(403);

    expect((await make({ permissions: { members: 'write' } })).status).toBe(422);
    expect((await make({ repositories: ['gone'] })).status).toBe(422);
    expect((await ask(await sign({}), 'POST', '/app/installations/9999/access_tokens', {})).status).toBe(404);
    time.now += HOUR;
    expect((await ask(whole.json.token, 'GET', here)).status).toBe(401);
  });

  it('tells its App signed webhooks that GitHub’s schema knows', async () => {
    const bob = fake.addToken('bob');
    const app = fake.addInstallationToken();
    const done = async (token: string, method: string, path: string, json?: unknown) => {
      const answer = await ask(token, method, path, json);
      if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.json;
    };
    const commit = { by: 'alice', files: { 'a.txt': 'one\n' }, message: 'Add a' };
    const sha = await fake.push('acme', 'web', { ...commit, branch: 'topic' });
    const { number: issue } = await done(bob, 'POST', `${here}/issues`, { title: 'Slow', labels: ['bug'] });
    await done(bob, 'PATCH', `${here}/issues/${issue}`, { title: 'Slower', assignees: ['alice'] });
    await done(bob, 'PUT', `${here}/issues/${issue}/lock`);
    await done(bob, 'POST', `${here}/milestones`, { title: 'May' });
    await done(bob, 'PATCH', `${here}/issues/${issue}`, { milestone: 1, state: 'closed' });
    const comment = await done(bob, 'POST', `${here}/issues/${issue}/comments`, { body: 'Really.' });
    await done(bob, 'PATCH', `${here}/issues/comments/${comment.id}`, { body: 'Truly.' });
    await done(bob, 'DELETE', `${here}/issues/comments/${comment.id}`);
    const { number } = await done(fake.addToken('alice'), 'POST', `${here}/pulls`, {
      ...{ title: 'Add a', head: 'topic', base: 'main', draft: true },
    });
    const pull = `${here}/pulls/${number}`;
    await done(bob, 'PUT', `${pull}/draft`, { draft: false });
    await done(bob, 'POST', `${pull}/requested_reviewers`, { reviewers: ['carol'] });
    const lines = [{ path: 'a.txt', line: 1, body: 'Why?' }];
    const given = await done(bob, 'POST', `${pull}/reviews`, { event: 'APPROVE', body: 'Fine.', comments: lines });
    await done(bob, 'PUT', `${pull}/reviews/${given.id}/dismissals`, { message: 'No.' });
    await done(app, 'POST', `${here}/statuses/${sha}`, { state: 'success', context: 'ci' });
    const run = await done(app, 'POST', `${here}/check-runs`, { name: 'lint', head_sha: sha });
    await done(app, 'PATCH', `${here}/check-runs/${run.id}`, { conclusion: 'failure', output: { title: 'Bad' } });
    await fake.push('acme', 'web', { ...commit, branch: 'topic', files: { 'a.txt': 'two\n' } });
    await done(bob, 'PUT', `${pull}/merge`, {});
    await done(bob, 'DELETE', `${here}/git/refs/heads/topic`);
    await done(bob, 'POST', `${here}/releases`, { tag_name: 'v1', name: 'One' });
    await fake.webhooks.settled();

    const told = received.map(({ headers, body }) => {
      const check = github.signatureCheck(headers, [SECRET]);
      check?.update(Buffer.from(body));
      const payload = JSON.parse(body) as Record<string, unknown>;
      const name = github.eventType(headers);
      return { name, payload, signed: check?.valid(), errors: githubEventErrors(name, payload) };
    });
    expect(told.filter(({ signed }) => signed !== true)).toEqual([]);
    expect(
      told.filter(
        ({ payload }) => JSON.stringify(payload.installation)?.includes(`${fake.app.installationId}`) !== true,
      ),
    ).toEqual([]);
    expect(
      told.flatMap(({ name, payload, errors }) => errors.map((one) => `${name}.${payload.action}: ${one}`)),
    ).toEqual([]);
    const names = new Set(told.map(({ name, payload }) => `${name}${payload.action ? `.${payload.action}` : ''}`));
    expect([...names].sort()).toEqual(TOLD);
    expect(fake.api.violations).toEqual([]);
  });

  it('answers in GitHub’s shapes, and knows every route that the surveyed apps ask', async () => {
    const bob = fake.addToken('bob');
    const shapes: readonly (readonly [string, string])[] = [
      [here, 'repository'],
      [`${here}/issues/1`, 'issue'],
      ['/users/alice', 'user'],
    ];
    await ask(bob, 'POST', `${here}/issues`, { title: 'One' });
    for (const [path, definition] of shapes)
      expect([path, githubDefinitionErrors(definition, (await ask(bob, 'GET', path)).json)]).toEqual([path, []]);
    const place = { owner: 'acme', repo: 'web', ref: 'heads/main', path: 'README.md' };
    const lacking = WANTED_ROUTES.filter((route) => {
      const { method, path } = expandRoute(
        route,
        new Proxy({}, { get: (_of, name) => Reflect.get(place, name) ?? 'x' }),
      );
      return fake.api.routeOf(method, path.split('?', 1)[0] ?? '') === undefined;
    });
    expect(lacking).toEqual([]);
  });

  it('refuses what GitHub refuses, with its words', async () => {
    const [alice, carol] = [fake.addToken('alice'), fake.addToken('carol')];
    const refusal = async (token: string, method: string, path: string, json?: unknown) => {
      const { status, json: said } = await ask(token, method, path, json);
      return [status, said.message, said.errors?.[0]?.code ?? said.errors?.[0]];
    };
    await fake.push('acme', 'web', { by: 'alice', branch: 'topic', files: { 'a.txt': 'a\n' }, message: 'Add a' });
    const wanted = { title: 'Add a', head: 'topic', base: 'main' };
    expect((await ask(alice, 'POST', `${here}/pulls`, wanted)).status).toBe(201);
    expect(await refusal(alice, 'POST', `${here}/pulls`, wanted)).toEqual([422, 'Validation Failed', 'custom']);
    expect(await refusal(alice, 'POST', `${here}/pulls/1/reviews`, { event: 'APPROVE' })).toEqual([
      ...[422, 'Unprocessable Entity', 'Can not approve your own pull request'],
    ]);
    const nobody = { reviewers: ['nobody'] };
    const asked = await refusal(alice, 'POST', `${here}/pulls/1/requested_reviewers`, nobody);
    expect(asked).toEqual([422, expect.stringMatching(/^Reviews may only be requested from collaborators/), undefined]);
    expect(await refusal(alice, 'POST', `${here}/labels`, { name: 'x', color: 'reddish' })).toEqual([
      ...[422, 'Validation Failed', 'invalid'],
    ]);
    expect(await refusal(carol, 'PUT', `${here}/contents/b.txt`, { message: 'm', content: '' })).toEqual([
      ...[404, 'Not Found', undefined],
    ]);
    expect(await refusal(alice, 'PUT', `${here}/contents/README.md`, { message: 'm', content: '' })).toEqual([
      ...[422, expect.stringContaining('"sha" wasn\'t supplied'), undefined],
    ]);
    expect((await ask(alice, 'GET', '/repos/acme/secret')).status).toBe(404);
    expect(await refusal(alice, 'POST', `${here}/check-runs`, { name: 'x', head_sha: 'main' })).toEqual([
      ...[403, 'You must authenticate via a GitHub App.', undefined],
    ]);
    const file = [{ path: 'a.txt', line: 9, body: 'Where?' }];
    expect((await ask(carol, 'POST', `${here}/pulls/1/reviews`, { event: 'COMMENT', comments: file })).status).toBe(
      422,
    );
    expect(fake.api.violations).toEqual([]);
  });

  it('searches, compares, and shows raw files and diffs', async () => {
    const alice = fake.addToken('alice');
    await fake.push('acme', 'web', { by: 'alice', branch: 'topic', files: { 'a.txt': 'a\n' }, message: 'Add a' });
    await ask(alice, 'POST', `${here}/pulls`, { title: 'Add a', head: 'topic', base: 'main' });
    await ask(alice, 'POST', `${here}/issues`, { title: 'Prices are slow', labels: ['help wanted'] });
    const found = async (q: string) =>
      (await ask(alice, 'GET', `/search/issues?q=${encodeURIComponent(q)}`)).json.items.map(
        ({ title }: { title: string }) => title,
      );
    expect(await found('repo:acme/web is:issue is:open label:"help wanted"')).toEqual(['Prices are slow']);
    expect(await found('repo:acme/web -label:"help wanted" author:alice')).toEqual(['Add a']);
    expect(await found('slow in:title')).toEqual(['Prices are slow']);
    expect(await found('repo:acme/web is:pr updated:<2020-01-01')).toEqual([]);
    const compared = await ask(alice, 'GET', `${here}/compare/main...topic`);
    expect(compared.json).toMatchObject({
      status: 'ahead',
      ahead_by: 1,
      files: [{ filename: 'a.txt', patch: '@@ -0,0 +1 @@\n+a' }],
    });
    const diff = await ask(alice, 'GET', `${here}/pulls/1`, undefined, 'application/vnd.github.v3.diff');
    expect(diff.text).toContain('+++ b/a.txt');
    const raw = await ask(alice, 'GET', `${here}/contents/a.txt?ref=topic`, undefined, 'application/vnd.github.v3.raw');
    expect(raw.text).toBe('a\n');
  });
});
