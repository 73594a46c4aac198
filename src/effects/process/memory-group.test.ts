import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findMemoryGroups } from './memory-group.js';

describe('memory groups', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'forgeway-groups-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('are not looked for in a plain directory, as the root of a hybrid is', async () => {
    await mkdir(join(root, 'unified'));
    await writeFile(join(root, 'unified/cgroup.controllers'), 'hugetlb\n');
    expect(await findMemoryGroups(root)).toBeUndefined();
    expect((await readdir(root, { recursive: true })).sort()).toEqual(['unified', 'unified/cgroup.controllers']);
  });

  it('leave nothing where they turn out not to work', async () => {
    await writeFile(join(root, 'cgroup.controllers'), 'cpu memory\n');
    expect(await findMemoryGroups(root)).toBeUndefined();
    expect(await readdir(root)).toEqual(['cgroup.controllers']);
  });

  it('leave no trace of the look for them on this machine', async () => {
    await findMemoryGroups();
    for (const parent of ['', 'unified', 'memory']) {
      const probe = join('/sys/fs/cgroup', parent, 'forgeway', `probe-${process.pid}`);
      await expect(access(probe)).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });
});
