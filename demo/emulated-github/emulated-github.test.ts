import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PATIENCE_MS } from '../../test/support/patience.js';
import { BareRepository, runGit } from './bare-repository.js';
import { type EmulatedGitHub, startEmulatedGitHub } from './emulated-github.js';
import { signAppToken } from './emulator.js';
import { type JsonObject, objectAt, objectOf } from './json.js';

interface Received {
  event: string;
  guid: string;
  signed: boolean;
  payload: JsonObject;
}

const webhookSecret = 'a secret of the test, long enough';
const app = {
  id: 4711,
  slug: 'forgeway',
  permissions: { contents: 'read', issues: 'write', pull_requests: 'write', statuses: 'write', metadata: 'read' },
  events: ['push', 'create', 'delete', 'pull_request', 'issue_comment', 'status'],
  webhookSecret,
  installationId: 99,
};

const received: Received[] = [];
let directory: string;
let receiver: Server;
let github: EmulatedGitHub;
let clone: string;
const errors: unknown[] = [];

async function webhook(event: string, action?: string): Promise<Received> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    const index = received.findIndex((one) => one.event === event && one.payload.action === action);
    const [found] = index < 0 ? [] : received.splice(index, 1);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`no ${event}.${action} arrived`);
}

async function api(
  path: string,
  token: string,
  method = 'GET',
  body?: object,
): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${github.origin}/api/v3${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
}

const author = {
  GIT_AUTHOR_NAME: 'Alice Ångström',
  GIT_AUTHOR_EMAIL: 'alice@users.noreply.github.com',
  GIT_COMMITTER_NAME: 'Alice Ångström',
  GIT_COMMITTER_EMAIL: 'alice@users.noreply.github.com',
  TZ: 'Asia/Kolkata',
};
const git = async (...args: string[]) => (await runGit(clone, args, { env: author })).toString().trim();

async function commit(file: string, text: string, message: string): Promise<string> {
  await writeFile(join(clone, file), text);
  await git('add', '.');
  await git('commit', '--quiet', '--message', message);
  return git('rev-parse', 'HEAD');
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'emulated-github-'));
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const expected = `sha256=${createHmac('sha256', webhookSecret).update(body).digest('hex')}`;
      received.push({
        event: String(request.headers['x-github-event']),
        guid: String(request.headers['x-github-delivery']),
        signed: request.headers['x-hub-signature-256'] === expected,
        payload: objectOf(JSON.parse(body.toString()), 'body'),
      });
      response.writeHead(202).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  github = await startEmulatedGitHub({
    port: 0,
    directory,
    owner: 'acme',
    repository: 'web',
    app,
    webhookUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    writers: { alice: 'alice-token' },
    strangers: { mallory: 'mallory-token' },
    onError: (error) => errors.push(error),
  });
  clone = join(directory, 'clone');
  const remote = github.origin.replace('://', '://alice:alice-token@');
  await runGit(directory, ['clone', '--quiet', `${remote}/acme/web.git`, clone]);
});

afterAll(async () => {
  await github.close();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  await rm(directory, { recursive: true, force: true });
  expect(errors).toEqual([]);
});

async function installationToken(): Promise<string> {
  const minted = await api('/app/installations/99/access_tokens', signAppToken(app.id, github.privateKey), 'POST', {});
  return String(objectOf(minted.json, 'token').token);
}

