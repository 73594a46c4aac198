/** How visitors reach previews on a cluster: an Ingress, an HTTPRoute, our own listener; and who may look. */
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Gateway, startGateway } from '../../../src/effects/gateway/gateway.js';
import { createVisitorLinks, LINK_PARAMETER } from '../../../src/effects/gateway/visitor-link.js';
import { createServiceReach } from '../../../src/jobs/preview/kubernetes/reach.js';
import { createPreviewRoutes } from '../../../src/jobs/preview/routes.js';
import { createRig, eventually, IMAGE_CONFIG, type Rig, sha } from './rig.js';

const INGRESS = {
  route: {
    kind: 'ingress',
    className: 'nginx',
    from: { namespace: 'ingress-nginx', labels: { app: 'nginx' } },
    tlsSecret: 'wildcard',
  },
};
const HTTP_ROUTE = {
  route: {
    kind: 'http-route',
    from: { namespace: 'gateway', labels: { app: 'gw' } },
    parent: { namespace: 'gateway', name: 'public' },
  },
};
const DOMAIN = 'preview.example.net';

type Peer = { namespaceSelector: { matchLabels: Record<string, string> } };
/** Namespaces whose pods are let in to the preview's. */
function letIn(rig: Rig, namespace: string): string[] {
  const policy = rig.api.store.get('NetworkPolicy', namespace, 'visitors');
  if (policy === undefined) throw new Error(`nobody is let in to ${namespace}, or all are`);
  const { ingress } = policy.spec as { ingress: { from: Peer[] }[] };
  return ingress.flatMap(({ from }) =>
    from.map((peer) => peer.namespaceSelector.matchLabels['kubernetes.io/metadata.name'] ?? ''),
  );
}

interface Answer {
  status: number;
  body: string;
  headers: Record<string, unknown>;
}

/** The listener that people open previews through, in front of a pod that says who it is. */
async function openGateway(rig: Rig) {
  const served: string[] = [];
  const pod = createServer((request, response) => {
    served.push(request.url ?? '');
    response.end(`pod of ${request.headers.host}`);
  });
  await new Promise<void>((resolve) => pod.listen(0, '127.0.0.1', resolve));
  rig.api.podPort = ({ port }) => (port === 8080 ? (pod.address() as AddressInfo).port : undefined);
  const links = createVisitorLinks(Buffer.alloc(32, 3));
  const routes = createPreviewRoutes({ store: rig.store, queue: rig.queue });
  const gateway: Gateway = await startGateway({
    ...{ host: '127.0.0.1', port: 0, domain: DOMAIN, strangersDomain: 'stranger.example.org', links, log: rig.log },
    ...{ find: routes.find, opened: routes.opened, wake: routes.wake },
    connectService: createServiceReach({ clusters: rig.clusters, inside: () => false }),
  });
  const open = (name: string, path = '/', headers: Record<string, string> = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const host = `${name}.${DOMAIN}`;
      const sent = httpRequest(
        { host: '127.0.0.1', port: gateway.port, path, headers: { host, ...headers }, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString(),
              headers: response.headers,
            }),
          );
        },
      );
      sent.once('error', reject);
      sent.end();
    });
  return {
    ...{ open, links, served },
    async close() {
      await gateway.close();
      pod.closeAllConnections();
      await new Promise((resolve) => pod.close(resolve));
    },
  };
}

