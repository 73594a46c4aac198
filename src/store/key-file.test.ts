import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { addKeyToFile, createKeyFile, keyFileOf, readKeyFile } from './key-file.js';

const keyMissing = { code: 'FORGEWAY_KEY_MISSING' };

describe('the key file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-key-'));
    path = keyFileOf(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is made once, and gets a new key before those that it has', async () => {
    await expect(addKeyToFile(path)).rejects.toMatchObject(keyMissing);
    const { current: first } = await createKeyFile(path);
    expect(await createKeyFile(path)).toEqual({ current: first, previous: [] });
    // What a process left that was killed half way.
    await writeFile(`${path}.next`, 'half');
    await addKeyToFile(path);
    const two = await readKeyFile(path);
    expect(two?.previous).toEqual([first]);
    expect(two?.current).not.toEqual(first);
    await addKeyToFile(path);
    expect((await readKeyFile(path))?.previous).toEqual([two?.current, first]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(stat(`${path}.next`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is refused with a line that is no key, or with a first one that is weak; an earlier one may be', async () => {
    const strong = randomBytes(32).toString('base64');
    const weak = Buffer.alloc(32, 7).toString('base64');
    for (const text of ['', '\n', 'AAAA', `${strong}\nAAAA`, `${weak}\n${strong}`]) {
      await writeFile(path, text);
      await expect(readKeyFile(path)).rejects.toMatchObject(keyMissing);
      await expect(addKeyToFile(path)).rejects.toMatchObject(keyMissing);
      expect(await readFile(path, 'utf8')).toBe(text);
    }
    await writeFile(path, `${strong}\n\n${weak}\n`);
    expect((await readKeyFile(path))?.previous).toEqual([Buffer.alloc(32, 7)]);
  });
});
