/**
 * The API server that tests run against: that in memory or, by `npm run test:kubernetes`, whatever KUBECONFIG points at, with a front
 * before it that breaks what they say.
 */
import { type Behind, behindMemory, behindServer } from './behind.js';
import { type FaultFront, startFaultFront } from './fault-front.js';
import { mergePatched } from './fields.js';
import { startPretendedKubelet } from './pretended-kubelet.js';
import { type KubernetesApi, type KubernetesApiOptions, startKubernetesApi } from './server.js';
import { callsOf } from './telling.js';

/** Where the real one is; undefined: there is none, and the one in memory is used. */
export const realKubeconfig =
  process.env.FORGEWAY_TEST_CLUSTER === 'kubeconfig' ? process.env.KUBECONFIG || undefined : undefined;
export const isReal = realKubeconfig !== undefined;

export interface ChosenApi
  extends Pick<FaultFront, 'url' | 'kubeconfig' | 'faults' | 'asked' | 'endWatches' | 'close'> {
  down: boolean;
  /** Undefined: it is a real one. */
  memory: KubernetesApi | undefined;
  behind: Behind;
}

export async function startMemory(options: KubernetesApiOptions = {}): Promise<ChosenApi & KubernetesApi> {
  const memory = await startKubernetesApi(options);
  return Object.assign(memory, { memory, behind: behindMemory(memory, mergePatched) });
}

/**
 * @param options of the one in memory; how pods fare is said to a real one, too, where `faring`
 */
export async function startChosenApi(options: KubernetesApiOptions = {}, faring = false): Promise<ChosenApi> {
  if (realKubeconfig === undefined) return startMemory(options);
  const call = await callsOf(realKubeconfig);
  const front = await startFaultFront(realKubeconfig);
  const { fate } = options;
  const kubelet =
    faring && fate !== undefined
      ? startPretendedKubelet(call, {
          ...{ fate, labels: 'app.kubernetes.io/managed-by=forgeway' },
          isOurs: (namespace) => front.made.has(namespace),
        })
      : undefined;
  const { close } = front;
  const behind = behindServer(call);
  return Object.assign(front, {
    ...{ memory: undefined, behind },
    async close() {
      await kubelet?.stop();
      // What a test left standing is in the way of whoever the cluster belongs to.
      for (const name of front.made) await behind.delete('Namespace', undefined, name);
      await close();
    },
  });
}
