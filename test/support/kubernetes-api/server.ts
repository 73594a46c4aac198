/**
 * A Kubernetes API server in memory, over real HTTP, for tests: what our port asks of it, as the published API says it. What
 * was compared with a real client and what with a real server stands in README.md.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1ValidatingAdmissionPolicy } from '@kubernetes/client-node';
import { type AdmissionRequest, refusal, refuse } from './admission-policy.js';
import { type Address, addressOf, answeredBy, askedOf, kubeconfigFor, send, verbOf } from './asking.js';
import { Controllers } from './controllers.js';
import { discovery } from './discovery.js';
import { type Asked, Faults, type Verb } from './faults.js';
import { mergePatched, updated } from './fields.js';
import { Kubelet } from './kubelet.js';
import { type ApiObject, conflict, groupVersionOf, invalid, notFound, resourceOf, StatusError } from './objects.js';
import type { Fate, PodOrder } from './pod-life.js';
import { type PodPorts, servePortForward } from './port-forward.js';
import { type AccessAsked, forbidden, isAllowed, type PolicyRule } from './rbac.js';
import { fieldMatcher, labelMatcher } from './selectors.js';
import { ClusterStore } from './store.js';
import { validate } from './validation.js';
import { serveWatch } from './watching.js';

export interface KubernetesApiOptions {
  /** Before every answer. */
  latencyMs?: number;
  /** Only this bearer token is let in. */
  token?: string;
  /** What whoever asks may do, in every namespace; default: everything. */
  rules?: readonly PolicyRule[];
  policy?: V1ValidatingAdmissionPolicy;
  /** As `v1.20.2`; default: a new one. */
  version?: string;
  /** Fields that it is too old for, as `Job.spec.podFailurePolicy`. */
  lacks?: readonly string[];
  /** Default: jobs succeed, everything else runs. */
  fate?: (order: PodOrder) => Fate;
  log?: (order: PodOrder) => string;
  port?: number;
}

export interface KubernetesApi {
  url: string;
  store: ClusterStore;
  controllers: Controllers;
  faults: Faults;
  /** Runs pods of jobs when it is given to the controllers; see `runProcesses`. */
  kubelet: Kubelet;
  runProcesses(): void;
  asked: Asked[];
  /** What is refused of whatever whoever asks would write, as the account `forgeway` of the namespace `forgeway`; default: nothing. */
  policy: V1ValidatingAdmissionPolicy | undefined;
  /** How pods fare from now on. */
  setFate(fate: (order: PodOrder) => Fate): void;
  /** What a review of access answers; by default everything but to read Secrets, as our role has it. */
  mayDo(asked: AccessAsked): boolean;
  /** Which port of this machine stands in for one of a pod. */
  podPort: PodPorts;
  /** What answers behind the service proxy, by `namespace/service:port`. */
  backends: Map<string, (request: IncomingMessage, response: ServerResponse) => void>;
  /** While true no connection is answered. */
  down: boolean;
  latencyMs: number;
  kubeconfig: string;
  /** Ends the watches that are open, as a server does that restarts. */
  endWatches(): void;
  close(): Promise<void>;
}

function continued(token: string): { version: number; at: number } {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw new StatusError(400, 'BadRequest', 'invalid continue token: continue key is not valid');
  }
}

