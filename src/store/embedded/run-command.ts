/** Runs one short command to its end, from an argument list and with an environment of our own. */
import { spawn } from 'node:child_process';

/** The system user that PostgreSQL runs as; undefined means the user of this process. */
export interface DatabaseUser {
  uid: number;
  gid: number;
}

export interface CommandResult {
  /** Null when a signal ended it. */
  code: number | null;
  /** Standard output and standard error, in order of arrival. */
  output: string;
}

/** Nothing of our own environment reaches the database's processes: it holds secrets. */
export const COMMAND_ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Rejects only when the command cannot be started at all; a failing command is a result with its code. */
export function runCommand(command: string, args: readonly string[], user?: DatabaseUser): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...user,
      cwd: '/',
      env: COMMAND_ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output: Buffer.concat(chunks).toString('utf8') }));
  });
}

/** Deletes as the database's user: root would follow a link that this user swaps in half way. Never rejects. */
export async function removeTree(path: string, user: DatabaseUser | undefined): Promise<void> {
  await runCommand('rm', ['-rf', '--', path], user).catch(() => undefined);
}
