/** An app in a Probot of its own, which takes the facade for a GitHub Enterprise: stock Octokit, stock App authentication. */
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import { Probot } from 'probot';
import { openRevocations } from '../../src/entry/facade-files.js';
import { listenOnLoopback } from '../../src/entry/facade-listener.js';
import { systemClock } from '../../src/lib/clock.js';
import { createFacade, type FacadeRequest } from '../../src/translate/facade/requests.js';
import { createFacadeTokens } from '../../src/translate/facade/tokens.js';
import { facadeApp } from '../../src/translate/facade/webhooks.js';
import { type FakeInstance, faked, place, startInstance } from './fake-instance.js';

const SECRET = 'the secret of the old app';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = keys.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const publicKey = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();

const dataDir = mkdtempSync(join(tmpdir(), 'forgeway-facade-'));
mkdirSync(join(dataDir, 'facades'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** The other process: its own listener, its own check of signatures. */
async function startOldApp(origin: () => string) {
  const seen: { event: string; url: string; sha1: boolean }[] = [];
  const answers: number[] = [];
  const probots: Probot[] = [];
  const probot = () => {
    const made = new Probot({
      appId: 1,
      privateKey: pem,
      secret: SECRET,
      baseUrl: `${origin()}/api/v3`,
      log: pino({ level: 'silent' }),
    });
    made.on('pull_request.opened', async (context) => {
      const files = await context.octokit.paginate(context.octokit.rest.pulls.listFiles, context.pullRequest());
      const body = `${files.length} file(s), ${String(files[0]?.contents_url).startsWith(origin())}`;
      await context.octokit.rest.issues.createComment(context.issue({ body }));
      const { repository } = await context.octokit.graphql<{ repository: { nameWithOwner: string } }>(
        'query ($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { nameWithOwner } }',
        { owner: context.payload.repository.owner.login, name: context.payload.repository.name },
      );
      expect(repository.nameWithOwner).toBe('acme/web');
    });
    probots.push(made);
    return made;
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const header = (name: string) => String(request.headers[name] ?? '');
    const payload = JSON.parse(text) as { pull_request?: { url: string } };
    seen.push({
      event: header('x-github-event'),
      url: payload.pull_request?.url ?? '',
      sha1: /^sha1=[0-9a-f]{40}$/.test(header('x-hub-signature')),
    });
    const refusal = answers.shift();
    if (refusal !== undefined) {
      response.writeHead(refusal).end();
      return;
    }
    const own = probots[0] ?? probot();
    await own.ready();
    const delivery = { id: header('x-github-delivery'), name: header('x-github-event'), payload: text };
    const status = await own.webhooks
      .verifyAndReceive({ ...delivery, signature: header('x-hub-signature-256') } as never)
      .then(() => 200)
      .catch((error: unknown) => {
        failures.push(error);
        return 500;
      });
    response.writeHead(status).end();
  });
  const failures: unknown[] = [];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { seen, answers, failures, url: `http://127.0.0.1:${portOf(server)}/`, server };
}

describe.each(faked.map((forge) => [forge.label, forge] as const))('an old app on %s', (_label, forge) => {
  let instance: FakeInstance;
  let old: Awaited<ReturnType<typeof startOldApp>>;
  let listener: Awaited<ReturnType<typeof listenOnLoopback>>;
  let facade: (request: FacadeRequest) => Promise<Response>;
  const at = { origin: '' };
  const unforeseen: unknown[] = [];
  const clock = { now: () => new Date(Date.now() + later.ms) };
  const later = { ms: 0 };
  const ask = (path: string, authorization: string, method = 'GET') =>
    fetch(`${at.origin}${path}`, { method, headers: { authorization } });
  const jwt = (issuer: string | number, key = keys.privateKey, life = '9m') =>
    new SignJWT({ iss: issuer as string })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuedAt()
      .setExpirationTime(life)
      .sign(key);

  beforeAll(async () => {
    listener = await listenOnLoopback(
      (request) => facade(request),
      0,
      (error) => unforeseen.push(error),
    );
    at.origin = `http://127.0.0.1:${listener.port}`;
    old = await startOldApp(() => at.origin);
    const app = facadeApp({ name: 'old', appUrl: old.url, secret: SECRET, origin: at.origin, timeoutMs: 60_000 });
    instance = await startInstance(forge, [app]);
    facade = await createFacade({
      appId: '1',
      publicKey,
      tokens: createFacadeTokens('key of tokens', clock, openRevocations(dataDir, 'old', new Date())),
      requestsOf: instance.rehearsal.bridge.requestsOf,
      origin: at.origin,
      clock: systemClock,
    });
  });
  afterAll(async () => {
    old.server.close();
    await listener.close();
    await instance.close();
    expect(unforeseen).toEqual([]);
  });

  it('gets a signed webhook, with addresses it can reach, and acts', async () => {
    const alice = instance.fake.as('alice', place);
    await alice.push({ branch: 'topic', files: { 'a.txt': 'a\n' }, message: 'Add a' });
    const number = await alice.openPullRequest({ head: 'topic', title: 'Add a' });
    await instance.settled();
    expect(old.failures).toEqual([]);
    const opened = old.seen.find(({ event }) => event === 'pull_request');
    expect(opened).toEqual({
      event: 'pull_request',
      url: `${at.origin}/api/v3/repos/acme/web/pulls/${number}`,
      sha1: true,
    });
    const { pullRequests } = await instance.fake.state(place);
    expect(pullRequests[0]?.comments).toEqual([{ author: instance.fake.bot.login, body: '1 file(s), true' }]);
    expect(instance.runs.filter(({ outcome }) => outcome !== 'done')).toEqual([]);
  });

  it.each([
    { answer: 503, permanent: false, reason: /answered 503 to issues/ },
    { answer: 500, permanent: true, reason: /answered 500 to issues/ },
  ] as const)('is given an event again only when nothing of it was begun: $answer', async (wanted) => {
    old.answers.push(wanted.answer);
    const before = instance.runs.length;
    await instance.fake.as('alice', place).openIssue({ title: 'First' });
    await instance.settled();
    const failed = instance.runs.slice(before).filter(({ outcome }) => outcome === 'failed');
    expect(failed).toMatchObject([{ app: 'facade:old', reason: expect.stringMatching(wanted.reason) }]);
    expect(failed.map(({ error }) => instance.rehearsal.bridge.isPermanent(error))).toEqual([wanted.permanent]);
  });

  it.each([
    { app: 'not there', permanent: false, reason: /127\.0\.0\.1:\d+ is not there/ },
    { app: 'silent', permanent: true, reason: /gave no answer .*timeout.* to issues/ },
  ])('is given an event again only when it cannot have seen it: $app', async ({ app, permanent, reason }) => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const appUrl = `http://127.0.0.1:${portOf(server)}/`;
    if (app === 'not there') await new Promise((resolve) => server.close(resolve));
    const other = await startInstance(forge, [
      facadeApp({ name: 'other', appUrl, secret: SECRET, origin: at.origin, timeoutMs: 300 }),
    ]);
    try {
      await other.fake.as('alice', place).openIssue({ title: 'First' });
      await other.settled();
      const [run] = other.runs.filter(({ event }) => event === 'issues.opened');
      expect(run).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(reason) });
      expect(other.rehearsal.bridge.isPermanent(run?.error)).toBe(permanent);
    } finally {
      server.closeAllConnections();
      server.close();
      await other.close();
    }
  });

  it('finds refs at the addresses that libraries of its time ask for', async () => {
    const id = instance.rehearsal.installationId;
    const made = await ask(`/api/v3/app/installations/${id}/access_tokens`, `Bearer ${await jwt('1')}`, 'POST');
    const { token } = (await made.json()) as { token: string };
    const git = (path: string) => ask(`/api/v3/repos/acme/web/git${path}`, `token ${token}`);
    const refs = (path: string) => git(`/refs${path}`);
    const named = async (response: Promise<Response>) =>
      ((await (await response).json()) as { ref: string }[]).map(({ ref }) => ref);
    expect(await (await refs('/heads/main')).json()).toMatchObject({ ref: 'refs/heads/main' });
    expect(await named(refs('/heads/top'))).toEqual(['refs/heads/topic']);
    for (const all of [refs(''), git('/matching-refs')])
      expect(await named(all)).toEqual(expect.arrayContaining(['refs/heads/main', 'refs/heads/topic']));
    expect((await refs('/heads/none')).status).toBe(404);
  });

  it('signs in with its own key alone', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect((await ask('/api/v3/app', `Bearer ${await jwt(1)}`)).status).toBe(200);
    expect((await ask('/api/v3/app', `Bearer ${await jwt('2')}`)).status).toBe(401);
    expect((await ask('/api/v3/app', `Bearer ${await jwt('1', other)}`)).status).toBe(401);
    expect((await ask('/api/v3/app', '')).status).toBe(401);
    expect((await ask('/api/v3/app', `Bearer ${await jwt('1', keys.privateKey, '10m')}`)).status).toBe(200);
    const long = await ask('/api/v3/app', `Bearer ${await jwt('1', keys.privateKey, '12m')}`);
    expect([long.status, await long.json()]).toMatchObject([
      401,
      { message: expect.stringContaining('too far in the future') },
    ]);
    const forged = await ask('/api/v3/app', `Bearer ${await jwt('1', other, '12m')}`);
    expect([forged.status, await forged.json()]).toMatchObject([401, { message: 'Bad credentials' }]);
    const asApp = { authorization: `Bearer ${await jwt('1')}`, 'content-type': 'application/json' };
    const graphql = await fetch(`${at.origin}/api/graphql`, {
      method: 'POST',
      headers: asApp,
      body: '{"query":"{ viewer { login } }"}',
    });
    // GitHub says it itself, in other words.
    expect(await graphql.text()).toMatch(/requires you to be authenticated|Resource not accessible by integration/);
    expect((await ask('/elsewhere', `Bearer ${await jwt('1')}`)).status).toBe(404);
  });

  it('is told of its installations at addresses of the facade, and finds that of a place', async () => {
    const id = instance.rehearsal.installationId;
    const signed = `Bearer ${await jwt('1')}`;
    const get = async (path: string) => (await ask(`/api/v3${path}`, signed)).json() as Promise<Record<string, string>>;
    const [listed] = (await get('/app/installations')) as unknown as Record<string, string>[];
    expect(listed).toMatchObject({
      id,
      access_tokens_url: `${at.origin}/api/v3/app/installations/${id}/access_tokens`,
    });
    const made = await fetch(String(listed?.access_tokens_url), { method: 'POST', headers: { authorization: signed } });
    const { token, permissions } = (await made.json()) as { token: string; permissions: Record<string, string> };
    expect(token).toMatch(/^ghs_/);
    if (forge.routes !== undefined) expect(permissions).toMatchObject({ contents: 'write', metadata: 'read' });
    for (const place of ['repos/acme/web', 'orgs/acme', 'users/ACME'])
      expect([place, (await get(`/${place}/installation`)).id]).toEqual([place, id]);
    for (const place of ['repos/acme/none', 'orgs/stranger', 'users/stranger']) {
      const none = await ask(`/api/v3/${place}/installation`, signed);
      expect([place, none.status, await none.json()]).toMatchObject([place, 404, { message: 'Not Found' }]);
    }
    expect((await ask('/api/v3/rate_limit', signed)).status).toBe(200);
  });

  it('may give its token as a password, as on GitHub', async () => {
    const id = instance.rehearsal.installationId;
    const made = await ask(`/api/v3/app/installations/${id}/access_tokens`, `Bearer ${await jwt('1')}`, 'POST');
    const { token } = (await made.json()) as { token: string };
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const status = async (text: string) => (await ask('/api/v3/repos/acme/web', basic(text))).status;
    expect([await status(`x-access-token:${token}`), await status(`${token}:`), await status(token)]).toEqual([
      200, 200, 200,
    ]);
    expect([await status('x-access-token:wrong'), await status(`${token}:wrong`), await status('')]).toEqual([
      401, 401, 401,
    ]);
  });

  it('gives back a token, and no other of its own', async () => {
    const path = `/api/v3/app/installations/${instance.rehearsal.installationId}/access_tokens`;
    const signed = `Bearer ${await jwt('1')}`;
    const make = async () => ((await (await ask(path, signed, 'POST')).json()) as { token: string }).token;
    const [kept, given] = [await make(), await make()];
    const status = async (token: string) => (await ask('/api/v3/repos/acme/web', `token ${token}`)).status;
    const back = () => ask('/api/v3/installation/token', `Bearer ${given}`, 'DELETE');
    expect([await status(given), (await back()).status, await status(given)]).toEqual([200, 204, 401]);
    expect([(await back()).status, await status(kept), await status(await make())]).toEqual([401, 200, 200]);

    // As a facade that is started again knows it, also after a crash that left half a line.
    const file = join(dataDir, 'facades', 'old.revoked');
    expect(readFileSync(file, 'utf8')).not.toContain(given.slice(4));
    appendFileSync(file, '17958');
    const again = (now: Date) => createFacadeTokens('key of tokens', systemClock, openRevocations(dataDir, 'old', now));
    const restarted = again(new Date());
    expect([restarted.open(given), restarted.open(kept) !== undefined]).toEqual([undefined, true]);
    again(new Date(Date.now() + 2 * 3_600_000));
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  it('gets tokens that are worth nothing elsewhere, and expire', async () => {
    const id = instance.rehearsal.installationId;
    const made = await ask(`/api/v3/app/installations/${id}/access_tokens`, `Bearer ${await jwt('1')}`, 'POST');
    expect(made.status).toBe(201);
    const { token } = (await made.json()) as { token: string };
    expect(token).not.toContain(instance.fake.token);
    expect((await ask('/api/v3/repos/acme/web', `token ${token}`)).status).toBe(200);
    expect((await ask('/api/v3/repos/acme/web', `token ${token.slice(0, -3)}AAA`)).status).toBe(401);
    later.ms = 2 * 3_600_000;
    expect((await ask('/api/v3/repos/acme/web', `token ${token}`)).status).toBe(401);
    later.ms = 0;
    const none = await ask(
      '/api/v3/app/installations/4503599627370497/access_tokens',
      `Bearer ${await jwt('1')}`,
      'POST',
    );
    expect(none.status).toBe(404);
  });

  it('gets tokens that reach no more than they were asked for', async () => {
    const other = { owner: 'acme', name: 'secret' };
    const made = await instance.fake.addRepository(other);
    instance.rehearsal.serve({
      ...{ ...other, remoteId: made.id, url: made.url, private: true, archived: false },
      defaultBranch: made.defaultBranch,
    });
    const id = instance.rehearsal.installationId;
    const minted = async (body: object) => {
      const answer = await fetch(`${at.origin}/api/v3/app/installations/${id}/access_tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await jwt('1')}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return { status: answer.status, json: (await answer.json()) as Record<string, never> };
    };
    const with_ = (token: string) => async (method: string, path: string, body?: object) => {
      const answer = await fetch(`${at.origin}/api${path.startsWith('/graphql') ? '' : '/v3'}${path}`, {
        method,
        headers: { authorization: `token ${token}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      // biome-ignore lint/suspicious/noExplicitAny: every answer has another form.
      return { status: answer.status, json: (await answer.json().catch(() => undefined)) as any };
    };
    const all = with_((await minted({})).json.token ?? '');
    expect((await all('GET', '/repos/acme/secret')).status).toBe(200);

    const one = await minted({ repositories: ['web'] });
    expect(one).toMatchObject({ status: 201, json: { repository_selection: 'selected' } });
    expect(one.json.repositories).toMatchObject([{ full_name: 'acme/web' }]);
    const web = with_(one.json.token ?? '');
    expect((await web('GET', '/repos/acme/web')).status).toBe(200);
    for (const path of [
      '/repos/acme/secret',
      '/repos/Acme/SECRET/issues',
      '/repos/acme/web/../secret',
      '/repos/acme/%73ecret',
    ])
      expect([path, (await web('GET', path)).status]).toEqual([path, 404]);
    const listed = await web('GET', '/installation/repositories');
    expect(listed.json).toMatchObject({ total_count: 1, repositories: [{ full_name: 'acme/web' }] });
    if (forge.routes?.['GET /repositories/{repository_id}'] !== undefined)
      expect((await web('GET', `/repositories/${made.id}`)).status).toBe(404);
    const query = (name: string) => ({ query: `{ repository(owner: "acme", name: "${name}") { name } }` });
    const shown = await web('POST', '/graphql', query('web'));
    expect(shown.json.data.repository.name).toBe('web');
    // At GitHub.com's path, too.
    for (const path of ['/api/graphql', '/api/v3/graphql', '/api/v3/x/../graphql']) {
      const hidden = await fetch(`${at.origin}${path}`, {
        method: 'POST',
        headers: { authorization: `token ${one.json.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(query('secret')),
      });
      expect(await hidden.json()).toMatchObject({ data: { repository: null }, errors: [{ type: 'NOT_FOUND' }] });
    }

    const reader = with_((await minted({ permissions: { issues: 'read', contents: 'write' } })).json.token ?? '');
    expect((await reader('GET', '/repos/acme/web/issues')).status).toBe(200);
    const refused = await reader('POST', '/repos/acme/web/issues', { title: 'No' });
    expect([refused.status, refused.json.message]).toEqual([403, 'Resource not accessible by integration']);
    expect((await reader('GET', '/repos/acme/web/pulls')).status).toBe(403);
    const file = { message: 'Make', content: Buffer.from('x').toString('base64'), branch: 'main' };
    expect((await reader('PUT', '/repos/acme/web/contents/x.txt', file)).status).toBe(201);
    expect((await reader('GET', '/repos/acme/web/collaborators/alice/permission')).status).toBe(200);
    expect((await reader('DELETE', '/repos/acme/web')).status).toBe(403);

    expect((await minted({ repositories: ['nothing'] })).status).toBe(422);
    expect((await minted({ repository_ids: [Number(made.id)], permissions: { issues: 'all' } })).status).toBe(422);
    expect((await minted({ repository_ids: [Number(made.id)] })).json.repositories).toMatchObject([{ name: 'secret' }]);
    // An installation makes no tokens: that would be the connection's own.
    expect((await all('POST', `/app/installations/${id}/access_tokens`)).status).toBe(401);
    expect((await all('POST', `/repos/../app/installations/${id}/access_tokens`)).status).toBe(401);
  });

  it('uploads what belongs to a release where a GitHub Enterprise takes it', async () => {
    const id = instance.rehearsal.installationId;
    const mint = async (body = '{}') => {
      const made = await fetch(`${at.origin}/api/v3/app/installations/${id}/access_tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await jwt('1')}`, 'content-type': 'application/json' },
        body,
      });
      return ((await made.json()) as { token: string }).token;
    };
    const token = await mint();
    const send = (url: string, body: string, contentType = 'application/json', by = token) =>
      fetch(url, { method: 'POST', headers: { authorization: `token ${by}`, 'content-type': contentType }, body });
    const release = (await (
      await send(`${at.origin}/api/v3/repos/acme/web/releases`, JSON.stringify({ tag_name: 'v1', name: 'One' }))
    ).json()) as { id: number; upload_url: string };
    expect(release.upload_url.startsWith(`${at.origin}/api/`)).toBe(true);
    const named = (name: string) => release.upload_url.replace('{?name,label}', `?name=${name}`);
    const byLink = await send(named('link.txt'), 'by link', 'text/plain');
    const place = `${at.origin}/api/uploads/repos/acme/web/releases/${release.id}/assets`;
    const byHost = await send(`${place}?name=host.txt`, 'by host', 'text/plain');
    expect([byLink.status, byHost.status]).toEqual([201, 201]);
    const listed = await ask(`/api/v3/repos/acme/web/releases/${release.id}/assets`, `token ${token}`);
    const assets = (await listed.json()) as { name: string; url: string }[];
    expect(assets.map(({ name }) => name).sort()).toEqual(['host.txt', 'link.txt']);
    for (const { url } of assets) expect(url.startsWith(`${at.origin}/api/v3/`)).toBe(true);
    // No more than the token may, and nothing else is there.
    const reader = await mint(JSON.stringify({ permissions: { contents: 'read' } }));
    expect((await send(`${place}?name=no.txt`, 'no', 'text/plain', reader)).status).toBe(403);
    expect((await send(`${place}?name=no.txt`, 'no', 'text/plain', 'ghs_nothing')).status).toBe(401);
    expect((await ask('/api/uploads/repos/acme/web', `token ${token}`)).status).toBe(404);
    expect((await send(`${at.origin}/api/uploads/repos/acme/web/issues`, '{"title":"No"}')).status).toBe(404);
  });

  it('takes no body without end, and is there for the next request', async () => {
    const body = 'x'.repeat(26 * 1024 * 1024);
    const authorization = `Bearer ${await jwt('1')}`;
    const large = await fetch(`${at.origin}/api/v3/app`, { method: 'POST', headers: { authorization }, body }).then(
      ({ status, headers }) => [status, headers.get('connection')],
      // The answer may come too late for whoever is still writing.
      (error: { cause?: { code?: string } }) => error.cause?.code,
    );
    expect([[413, 'close'], 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']).toContainEqual(large);
    expect((await ask('/api/v3/app', authorization)).status).toBe(200);
  });

  it('gives nothing away by the way an address is written', async () => {
    const id = instance.rehearsal.installationId;
    const signed = `Bearer ${await jwt('1')}`;
    const minted = await ask(`/api/v3/app/installations/${id}/access_tokens`, signed, 'POST');
    const { token } = (await minted.json()) as { token: string };
    for (const path of [
      `/app/installations/${id}/access%5Ftokens`,
      `/app//installations/${id}/access_tokens`,
      `/app/installations/${id}/access_tokens/`,
      `/app/installations/${id}/%61ccess_tokens?x=1`,
      `/app/x/%2e%2e/installations/${id}/access_tokens`,
    ]) {
      const asApp = await ask(`/api/v3${path}`, signed, 'POST');
      const told = (await asApp.json()) as { token?: string };
      // A token of ours or none: never the forge's own.
      expect([path, told.token?.startsWith(token.slice(0, 8)) ?? true]).toEqual([path, true]);
      expect((await ask(`/api/v3${path}`, `token ${token}`, 'POST')).status).toBe(401);
    }
    for (const path of [
      '/repos/acme/web/contents/..%2f..%2f..%2fetc%2fpasswd',
      '/repos/acme/web/contents/a%00b',
      '/repos/acme%2fweb/x',
      '//evil.example/repos',
      '/repos/acme/web/contents/%zz',
      `/repos/acme/web/contents/${'a'.repeat(7_000)}`,
      '/../../../../login',
      '/repos/acme/web/issues/1e3',
      '/repos/acme/web/issues/99999999999999999999',
    ]) {
      const answer = await ask(`/api/v3${path}`, `token ${token}`);
      expect([path, answer.status >= 400 && answer.status < 600 && answer.status !== 500]).toEqual([path, true]);
      expect([path, typeof ((await answer.json()) as { message?: unknown }).message]).toEqual([path, 'string']);
    }
  });

  it('sees only the connection it may', async () => {
    const narrow = await createFacade({
      appId: '1',
      publicKey,
      tokens: createFacadeTokens('key of tokens', clock, openRevocations(dataDir, 'old', new Date())),
      requestsOf: instance.rehearsal.bridge.requestsOf,
      origin: at.origin,
      only: 1n,
      clock: systemClock,
    });
    const headers = new Headers({ authorization: `Bearer ${await jwt('1')}` });
    const get = (path: string) => narrow({ method: 'GET', path, headers, body: Buffer.alloc(0) });
    expect(await (await get('/api/v3/app/installations')).json()).toEqual([]);
    const { installationId } = instance.rehearsal;
    for (const path of [
      `/app/installations/${installationId}`,
      `/app/installations/${installationId}/suspended`,
      `/app/%69nstallations/${installationId}`,
      '/repos/acme/web/installation',
    ])
      expect([path, (await get(`/api/v3${path}`)).status]).toEqual([path, 404]);
  });
});
