/** Where the node that runs us lies, so that a repository's commands find the same one even when it is not in /usr. */
import { access, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface Programs {
  /** Directory that must be visible in a sandbox. */
  bind: string;
  /** Directory for PATH. */
  bin: string;
}

/** Undefined when node lies in the system's own directories. */
export async function findPrograms(executable = process.execPath): Promise<Programs | undefined> {
  const node = await realpath(executable);
  if (/^\/(?:usr|bin|nix)\//.test(node)) return undefined;
  const bin = dirname(node);
  const prefix = dirname(bin);
  // An installation is shown whole, for npm; a lone binary shows only its own directory, never a home directory.
  const whole = await access(join(prefix, 'lib/node_modules/npm')).then(
    () => basename(bin) === 'bin',
    () => false,
  );
  return { bind: whole ? prefix : bin, bin };
}
