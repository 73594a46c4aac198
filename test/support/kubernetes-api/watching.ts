/** A watch: what changed since a version and what changes from now on, one line each, until the client or its time ends it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ApiObject, groupVersionOf, type Resource, StatusError } from './objects.js';
import { fieldMatcher, labelMatcher } from './selectors.js';
import type { ClusterStore } from './store.js';

const BOOKMARK_MS = 1_000;

export function serveWatch(
  store: ClusterStore,
  o: {
    resource: Resource;
    namespace: string | undefined;
    query: URLSearchParams;
    request: IncomingMessage;
    response: ServerResponse;
  },
): void {
  const { resource, namespace, query, response } = o;
  const labels = labelMatcher(query.get('labelSelector'));
  const fields = fieldMatcher(query.get('fieldSelector'));
  const asked = query.get('resourceVersion');
  const matches = (object: ApiObject) => labels(object) && fields(object);
  response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
  response.flushHeaders();
  const write = (type: string, object: object) => void response.write(`${JSON.stringify({ type, object })}\n`);
  /** What the client knows of, so that an object that stops to match is told as deleted. */
  const told = new Set<string>();
  let version = asked === null || asked === '' || asked === '0' ? store.version : Number(asked);
  if (asked === null || asked === '' || asked === '0') {
    for (const object of store.list(resource.kind, namespace)) if (matches(object)) write('ADDED', object);
  }
  const end = () => {
    stop();
    clearInterval(bookmarks);
    clearTimeout(limit);
    response.end();
  };
  const tell = () => {
    if (version < store.compacted) {
      const why = `too old resource version: ${version} (${store.compacted})`;
      write('ERROR', new StatusError(410, 'Expired', why).toStatus());
      return end();
    }
    for (const change of store.changesAfter(version)) {
      version = change.version;
      const { object, type } = change;
      if (object.kind !== resource.kind || (namespace !== undefined && object.metadata.namespace !== namespace))
        continue;
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      if (matches(object)) {
        write(type, object);
        told.add(key);
      } else if (told.delete(key)) write('DELETED', object);
    }
  };
  const stop = store.subscribe(tell);
  const bookmarks = setInterval(() => {
    if (query.get('allowWatchBookmarks') !== 'true') return;
    const metadata = { resourceVersion: String(version), creationTimestamp: null };
    write('BOOKMARK', { kind: resource.kind, apiVersion: groupVersionOf(resource), metadata });
  }, BOOKMARK_MS);
  const limit = setTimeout(end, Number(query.get('timeoutSeconds') ?? 3_600) * 1_000);
  response.once('close', () => {
    stop();
    clearInterval(bookmarks);
    clearTimeout(limit);
  });
  tell();
}
