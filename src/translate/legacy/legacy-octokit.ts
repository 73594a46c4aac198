/** An Octokit that also answers to what older versions of it were called by. */
import type { ForgeOctokit } from '../forge-octokit.js';
import { getPage, hasPage, legacyPaginate } from './legacy-paginate.js';
import { had, type LegacyLevel } from './level.js';
import { methods, namespaces } from './method-names.js';
import { currentParameters, type Parameters } from './parameter-names.js';

interface Endpoint {
  (parameters?: Parameters): unknown;
  DEFAULTS: { url: string };
  merge(parameters?: Parameters): unknown;
}
type Method = ((parameters?: Parameters) => Promise<unknown>) & { endpoint: Endpoint };
type Namespace = Readonly<Record<string, Method | undefined>>;

/** Old code tells errors apart by `code`, which was the status. */
function withCode(error: unknown): unknown {
  if (error instanceof Error && 'status' in error && !('code' in error))
    Object.defineProperty(error, 'code', { value: error.status, enumerable: false });
  return error;
}

const failing = async (answer: Promise<unknown>): Promise<unknown> =>
  answer.catch((error: unknown) => {
    throw withCode(error);
  });

/** A method whose parameters are renamed on their way in, in its `endpoint` too, since `paginate` asks that. */
function renaming(method: Method, oldName: string): Method {
  const translate = (args: unknown[]): [Parameters?] => {
    const [given] = args;
    return typeof given === 'object' && given !== null
      ? [currentParameters(method.endpoint.DEFAULTS.url, oldName, given as Parameters)]
      : [];
  };
  const endpoint = new Proxy(method.endpoint, {
    apply: (target, _self, args: unknown[]) => target(...translate(args)),
    get: (target, property) =>
      property === 'merge' ? (...args: unknown[]) => target.merge(...translate(args)) : Reflect.get(target, property),
  });
  return new Proxy(method, {
    apply: (target, _self, args: unknown[]) => failing(target(...translate(args))),
    get: (target, property) => (property === 'endpoint' ? endpoint : Reflect.get(target, property)),
  });
}

function legacyNamespace(name: string, namespace: Namespace): Namespace {
  return new Proxy(namespace, {
    get(target, property) {
      if (typeof property === 'symbol') return Reflect.get(target, property);
      const method = target[property] ?? target[methods[name]?.[property] ?? ''];
      return typeof method === 'function' ? renaming(method, `${name}.${property}`) : method;
    },
  });
}

/** One method each of what was moved out of `misc`. */
const misc = (rest: Readonly<Record<string, Namespace>>): Namespace => ({
  getRateLimit: rest.rateLimit?.get,
  renderMarkdown: rest.markdown?.render,
  getEmojis: rest.emojis?.get,
});

/** `octokit.issues.createComment` and, for the oldest apps, the names and parameters of their time. */
export function asLegacyOctokit(octokit: ForgeOctokit, level: LegacyLevel): ForgeOctokit {
  const rest = octokit.rest as unknown as Readonly<Record<string, Namespace>>;
  const renames = had(level, 'v9');
  const own: Readonly<Record<string, () => unknown>> = renames
    ? {
        paginate: () => legacyPaginate(octokit),
        query: () => octokit.graphql,
        authenticate: () => () => undefined,
        misc: () => misc(rest),
        hasNextPage: () => hasPage('next'),
        hasPreviousPage: () => hasPage('prev'),
        getNextPage: () => getPage(octokit, 'next'),
        getPreviousPage: () => getPage(octokit, 'prev'),
      }
    : {};
  const namespaceAt = (property: string): Namespace | undefined => {
    const name = renames ? (namespaces[property] ?? property) : property;
    const namespace = Object.hasOwn(rest, name) ? rest[name] : undefined;
    return namespace && renames ? legacyNamespace(name, namespace) : namespace;
  };
  return new Proxy(octokit, {
    get(target, property) {
      if (typeof property === 'symbol') return Reflect.get(target, property);
      if (Object.hasOwn(own, property)) return own[property]?.();
      // What Octokit has itself is not hidden by a namespace of the same name.
      const present: unknown = Reflect.get(target, property);
      return present ?? namespaceAt(property);
    },
  });
}
