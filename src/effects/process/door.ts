/**
 * A door into a sandbox that has a network of its own: a socket in a directory of ours, whose other side is inherited by
 * a relay within. The sandbox never sees the file, so it cannot put something else in its place.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';

/** Of <fcntl.h> on Linux; node has no name for it. */
const O_PATH = 0o10000000;

/**
 * Listens on a socket in a directory whose path may be longer than the 107 bytes that a socket's address holds.
 * @returns what takes the directory's descriptor back once the server is closed
 */
export async function listenInDirectory(server: Server, path: string): Promise<() => Promise<void>> {
  await rm(path, { force: true });
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(join('/proc/self/fd', String(directory.fd), basename(draft)), resolve);
  });
  // A server removes the file it made when it is closed: under its last name the file is ours to remove.
  await rename(draft, path);
  return () => directory.close();
}

export interface Door {
  /** Descriptor of the listening socket, for a child to inherit. */
  descriptor: number;
  /** Closes our side; a child that inherited it goes on. */
  close(): Promise<void>;
}

/** Makes the socket; connections wait in it until somebody who inherited it accepts them. */
export async function openDoor(path: string): Promise<Door> {
  const server = createServer();
  const closeDirectory = await listenInDirectory(server, path);
  // Node hands a listening socket only to a child that speaks its own protocol, and ours is a shell.
  const handle: unknown = Reflect.get(server, '_handle');
  const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  const close = async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await closeDirectory();
  };
  if (typeof descriptor === 'number' && descriptor > 2) return { descriptor, close };
  await close();
  throw new Error('this version of node does not tell the descriptor of a socket');
}

/** Where nothing can be; errors name it. */
const NO_DOOR = '/proc/self/fd/there-is-no-door';

/** Begins to connect through a door. The socket tells how it went, also that there is no door. */
export function connectThroughDoor(path: string): Socket {
  let descriptor: number;
  try {
    descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch {
    // A socket that has failed already says so before anybody listens, and ends the process; this one fails as others do.
    return connect({ path: NO_DOOR });
  }
  try {
    // The kernel connects to a path while the call lasts; only the event comes later.
    return connect({ path: join('/proc/self/fd', String(descriptor)) });
  } finally {
    closeSync(descriptor);
  }
}
