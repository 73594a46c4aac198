import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { forgetObjects, git, gitText, tryGit } from './git-process.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fake-git-process-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const HELLO = 'ce013625030ba8dba906f756967f9e9ca394464a';
const hello = () => tryGit(folder, ['cat-file', 'blob', HELLO]);

it('asks again for an object that was missing, and not for one that it has read', async () => {
  await git(folder, ['init', '--quiet', '--bare']);
  expect((await hello()).code).not.toBe(0);
  await gitText(folder, ['hash-object', '-w', '--stdin'], { input: 'hello\n' });
  expect((await hello()).out.toString()).toBe('hello\n');
  await rm(join(folder, 'objects', 'ce'), { recursive: true });
  expect((await hello()).out.toString()).toBe('hello\n');
  forgetObjects(folder);
  expect((await hello()).code).not.toBe(0);
});

it('asks again for whatever may move', async () => {
  const tip = () => tryGit(folder, ['rev-parse', '--verify', '--quiet', 'refs/heads/main^{commit}']);
  const tree = await gitText(folder, ['mktree']);
  const who = {
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@b.c',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@b.c',
  };
  expect((await tip()).code).not.toBe(0);
  for (const message of ['One', 'Two']) {
    const sha = await gitText(folder, ['commit-tree', '-m', message, tree], { environment: who });
    await git(folder, ['update-ref', 'refs/heads/main', sha]);
    expect((await tip()).out.toString().trim()).toBe(sha);
  }
});
