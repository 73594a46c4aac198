/** A worker process that works on a mirror others work on too; the test tells it what to do. */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { createMirrorLocks } from '../../src/effects/git/mirror-lock.js';
import { loopback } from '../support/loopback.js';

const { task, directory, repositoryId, sha, url, name } = JSON.parse(process.env.MIRROR ?? '{}');

if (task === 'checkout and prune') {
  const mirrors = createGitMirrors({ directory: join(directory, 'git'), outbound: loopback });
  for (let round = 0; round < 10; round += 1) {
    const target = join(directory, `${name}-${round}`);
    await mirrors.checkout({
      ...{ repositoryId, sha, fallbackRefs: [], target },
      source: { url: `${url}/acme/web.git`, origin: url, username: 'x', password: 'y' },
    });
    await rm(target, { recursive: true });
    await mirrors.prune(repositoryId);
  }
} else {
  await createMirrorLocks()(join(directory, 'git', repositoryId), async ({ fd }) => {
    const orphan = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', fd], detached: true });
    process.stdout.write(`${orphan.pid}\n`);
    return new Promise(() => setInterval(() => undefined, 1_000));
  });
}
