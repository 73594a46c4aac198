/** Repositories made to be larger than they look, fetched from a real git server. */
import { randomUUID } from 'node:crypto';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createGitMirrors, defaultCheckoutLimits } from '../../src/effects/git/mirror.js';
import { commitFiles, git } from '../support/git-repository.js';
import { type GitServer, startGitServer } from '../support/git-server.js';

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

  function checkout(sha: string, files: number): Promise<void> {
    const mirrors = createGitMirrors(join(directory, 'git'), { ...defaultCheckoutLimits, files });
    return mirrors.checkout({
      ...{ repositoryId: randomUUID(), sha, fallbackRefs: [], target: join(directory, 'target') },
      source: { url: `${server.url}/acme/web.git`, origin: server.url, username: 'x', password: 'y' },
    });
  }

  it('refuses folders without number, though no file is in them', async () => {
    const sha = await bomb(5);
    await expect(checkout(sha, 1_000)).rejects.toMatchObject({
      code: 'FORGEWAY_GIT_FAILED',
      message: expect.stringContaining('git ls-tree was more than is allowed'),
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
});
