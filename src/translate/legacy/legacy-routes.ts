/** Routers that older apps add HTTP routes to. They are noted and told, and not served: handlers run in workers, which have no listener. */

/** Whatever an Express router has that adds a route or a middleware. */
const ADDING: ReadonlySet<string> = new Set(['all', 'delete', 'get', 'head', 'options', 'patch', 'post', 'put', 'use']);

/** A router that takes everything an Express one would, and reports each route as `GET /path`. */
export function unservedRouter(prefix: string, report: (route: string) => void): unknown {
  const router: unknown = new Proxy(() => undefined, {
    get(_target, property) {
      if (typeof property === 'symbol' || property === 'then') return undefined;
      if (property === 'route') return (path: unknown) => unservedRouter(`${prefix}${String(path)}`, report);
      return (...args: readonly unknown[]) => {
        const [path] = args;
        if (ADDING.has(property)) report(`${property.toUpperCase()} ${prefix}${typeof path === 'string' ? path : ''}`);
        return router;
      };
    },
  });
  return router;
}
