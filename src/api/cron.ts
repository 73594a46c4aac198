/** For schedulers outside, such as a cron job or a serverless platform's timer. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';

export interface CronOptions {
  /** Undefined: there is no such address. */
  secret: string | undefined;
  /** Has every polled repository looked at soon; answers how many there are. */
  askForCycle(): Promise<number>;
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** `GET` and `POST /api/cron/git-sync`, with `Authorization: Bearer` and the secret. */
export function addCronRoutes(app: FastifyInstance, { secret, askForCycle }: CronOptions): void {
  if (secret === undefined) return;
  const wanted = hashOf(`Bearer ${secret}`);
  app.route({
    method: ['GET', 'POST'],
    url: '/api/cron/git-sync',
    async handler(request, reply) {
      // Hashes have one length, so that the comparison takes the same time whatever was sent.
      if (!timingSafeEqual(hashOf(request.headers.authorization ?? ''), wanted))
        return reply.code(401).send({ error: { code: 'UNAUTHORIZED', message: 'The secret is missing or wrong.' } });
      return reply.code(202).send({ queued: { repositories: await askForCycle() } });
    },
  });
}