describe('emulated GitHub', () => {
  it('refuses whoever it does not know', async () => {
    expect((await api('/repos/acme/web', 'ghp_unknown')).status).toBe(401);
    expect((await api('/app', `eyJhbGciOiJSUzI1NiJ9.e30.x`)).status).toBe(401);
    const anonymous = runGit(directory, ['ls-remote', `${github.origin}/acme/web.git`]);
    await expect(anonymous).rejects.toThrow(/could not read Username|Authentication/);
  });

  it('gives no token before the App is installed, and says when it is', async () => {
    const jwt = signAppToken(app.id, github.privateKey);
    expect((await api('/app/installations/99/access_tokens', jwt, 'POST', {})).status).toBe(404);
    expect((await api('/apps/forgeway/installations', 'alice-token', 'POST', {})).status).toBe(201);
    const { payload, signed } = await webhook('installation', 'created');
    expect(signed).toBe(true);
    expect(payload.installation).toMatchObject({ id: 99, account: { login: 'acme', type: 'Organization' } });
    expect(payload.repositories).toMatchObject([{ name: 'web', full_name: 'acme/web', private: false }]);
    expect((await api('/app/installations/99/access_tokens', jwt, 'POST', {})).status).toBe(201);
  });

  it('takes a push by git, has the same commits in the API, and sends it with its commits', async () => {
    await git('checkout', '--quiet', '-b', 'main');
    const sha = await commit('index.txt', 'one\n', 'First: ünïcode\n\nwith a body');
    await git('push', '--quiet', 'origin', 'main');
    const { payload, signed, guid } = await webhook('push');
    expect(signed).toBe(true);
    expect(guid).toMatch(/^[0-9a-f-]{36}$/);
    expect(payload).toMatchObject({ ref: 'refs/heads/main', after: sha, created: true, installation: { id: 99 } });
    expect(payload.commits).toMatchObject([
      { id: sha, message: 'First: ünïcode\n\nwith a body', added: ['index.txt'], author: { username: 'alice' } },
    ]);
    expect(objectOf((await api(`/repos/acme/web/commits/${sha}`, 'alice-token')).json, 'commit').sha).toBe(sha);
  });

  it('refuses a push without permission, with a read-only token, and to refs/pull', async () => {
    const push = (user: string, ref: string) =>
      git('push', '--quiet', `${github.origin.replace('://', `://${user}@`)}/acme/web.git`, `HEAD:${ref}`);
    const before = await new BareRepository(github.repositoryPath).refs();
    await commit('index.txt', 'x\n', 'not allowed');
    await expect(push(`x-access-token:${await installationToken()}`, 'refs/heads/a')).rejects.toThrow(/403/);
    await expect(push('mallory:mallory-token', 'refs/heads/b')).rejects.toThrow(/403/);
    await expect(push('alice:alice-token', 'refs/pull/1/head')).rejects.toThrow();
    expect(await new BareRepository(github.repositoryPath).refs()).toEqual(before);
    await git('reset', '--quiet', '--hard', 'origin/main');
  });

  it('moves a pull request with its branch, with right counts, and says synchronize', async () => {
    await git('checkout', '--quiet', '-b', 'change');
    const first = await commit('index.txt', 'two\nthree\n', 'Second');
    await git('push', '--quiet', 'origin', 'change');
    const body = { title: 'A change', head: 'change', base: 'main', body: 'Please look' };
    const opened = await api('/repos/acme/web/pulls', 'alice-token', 'POST', body);
    expect(opened.json).toMatchObject({ number: 1, head: { sha: first }, commits: 1, additions: 2, deletions: 1 });
    const openedHook = await webhook('pull_request', 'opened');
    expect(openedHook.signed).toBe(true);
    expect(openedHook.payload).toMatchObject({
      number: 1,
      pull_request: { head: { sha: first }, changed_files: 1 },
      sender: { login: 'alice' },
      installation: { id: 99 },
      organization: { login: 'acme' },
    });

    const second = await commit('more.txt', 'more\n', 'Third');
    await git('push', '--quiet', 'origin', 'change');
    const { payload, signed } = await webhook('pull_request', 'synchronize');
    expect(signed).toBe(true);
    expect(payload).toMatchObject({
      before: first,
      after: second,
      pull_request: { head: { sha: second }, commits: 2 },
    });
    const shown = objectOf((await api('/repos/acme/web/pulls/1', 'alice-token')).json, 'pull');
    expect(shown).toMatchObject({ head: { sha: second }, changed_files: 2 });
    expect(objectAt(shown, '_links')).toMatchObject({
      statuses: { href: `${github.origin}/api/v3/repos/acme/web/statuses/${second}` },
    });
    expect((await api('/repos/acme/web/pulls/1/commits', 'alice-token')).json).toMatchObject([
      { sha: first },
      { sha: second },
    ]);
    expect((await git('ls-remote', 'origin', 'refs/pull/1/head')).split('\t')[0]).toBe(second);
    expect((await api('/repos/acme/web/pulls/1/merge', 'alice-token', 'PUT', {})).status).toBe(405);
  });

  it('has comments by the bot, and says that the issue is a pull request', async () => {
    const token = await installationToken();
    const made = await api('/repos/acme/web/issues/1/comments', token, 'POST', { body: 'Hello' });
    expect(made.json).toMatchObject({ user: { login: 'forgeway[bot]', type: 'Bot' } });
    const { payload } = await webhook('issue_comment', 'created');
    expect(payload).toMatchObject({ issue: { number: 1, pull_request: { merged_at: null } } });
    expect((await api('/users/forgeway%5Bbot%5D', token)).status).toBe(200);
  });

  it('has commit statuses, by those who may', async () => {
    const token = await installationToken();
    const sha = await git('rev-parse', 'HEAD');
    expect((await webhook('create')).payload).toMatchObject({ ref: 'main', ref_type: 'branch' });
    const state = { state: 'success', context: 'forgeway/preview', description: 'Ready' };
    expect((await api(`/repos/acme/web/statuses/${sha}`, 'mallory-token', 'POST', state)).status).toBe(403);
    expect((await api(`/repos/acme/web/statuses/${'a'.repeat(40)}`, token, 'POST', state)).status).toBe(422);
    await api(`/repos/acme/web/statuses/${sha}`, token, 'POST', { ...state, state: 'pending' });
    expect((await api(`/repos/acme/web/statuses/${sha}`, token, 'POST', state)).status).toBe(201);
    const listed = await api('/repos/acme/web/commits/change/statuses', token);
    expect(listed.json).toMatchObject([
      { state: 'success', creator: { login: 'forgeway[bot]' } },
      { state: 'pending' },
    ]);
    expect((await api(`/repos/acme/web/commits/${sha}/status`, token)).json).toMatchObject({
      state: 'success',
      total_count: 1,
    });
  });

  it('says that a status was set', async () => {
    const { payload, signed } = await webhook('status');
    expect(signed).toBe(true);
    expect(payload).toMatchObject({
      state: 'pending',
      sender: { login: 'forgeway[bot]' },
      branches: [{ name: 'change' }],
    });
    expect(objectAt(payload, 'commit').sha).toBe(payload.sha);
  });

  it('shows the pull request to people, with nothing of a comment taken as HTML', async () => {
    const body = '<!-- hidden -->\n\n| A | B |\n|---|---|\n| <img src=x> | [open](http://a.localhost/) |';
    await api('/repos/acme/web/issues/1/comments', 'alice-token', 'POST', { body });
    const response = await fetch(`${github.origin}/acme/web/pull/1`);
    const page = await response.text();
    expect(page).toContain('A change <span>#1</span>');
    expect(page).toContain(
      '<td>&lt;img src=x&gt;</td><td><a href="http://a.localhost/" rel="noreferrer">open</a></td>',
    );
    expect(page).not.toContain('hidden');
    expect((await fetch(`${github.origin}/acme/web/pull/77`)).status).toBe(404);
  });

  it('answers the permission and repository questions as GitHub does', async () => {
    const token = await installationToken();
    const permission = (login: string) => api(`/repos/acme/web/collaborators/${login}/permission`, token);
    expect((await permission('alice')).json).toMatchObject({ permission: 'write', user: { login: 'alice' } });
    expect((await permission('mallory')).json).toMatchObject({ permission: 'read' });
    expect((await permission('nobody')).status).toBe(404);
    const data = (await api('/installation/repositories', token)).json;
    expect(data).toMatchObject({ total_count: 1, repositories: [{ full_name: 'acme/web' }] });
  });

  it('gives a raw file with the media type that was asked for', async () => {
    const accept = 'application/vnd.github.raw+json';
    const headers = { authorization: `Bearer ${await installationToken()}`, accept };
    const response = await fetch(`${github.origin}/api/v3/repos/acme/web/contents/index.txt`, { headers });
    expect(response.headers.get('content-type')).toBe(`${accept}; charset=utf-8`);
    expect(await response.text()).toBe('one\n');
  });

  it('copies commits that the API makes back into git', async () => {
    const content = Buffer.from('edited\n').toString('base64');
    const put = await api('/repos/acme/web/contents/index.txt', 'alice-token', 'GET');
    const sha = objectOf(put.json, 'file').sha;
    const body = { message: 'Edit on the web', content, sha, branch: 'main' };
    const edited = await api('/repos/acme/web/contents/index.txt', 'alice-token', 'PUT', body);
    const made = objectAt(objectOf(edited.json, 'edit'), 'commit').sha;
    expect((await git('ls-remote', 'origin', 'refs/heads/main')).split('\t')[0]).toBe(made);
    expect((await webhook('push')).payload.ref).toBe('refs/heads/change');
  });

  it('closes with the head it has now', async () => {
    const head = await git('rev-parse', 'change');
    await api('/repos/acme/web/pulls/1', 'alice-token', 'PATCH', { state: 'closed' });
    expect((await webhook('pull_request', 'closed')).payload).toMatchObject({
      number: 1,
      pull_request: { state: 'closed', merged: false, head: { sha: head } },
    });
  });

  it('says that a branch is gone', async () => {
    await git('push', '--quiet', 'origin', '--delete', 'change');
    expect((await webhook('delete')).payload).toMatchObject({
      ref: 'change',
      ref_type: 'branch',
      installation: { id: 99 },
    });
    expect((await api('/repos/acme/web/branches/change', 'alice-token')).status).toBe(404);
  });

  it('lists what it delivered, and delivers again under the same GUID', async () => {
    const jwt = signAppToken(app.id, github.privateKey);
    const listed = (await api('/app/hook/deliveries', jwt)).json as JsonObject[];
    const closed = listed.find((delivery) => delivery.action === 'closed');
    expect(closed).toMatchObject({ event: 'pull_request', status_code: 202, redelivery: false });
    await api(`/app/hook/deliveries/${closed?.id}/attempts`, jwt, 'POST');
    expect((await webhook('pull_request', 'closed')).guid).toBe(closed?.guid);
  });

  it('takes the tokens back when the App is removed', async () => {
    const token = await installationToken();
    expect((await api('/app/installations/99', signAppToken(app.id, github.privateKey), 'DELETE')).status).toBe(204);
    expect((await api('/installation/repositories', token)).status).toBe(401);
    expect((await webhook('installation', 'deleted')).signed).toBe(true);
  });
});
