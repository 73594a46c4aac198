/** What a test looks at and does at an API server itself, past every fault and as somebody who is not Forgeway. */

import { setTimeout as pause } from 'node:timers/promises';
import { type ApiObject, type Fields, groupVersionOf, resourceOf, resources } from './objects.js';
import type { Call } from './scenarios.js';
import type { KubernetesApi } from './server.js';

export interface Behind {
  get(kind: string, namespace: string | undefined, name: string): Promise<ApiObject | undefined>;
  list(kind: string, namespace?: string): Promise<ApiObject[]>;
  /** Everything of a namespace, of the kinds that we know. */
  everything(namespace: string): Promise<ApiObject[]>;
  create(object: object): Promise<void>;
  delete(kind: string, namespace: string | undefined, name: string): Promise<void>;
  /** Merged into it, as somebody who edits it by hand. */
  edit(kind: string, namespace: string, name: string, patch: object): Promise<void>;
  /**
   * What stands in these namespaces now. @returns puts it back: what came since goes, what went or was changed is again as it was. The
   * store in memory is set back as a whole, its versions too; a server's by its API, object by object, since its etcd is not ours.
   */
  backup(namespaces: readonly string[]): Promise<() => Promise<void>>;
}

const EDITOR = 'kubectl-edit';
const GONE = 404;
/** Of a namespace that goes already. */
const GOING = 409;

function pathOf(kind: string, namespace?: string, name?: string): string {
  const resource = resourceOf(kind);
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${groupVersionOf(resource)}`;
  const within = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${root}${within}/${resource.plural}${name === undefined ? '' : `/${name}`}`;
}

/** What comes with every namespace, and belongs to nobody. */
const isOwn = ({ kind, metadata }: ApiObject) =>
  kind === 'Event' ||
  (kind === 'ServiceAccount' && metadata.name === 'default') ||
  (kind === 'ConfigMap' && metadata.name === 'kube-root-ca.crt') ||
  (kind === 'Secret' && metadata.name.startsWith('default-token-'));

/** Said by the API server of what it keeps; whoever makes an object anew does not say it. */
function asMadeAnew({ metadata, status: _, ...object }: ApiObject): ApiObject {
  const { name, namespace, labels, annotations } = metadata;
  return { ...object, metadata: { name, namespace, labels, annotations } } as ApiObject;
}
/** Made by a controller out of what owns it, or by the server for each account. */
const isDerived = ({ metadata, type }: ApiObject) =>
  (metadata.ownerReferences ?? []).length > 0 || type === 'kubernetes.io/service-account-token';

/** Namespaces go when all in them has gone. */
const REMOVAL = { tries: 600, pauseMs: 100 };

async function backupOf(server: Omit<Behind, 'backup'>, namespaces: readonly string[]): Promise<() => Promise<void>> {
  const contentOf = async (name: string) => (await server.everything(name)).filter((one) => !isDerived(one));
  const kept = await Promise.all(
    namespaces.map(async (name) => ({
      ...{ name, namespace: await server.get('Namespace', undefined, name), content: await contentOf(name) },
    })),
  );

  async function untilGone(name: string): Promise<void> {
    for (let tries = 0; tries < REMOVAL.tries; tries += 1) {
      if ((await server.get('Namespace', undefined, name)) === undefined) return;
      await pause(REMOVAL.pauseMs);
    }
    throw new Error(`Namespace ${name} does not go`);
  }

  return async () => {
    for (const { name, namespace, content } of kept) {
      if (namespace === undefined) {
        await server.delete('Namespace', undefined, name);
        await untilGone(name);
        continue;
      }
      if ((await server.get('Namespace', undefined, name)) === undefined)
        await server.create({ ...asMadeAnew(namespace), spec: undefined });
      const now = await contentOf(name);
      const isSame = (a: ApiObject, b: ApiObject) => a.kind === b.kind && a.metadata.name === b.metadata.name;
      for (const one of now)
        if (!content.some((was) => isSame(was, one))) await server.delete(one.kind, name, one.metadata.name);
      for (const was of content) {
        const object = asMadeAnew(was);
        const { metadata, apiVersion: _, kind, ...said } = object;
        if (!now.some((one) => isSame(was, one))) await server.create(object);
        else await server.edit(kind, name, metadata.name, { ...said, metadata: { annotations: metadata.annotations } });
      }
    }
  };
}

export function behindServer(call: Call): Behind {
  const done = async (...of: Parameters<Call>) => {
    const { status, body } = await call(...of);
    if (status === GONE || (status === GOING && of[0] === 'DELETE')) return undefined;
    if (status >= 300) throw new Error(`${of[0]} ${of[1]}: ${status} ${String(body.message)}`);
    return body;
  };
  const list = async (kind: string, namespace?: string): Promise<ApiObject[]> => {
    const { apiVersion = groupVersionOf(resourceOf(kind)), items = [] } = ((await done(
      'GET',
      pathOf(kind, namespace),
    )) ?? {}) as Fields & {
      items?: ApiObject[];
    };
    return items.map((item) => ({ ...item, apiVersion: String(apiVersion), kind }));
  };
  const server: Omit<Behind, 'backup'> = {
    get: async (kind, namespace, name) => (await done('GET', pathOf(kind, namespace, name))) as ApiObject | undefined,
    list,
    async everything(namespace) {
      const kinds = resources.filter((one) => one.namespaced).map(({ kind }) => kind);
      const all = await Promise.all(kinds.map((kind) => list(kind, namespace)));
      return all.flat().filter((one) => !isOwn(one));
    },
    async create(object) {
      const { kind, metadata } = object as ApiObject;
      await done('POST', pathOf(kind, metadata.namespace), { body: object });
    },
    async delete(kind, namespace, name) {
      await done('DELETE', pathOf(kind, namespace, name), { body: { propagationPolicy: 'Background' } });
    },
    async edit(kind, namespace, name, patch) {
      const query = { fieldManager: EDITOR };
      await done('PATCH', pathOf(kind, namespace, name), { body: patch, query, type: 'application/merge-patch+json' });
    },
  };
  return { ...server, backup: (namespaces) => backupOf(server, namespaces) };
}

export function behindMemory({ store }: KubernetesApi, merged: (live: unknown, patch: unknown) => unknown): Behind {
  return {
    get: async (kind, namespace, name) => store.get(kind, namespace, name),
    list: async (kind, namespace) => store.list(kind, namespace),
    everything: async (namespace) => store.inNamespace(namespace).filter((one) => !isOwn(one)),
    async create(object) {
      const { kind, metadata } = object as ApiObject;
      store.create(resourceOf(kind), metadata.namespace, object as ApiObject, EDITOR);
    },
    async delete(kind, namespace, name) {
      if (store.get(kind, namespace, name) !== undefined) store.delete(resourceOf(kind), namespace, name);
    },
    async edit(kind, namespace, name, patch) {
      if (store.get(kind, namespace, name) === undefined) return;
      store.edit(kind, namespace, name, EDITOR, (object) => void Object.assign(object, merged(object, patch)));
    },
    async backup() {
      const kept = store.backup();
      return async () => store.restore(kept);
    },
  };
}
