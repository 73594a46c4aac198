import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BareRepository } from './bare-repository.js';
import type { Emulator } from './emulator.js';
import { ObjectMirror } from './object-mirror.js';

const MOST = 100;

describe('a repository with more branches than the API lists at a time', () => {
  let directory: string;
  let repository: BareRepository;
  let commit: string;
  let names: string[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'object-mirror-'));
    repository = new BareRepository(join(directory, 'web.git'));
    await repository.create();
    const tree = (await repository.git(['mktree'], '')).toString().trim();
    const person = ['-c', 'user.name=alice', '-c', 'user.email=alice@example.com'];
    commit = (await repository.git([...person, 'commit-tree', tree, '-m', 'one'])).toString().trim();
    names = Array.from({ length: MOST + 1 }, (_, at) => `branch-${String(at).padStart(3, '0')}`);
    const lines = names.map((name) => `create refs/heads/${name} ${commit}\n`);
    await repository.git(['update-ref', '--stdin'], lines.join(''));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('takes none of them for deleted', async () => {
    const emulator = {
      json: async (path: string) => {
        const query = new URL(path, 'http://localhost').searchParams;
        const start = (Number(query.get('page') ?? 1) - 1) * MOST;
        return names.slice(start, start + MOST).map((name) => ({ name, commit: { sha: commit } }));
      },
    } as unknown as Emulator;
    const mirror = new ObjectMirror(repository, emulator, 'acme/web');
    expect(await mirror.fromEmulator('token')).toEqual([]);
    names.splice(MOST - 1, 1);
    expect(await mirror.fromEmulator('token')).toMatchObject([{ ref: 'refs/heads/branch-099', before: commit }]);
    expect((await repository.refs()).size).toBe(MOST);
  });
});
