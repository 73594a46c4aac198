/** Clusters that are older than fields that Forgeway sets: what can be left out is, and what cannot is told as what it is. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { V1Job, V1StatefulSet } from '@kubernetes/client-node';
import { pino } from 'pino';
import { type Cluster, openCluster } from '../../../src/effects/kubernetes/cluster.js';
import { openConnection } from '../../../src/effects/kubernetes/connection.js';
import { dispensable, NEWER_FIELDS } from '../../../src/effects/kubernetes/newer-fields.js';
import { checkCluster } from '../../../src/jobs/preview/kubernetes/check.js';
import { settingsOf, writeKubeconfig } from '../../preview/kubernetes/rig.js';
import { type KubernetesApi, startKubernetesApi } from '../../support/kubernetes-api/server.js';
import { loopback } from '../../support/loopback.js';

let api: KubernetesApi;
let cluster: Cluster;
const said: string[] = [];
beforeAll(async () => {
  const lacks = [...NEWER_FIELDS.map(({ kind, field }) => `${kind}.spec.${field}`), 'ConfigMap.immutable'];
  api = await startKubernetesApi({ version: 'v1.20.2', lacks });
  cluster = openCluster({
    name: 'old',
    connection: openConnection({ kind: 'file', path: await writeKubeconfig(api.kubeconfig) }),
    outbound: loopback,
    log: pino({ level: 'warn' }, { write: (line: string) => void said.push(line) }),
  });
});
afterAll(async () => {
  cluster.close();
  await api.close();
});

const metadata = (name: string) => ({ name, namespace: 'default' });
const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'registry.example.com/a' }] } };
const job = (name: string): V1Job => ({
  ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: metadata(name) },
  spec: {
    ...{ backoffLimit: 2, template },
    podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } }] },
  },
});

describe('a cluster that is older than a field', () => {
  it('gets the object without it, is not asked twice, and says so once', async () => {
    const made = await cluster.apply(job('one'));
    expect(made.spec).toMatchObject({ backoffLimit: 0 });
    expect(made.spec?.podFailurePolicy).toBeUndefined();
    const { writes } = cluster.counts();
    await cluster.apply(job('two'));
    expect(cluster.counts().writes).toBe(writes + 1);
    const labels = { app: 'a' };
    const set: V1StatefulSet = {
      ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('set') },
      spec: {
        ...{ serviceName: 'set', selector: { matchLabels: labels } },
        template: { metadata: { labels }, spec: { containers: template.spec.containers } },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
      },
    };
    expect((await cluster.apply(set)).spec?.serviceName).toBe('set');
    expect(said.map((line) => (JSON.parse(line) as { fields: string[] }).fields)).toEqual([
      ['podFailurePolicy (1.26)'],
      ['persistentVolumeClaimRetentionPolicy (1.27)'],
    ]);
  });

  it('is asked once, also where it names what was left out already', () => {
    const { podFailurePolicy: _left, ...spec } = job('three').spec ?? { template };
    const undeclared = ['.spec.podFailurePolicy'];
    expect(dispensable(job('three'), undeclared)).toHaveLength(1);
    expect(dispensable({ ...job('three'), spec } as V1Job, undeclared)).toBeUndefined();
  });

  it('is told as one that did not accept the object where it cannot be left out', async () => {
    const before = cluster.counts().writes;
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('fixed'), immutable: true };
    await expect(cluster.apply(map)).rejects.toMatchObject({
      code: 'FORGEWAY_CLUSTER_INVALID',
      message: expect.stringContaining('it does not know .immutable: its Kubernetes is too old for that'),
    });
    expect(cluster.counts().writes).toBe(before + 1);
  });

  it('is warned of, with what it does not do', async () => {
    const { version, warnings } = await checkCluster(cluster, settingsOf(), false);
    expect(version).toBe('v1.20.2');
    expect(warnings[0]).toMatch(/older .* Pod Security .*1\.25.*1\.26.*1\.27/);
  });
});
