import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { originOf, upstreamAgent } from './upstream.js';

describe('a request through a door', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-door-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const ask = (door: string) =>
    new Promise((resolve) => {
      get(originOf({ door }), { agent: upstreamAgent }, (response) => {
        response.setEncoding('utf8').on('data', resolve);
      }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });

  // A process that heard of it too late would end.
  it('that is not there fails for whoever asked, and for nobody else', async () => {
    expect(await ask(join(folder, 'door'))).toBe('ENOENT');
    expect(await ask(join(folder, 'nowhere', 'door'))).toBe('ENOENT');
  });

  it('is not led elsewhere by a link', async () => {
    const server = createServer((_, response) => response.end('hello'));
    const door = join(folder, 'door');
    await new Promise<void>((resolve) => server.listen(door, resolve));
    await symlink(door, join(folder, 'link'));
    try {
      expect(await ask(door)).toBe('hello');
      expect(await ask(join(folder, 'link'))).not.toBe('hello');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
