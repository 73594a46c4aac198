/** The disk of mirrors and checkouts is full, twenty times at another point of the work, and has room again. */
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { commitFiles, git } from '../support/git-repository.js';
import { startGitServer } from '../support/git-server.js';
import { loopback } from '../support/loopback.js';
import { itAsRoot } from '../support/small-disk.js';

const TRIES = 20;
const STEP = 12 * 1024;

itAsRoot('a checkout fails as such, and works once there is room, from the same mirror, which is whole', async () => {
  const root = await mkdtemp(join(tmpdir(), 'forgeway-git-disk-'));
  const disk = join(root, 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
  const server = await startGitServer({ directory: join(root, 'remote') });
  try {
    const bare = await server.create('acme/web');
    const big = randomBytes(64 * 1024).toString('base64');
    const files = { 'README.md': '# web\n', 'big.txt': big };
    const sha = await commitFiles(bare, { ref: 'refs/heads/main', message: 'one', files });
    const mirrors = createGitMirrors({ directory: join(disk, 'git'), outbound: loopback });
    const checkout = (repositoryId: string, target: string) =>
      mirrors.checkout({
        ...{ repositoryId, sha, fallbackRefs: [], target },
        source: { url: `${server.url}/acme/web.git`, origin: server.url, username: 'x', password: 'y' },
      });
    const ballast = join(disk, 'ballast');
    const failed: unknown[] = [];
    for (let round = 0; round < TRIES; round += 1) {
      const repositoryId = randomUUID();
      const target = join(disk, `target-${round}`);
      const { bavail, bsize } = await statfs(disk);
      await writeFile(ballast, Buffer.alloc(bavail * bsize - round * STEP));
      await checkout(repositoryId, target).catch((error: unknown) => failed.push(error));
      await rm(ballast);
      const again = join(disk, `again-${round}`);
      await checkout(repositoryId, again);
      expect(await readFile(join(again, 'big.txt'), 'utf8')).toBe(big);
      await git(['--git-dir', join(disk, 'git', repositoryId), 'fsck', '--full']);
      await Promise.all([target, again].map((path) => rm(path, { recursive: true, force: true })));
      await mirrors.prune(repositoryId);
    }
    // The first had no room at all, the last enough.
    expect(failed.length).toBeGreaterThan(TRIES / 4);
    expect(failed.length).toBeLessThan(TRIES);
    const isTold = (error: unknown) =>
      ['FORGEWAY_GIT_FAILED', 'ENOSPC'].includes(String((error as { code?: string }).code));
    expect(failed.filter((error) => !isTold(error))).toEqual([]);
  } finally {
    await server.close();
    execFileSync('umount', ['-l', disk]);
    await rm(root, { recursive: true, force: true });
  }
});
