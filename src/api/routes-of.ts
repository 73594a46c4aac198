/** What an instance of Fastify answers, as it is told: a test has an expectation for each. */
import type { FastifyInstance } from 'fastify';

/** Filled in as routes are added, `GET /api/v1/issues/:id`. To be called before the first is. */
export function routesOf(app: FastifyInstance): readonly string[] {
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') routes.push(`${one} ${url}`);
  });
  return routes;
}
