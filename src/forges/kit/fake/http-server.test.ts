import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { gitText, tryGit } from './git-process.js';
import { createFakeGit, type FakeGit } from './git-store.js';
import { type FakeRefChange, type ServedFake, type ServeOptions, serveFake } from './http-server.js';
import { createFakeApi } from './routing.js';

const anna = { name: 'Anna', email: 'anna@example.com', date: '2026-11-22T10:00:00Z' };
const password = `Basic ${Buffer.from('anna:secret').toString('base64')}`;
const asAnna = (url: string) => url.replace('http://', 'http://anna:secret@');

let folder: string;
let store: FakeGit;
let first: string;
const served: ServedFake[] = [];
const names = { count: 0 };

const api = createFakeApi({
  prefix: '/api',
  routes: [
    {
      method: 'GET',
      path: '/projects/:id',
      source: 'test',
      run: ({ params }) => ({ json: params, headers: { 'x-a': '1' } }),
    },
    {
      method: 'POST',
      path: '/notes',
      source: 'test',
      body: z.object({ body: z.string() }),
      run: ({ body }) => ({ json: body }),
    },
    { method: 'DELETE', path: '/notes', source: 'test', run: () => ({ status: 204 }) },
  ],
  authenticate: () => 'anna',
  unauthorized: { status: 401 },
  notFound: { status: 404 },
  badRequest: (message) => ({ status: 400, json: { message } }),
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fake-http-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  names.count += 1;
  store = await createFakeGit(folder, `group/web${names.count}`);
  first = await store.commit({
    branch: 'main',
    message: 'First',
    author: anna,
    files: [{ path: 'a', content: 'one\n' }],
  });
});
afterEach(async () => {
  for (const server of served.splice(0)) await server.close();
});

async function serve(options: Omit<ServeOptions, 'api'> = {}): Promise<string> {
  const server = await serveFake({ api, gitRoot: folder, ...options });
  served.push(server);
  return server.url;
}

describe('the API', () => {
  it('is the same over HTTP', async () => {
    const url = await serve();
    const answer = await fetch(`${url}/api/projects/a%2Fb`);
    expect(answer.headers.get('x-a')).toBe('1');
    expect(await answer.json()).toEqual({ id: 'a/b' });
    const headers = { 'content-type': 'application/json' };
    const note = await fetch(`${url}/api/notes`, { method: 'POST', headers, body: '{"body":"ü"}' });
    expect(await note.json()).toEqual({ body: 'ü' });
    expect((await fetch(`${url}/api/notes`, { method: 'DELETE' })).status).toBe(204);
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
  });

  it('breaks the connection when an answer is lost', async () => {
    const url = await serve();
    api.failNext('GET', /projects/, 'lost');
    await expect(fetch(`${url}/api/projects/1`)).rejects.toThrow('fetch failed');
    expect((await fetch(`${url}/api/projects/1`)).status).toBe(200);
  });
});

describe('git', () => {
  const cloneOf = async (url: string) => {
    const copy = join(folder, `copy${names.count}`);
    await gitText(folder, ['clone', '--quiet', url, copy]);
    return copy;
  };
  const commitIn = async (copy: string, content: string) => {
    await writeFile(join(copy, 'a'), content);
    const who = ['-c', 'user.name=Anna', '-c', 'user.email=anna@example.com'];
    await gitText(copy, [...who, 'commit', '--quiet', '--all', '--message=Change']);
    return gitText(copy, ['rev-parse', 'HEAD']);
  };

  it('clones and pushes, and tells which refs were moved', async () => {
    const told: (readonly FakeRefChange[])[] = [];
    const url = await serve({
      afterPush: async (directory, changes) => {
        expect(directory).toBe(store.directory);
        told.push(changes);
      },
    });
    const copy = await cloneOf(`${url}/group/web${names.count}.git`);
    expect(await readFile(join(copy, 'a'), 'utf8')).toBe('one\n');

    const second = await commitIn(copy, 'two\n');
    await gitText(copy, ['push', '--quiet', 'origin', 'HEAD:main', 'HEAD:refs/heads/topic/x']);
    expect(await store.resolve('main')).toBe(second);
    await gitText(copy, ['push', '--quiet', 'origin', ':topic/x']);
    const zeros = '0'.repeat(40);
    expect(told).toEqual([
      [
        { ref: 'refs/heads/main', before: first, after: second },
        { ref: 'refs/heads/topic/x', before: zeros, after: second },
      ],
      [{ ref: 'refs/heads/topic/x', before: second, after: zeros }],
    ]);
  });

  it('takes a push that is larger than what git sends at once', async () => {
    const url = await serve();
    const copy = await cloneOf(`${url}/group/web${names.count}`);
    const big = Array.from({ length: 60_000 }, (_, at) => `${at} ${Math.sin(at)}\n`)
      .join('')
      .repeat(2);
    const second = await commitIn(copy, big);
    await gitText(copy, ['-c', 'http.postBuffer=65536', 'push', '--quiet', 'origin', 'HEAD:main']);
    expect(await store.resolve('main')).toBe(second);
  });

  it('asks for a password and refuses a wrong one', async () => {
    const url = await serve({ mayPush: (authorization) => authorization === password });
    const repository = `/group/web${names.count}.git`;
    const copy = await cloneOf(`${url}${repository}`);
    const second = await commitIn(copy, 'two\n');
    const push = (to: string) => tryGit(copy, ['push', '--quiet', `${to}${repository}`, 'HEAD:main']);
    expect((await push(url)).code).not.toBe(0);
    expect((await push(asAnna(url).replace('secret', 'wrong'))).said).toContain('403');
    expect(await store.resolve('main')).toBe(first);
    expect(await push(asAnna(url))).toMatchObject({ code: 0 });
    expect(await store.resolve('main')).toBe(second);
  });

  it('may be closed to readers, and is found where the fake says', async () => {
    const url = await serve({
      gitPath: (path) => (path === '/grüppe/repo.git' ? { directory: store.directory } : undefined),
      mayFetch: (authorization) => authorization === password,
    });
    const list = (to: string) => tryGit(folder, ['ls-remote', `${to}/gr%C3%BCppe/repo.git`, 'refs/heads/main']);
    expect((await list(url)).code).not.toBe(0);
    expect((await list(asAnna(url))).out.toString()).toBe(`${first}\trefs/heads/main\n`);
    expect((await fetch(`${url}/other.git/info/refs?service=git-upload-pack`)).status).toBe(404);
  });

  it('does not leave its folder', async () => {
    const url = await serve({ gitRoot: join(folder, 'group') });
    const path = `/x%2F..%2F..%2Fgroup/web${names.count}.git/info/refs?service=git-upload-pack`;
    expect((await fetch(`${url}${path}`)).status).toBe(404);
  });
});
