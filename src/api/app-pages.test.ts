import { expect, it } from '@jest/globals';
import Fastify from 'fastify';
import { createLogger } from '../lib/logger.js';
import { addAppPages } from './app-pages.js';

it.each([
  ['while workers with routes are started again', true, 503, '5'],
  ['where no app has routes', false, 404, undefined],
])('an address of nobody’s is answered, %s', async (_when, awaited, status, again) => {
  const app = Fastify();
  addAppPages(app, {
    socket: () => undefined,
    awaited: () => awaited,
    notTaken: 'x-not-taken',
    log: createLogger({ level: 'silent', format: 'json' }),
  });
  app.get('/ours', async () => 'ours');
  const answer = await app.inject({ method: 'GET', url: '/hook-of-an-app' });
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([status, again]);
  expect((await app.inject({ method: 'GET', url: '/ours' })).body).toBe('ours');
  await app.close();
});
