/** Nothing that a repository brings along is run by a command of ours: neither its hooks nor what its settings name. */
import { access, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { git } from '../../../test/support/git-repository.js';
import { runGit } from './git-command.js';

let directory: string;
let gitDir: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'forgeway-git-command-'));
  gitDir = join(directory, '.git');
  await git(['init', '--quiet', directory]);
  for (const name of ['hook', 'monitor']) {
    const file = name === 'hook' ? join(gitDir, 'hooks/reference-transaction') : join(directory, 'monitor');
    await writeFile(file, `#!/bin/sh\n: >'${join(directory, `ran-${name}`)}'\n`);
    await chmod(file, 0o755);
  }
  await git(['-C', directory, 'config', 'core.fsmonitor', join(directory, 'monitor')]);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it.each(['hook', 'monitor'])('runs no %s', async (name) => {
  const options = { gitDir, timeoutMs: 30_000, variables: { GIT_WORK_TREE: directory } };
  await writeFile(join(directory, `${name}.txt`), 'x\n');
  await runGit(['add', '--all'], options);
  const tree = (await runGit(['write-tree'], options)).trim();
  const variables = {
    ...options.variables,
    ...{ GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' },
  };
  const commit = (await runGit(['commit-tree', '-m', 'x', tree], { ...options, variables })).trim();
  await runGit(['update-ref', `refs/heads/${name}`, commit], options);
  await expect(access(join(directory, `ran-${name}`))).rejects.toThrow('ENOENT');
});

it('says what went wrong without saying where on this machine', async () => {
  const options = { gitDir, timeoutMs: 30_000, variables: { GIT_WORK_TREE: directory } };
  const error = await runGit(['hash-object', '--', join(directory, 'nothing.txt')], options).catch(String);
  expect(error).toContain('nothing.txt');
  expect(error).not.toContain(directory);
});
