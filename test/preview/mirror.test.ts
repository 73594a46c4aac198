/** Mirrors that several processes work on, and repositories made to be larger than they look, from a real git server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createGitMirrors, defaultCheckoutLimits } from '../../src/effects/git/mirror.js';
import { createMirrorLocks } from '../../src/effects/git/mirror-lock.js';
import { commitFiles, git } from '../support/git-repository.js';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { loopback } from '../support/loopback.js';

describe('a checkout', () => {
  let directory: string;
  let server: GitServer;
  let bare: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'forgeway-mirror-'));
    server = await startGitServer({ directory: join(directory, 'remote') });
    bare = await server.create('acme/web');
  });
  afterEach(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Each level holds ten times the one below; the lowest is a tree with nothing in it. */
  async function bomb(levels: number): Promise<string> {
    let tree = await git(['--git-dir', bare, 'mktree'], { input: '' });
    for (let level = 0; level < levels; level += 1) {
      const lines = Array.from({ length: 10 }, (_, n) => `040000 tree ${tree}\t${n}\n`);
      tree = await git(['--git-dir', bare, 'mktree'], { input: lines.join('') });
    }
    const sha = await git(['--git-dir', bare, 'commit-tree', tree, '-m', 'bomb']);
    await git(['--git-dir', bare, 'update-ref', 'refs/heads/main', sha]);
    return sha;
  }

  it.each([
    ...['--upload-pack=x', '-x', 'refs/heads/a:refs/heads/b', 'refs/heads/*', 'refs/heads/a..b', 'refs/heads/a b'],
    ...[
      '+refs/heads/a',
      'refs/heads/',
      'refs/heads/a@{1}',
      'refs/heads/a\n',
      'refs/tags/a',
      'refs/pull/x/head',
      'HEAD',
    ],
  ])('asks for no ref such as %j', async (ref) => {
    await expect(async () => checkout('a'.repeat(40), 1, [ref])).rejects.toMatchObject({
      message: expect.stringContaining('unexpected form'),
    });
  });

  function checkout(sha: string, files: number, fallbackRefs: string[] = []): Promise<void> {
    const mirrors = createGitMirrors({
      directory: join(directory, 'git'),
      outbound: loopback,
      limits: { ...defaultCheckoutLimits, files },
    });
    return mirrors.checkout({
      ...{ repositoryId: randomUUID(), sha, fallbackRefs, target: join(directory, 'target') },
      source: { url: `${server.url}/acme/web.git`, origin: server.url, username: 'x', password: 'y' },
    });
  }

  it('refuses folders without number, though no file is in them', async () => {
    const sha = await bomb(5);
    await expect(checkout(sha, 1_000)).rejects.toMatchObject({
      code: 'FORGEWAY_GIT_FAILED',
      message: 'It has more than 1000 files and folders.',
    });
    await expect(access(join(directory, 'target'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([
    ['a name', 'n'.repeat(256)],
    ['a path', `${`${'d'.repeat(250)}/`.repeat(12)}x`],
  ])('refuses %s that nothing can be written at, and says so', async (_what, path) => {
    const sha = await commitFiles(bare, { ref: 'refs/heads/main', message: 'one', files: { [path]: 'x' } });
    await expect(checkout(sha, 10_000)).rejects.toMatchObject({
      code: 'FORGEWAY_GIT_FAILED',
      message: expect.stringMatching(
        /^It has a name of a file or folder that is too long to be checked out: (?:n+|d+)…$/,
      ),
    });
    await expect(access(join(directory, 'target'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('counts folders beside files', async () => {
    const sha = await commitFiles(bare, {
      ...{ ref: 'refs/heads/main', message: 'one' },
      files: { 'a/b/c.txt': 'c', 'd.txt': 'd' },
    });
    await expect(checkout(sha, 3)).rejects.toMatchObject({ code: 'FORGEWAY_GIT_FAILED' });
    await checkout(sha, 4);
    await access(join(directory, 'target/a/b/c.txt'));
  });

  const simple = () =>
    commitFiles(bare, { ref: 'refs/heads/main', message: 'one', files: { 'a.txt': 'a', 'b/c.txt': 'c' } });

  function startProcess(task: object): ChildProcess {
    return spawn(process.execPath, ['--import', 'tsx', 'test/preview/mirror-process.ts'], {
      env: { ...process.env, NODE_OPTIONS: '', MIRROR: JSON.stringify({ directory, url: server.url, ...task }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  it('is not disturbed by other processes that check out and prune the same repository', async () => {
    const common = { task: 'checkout and prune', repositoryId: randomUUID(), sha: await simple() };
    const children = ['one', 'two'].map((name) => startProcess({ ...common, name }));
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    expect(codes).toEqual([0, 0]);
    expect(await readdir(join(directory, 'git'))).toEqual([]);
  });

  it('waits for the commands of a killed process, and for nothing else of it', async () => {
    const repositoryId = randomUUID();
    const child = startProcess({ task: 'hold', repositoryId });
    const orphan = Number(String((await once(child.stdout ?? child, 'data'))[0]));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const gitDir = join(directory, 'git', repositoryId);
    try {
      await expect(createMirrorLocks(1_000)(gitDir, async () => 'held')).rejects.toMatchObject({
        ...{ code: 'FORGEWAY_GIT_FAILED', message: expect.stringContaining('another process works on it') },
      });
      await expect(createMirrorLocks()(gitDir, async () => 'held', AbortSignal.abort())).rejects.toThrow('stopped');
    } finally {
      process.kill(orphan, 'SIGKILL');
    }
    await expect(createMirrorLocks()(gitDir, async () => 'held')).resolves.toBe('held');
  });

  it('begins anew where a killed process left half of a mirror, and removes the locks of its commands', async () => {
    const [sha, repositoryId] = [await simple(), randomUUID()];
    const gitDir = join(directory, 'git', repositoryId);
    const mirrors = createGitMirrors({ directory: join(directory, 'git'), outbound: loopback });
    const checkoutTo = (name: string) =>
      mirrors.checkout({
        ...{ repositoryId, sha, fallbackRefs: [], target: join(directory, name) },
        source: { url: `${server.url}/acme/web.git`, origin: server.url, username: 'x', password: 'y' },
      });
    await mkdir(join(gitDir, 'objects/pack'), { recursive: true });
    await checkoutTo('first');
    const leftovers = ['shallow.lock', 'packed-refs.lock', 'refs/heads/main.lock', 'objects/pack/tmp_pack_1'];
    for (const name of leftovers) await writeFile(join(gitDir, name), '');
    await checkoutTo('second');
    for (const name of leftovers) await expect(access(join(gitDir, name))).rejects.toMatchObject({ code: 'ENOENT' });
    await access(join(directory, 'second/b/c.txt'));
  });
});