export async function startKubernetesApi(options: KubernetesApiOptions = {}): Promise<KubernetesApi> {
  const store = new ClusterStore();
  store.lacks = options.lacks ?? [];
  const given = {
    fate: options.fate ?? (({ owner }: PodOrder): Fate => (owner.kind === 'Job' ? 'succeeds' : 'runs')),
    log: options.log ?? (({ owner }: PodOrder) => `hello from ${owner.name}\n`),
  };
  const controllers = new Controllers(store, { fate: (order) => given.fate(order), log: (order) => given.log(order) });
  const faults = new Faults();
  const watches = new Set<ServerResponse>();
  /** Whether what is written now comes from whoever asks, and not from a controller or from a test. All of a write is one turn. */
  let isAsking = false;
  const asking = <T>(write: () => T): T => {
    isAsking = true;
    try {
      return write();
    } finally {
      isAsking = false;
    }
  };
  const asWho = (namespace: string | undefined): Pick<AdmissionRequest, 'user' | 'namespace' | 'namespaceObject'> => ({
    user: 'system:serviceaccount:forgeway:forgeway',
    ...(namespace !== undefined && { namespace }),
    namespaceObject: (namespace !== undefined && store.get('Namespace', undefined, namespace)) || null,
  });
  store.admissions.push((verb, object, _store, before) => {
    if (!isAsking || api.policy === undefined) return;
    const { group, version, plural, kind } = resourceOf(object.kind);
    const isGone = verb === 'delete';
    refuse(api.policy, {
      ...asWho(object.metadata.namespace),
      ...{ operation: ({ create: 'CREATE', update: 'UPDATE', delete: 'DELETE' } as const)[verb] },
      ...{ resource: { group, version, resource: plural }, kind: { group, version, kind }, name: object.metadata.name },
      ...{ object: isGone ? null : object, oldObject: isGone ? object : (before ?? null) },
    });
  });

  function list({ resource, namespace }: Address, query: URLSearchParams): object {
    const labels = labelMatcher(query.get('labelSelector'));
    const fields = fieldMatcher(query.get('fieldSelector'));
    const all = store.list(resource.kind, namespace).filter((object) => labels(object) && fields(object));
    const limit = Number(query.get('limit') ?? 0);
    const token = query.get('continue');
    const from = token === null || token === '' ? { version: store.version, at: 0 } : continued(token);
    if (from.version < store.compacted)
      throw new StatusError(
        410,
        'Expired',
        'The provided continue parameter is too old to display a consistent list result.',
      );
    const page = limit > 0 ? all.slice(from.at, from.at + limit) : all;
    const at = from.at + page.length;
    const left = all.length - at;
    return {
      ...{ kind: `${resource.kind}List`, apiVersion: groupVersionOf(resource) },
      metadata: {
        resourceVersion: String(from.version),
        ...(left > 0 && {
          continue: Buffer.from(JSON.stringify({ version: from.version, at })).toString('base64url'),
          remainingItemCount: left,
        }),
      },
      items: page,
    };
  }

  /** Lines with the time at which they were first there; a line keeps its time. */
  const times = new Map<string, string[]>();
  function timed(key: string, whole: string): { at: string; line: string }[] {
    const lines = whole === '' ? [] : whole.replace(/\n$/, '').split('\n');
    const known = times.get(key) ?? [];
    const now = `${new Date().toISOString().slice(0, -1)}000000Z`;
    times.set(key, [...known, ...lines.slice(known.length).map(() => now)]);
    return lines.map((line, index) => ({ at: times.get(key)?.[index] ?? now, line }));
  }

  async function readLog(
    { namespace = '', name = '' }: Address,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    const pod = store.get('Pod', namespace, name);
    if (pod === undefined) throw notFound(resourceOf('Pod'), name);
    const ofContainer = `${namespace}/${name}/${query.get('container') ?? ''}`;
    const key = controllers.logs.has(ofContainer) ? ofContainer : `${namespace}/${name}`;
    const printed = api.kubelet.lines.get(ofContainer);
    if (printed !== undefined) {
      const since = Date.parse(query.get('sinceTime') ?? '1970-01-01T00:00:00Z');
      const text = printed
        .filter(({ time }) => Date.parse(time) >= since)
        .map((line) => `${query.get('timestamps') === 'true' ? `${line.time} ` : ''}${line.text}\n`)
        .join('');
      const most = Number(query.get('limitBytes') ?? Number.POSITIVE_INFINITY);
      return void response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.from(text).subarray(0, most));
    }
    const spec = pod.spec as { containers?: { name: string }[] };
    if (!controllers.logs.has(key))
      throw new StatusError(
        400,
        'BadRequest',
        `container "${query.get('container') ?? spec.containers?.[0]?.name}" in pod "${name}" is waiting to start: trying and failing to pull image`,
      );
    const tail = query.get('tailLines');
    const whole = controllers.logs.get(key) ?? '';
    const from = query.get('sinceTime');
    const since = from === null ? undefined : Math.floor(Date.parse(from) / 1_000) * 1_000;
    const lines = timed(key, whole).filter(({ at }) => since === undefined || Date.parse(at) >= since);
    const shown = (tail === null ? lines : lines.slice(-Number(tail))).map(({ at, line }) =>
      query.get('timestamps') === 'true' ? `${at} ${line}` : line,
    );
    response.writeHead(200, { 'content-type': 'text/plain' });
    if (shown.length === 0 && query.get('follow') !== 'true') return void response.end();
    const most = Number(query.get('limitBytes') ?? Number.POSITIVE_INFINITY);
    response.write(`${shown.join('\n')}\n`.slice(0, most));
    if (query.get('follow') !== 'true') return void response.end();
    let told = whole.length;
    while (!request.destroyed && !response.destroyed) {
      const now = controllers.logs.get(key) ?? '';
      if (now.length > told) response.write(now.slice(told));
      told = now.length;
      const phase = store.get('Pod', namespace, name)?.status?.phase;
      if (phase === undefined || phase === 'Succeeded' || phase === 'Failed') break;
      await sleep(20);
    }
    response.end();
  }

  function write(
    verb: Verb,
    address: Address,
    query: URLSearchParams,
    body: ApiObject | undefined,
    agent: string,
  ): { status: number; body: object } {
    const { resource, namespace, name } = address;
    const manager = query.get('fieldManager') ?? agent;
    if (verb === 'create' && body !== undefined)
      return { status: 201, body: store.create(resource, namespace, body, manager) };
    if (name === undefined)
      throw new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource');
    if (verb === 'apply' && body !== undefined) {
      if (query.get('fieldManager') === null)
        throw invalid('PatchOptions.meta.k8s.io ""', [
          {
            ...{ reason: 'FieldValueRequired', field: 'fieldManager' },
            message: 'Required value: is required for apply patch',
          },
        ]);
      const { object, created } = store.apply(resource, namespace, name, body, {
        manager,
        force: query.get('force') === 'true',
      });
      return { status: created ? 201 : 200, body: object };
    }
    const live = store.get(resource.kind, namespace, name);
    if (address.sub === 'status') {
      if (live === undefined) throw notFound(resource, name);
      store.change(resource.kind, namespace, name, (object) => {
        object.status = mergePatched(object.status, body?.status) as ApiObject['status'];
      });
      return { status: 200, body: store.get(resource.kind, namespace, name) ?? live };
    }
    if (verb === 'delete') {
      const o = (body ?? {}) as {
        preconditions?: { uid?: string; resourceVersion?: string };
        propagationPolicy?: string;
      };
      const gone = store.delete(resource, namespace, name, {
        ...o.preconditions,
        propagation: o.propagationPolicy ?? query.get('propagationPolicy') ?? undefined,
      });
      return { status: 200, body: gone };
    }
    if (live === undefined || body === undefined) throw notFound(resource, name);
    const object = verb === 'patch' ? (mergePatched(live, body) as ApiObject) : structuredClone(body);
    if (
      verb === 'update' &&
      body.metadata.resourceVersion !== undefined &&
      body.metadata.resourceVersion !== live.metadata.resourceVersion
    )
      throw conflict(
        resource,
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      );
    object.metadata = { ...object.metadata, uid: live.metadata.uid, managedFields: live.metadata.managedFields };
    updated(live, object, { manager, now: new Date().toISOString().replace(/\.\d+Z$/, 'Z') });
    return { status: 200, body: store.replace(object) };
  }

  /** As RBAC does; what is applied and not there yet is created, and needs that right, too. */
  function authorize(verb: Verb, { resource, namespace, name, sub }: Address, isStranger: boolean): void {
    const rules = isStranger ? [] : options.rules;
    if (rules === undefined) return;
    const isThere = name !== undefined && store.get(resource.kind, namespace, name) !== undefined;
    const verbs = verb === 'log' ? ['get'] : verb === 'apply' ? (isThere ? ['patch'] : ['patch', 'create']) : [verb];
    for (const one of verbs) {
      const asked = { verb: one, group: resource.group, resource: resource.plural, subresource: sub };
      // Of a namespace its own name is where it is.
      if (!isAllowed(rules, asked)) throw forbidden(asked, resource.kind === 'Namespace' ? name : namespace, name);
    }
  }

  function proxy(
    { namespace = '', name = '', rest }: Address,
    request: IncomingMessage,
    response: ServerResponse,
    search: string,
  ) {
    const backend = api.backends.get(`${namespace}/${name.replace(/^https?:/, '')}`);
    if (backend === undefined)
      throw new StatusError(503, 'ServiceUnavailable', `no endpoints available for service "${name}"`);
    request.url = `${rest === '' ? '/' : rest}${search}`;
    backend(request, response);
  }

  async function bodyOf(request: IncomingMessage): Promise<ApiObject | undefined> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    if (text === '') return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw new StatusError(400, 'BadRequest', 'the object provided is unrecognized: this server reads JSON');
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (api.down) return void request.socket.resetAndDestroy();
    if (api.latencyMs > 0) await sleep(api.latencyMs);
    const { pathname, searchParams: query, search } = new URL(request.url ?? '/', 'http://api.invalid');
    const bearer = request.headers.authorization ?? '';
    if (options.token !== undefined && bearer !== `Bearer ${options.token}`)
      throw new StatusError(401, 'Unauthorized', 'Unauthorized');
    // Whoever takes another's name is somebody who may do nothing: nobody else is known here.
    const isStranger = request.headers['impersonate-user'] !== undefined;
    const known = discovery(pathname, options.version);
    if (known !== undefined) return send(response, 200, known);
    if (pathname === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') {
      const review = (await bodyOf(request)) as unknown as { spec: { resourceAttributes: AccessAsked } };
      return send(response, 201, {
        ...review,
        status: { allowed: !isStranger && api.mayDo(review.spec.resourceAttributes) },
      });
    }
    const address = addressOf(pathname);
    if (address === undefined)
      return void response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
    const isStatus = address.sub === 'status' && request.method === 'PATCH';
    if (address.sub !== undefined && address.sub !== 'proxy' && address.sub !== 'log' && !isStatus)
      throw new StatusError(404, 'NotFound', 'the server could not find the requested resource');
    if (address.sub === 'proxy') return proxy(address, request, response, search);
    const contentType = request.headers['content-type'] ?? '';
    const verb = verbOf(request.method ?? 'GET', address, query, contentType);
    authorize(verb, address, isStranger);
    const body = request.method === 'GET' ? undefined : await bodyOf(request);
    const asked = askedOf(verb, address, query);
    api.asked.push(asked);
    const failure = faults.next(asked);
    if (failure !== undefined && answeredBy(failure, response)) return;
    const agent = (request.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
    const answer = () => {
      if (query.get('dryRun') === 'All' && body !== undefined) {
        const wanted = { ...body, metadata: { ...body.metadata, namespace: address.namespace } } as ApiObject;
        validate(wanted);
        for (const admission of store.admissions) admission('create', wanted, store);
        return { status: 200, body: wanted };
      }
      if (verb === 'list') return { status: 200, body: list(address, query) };
      if (verb !== 'get') return write(verb, address, query, body, agent);
      const found = store.get(address.resource.kind, address.namespace, address.name ?? '');
      if (found === undefined) throw notFound(address.resource, address.name ?? '');
      return { status: 200, body: found };
    };
    if (verb === 'log') return readLog(address, query, request, response);
    if (verb === 'watch') {
      watches.add(response);
      response.once('close', () => watches.delete(response));
      return serveWatch(store, { ...address, query, request, response });
    }
    const { status, body: said } = asking(answer);
    if (failure === 'lost') return void response.socket?.resetAndDestroy();
    send(response, status, said);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (error instanceof StatusError) return send(response, error.code, error.toStatus());
      return send(
        response,
        500,
        new StatusError(500, 'InternalError', `this server has a mistake: ${(error as Error).stack}`).toStatus(),
      );
    });
  });
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request, socket) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    // A WebSocket begins as a GET, and is asked for that right.
    const asked = { verb: 'get', group: '', resource: 'pods', subresource: 'portforward' };
    if (options.rules !== undefined && !isAllowed(options.rules, asked))
      return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    const address = addressOf(new URL(request.url ?? '/', 'http://api.invalid').pathname);
    const connects: AdmissionRequest = {
      ...asWho(address?.namespace),
      ...{ operation: 'CONNECT', resource: { group: '', version: 'v1', resource: 'pods' }, subResource: 'portforward' },
      ...{ kind: { group: '', version: 'v1', kind: 'PodPortForwardOptions' }, object: {}, oldObject: null },
    };
    if (api.policy !== undefined && refusal(api.policy, connects) !== undefined)
      return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    servePortForward(request, socket, (of) => api.podPort(of));
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const name of ['default', 'kube-system'])
    store.create(
      resourceOf('Namespace'),
      undefined,
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } as ApiObject,
      'kube-apiserver',
    );

  const api: KubernetesApi = {
    ...{ url, store, controllers, faults, asked: [], backends: new Map(), down: false },
    policy: options.policy,
    podPort: () => undefined,
    mayDo: (asked) =>
      options.rules === undefined
        ? asked.resource !== 'secrets' || !['get', 'list', 'watch'].includes(asked.verb)
        : isAllowed(options.rules, asked),
    latencyMs: options.latencyMs ?? 0,
    kubelet: new Kubelet(store),
    runProcesses() {
      controllers.kubelet = api.kubelet;
    },
    setFate: (fate) => {
      given.fate = fate;
    },
    kubeconfig: kubeconfigFor(url, options.token),
    endWatches: () => {
      for (const response of watches) response.end();
    },
    async close() {
      controllers.stop();
      await api.kubelet.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return api;
}
