/** What a test looks at and does at an API server itself, past every fault and as somebody who is not Forgeway. */

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
}

const EDITOR = 'kubectl-edit';

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

export function behindServer(call: Call): Behind {
  const done = async (...of: Parameters<Call>) => {
    const { status, body } = await call(...of);
    if (status >= 300 && status !== 404) throw new Error(`${of[0]} ${of[1]}: ${status} ${String(body.message)}`);
    return status === 404 ? undefined : body;
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
  return {
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
  };
}
