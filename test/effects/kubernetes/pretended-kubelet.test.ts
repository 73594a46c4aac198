/** Against a cluster that others use, too, a run tells only the pods of its own namespaces how they fare. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, writeKubeconfig } from '../../preview/kubernetes/rig.js';
import { realKubeconfig } from '../../support/kubernetes-api/chosen.js';
import { type FaultFront, startFaultFront } from '../../support/kubernetes-api/fault-front.js';
import type { ApiObject } from '../../support/kubernetes-api/objects.js';
import { startPretendedKubelet } from '../../support/kubernetes-api/pretended-kubelet.js';
import type { Call } from '../../support/kubernetes-api/scenarios.js';
import { startKubernetesApi } from '../../support/kubernetes-api/server.js';
import { callsOf } from '../../support/kubernetes-api/telling.js';

const run = randomUUID().slice(0, 8);
const [ours, theirs] = [`forgeway-test-${run}-ours`, `forgeway-test-${run}-theirs`];
const LABELS = { 'app.kubernetes.io/managed-by': 'forgeway', 'forgeway.dev/test': run };

let direct: Call;
let front: FaultFront;
let through: Call;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  let path = realKubeconfig;
  if (path === undefined) {
    const api = await startKubernetesApi({ fate: () => 'stays-pending' });
    path = await writeKubeconfig(api.kubeconfig);
    ends.push(() => api.close());
  }
  direct = await callsOf(path);
  front = await startFaultFront(path);
  const frontPath = await writeKubeconfig(front.kubeconfig);
  through = await callsOf(frontPath);
  ends.unshift(
    () => front.close(),
    () => rm(dirname(frontPath), { recursive: true }),
  );
});
afterAll(async () => {
  for (const name of [ours, theirs]) await direct('DELETE', `/api/v1/namespaces/${name}`);
  for (const end of ends) await end();
});

async function deployed(call: Call, name: string): Promise<void> {
  await call('POST', '/api/v1/namespaces', { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } });
  const template = {
    metadata: { labels: LABELS },
    spec: { containers: [{ name: 'web', image: 'registry.example.com/web' }] },
  };
  const spec = { replicas: 1, selector: { matchLabels: LABELS }, template };
  const body = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec };
  const path = `/apis/apps/v1/namespaces/${name}/deployments`;
  await eventually(async () => (await call('POST', path, { body })).status === 201);
}
const podsOf = async (namespace: string) =>
  ((await direct('GET', `/api/v1/namespaces/${namespace}/pods`)).body.items ?? []) as ApiObject[];

it('tells the pods of namespaces that were made through its front, and no others', async () => {
  await deployed(direct, theirs);
  await eventually(async () => (await podsOf(theirs)).length === 1);
  await deployed(through, ours);
  await eventually(async () => (await podsOf(ours)).length === 1);
  expect([...front.made]).toEqual([ours]);
  const written: string[] = [];
  const noting: Call = async (method, path, o) => {
    if (method === 'GET') return direct(method, path, o);
    written.push(path);
    return direct(method, path, o);
  };
  const kubelet = startPretendedKubelet(noting, {
    ...{ fate: () => 'runs' as const, labels: `forgeway.dev/test=${run}` },
    isOurs: (namespace) => front.made.has(namespace),
  });
  await eventually(async () => written.length > 0);
  // Told in the same look as ours, if at all; looked at once more.
  await kubelet.stop();
  const phases = async (of: string) => (await podsOf(of)).map(({ status }) => status?.phase);
  expect([await phases(ours), await phases(theirs)]).toEqual([['Running'], ['Pending']]);
  expect(written).toEqual([expect.stringContaining(`/namespaces/${ours}/`)]);
});
