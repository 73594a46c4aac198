/** Routers that older apps add HTTP routes to: Express 4's, which their Probot gave them. */
import express, { type Express, type Router } from 'express';
import type { PageHandler } from '../app-pages.js';

export interface LegacyRouters {
  /** A router whose routes are served below `prefix`. */
  router(prefix: string): Router;
}

/** `serve` is told how the routers answer, when there is one. A request that no route takes is left to others. */
export function createLegacyRouters(serve: (handler: PageHandler) => void): LegacyRouters {
  let app: Express | undefined;
  const begin = (): Express => {
    const made = express();
    made.disable('x-powered-by');
    // Requests come from our own server alone, which writes who asked: `req.ip` and `req.protocol` are the visitor's.
    made.set('trust proxy', true);
    serve(
      (request, response) =>
        new Promise<boolean>((resolve, reject) => {
          response.once('close', () => resolve(true));
          // Express calls back when nobody answered, or with what a route threw.
          const done = (error?: unknown) => (error === undefined ? resolve(false) : reject(error));
          made(request as Parameters<Express>[0], response as Parameters<Express>[1], done);
        }),
    );
    return made;
  };
  return {
    router(prefix) {
      app ??= begin();
      const router = express.Router();
      app.use(prefix === '' ? '/' : prefix, router);
      return router;
    },
  };
}
