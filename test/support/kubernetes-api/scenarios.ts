/**
 * What an API server is asked so that its answers can be written down: each ends in one answer. What comes before it makes that
 * answer come about; nothing of it is looked at. The same is asked of a real server and of the one in memory.
 */
import type { Fields } from './objects.js';

export interface Answer {
  status: number;
  body: Fields;
}

export interface CallOptions {
  body?: object;
  query?: Record<string, string>;
  /** Of the body; default JSON. */
  type?: string;
  /** By an account that may do nothing. */
  isStranger?: boolean;
  /** Of a watch: this many lines are waited for, and the last one is the body. */
  lines?: number;
}
export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

export interface Scenario {
  asked: string;
  /** @param namespace one that is there; others may be made under its name and a dash */
  ask(call: Call, namespace: string): Promise<Answer>;
}

const MERGE = 'application/merge-patch+json';
const APPLY = 'application/apply-patch+yaml';
const ME = { fieldManager: 'forgeway', force: 'false' };

const core = (namespace: string, plural: string, name?: string) =>
  `/api/v1/namespaces/${namespace}/${plural}${name === undefined ? '' : `/${name}`}`;
const grouped = (group: string, namespace: string, plural: string, name?: string) =>
  `/apis/${group}/namespaces/${namespace}/${plural}${name === undefined ? '' : `/${name}`}`;
const map = (name: string, data: Record<string, string> = { a: '1' }, metadata: object = {}) => ({
  ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data },
});
const namespaceOf = (name: string, metadata: object = {}) => ({
  ...{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...metadata } },
});
const pod = (image: string, more: object = {}) => ({ containers: [{ name: 'web', image, ...more }] });
const deployment = (
  name: string,
  image: string,
  labels: Record<string, string> = { app: name },
  more: object = {},
) => ({
  ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } },
  spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod(image, more) } },
});
const job = (name: string, image: string, more: object = {}) => ({
  ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name } },
  spec: { parallelism: 0, template: { spec: { restartPolicy: 'Never', ...pod(image) } }, ...more },
});
const set = (name: string, serviceName: string, more: object = {}) => ({
  ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name } },
  spec: {
    ...{ replicas: 0, serviceName, selector: { matchLabels: { app: name } } },
    template: { metadata: { labels: { app: name } }, spec: pod('registry.example.com/a') },
    ...more,
  },
});
const quota = (name: string, hard: Record<string, string>) => ({
  ...{ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name }, spec: { hard } },
});

