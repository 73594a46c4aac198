import { afterEach, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { addCronRoutes } from './cron.js';

const SECRET = 'a-secret-of-some-length';
let app: FastifyInstance;
afterEach(() => app.close());

function start(secret: string | undefined) {
  const asked: number[] = [];
  app = fastify();
  addCronRoutes(app, { secret, askForCycle: async () => asked.push(1) + 6 });
  return asked;
}

describe('/api/cron/git-sync', () => {
  it.each(['GET', 'POST'] as const)('has a cycle run for a %s with the secret', async (method) => {
    const asked = start(SECRET);
    const headers = { authorization: `Bearer ${SECRET}` };
    const answer = await app.inject({ method, url: '/api/cron/git-sync', headers });
    expect([answer.statusCode, answer.json()]).toEqual([202, { queued: { repositories: 7 } }]);
    expect(asked).toHaveLength(1);
  });

  it.each([undefined, '', 'Bearer ', `Bearer ${SECRET}x`, `Bearer ${SECRET.slice(1)}`, `Basic ${SECRET}`, SECRET])(
    'refuses %j with the same answer and does nothing',
    async (authorization) => {
      const asked = start(SECRET);
      const answer = await app.inject({
        url: '/api/cron/git-sync',
        headers: { ...(authorization !== undefined && { authorization }) },
      });
      expect([answer.statusCode, answer.body, asked]).toEqual([
        401,
        '{"error":{"code":"UNAUTHORIZED","message":"The secret is missing or wrong."}}',
        [],
      ]);
    },
  );

  it('is not there without a secret', async () => {
    start(undefined);
    const answer = await app.inject({ url: '/api/cron/git-sync', headers: { authorization: 'Bearer undefined' } });
    expect(answer.statusCode).toBe(404);
  });
});
