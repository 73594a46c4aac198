/** A facade for a Probot that speaks to a GitHub Enterprise by `https` alone. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { openFacade, saveFacade } from '../../src/entry/facade-files.js';
import { listenOnLoopback } from '../../src/entry/facade-listener.js';

const dataDir = mkdtempSync(join(tmpdir(), 'forgeway-facade-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const settings = { name: 'old', port: 3100, appUrl: 'http://127.0.0.1:3000/', https: true };

it('keeps its certificate, to which what it prints belongs, and serves with it', async () => {
  const made = saveFacade(dataDir, settings);
  expect(made.origin).toBe('https://127.0.0.1:3100');
  expect(saveFacade(dataDir, { ...settings, port: 3101 }).tls).toEqual(made.tls);
  expect(openFacade(dataDir, 'old').tls).toEqual(made.tls);
  expect(statSync(join(dataDir, 'facades', 'old.crt.key')).mode % 0o1000).toBe(0o600);

  const paths: string[] = [];
  const answer = async ({ path }: { path: string }) => {
    paths.push(path);
    return Response.json({ ok: true });
  };
  const unforeseen: unknown[] = [];
  const listener = await listenOnLoopback(answer, 0, (error) => unforeseen.push(error), made.tls);
  try {
    const status = await new Promise((resolve, reject) => {
      request(`https://127.0.0.1:${listener.port}/api/v3/app`, { ca: made.tls?.certificate }, (response) =>
        response.resume().once('end', () => resolve(response.statusCode)),
      )
        .once('error', reject)
        .end();
    });
    expect([status, paths, unforeseen]).toEqual([200, ['/api/v3/app'], []]);
  } finally {
    await listener.close();
  }
});

it('is plain when nobody asked for more, as one that was saved before', () => {
  const plain = saveFacade(dataDir, { ...settings, name: 'plain', https: false });
  expect(plain.origin).toBe('http://127.0.0.1:3100');
  expect(plain.tls).toBeUndefined();
});
