/**
 * Apps that were written for an older Probot, unchanged: each is given a Probot, contexts and an Octokit that also have what
 * theirs had. An app that leans on the packages which its Probot brought along needs its own Probot, see the facade.
 */
import type { ApplicationFunction, ApplicationFunctionOptions, Context, Probot } from 'probot';
import { asLegacyContext } from './legacy-context.js';
import { callableLog } from './legacy-log.js';
import { asLegacyOctokit } from './legacy-octokit.js';
import type { LegacyRouters } from './legacy-routes.js';
import { had, type LegacyLevel } from './level.js';

type Handler = (context: Context) => unknown;

/** Listening to everything, and to what listeners throw, was done by name. */
const EVERYTHING = '*';
const ERRORS = 'error';

function legacyProbot(app: Probot, level: LegacyLevel, { router: routerBelow }: LegacyRouters): Probot {
  const wrapped = (handler: Handler) => (context: Context) => handler(asLegacyContext(context, level));
  const router = (prefix = '') => routerBelow(prefix);

  const on = (names: string | readonly string[], handler: Handler) => {
    for (const name of typeof names === 'string' ? [names] : names) {
      if (name === EVERYTHING) app.onAny(wrapped(handler) as never);
      else if (name === ERRORS) app.onError(handler as never);
      else app.on(name as never, wrapped(handler) as never);
    }
    return proxy;
  };
  const own: Readonly<Record<string, () => unknown>> = {
    on: () => on,
    onAny: () => (handler: Handler) => app.onAny(wrapped(handler) as never),
    auth: () => async (installationId?: number) => asLegacyOctokit(await app.auth(installationId), level),
    ...(had(level, 'v12') && {
      log: () => callableLog(app.log, level),
      // Probot 10 called apps with both in one object.
      app: () => proxy,
      getRouter: () => router,
      load: () => (other: ApplicationFunction, more: ApplicationFunctionOptions) =>
        other(proxy, { ...more, getRouter: router }),
    }),
    ...(had(level, 'v9') && {
      route: () => router,
      router: () => router(),
      receive: () => async (event: { event?: string; name?: string; id?: string; payload: object }) =>
        app.receive({ id: event.id ?? '', name: event.name ?? event.event, payload: event.payload } as never),
    }),
  };
  const proxy: Probot = new Proxy(app, {
    get(target, property) {
      if (typeof property === 'string' && Object.hasOwn(own, property)) return own[property]?.();
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return proxy;
}

/** The app as Probot loads it now. */
export function asLegacyApp(load: ApplicationFunction, level: LegacyLevel): ApplicationFunction {
  return async (app, options) => {
    // Only apps that are this old need Express.
    const { createLegacyRouters } = await import('./legacy-routes.js');
    const routers = createLegacyRouters(options.addHandler);
    await load(legacyProbot(app, level, routers), {
      ...options,
      getRouter: (prefix = '') => routers.router(String(prefix)),
    });
  };
}
