/** A worker's listener for the HTTP routes of its apps: a socket that only this user can open, which the server hands on to. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppPages } from '../translate/app-pages.js';

/** Says so to the server, which answers for us. */
export const NOT_TAKEN = 'x-forgeway-not-taken';

export interface WorkerPages {
  socket: string;
  close(): Promise<void>;
}

export async function servePages(pages: AppPages): Promise<WorkerPages> {
  // Not in the data directory, whose path may be longer than that of a socket may be.
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-pages-'));
  const socket = join(folder, 'http');
  const server = createServer((request, response) => {
    void pages.handle(request, response).then((taken) => {
      if (!taken) response.writeHead(404, { [NOT_TAKEN]: '1' }).end();
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve));
  return {
    socket,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
