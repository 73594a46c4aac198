/** Calls of an API server as they are, and what of its answers is the same each time. */
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { openConnection } from '../../../src/effects/kubernetes/connection.js';
import type { Fields, ManagedFields } from './objects.js';
import type { Answer, Call } from './scenarios.js';

/** Who may do nothing on a cluster that does not know them. */
const STRANGER = 'system:serviceaccount:forgeway-nowhere:forgeway';

async function readOf(response: IncomingMessage, lines: number | undefined): Promise<Fields> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk;
    const whole = text.split('\n').slice(0, -1);
    if (lines !== undefined && whole.length >= lines) return JSON.parse(whole[lines - 1] ?? '') as Fields;
  }
  try {
    return JSON.parse(text) as Fields;
  } catch {
    // Not everything that a server says is a Status.
    return { text };
  }
}

/** @param strangersPath of a kubeconfig for one that may do nothing; default: the first one’s account takes that one’s name */
export async function callsOf(path: string, strangersPath?: string): Promise<Call> {
  const own = await at(path);
  if (strangersPath === undefined)
    return (method, address, o) => own(method, address, o, o?.isStranger ? { 'impersonate-user': STRANGER } : {});
  const strangers = await at(strangersPath);
  return (method, address, o) => (o?.isStranger ? strangers : own)(method, address, o, {});
}

async function at(path: string) {
  const connection = openConnection({ kind: 'file', path });
  const { headers, tls } = await connection.credentials();
  const { server } = connection;
  return (
    method: string,
    address: string,
    { body, query, type = 'application/json', lines }: Parameters<Call>[2] = {},
    more: Record<string, string>,
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      // Said, since Node leaves it out of a DELETE.
      const about = sent === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(sent) };
      const search = query === undefined ? '' : `?${new URLSearchParams(query)}`;
      const call = (server.protocol === 'http:' ? plainRequest : tlsRequest)({
        ...{ hostname: server.hostname, port: server.port, path: `${address}${search}`, method, ...tls },
        headers: { accept: 'application/json', 'user-agent': 'forgeway', ...about, ...headers, ...more },
      });
      call.once('error', reject);
      call.once('response', (response) => {
        const status = response.statusCode ?? 0;
        readOf(response, lines).then((read) => {
          resolve({ status, body: read });
          if (lines !== undefined) response.destroy();
        }, reject);
      });
      call.end(sent);
    });
}

/** What changes from run to run, by another name. */
const plain = (text: string, namespace: string) =>
  text
    .replaceAll(namespace, 'NAMESPACE')
    .replaceAll(STRANGER, 'STRANGER')
    .replaceAll('system:serviceaccount:forgeway:forgeway', 'STRANGER')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
    .replace(/(?!00000000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID')
    .replace(/resource version: \d+( \(\d+\))?/g, 'resource version: N (N)')
    .replace(/ResourceVersion in record \(\d+\)/g, 'ResourceVersion in record (N)')
    // Of a field that cannot be changed all of it, in the words of the server's language.
    .replace(/Invalid value: &?[\w.[\]*]+\{.*\}: /gs, 'Invalid value: …: ');

const conditionOf = ({ type, status, reason, message }: Fields) => ({ type, status, reason, message });
/** Who owns which fields; not who owns a map that holds them, which no client of ours looks at. */
const withoutDots = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([key]) => key !== '.')
      .map(([key, value]) => [key, withoutDots(value as Fields)]),
  );
const managedOf = ({ manager, operation, fieldsV1 }: ManagedFields) => ({
  ...{ manager, operation },
  fieldsV1: withoutDots(fieldsV1),
});
/** Kinds that nobody but who asks writes; of the others each version of a server has its own. */
const MANAGED = ['ConfigMap', 'Deployment'];

/** Of a Status all but who said it; of an object what clients act upon. */
export function told({ status, body }: Answer, namespace: string): Fields {
  const known = (value: Fields): Fields => {
    if (value.kind === 'Status') {
      const { reason, message, details } = value as { reason?: string; message?: string; details?: Fields };
      return { reason, message, causes: details?.causes, retryAfterSeconds: details?.retryAfterSeconds };
    }
    const { kind, type, object, text, isSame, first } = value;
    if (object !== undefined) return { type, object: known(object as Fields) };
    if (kind === undefined) return { text, isSame, first };
    const { name, deletionTimestamp, finalizers, managedFields } = (value.metadata ?? {}) as Fields;
    const state = value.status as { phase?: string; conditions?: Fields[]; allowed?: boolean } | undefined;
    return {
      ...{ kind, name, data: value.data, deletionTimestamp, finalizers },
      managed: (MANAGED.includes(String(kind)) ? (managedFields as ManagedFields[] | undefined) : undefined)
        // Of its own account, in its own time.
        ?.filter(({ manager }) => manager !== 'kube-controller-manager')
        .map(managedOf)
        .sort((a, b) => (`${a.manager} ${a.operation}` < `${b.manager} ${b.operation}` ? -1 : 1)),
      phase: kind === 'Namespace' ? state?.phase : undefined,
      conditions: kind === 'Namespace' ? state?.conditions?.map(conditionOf) : undefined,
      allowed: state?.allowed,
    };
  };
  return JSON.parse(JSON.stringify({ status, ...known(body) }), (_key, value: unknown) =>
    typeof value === 'string' ? plain(value, namespace) : value,
  ) as Fields;
}
