import type { FastifyInstance } from 'fastify';

/** One thing that must hold for the server to do its work. */
export interface Check {
  name: string;
  ok: boolean;
  /** It holds, but not as it should: the server is ready all the same. */
  degraded?: boolean;
  /** For people; never a secret. */
  detail: string;
}

export interface HealthOptions {
  /** Everything that must be true to accept work; asked at each request, so it must be quick. */
  checks(): Promise<readonly Check[]>;
  /** Prometheus text of all processes. */
  metrics(): Promise<{ contentType: string; text: string }>;
}

/**
 * `/healthz`: the process answers. `/readyz`: it can also do its work (`degraded`: with something missing), else 503 with the
 * reasons.
 * `/metrics`: Prometheus text. None of them needs a sign-in, so none of them names repositories, people or addresses.
 */
export function addHealthRoutes(app: FastifyInstance, options: HealthOptions): void {
  app.get('/healthz', async () => ({ status: 'ok' }));

  app.get('/readyz', async (_request, reply) => {
    const checks = await options.checks();
    const ready = checks.every((check) => check.ok);
    const degraded = checks.some((check) => check.degraded === true);
    const status = !ready ? 'not ready' : degraded ? 'degraded' : 'ready';
    return reply.code(ready ? 200 : 503).send({ status, checks });
  });

  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await options.metrics();
    return reply.header('content-type', contentType).send(text);
  });
}
