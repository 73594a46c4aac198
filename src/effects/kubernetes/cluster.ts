/**
 * One Kubernetes cluster as a port of a few verbs. Everything is an `apply`: the fields that we say are ours, the others are
 * left to whom they belong. Answers are the client library's types; they are the API server's own and not checked again.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CoreV1Event, KubernetesObject, V1ObjectMeta, V1SelfSubjectAccessReview } from '@kubernetes/client-node';
import { ForgewayError } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import { forwardedPort, PROTOCOL } from './channels.js';
import type { ClusterConnection } from './connection.js';
import { isFieldConflict, isNotFound, undeclaredFields } from './failures.js';
import { described, type KindName, kinds, type ObjectRef, pathOf, refOf } from './kinds.js';
import { readLines } from './lines.js';
import { dispensable, type NEWER_FIELDS, without } from './newer-fields.js';
import { createTransport, type TransportOptions } from './transport.js';

/** What every object has once a cluster keeps it. */
export type Stored<T extends KubernetesObject = KubernetesObject> = T & {
  metadata: V1ObjectMeta & { name: string; uid: string; resourceVersion: string };
};

export interface ListQuery {
  /** All namespaces without it. */
  namespace?: string | undefined;
  /** As `app=web,tier!=db`. */
  labels?: string | undefined;
  fields?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface Listed<T extends KubernetesObject> {
  items: Stored<T>[];
  /** Where a watch goes on. */
  resourceVersion: string;
}

export interface WatchEvent<T extends KubernetesObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: Stored<T>;
}

export interface DeleteOptions {
  /** Only this one: not another of the same name that was made meanwhile. */
  uid?: string;
  /** What depends on it goes first, or after it (the default). */
  propagation?: 'Foreground' | 'Background';
  signal?: AbortSignal;
}

export interface LogQuery {
  namespace: string;
  pod: string;
  container?: string;
  tailLines?: number;
  /** RFC 3339; what was printed in this second and after. */
  sinceTime?: string;
  /** Of the container before its last restart. */
  previous?: boolean;
  timestamps?: boolean;
  mostBytes?: number;
  signal?: AbortSignal;
}

export interface ClusterCounts {
  reads: number;
  writes: number;
  lists: Readonly<Partial<Record<KindName, number>>>;
}

/** Errors are ForgewayErrors of the codes FORGEWAY_CLUSTER_*. */
export interface Cluster {
  readonly name: string;
  readonly connection: ClusterConnection;
  /**
   * Creates or changes an object so that it has these fields. Fields of ours that are not among them go. A field that somebody
   * else holds with another value is taken from them, and that is logged.
   * @param as another field manager of ours, for fields that are applied on their own; `dryRun`: the server says what it would
   *   do, and does nothing
   */
  apply<T extends KubernetesObject>(
    object: T,
    as?: { manager?: string; dryRun?: boolean; signal?: AbortSignal },
  ): Promise<Stored<T>>;
  /** Undefined: there is one already. */
  create<T extends KubernetesObject>(object: T, signal?: AbortSignal): Promise<Stored<T> | undefined>;
  /** Undefined: there is none. */
  get<T extends KubernetesObject>(ref: ObjectRef, signal?: AbortSignal): Promise<Stored<T> | undefined>;
  /** All of them, page by page. */
  list<T extends KubernetesObject>(kind: KindName, query?: ListQuery): Promise<Listed<T>>;
  /** Answers once it is marked for removal; with finalizers it is there for a while yet. False: there was none (with that uid). */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  /**
   * What changes from a version on, until the signal or the server ends it.
   * @throws ForgewayError FORGEWAY_CLUSTER_EXPIRED when the version is too old: list again
   */
  watch<T extends KubernetesObject>(
    kind: KindName,
    query: ListQuery & { resourceVersion: string },
  ): AsyncIterable<WatchEvent<T>>;
  logs(query: LogQuery): Promise<string>;
  /** Line by line while it is printed, until the container or the signal ends it. */
  followLogs(query: LogQuery & { signal: AbortSignal }): AsyncIterable<string>;
  /** What the cluster says happened there, oldest first. */
  events(namespace: string, signal?: AbortSignal): Promise<CoreV1Event[]>;
  /** The bytes of one port of a pod. */
  forward(to: { namespace: string; pod: string; port: number }): Promise<Duplex>;
  /** Whether our account may do this in every namespace. */
  may(access: { verb: string; group: string; resource: string }): Promise<boolean>;
  /** The API server's version, as `v1.32.4`. */
  version(signal?: AbortSignal): Promise<string>;
  /** Calls so far, for metrics and the benchmark. */
  counts(): ClusterCounts;
  close(): void;
}

export const FIELD_MANAGER = 'forgeway';
const PAGE = 500;
/** The server is asked to end a watch after this; it is begun again from where it was. */
const WATCH_SECONDS = 290;
/** What a proxy on the way keeps open for a server that is gone is ended here, a tenth later. */
const WATCH_PATIENCE = 1.1;
const MOST_LOG_BYTES = 256 * 1024;
const MOST_PAGES = 1_000;