/** Asks until the answer is as it is waited for; what it was at last is answered. */
async function waitedFor(ask: () => Promise<Answer>, isIt: (answer: Answer) => boolean): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (isIt(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
/** A namespace that is on its way out and held by what is in it. */
async function heldNamespace(call: Call, name: string): Promise<void> {
  await call('POST', '/api/v1/namespaces', { body: namespaceOf(name) });
  const held = map('held', {}, { finalizers: ['example.com/never'] });
  await call('POST', core(name, 'configmaps'), { body: held });
  await call('DELETE', `/api/v1/namespaces/${name}`);
}
async function letGo(call: Call, name: string): Promise<void> {
  await call('PATCH', core(name, 'configmaps', 'held'), { body: { metadata: { finalizers: null } }, type: MERGE });
  await waitedFor(
    () => call('GET', `/api/v1/namespaces/${name}`),
    ({ status }) => status === 404,
  );
}
const metadataOf = ({ body }: Answer) => body.metadata as { uid: string; resourceVersion: string };

const written: [string, Scenario['ask']][] = [
  [
    'a write of a version that is not the latest',
    async (call, ns) => {
      const { body } = await call('POST', core(ns, 'configmaps'), { body: map('stale') });
      await call('PATCH', core(ns, 'configmaps', 'stale'), { body: { data: { a: '2' } }, type: MERGE });
      return call('PUT', core(ns, 'configmaps', 'stale'), { body });
    },
  ],
  [
    'what is there already, made again',
    async (call, ns) => {
      await call('POST', core(ns, 'configmaps'), { body: map('twice') });
      return call('POST', core(ns, 'configmaps'), { body: map('twice') });
    },
  ],
  ['what is not there', (call, ns) => call('GET', core(ns, 'configmaps', 'none'))],
  ['the removal of what is not there', (call, ns) => call('DELETE', grouped('apps/v1', ns, 'deployments', 'none'))],
  ['a kind that is not there', (call, ns) => call('GET', grouped('example.com/v1', ns, 'nothings'))],
  [
    'the removal of another of that name',
    async (call, ns) => {
      await call('POST', core(ns, 'configmaps'), { body: map('other') });
      const preconditions = { uid: '00000000-0000-4000-8000-000000000000' };
      return call('DELETE', core(ns, 'configmaps', 'other'), { body: { preconditions } });
    },
  ],
  [
    'the removal of another version',
    async (call, ns) => {
      await call('POST', core(ns, 'configmaps'), { body: map('version') });
      return call('DELETE', core(ns, 'configmaps', 'version'), { body: { preconditions: { resourceVersion: '1' } } });
    },
  ],
  [
    'a field that another one applied',
    async (call, ns) => {
      const query = { ...ME, fieldManager: 'somebody' };
      await call('PATCH', core(ns, 'configmaps', 'theirs'), { body: map('theirs', { a: '1' }), query, type: APPLY });
      const body = map('theirs', { a: '2' });
      return call('PATCH', core(ns, 'configmaps', 'theirs'), { body, query: ME, type: APPLY });
    },
  ],
  [
    'two fields that another one applied',
    async (call, ns) => {
      const query = { ...ME, fieldManager: 'somebody' };
      const at = core(ns, 'configmaps', 'both');
      await call('PATCH', at, { body: map('both', { a: '1', b: '1' }), query, type: APPLY });
      return call('PATCH', at, { body: map('both', { a: '2', b: '2' }), query: ME, type: APPLY });
    },
  ],
  [
    'a field that somebody edited',
    async (call, ns) => {
      const at = grouped('apps/v1', ns, 'deployments', 'edited');
      await call('PATCH', at, { body: deployment('edited', 'registry.example.com/a'), query: ME, type: APPLY });
      const query = { fieldManager: 'kubectl-edit' };
      await call('PATCH', at, { body: { spec: { replicas: 1 } }, query, type: MERGE });
      return call('PATCH', at, { body: deployment('edited', 'registry.example.com/a'), query: ME, type: APPLY });
    },
  ],
  [
    'the same field, taken',
    (call, ns) => {
      const at = grouped('apps/v1', ns, 'deployments', 'edited');
      const body = deployment('edited', 'registry.example.com/b');
      return call('PATCH', at, { body, query: { ...ME, force: 'true' }, type: APPLY });
    },
  ],
  [
    'an apply to one with a certain uid where there is none',
    (call, ns) => {
      const body = map('nobody', {}, { uid: '00000000-0000-4000-8000-000000000000' });
      return call('PATCH', core(ns, 'configmaps', 'nobody'), { body, query: ME, type: APPLY });
    },
  ],
  [
    'an apply to one with another uid',
    async (call, ns) => {
      await call('POST', core(ns, 'configmaps'), { body: map('renewed') });
      const body = map('renewed', {}, { uid: '00000000-0000-4000-8000-000000000000' });
      return call('PATCH', core(ns, 'configmaps', 'renewed'), { body, query: ME, type: APPLY });
    },
  ],
  [
    'an apply by nobody',
    (call, ns) => call('PATCH', core(ns, 'configmaps', 'anonymous'), { body: map('anonymous'), type: APPLY }),
  ],
  [
    'an apply that says who manages what',
    (call, ns) => {
      const body = map('managed', {}, { managedFields: [{ manager: 'x', operation: 'Apply' }] });
      return call('PATCH', core(ns, 'configmaps', 'managed'), { body, query: ME, type: APPLY });
    },
  ],
  [
    'an apply with a field that the server does not know',
    (call, ns) => {
      const body = job('unknown', 'registry.example.com/a', { nothingLikeIt: true });
      return call('PATCH', grouped('batch/v1', ns, 'jobs', 'unknown'), { body, query: ME, type: APPLY });
    },
  ],
  [
    'a namespace with a name that cannot be one',
    (call) => call('POST', '/api/v1/namespaces', { body: namespaceOf('Not-A-Name') }),
  ],
  [
    'a label that cannot be one',
    (call, ns) => {
      const body = map('labelled', {}, { labels: { a: 'not a label' } });
      return call('POST', core(ns, 'configmaps'), { body });
    },
  ],
  [
    'a key of a Secret that cannot be one',
    (call, ns) => {
      const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key' }, data: { 'a b': 'YQ==' } };
      return call('POST', core(ns, 'secrets'), { body });
    },
  ],
  [
    'two ports of a Service without names',
    (call, ns) => {
      const spec = { ports: [{ port: 80 }, { port: 81 }] };
      return call('POST', core(ns, 'services'), {
        body: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'two' }, spec },
      });
    },
  ],
  [
    'a request that is more than its limit',
    (call, ns) => {
      const resources = { limits: { memory: '1Mi' }, requests: { memory: '2Mi' } };
      const body = deployment('more', 'registry.example.com/a', { app: 'more' }, { resources });
      return call('POST', grouped('apps/v1', ns, 'deployments'), { body });
    },
  ],
  [
    'a network within none',
    (call, ns) => {
      const ipBlock = { cidr: '10.0.0.0/8', except: ['192.168.0.0/16'] };
      const spec = { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [{ ipBlock }] }] };
      const body = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'within' }, spec };
      return call('POST', grouped('networking.k8s.io/v1', ns, 'networkpolicies'), { body });
    },
  ],
  [
    'another template of a Job',
    async (call, ns) => {
      const at = grouped('batch/v1', ns, 'jobs', 'fixed');
      await call('PATCH', at, { body: job('fixed', 'registry.example.com/a'), query: ME, type: APPLY });
      return call('PATCH', at, { body: job('fixed', 'registry.example.com/b'), query: ME, type: APPLY });
    },
  ],
  [
    'another selector of a Deployment',
    async (call, ns) => {
      const at = grouped('apps/v1', ns, 'deployments', 'fixed');
      await call('PATCH', at, { body: deployment('fixed', 'registry.example.com/a'), query: ME, type: APPLY });
      const body = deployment('fixed', 'registry.example.com/a', { app: 'other' });
      return call('PATCH', at, { body, query: ME, type: APPLY });
    },
  ],
  [
    'another service of a StatefulSet',
    async (call, ns) => {
      const at = grouped('apps/v1', ns, 'statefulsets', 'fixed');
      await call('PATCH', at, { body: set('fixed', 'one'), query: ME, type: APPLY });
      return call('PATCH', at, { body: set('fixed', 'two'), query: ME, type: APPLY });
    },
  ],
  [
    'more than a quota has',
    async (call, ns) => {
      const name = `${ns}-quota`;
      await call('POST', '/api/v1/namespaces', { body: namespaceOf(name) });
      await call('POST', core(name, 'resourcequotas'), { body: quota('few', { 'count/services': '0' }) });
      await waitedFor(
        () => call('GET', core(name, 'resourcequotas', 'few')),
        ({ body }) => (body.status as Fields | undefined)?.hard !== undefined,
      );
      const body = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'one' }, spec: { ports: [{ port: 80 }] } };
      const answer = await call('POST', core(name, 'services'), { body });
      await call('DELETE', `/api/v1/namespaces/${name}`);
      return answer;
    },
  ],
  [
    'what is made in a namespace that is not there',
    (call, ns) => call('POST', core(`${ns}-none`, 'configmaps'), { body: map('lost') }),
  ],
  [
    'what is made in a namespace that is on its way out',
    async (call, ns) => {
      const name = `${ns}-late`;
      await heldNamespace(call, name);
      const answer = await call('PATCH', core(name, 'configmaps', 'late'), {
        body: map('late'),
        query: ME,
        type: APPLY,
      });
      await letGo(call, name);
      return answer;
    },
  ],
  [
    'the removal of a namespace that is on its way out',
    async (call, ns) => {
      const name = `${ns}-again`;
      await heldNamespace(call, name);
      const answer = await call('DELETE', `/api/v1/namespaces/${name}`);
      await letGo(call, name);
      return answer;
    },
  ],
  [
    'what holds a namespace that does not go',
    async (call, ns) => {
      const name = `${ns}-held`;
      await heldNamespace(call, name);
      const answer = await waitedFor(
        () => call('GET', `/api/v1/namespaces/${name}`),
        ({ body }) => JSON.stringify(body.status).includes('example.com/never'),
      );
      await letGo(call, name);
      return answer;
    },
  ],
  [
    'a watch from a version that is forgotten',
    (call, ns) => call('GET', core(ns, 'configmaps'), { query: { watch: 'true', resourceVersion: '1' }, lines: 1 }),
  ],
  [
    'a page that goes on from nowhere',
    (call, ns) => call('GET', core(ns, 'configmaps'), { query: { limit: '1', continue: 'bm90aGluZw' } }),
  ],
  [
    'a watch that tells what is made',
    async (call, ns) => {
      const { body } = await call('GET', core(ns, 'configmaps'));
      const { resourceVersion } = (body as { metadata: { resourceVersion: string } }).metadata;
      const seen = call('GET', core(ns, 'configmaps'), { query: { watch: 'true', resourceVersion }, lines: 1 });
      await call('POST', core(ns, 'configmaps'), { body: map('seen') });
      return seen;
    },
  ],
  [
    'what would be made',
    async (call, ns) => {
      const query = { ...ME, dryRun: 'All' };
      await call('PATCH', core(ns, 'configmaps', 'dry'), { body: map('dry'), query, type: APPLY });
      return call('GET', core(ns, 'configmaps', 'dry'));
    },
  ],
  [
    'what would be refused',
    (call, ns) => {
      const query = { ...ME, dryRun: 'All' };
      const body = map('dry', {}, { labels: { a: 'not a label' } });
      return call('PATCH', core(ns, 'configmaps', 'dry'), { body, query, type: APPLY });
    },
  ],
  [
    'what is gone once its finalizers are',
    async (call, ns) => {
      const at = core(ns, 'configmaps', 'final');
      const body = map('final', { a: '1' }, { finalizers: ['example.com/never'] });
      await call('POST', core(ns, 'configmaps'), { body });
      await call('DELETE', at);
      await call('GET', at);
      await call('PATCH', at, { body: { metadata: { finalizers: null } }, type: MERGE });
      return call('GET', at);
    },
  ],
  [
    'what waits for its finalizers',
    async (call, ns) => {
      const at = core(ns, 'configmaps', 'waits');
      const body = map('waits', { a: '1' }, { finalizers: ['example.com/never'] });
      await call('POST', core(ns, 'configmaps'), { body });
      await call('DELETE', at);
      const answer = await call('GET', at);
      await call('PATCH', at, { body: { metadata: { finalizers: null } }, type: MERGE });
      return answer;
    },
  ],
  [
    'who manages what after two applied',
    async (call, ns) => {
      const at = core(ns, 'configmaps', 'shared');
      await call('PATCH', at, { body: map('shared', { a: '1', b: '1' }), query: ME, type: APPLY });
      const query = { ...ME, fieldManager: 'somebody' };
      await call('PATCH', at, { body: map('shared', { c: '1' }), query, type: APPLY });
      return call('PATCH', at, { body: map('shared', { a: '1' }), query: ME, type: APPLY });
    },
  ],
  [
    'an apply that changes nothing',
    async (call, ns) => {
      const at = core(ns, 'configmaps', 'same');
      const first = await call('PATCH', at, { body: map('same'), query: ME, type: APPLY });
      const second = await call('PATCH', at, { body: map('same'), query: ME, type: APPLY });
      const isSame = metadataOf(first).resourceVersion === metadataOf(second).resourceVersion;
      return { status: second.status, body: { isSame, first: first.status } };
    },
  ],
  ['a list by somebody who may not', (call, ns) => call('GET', core(ns, 'configmaps'), { isStranger: true })],
  [
    'one object for somebody who may not',
    (call, ns) => call('GET', core(ns, 'configmaps', 'same'), { isStranger: true }),
  ],
  [
    'an apply by somebody who may not',
    (call, ns) => {
      const at = grouped('apps/v1', ns, 'deployments', 'never');
      const body = deployment('never', 'registry.example.com/a');
      return call('PATCH', at, { body, query: ME, type: APPLY, isStranger: true });
    },
  ],
  [
    'a removal of what belongs to no namespace by somebody who may not',
    (call, ns) => call('DELETE', `/api/v1/namespaces/${ns}`, { isStranger: true }),
  ],
  [
    'the log of a pod by somebody who may not',
    (call, ns) => call('GET', `${core(ns, 'pods', 'web')}/log`, { isStranger: true }),
  ],
  [
    'whether somebody may who may not',
    (call, ns) => {
      const resourceAttributes = { verb: 'list', group: '', resource: 'configmaps', namespace: ns };
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes },
      };
      return call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body, isStranger: true });
    },
  ],
];

export const scenarios: readonly Scenario[] = written.map(([asked, ask]) => ({ asked, ask }));