describe.each([
  ['an Ingress', 'Ingress', INGRESS],
  ['an HTTPRoute', 'HTTPRoute', HTTP_ROUTE],
] as const)('%s for each host', (_, kind, settings) => {
  let rig: Rig;
  let front: Awaited<ReturnType<typeof openGateway>>;
  const controller = settings.route.from.namespace;
  beforeAll(async () => {
    rig = await createRig({ settings, listEveryMs: 200 });
    front = await openGateway(rig);
    rig.startMonitor({ intervalMs: 50 });
  });
  afterAll(async () => {
    await front.close();
    await rig.end();
  });

  const made = (namespace: string) =>
    rig.api.store.list(kind, namespace).map(({ metadata, spec }) => {
      const ingress = spec as {
        rules: { host: string; http: { paths: { backend: { service: { name: string } } }[] } }[];
        tls?: unknown;
      };
      const route = spec as { hostnames: string[]; rules: { backendRefs: { name: string }[] }[] };
      return kind === 'Ingress'
        ? [metadata.name, ingress.rules[0]?.host, ingress.rules[0]?.http.paths[0]?.backend.service.name]
        : [metadata.name, route.hostnames[0], route.rules[0]?.backendRefs[0]?.name];
    });

  it('leads to what serves, follows the next commit, and is there only while it answers', async () => {
    rig.forge.config = `${IMAGE_CONFIG}    api: {image: "registry.example.com/api:{sha}", port: 9000}\n    worker: {image: "registry.example.com/worker:{sha}", public: false}\n`;
    await rig.want(1, sha('a'));
    const first = await rig.settled(1, 'ready');
    const { name } = first;
    const hosts = () =>
      made(name)
        .map(([, host]) => host)
        .sort();
    expect(hosts()).toEqual([`api--${name}.${DOMAIN}`, `${name}.${DOMAIN}`].sort());
    const backends = made(name).map(([, , backend]) => backend);
    expect(backends).toContain(first.driver_state.serving?.service?.name);
    expect(rig.api.store.list('Service', name).map(({ metadata }) => metadata.name)).toEqual(
      expect.arrayContaining(backends as string[]),
    );
    expect(letIn(rig, name).sort()).toEqual([controller, 'forgeway'].sort());

    await rig.want(1, sha('b'));
    const second = await rig.settled(1, 'ready');
    expect(hosts()).toHaveLength(2);
    expect(made(name).map(([, , backend]) => backend)).toContain(second.driver_state.serving?.service?.name);
    expect(made(name).some(([, , backend]) => backends.includes(backend))).toBe(false);

    // Asleep it falls to the wildcard record, which leads to our listener; a visit wakes it.
    await rig.ask(1, 'sleep');
    await rig.settled(1, 'sleeping');
    expect(made(name)).toEqual([]);
    await eventually(async () => (await front.open(name)).status === 503);
    await rig.settled(1, 'ready');
    expect(hosts()).toHaveLength(2);
    await rig.close(1);
    await rig.settled(1, 'gone');
    expect(rig.api.store.inNamespace(name)).toEqual([]);
  });

  it('is taken away before it sleeps, so that who visits it is seen, and comes back with the first of them', async () => {
    rig.forge.config = IMAGE_CONFIG;
    await rig.want(4, sha('a'));
    const { id, name } = await rig.settled(4, 'ready');
    expect(made(name)).toHaveLength(1);
    const ago = (columns: readonly string[]) =>
      rig.store.tenant(rig.organizationId, (tx) =>
        tx.query(
          `UPDATE preview SET ${columns.map((one) => `${one} = now() - interval '30 days'`).join(', ')} WHERE id = $1`,
          [id],
        ),
      );
    // Nobody was seen for long: perhaps since the controller has led them in.
    await ago(['ready_at']);
    await eventually(async () => made(name).length === 0);
    expect((await rig.settled(4, 'ready')).phase).toBe('ready');
    expect(await front.open(name)).toMatchObject({ status: 200, body: `pod of ${name}.${DOMAIN}` });
    await eventually(async () => made(name).length === 1);
    // Again, and this time nobody comes.
    await ago(['ready_at', 'last_opened_at']);
    await eventually(async () => made(name).length === 0);
    await ago(['watched_since']);
    await rig.settled(4, 'sleeping');
    // A visit wakes it, and it is led to as before.
    await eventually(async () => (await front.open(name)).status === 503);
    await rig.settled(4, 'ready');
    await eventually(async () => made(name).length === 1);
  });

  it('is not made for a private repository, whose pods nobody but our listener may reach', async () => {
    rig.forge.config = IMAGE_CONFIG;
    await rig.setPrivate(true);
    await rig.want(2, sha('a'));
    const { id, name } = await rig.settled(2, 'ready');
    expect(made(name)).toEqual([]);
    expect(letIn(rig, name)).toEqual(['forgeway']);

    // Whoever has no link sees nothing of it, and no request reaches the pod.
    front.served.length = 0;
    const refused = await front.open(name, '/secret');
    expect([refused.status, refused.body.includes('pod of')]).toEqual([403, false]);
    const ofAnother = front.links.tokenFor('00000000-0000-4000-8000-000000000000', new Date());
    expect((await front.open(name, `/?${LINK_PARAMETER}=${ofAnother}`)).status).toBe(403);
    expect(front.served).toEqual([]);

    const token = front.links.tokenFor(id, new Date());
    const entered = await front.open(name, `/page?${LINK_PARAMETER}=${token}`);
    expect(entered).toMatchObject({ status: 302, headers: { location: '/page' } });
    const cookie = String(entered.headers['set-cookie']).split(';')[0] ?? '';
    expect(await front.open(name, '/page', { cookie })).toMatchObject({
      status: 200,
      body: `pod of ${name}.${DOMAIN}`,
    });
    expect(front.served).toEqual(['/page']);
  });

  it('goes as soon as the repository is made private, and the controller is shut out', async () => {
    await rig.setPrivate(false);
    await rig.want(3, sha('a'));
    const { name } = await rig.settled(3, 'ready');
    expect([made(name).length, letIn(rig, name).length]).toEqual([1, 2]);
    expect(await front.open(name)).toMatchObject({ status: 200 });
    await rig.setPrivate(true);
    await eventually(async () => made(name).length === 0 && letIn(rig, name).length === 1);
    expect(letIn(rig, name)).toEqual(['forgeway']);
    await rig.settled(3, 'ready');
    await eventually(async () => (await front.open(name)).status === 403);
    await rig.setPrivate(false);
    await eventually(async () => made(name).length === 1 && letIn(rig, name).length === 2);
  });
});
