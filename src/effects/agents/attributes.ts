/**
 * What `.gitattributes` may do to an agent's files. They can have git write other bytes than the repository has, and read other ones than
 * the file has, and not every pair of these leads back to where it began: a file that nobody has touched would be pushed as another.
 * So an agent is given the repository's own bytes, and what it has changed is seen by bytes (ADR 67).
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Nothing is converted between a file and what git keeps of it. */
export const BYTES = '* -text !eol -ident !working-tree-encoding -filter\n';
/** Line ends alone are, as the repository wants them. */
export const LINE_ENDS = '* -ident !working-tree-encoding -filter\n';

/** Goes before every `.gitattributes`. */
const fileIn = (gitDir: string): string => join(gitDir, 'info', 'attributes');

export async function setAttributes(gitDir: string, attributes: string): Promise<void> {
  await mkdir(join(gitDir, 'info'), { recursive: true });
  await writeFile(fileIn(gitDir), attributes);
}

/**
 * Runs `work` while these hold in all work trees of a repository of ours, whose lock is held. Whoever is killed meanwhile leaves them, and
 * the next who opens it takes them away.
 */
export async function withAttributes<T>(gitDir: string, attributes: string, work: () => Promise<T>): Promise<T> {
  await setAttributes(gitDir, attributes);
  try {
    return await work();
  } finally {
    await rm(fileIn(gitDir), { force: true });
  }
}
