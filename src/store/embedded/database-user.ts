/** PostgreSQL refuses to run as root, so root runs it as a system user of its own. */
import { lstat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { type DatabaseUser, runCommand } from './run-command.js';

const NAME = 'forgeway-postgres';
const CREATE = [
  '--system',
  '--user-group',
  '--no-create-home',
  '--home-dir',
  '/nonexistent',
  '--shell',
  '/usr/sbin/nologin',
  NAME,
];
/** Another process may hold the lock on /etc/passwd, perhaps to create the same user. */
const ATTEMPTS = 40;
const PAUSE_MS = 250;

/**
 * The user to run PostgreSQL as: undefined (this process's own) unless that is root.
 * @param home the cluster's directory; the owner of one that exists already stays its user
 * @throws ForgewayError FORGEWAY_DATABASE_UNAVAILABLE when the user is missing and cannot be created
 */
export async function databaseUserFor(home: string): Promise<DatabaseUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await lstat(home).catch(() => null);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return (await lookUp()) ?? (await create());
}

/** Whether the user can enter a directory, asked of the kernel, which also knows about access lists. */
export async function canEnter(directory: string, user: DatabaseUser | undefined): Promise<boolean> {
  return (await runCommand('test', ['-x', directory], user)).code === 0;
}

async function lookUp(): Promise<DatabaseUser | null> {
  const user = await runCommand('id', ['-u', NAME]);
  const group = await runCommand('id', ['-g', NAME]);
  if (user.code !== 0 || group.code !== 0) return null;
  return { uid: Number(user.output), gid: Number(group.output) };
}

async function create(): Promise<DatabaseUser> {
  let reason = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const { code, output } = await runCommand('useradd', CREATE);
      const created = await lookUp();
      if (created) return created;
      reason = output.trim() || `useradd ended with code ${code}`;
    } catch (error) {
      reason = messageOf(error);
      break;
    }
    if (!/lock|try again/i.test(reason)) break;
    await sleep(PAUSE_MS);
  }
  throw new ForgewayError(
    'FORGEWAY_DATABASE_UNAVAILABLE',
    `PostgreSQL cannot run as root and its system user could not be created (${reason}). ` +
      `Create it with \`useradd ${CREATE.join(' ')}\`, or start Forgeway as an ordinary user, or set DATABASE_URL.`,
  );
}
