/** What a request to an API server asks for, read from its address, and how a failure that a test orders is answered. */
import type { ServerResponse } from 'node:http';
import { type Asked, type Failure, failures, type Verb } from './faults.js';
import { type Fields, type Resource, resources, StatusError } from './objects.js';

export interface Address {
  resource: Resource;
  namespace: string | undefined;
  name: string | undefined;
  sub: string | undefined;
  rest: string;
}

const PATH =
  /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))\/(?:namespaces\/([^/]+)\/)?([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+)(\/.*)?)?$/;

/** Undefined: it is of no kind that we know. */
export function addressOf(path: string): Address | undefined {
  const match = PATH.exec(path);
  if (match === null) return undefined;
  const [, core, group = '', version = core ?? '', namespace, plural = '', name, sub, rest = ''] = match;
  // `/api/v1/namespaces/x` names a namespace, and not a kind within it.
  const own = namespace === undefined ? undefined : decodeURIComponent(namespace);
  const at = core === undefined ? group : '';
  const resource = resources.find((one) => one.group === at && one.version === version && one.plural === plural);
  if (resource === undefined) return undefined;
  return { resource, namespace: own, name: name && decodeURIComponent(name), sub, rest };
}

export function verbOf(method: string, address: Address, query: URLSearchParams, contentType: string): Verb {
  if (address.sub === 'log') return 'log';
  if (method === 'GET') {
    if (query.get('watch') === 'true' || query.get('watch') === '1') return 'watch';
    return address.name === undefined ? 'list' : 'get';
  }
  if (method === 'PATCH') return contentType.includes('apply-patch') ? 'apply' : 'patch';
  return ({ POST: 'create', PUT: 'update', DELETE: 'delete' } as const)[method as 'POST'] ?? 'get';
}

export const askedOf = (verb: Verb, { resource, namespace, name }: Address, query: URLSearchParams): Asked => ({
  ...{ verb, kind: resource.kind, namespace, name },
  manager: query.get('fieldManager') ?? undefined,
  isNextPage: query.has('continue'),
});

export function send(response: ServerResponse, status: number, body: object): void {
  const seconds = (body as { details?: { retryAfterSeconds?: number } }).details?.retryAfterSeconds;
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(seconds !== undefined && { 'retry-after': String(seconds) }),
  });
  response.end(JSON.stringify(body));
}

/** True: there is nothing more to do. */
export function answeredBy(failure: Failure, response: ServerResponse): boolean {
  if (failure instanceof StatusError) {
    send(response, failure.code, failure.toStatus());
    return true;
  }
  if (failure === 'reset' || failure === 'refused') response.socket?.resetAndDestroy();
  if (failure === 'html')
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>a proxy says hello</html>');
  if (failure === 'truncated') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"kind":');
    response.socket?.destroySoon();
  }
  if (failure === 'forgotten') {
    const object = failures.expired().toStatus();
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
  }
  if (failure === 'deaf') response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  return failure !== 'lost';
}

/** A kubeconfig for a server of this machine. */
export const kubeconfigFor = (url: string, token = 'any-token'): string =>
  JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [{ name: 'test', cluster: { server: url } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  } satisfies Fields);