interface RawList {
  items?: KubernetesObject[];
  metadata?: { resourceVersion?: string; continue?: string };
}

export function openCluster(
  options: Omit<TransportOptions, 'outbound'> & {
    outbound: Pick<Outbound, 'pin'>;
    log: Logger;
    /** How long one watch goes on; default 290 s. */
    watchSeconds?: number;
  },
): Cluster {
  const transport = createTransport(options);
  const { log, watchSeconds = WATCH_SECONDS } = options;
  const counted = { reads: 0, writes: 0, lists: {} as Partial<Record<KindName, number>> };

  /** What this server has refused to know so far. */
  const unknown = new Set<(typeof NEWER_FIELDS)[number]>();

  async function apply<T extends KubernetesObject>(
    object: T,
    as: { manager?: string; dryRun?: boolean; signal?: AbortSignal } = {},
  ): Promise<Stored<T>> {
    const sent = without(object, unknown);
    try {
      return await applyAsIs(sent, as);
    } catch (error) {
      const left = dispensable(sent, undeclaredFields(error));
      if (left === undefined) throw error;
      for (const field of left) unknown.add(field);
      log.warn(
        { cluster: transport.name, kind: object.kind, fields: left.map(({ field, since }) => `${field} (${since})`) },
        'a cluster is older than fields that Forgeway sets; they are left out',
      );
      return apply(object, as);
    }
  }

  async function applyAsIs<T extends KubernetesObject>(
    object: T,
    { manager = FIELD_MANAGER, dryRun = false, signal }: { manager?: string; dryRun?: boolean; signal?: AbortSignal },
  ): Promise<Stored<T>> {
    const ref = refOf(object);
    const send = (force: boolean) => {
      counted.writes += 1;
      return transport.json({
        method: 'PATCH',
        path: pathOf(ref.kind, ref.namespace, ref.name),
        query: { fieldManager: manager, force, ...(dryRun && { dryRun: 'All' }) },
        body: object,
        contentType: 'application/apply-patch+yaml',
        what: `apply ${described(ref)}`,
        repeatable: true,
        signal,
      });
    };
    try {
      return (await send(false)) as Stored<T>;
    } catch (error) {
      if (!isFieldConflict(error)) throw error;
      // Who creates an object holds its fields under the same name, but not as one who applies: that is nobody else.
      if (!isFieldConflict(error, manager))
        log.warn(
          { object: described(ref), error: (error as Error).message },
          'fields of ours were changed by somebody else; taken back',
        );
      return (await send(true)) as Stored<T>;
    }
  }

  async function get<T extends KubernetesObject>(ref: ObjectRef, signal?: AbortSignal): Promise<Stored<T> | undefined> {
    counted.reads += 1;
    try {
      const path = pathOf(ref.kind, ref.namespace, ref.name);
      return (await transport.json({
        method: 'GET',
        path,
        what: `read ${described(ref)}`,
        repeatable: true,
        signal,
      })) as Stored<T>;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function listOnce<T extends KubernetesObject>(kind: KindName, query: ListQuery): Promise<Listed<T>> {
    const items: Stored<T>[] = [];
    let from: string | undefined;
    const { apiVersion } = kinds[kind];
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const page = (await transport.json({
        method: 'GET',
        path: pathOf(kind, query.namespace),
        query: { limit: PAGE, continue: from, labelSelector: query.labels, fieldSelector: query.fields },
        what: `list ${kinds[kind].plural}`,
        repeatable: true,
        signal: query.signal,
      })) as RawList;
      // The items of a list say not what they are.
      for (const item of page.items ?? []) items.push({ apiVersion, kind, ...item } as Stored<T>);
      from = page.metadata?.continue;
      if (!from) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
    }
    throw new ForgewayError('FORGEWAY_CLUSTER_FAILED', `Cluster ${transport.name}: a list of ${kind} has no end.`);
  }

  async function list<T extends KubernetesObject>(kind: KindName, query: ListQuery = {}): Promise<Listed<T>> {
    counted.lists[kind] = (counted.lists[kind] ?? 0) + 1;
    try {
      return await listOnce<T>(kind, query);
    } catch (error) {
      // The pages of one list are of one version, which was given up meanwhile: a new one is begun, once.
      if (!(error instanceof ForgewayError) || error.code !== 'FORGEWAY_CLUSTER_EXPIRED') throw error;
      return listOnce<T>(kind, query);
    }
  }

  function logCall(query: LogQuery, follow: boolean) {
    const { namespace, pod, container, tailLines, sinceTime, previous, timestamps, signal } = query;
    counted.reads += 1;
    return {
      method: 'GET' as const,
      path: `${pathOf('Pod', namespace, pod)}/log`,
      query: {
        container,
        tailLines,
        sinceTime,
        previous,
        timestamps,
        ...(follow ? { follow } : { limitBytes: query.mostBytes ?? MOST_LOG_BYTES }),
      },
      what: `read the log of ${pod} in ${namespace}`,
      repeatable: true,
      signal,
    };
  }

  return {
    name: transport.name,
    connection: options.connection,
    apply,
    get,
    list,

    async create(object, signal) {
      const ref = refOf(object);
      counted.writes += 1;
      try {
        return (await transport.json({
          method: 'POST',
          path: pathOf(ref.kind, ref.namespace),
          query: { fieldManager: FIELD_MANAGER },
          body: object,
          what: `create ${described(ref)}`,
          repeatable: false,
          signal,
        })) as never;
      } catch (error) {
        if (error instanceof ForgewayError && error.details.reason === 'AlreadyExists') return undefined;
        throw error;
      }
    },

    async delete(ref, { uid, propagation = 'Background', signal } = {}) {
      counted.writes += 1;
      try {
        await transport.json({
          method: 'DELETE',
          path: pathOf(ref.kind, ref.namespace, ref.name),
          body: {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            propagationPolicy: propagation,
            ...(uid !== undefined && { preconditions: { uid } }),
          },
          what: `delete ${described(ref)}`,
          repeatable: true,
          signal,
        });
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        if (uid === undefined || !(error instanceof ForgewayError) || error.code !== 'FORGEWAY_CLUSTER_CONFLICT')
          throw error;
        // A namespace that is on its way out already says the same.
        const now = await get(ref, signal);
        if (now === undefined || now.metadata.uid !== uid) return false;
        if (now.metadata.deletionTimestamp !== undefined) return true;
        throw error;
      }
    },

    async *watch<T extends KubernetesObject>(kind: KindName, query: ListQuery & { resourceVersion: string }) {
      counted.reads += 1;
      const what = `watch ${kinds[kind].plural}`;
      const stream = await transport.stream({
        method: 'GET',
        path: pathOf(kind, query.namespace),
        query: {
          watch: true,
          allowWatchBookmarks: true,
          timeoutSeconds: watchSeconds,
          resourceVersion: query.resourceVersion,
          labelSelector: query.labels,
          fieldSelector: query.fields,
        },
        what,
        repeatable: true,
        signal: query.signal,
      });
      const end = () => stream.destroy(new Error('the server did not end it'));
      const limit = setTimeout(end, watchSeconds * WATCH_PATIENCE * 1_000);
      try {
        for await (const line of linesOf(stream, what)) {
          if (line === '') continue;
          const event = JSON.parse(line) as
            | WatchEvent<T>
            | { type: 'ERROR'; object: { code?: number; message?: string } };
          if (event.type === 'ERROR') {
            const { code = 500, message = '' } = event.object;
            const gone = code === 410 ? 'FORGEWAY_CLUSTER_EXPIRED' : 'FORGEWAY_CLUSTER_FAILED';
            throw new ForgewayError(gone, `Cluster ${transport.name}: ${what}: ${message}`, {
              details: { answered: code },
            });
          }
          yield event;
        }
      } finally {
        clearTimeout(limit);
      }
    },

    logs: (query) => transport.text(logCall(query, false), (query.mostBytes ?? MOST_LOG_BYTES) + 1024),

    async *followLogs(query) {
      const call = logCall(query, true);
      yield* linesOf(await transport.stream(call), call.what);
    },

    async events(namespace, signal) {
      const { items } = await list<CoreV1Event>('Event', { namespace, signal });
      const at = (event: CoreV1Event) =>
        String(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp);
      return items.sort((a, b) => at(a).localeCompare(at(b)));
    },

    async forward({ namespace, pod, port }) {
      counted.reads += 1;
      const { socket, head } = await transport.upgrade(
        {
          method: 'GET',
          path: `${pathOf('Pod', namespace, pod)}/portforward`,
          query: { ports: port },
          what: `forward port ${port} of ${pod} in ${namespace}`,
          repeatable: false,
        },
        PROTOCOL,
      );
      return forwardedPort(socket, head);
    },

    async may({ verb, group, resource }) {
      counted.reads += 1;
      const [name, subresource] = resource.split('/');
      const answer = (await transport.json({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: {
          ...{ apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' },
          spec: { resourceAttributes: { verb, group, resource: name, ...(subresource && { subresource }) } },
        },
        what: `ask whether it may ${verb} ${resource}`,
        // It changes nothing.
        repeatable: true,
      })) as V1SelfSubjectAccessReview;
      return answer.status?.allowed === true;
    },

    async version(signal) {
      const call = { method: 'GET' as const, path: '/version', what: 'ask for the version', repeatable: true, signal };
      const answer = (await transport.json(call)) as { gitVersion?: unknown };
      return String(answer.gitVersion ?? 'unknown');
    },

    counts: () => ({ ...counted, lists: { ...counted.lists } }),
    close: () => transport.close(),
  };

  async function* linesOf(stream: IncomingMessage, what: string): AsyncIterable<string> {
    try {
      yield* readLines(stream);
    } catch (error) {
      if (error instanceof ForgewayError) throw error;
      throw new ForgewayError(
        'FORGEWAY_CLUSTER_UNREACHABLE',
        `Cluster ${transport.name}: ${what}: the answer broke off.`,
        {
          cause: error,
        },
      );
    }
  }
}
