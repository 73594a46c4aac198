/** The compiled modules between receipt and effect, with their awaits numbered, for `hooks.mjs` to load instead. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { numberAwaits } from './number-awaits.js';

const FOLDERS = ['webhook', 'inbox', 'translate', 'handlers', 'jobs'];

/** Answers how many awaits there are in the text of all of them. */
export async function writeNumberedBuild(dist: string, folder: string): Promise<number> {
  let awaits = 0;
  for (const name of FOLDERS)
    for (const file of await readdir(join(dist, name), { recursive: true })) {
      if (!file.endsWith('.js')) continue;
      const numbered = numberAwaits(await readFile(join(dist, name, file), 'utf8'));
      awaits += numbered.awaits;
      const target = join(folder, name, file);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, numbered.source);
    }
  return awaits;
}
