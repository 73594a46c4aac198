import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import Fastify from 'fastify';
import { createLogger } from '../lib/logger.js';
import { addAppPages } from './app-pages.js';
import { trustedProxies } from './client-address.js';

it.each([
  ['while workers with routes are started again', true, 503, '5'],
  ['where no app has routes', false, 404, undefined],
])('an address of nobody’s is answered, %s', async (_when, awaited, status, again) => {
  const app = Fastify();
  addAppPages(app, {
    socket: () => undefined,
    awaited: () => awaited,
    notTaken: 'x-not-taken',
    trustedProxies: trustedProxies([]),
    protocol: () => 'http',
    log: createLogger({ level: 'silent', format: 'json' }),
  });
  app.get('/ours', async () => 'ours');
  const answer = await app.inject({ method: 'GET', url: '/hook-of-an-app' });
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([status, again]);
  expect((await app.inject({ method: 'GET', url: '/ours' })).body).toBe('ours');
  await app.close();
});

it.each([
  [
    'a proxy that is trusted',
    ['127.0.0.0/8'],
    'http',
    { for: '198.51.100.7', proto: 'https', host: 'bot.example.com' },
  ],
  ['anybody', [], 'http', { for: '127.0.0.1', proto: 'http', host: null }],
  [
    'a proxy that nobody named, of a server that visitors reach by https',
    [],
    'https',
    { for: '127.0.0.1', proto: 'https', host: null },
  ],
] as const)('an app is told who asks, by the word of %s', async (_whom, ranges, protocol, expected) => {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-pages-'));
  const socket = join(folder, 'pages');
  const worker = createServer(({ headers }, response) => {
    const told = (name: string) => headers[`x-forwarded-${name}`] ?? null;
    const rest = { port: told('port'), real: headers['x-real-ip'] ?? null, forwarded: headers.forwarded ?? null };
    response.end(JSON.stringify({ for: told('for'), proto: told('proto'), host: told('host'), ...rest }));
  });
  await new Promise<void>((resolve) => worker.listen(socket, resolve));
  const app = Fastify();
  addAppPages(app, {
    socket: () => socket,
    notTaken: 'x-not-taken',
    trustedProxies: trustedProxies(ranges),
    protocol: () => protocol,
    log: createLogger({ level: 'silent', format: 'json' }),
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  try {
    const headers = {
      ...{
        'x-forwarded-for': '203.0.113.9, 198.51.100.7',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'bot.example.com',
      },
      ...{ 'x-forwarded-port': '444', 'x-real-ip': '203.0.113.9', forwarded: 'for=203.0.113.9' },
    };
    const answer = await fetch(`${url}/hook-of-an-app`, { headers });
    expect(await answer.json()).toEqual({ ...expected, port: null, real: null, forwarded: null });
  } finally {
    await app.close();
    worker.close();
    await rm(folder, { recursive: true, force: true });
  }
});
