/**
 * `npm run double:kubernetes`: the Kubernetes API in memory as a server, for whoever has no cluster at hand. It has the controllers of a
 * cluster and no kubelet, so pods stay pending, and forgets everything when it ends. What of it was compared with what stands in
 * test/support/kubernetes-api/README.md.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKubernetesApi } from '../test/support/kubernetes-api/server.js';

const api = await startKubernetesApi({ fate: () => 'stays-pending' });
const directory = await mkdtemp(join(tmpdir(), 'forgeway-kubernetes-'));
const kubeconfig = join(directory, 'config');
await writeFile(kubeconfig, api.kubeconfig, { mode: 0o600 });
process.stdout.write(`${api.url}\nKUBECONFIG=${kubeconfig}\n`);

async function end(): Promise<void> {
  await api.close();
  await rm(directory, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end());
