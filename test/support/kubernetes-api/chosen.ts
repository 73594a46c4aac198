/**
 * The API server that tests run against: that in memory or, by `npm run test:kubernetes`, whatever KUBECONFIG points at, with a front
 * before it that breaks what they say.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { V1PolicyRule } from '@kubernetes/client-node';
import { admissionPolicy } from '../../../src/jobs/preview/kubernetes/manifests/access.js';
import { makeAccount, type TestAccount } from './account.js';
import { type Behind, behindMemory, behindServer } from './behind.js';
import { type FaultFront, startFaultFront } from './fault-front.js';
import { mergePatched } from './fields.js';
import { leaveOut } from './left-out.js';
import { startPretendedKubelet } from './pretended-kubelet.js';
import type { Call } from './scenarios.js';
import { type KubernetesApi, type KubernetesApiOptions, startKubernetesApi } from './server.js';
import { callsOf } from './telling.js';

/** Where the real one is; undefined: there is none, and the one in memory is used. */
export const realKubeconfig =
  process.env.FORGEWAY_TEST_CLUSTER === 'kubeconfig' ? process.env.KUBECONFIG || undefined : undefined;
export const isReal = realKubeconfig !== undefined;

export interface ChosenApi
  extends Pick<FaultFront, 'url' | 'kubeconfig' | 'faults' | 'asked' | 'endWatches' | 'close'>,
    Pick<TestAccount, 'allow' | 'limit'> {
  down: boolean;
  /** Undefined: it is a real one. */
  memory: KubernetesApi | undefined;
  behind: Behind;
  /** Whether a namespace was made through it; others may be of tests before, whose namespaces take their time to go. */
  isMadeHere(namespace: string): boolean;
}

export async function startMemory(given: KubernetesApiOptions = {}): Promise<ChosenApi & KubernetesApi> {
  const options = { ...given };
  const memory = await startKubernetesApi(options);
  const chosen: ChosenApi & KubernetesApi = Object.assign(memory, {
    ...{ memory, behind: behindMemory(memory, mergePatched), isMadeHere: () => true },
    async allow(rules: readonly V1PolicyRule[]) {
      options.rules = rules;
    },
    async limit(for_: Parameters<TestAccount['limit']>[0]) {
      const name = for_ === 'it' ? 'forgeway' : 'another';
      memory.policy = for_ === 'nobody' ? undefined : admissionPolicy({ namespace: 'forgeway', name });
      return true;
    },
  });
  return chosen;
}

/** An API server learns from its store what a role allows. */
async function untilAllowed(url: string, [first]: readonly V1PolicyRule[]): Promise<void> {
  const [verb, resource] = [first?.verbs[0], first?.resources?.[0]];
  const spec = { resourceAttributes: { verb, resource, group: first?.apiGroups?.[0] } };
  for (let tries = 0; tries < 300; tries += 1) {
    const response = await fetch(`${url}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec }),
    });
    const { status } = (await response.json()) as { status?: { allowed?: boolean } };
    if (status?.allowed === true) return;
    await pause(100);
  }
  throw new Error(`the role that was made allows nothing: ${verb} ${resource}`);
}

async function accountOf(call: Call, options: KubernetesApiOptions): Promise<TestAccount | undefined> {
  if (options.rules === undefined) return undefined;
  const account = await makeAccount(call, options.rules);
  if (options.policy !== undefined && !(await account.limit('it')))
    leaveOut('the admission policy', 'this cluster is too old for it; all is done within the role');
  return account;
}

/**
 * @param options of the one in memory; of them, what the account may do, and how pods fare where `faring`, hold on a real one, too
 */
export async function startChosenApi(options: KubernetesApiOptions = {}, faring = false): Promise<ChosenApi> {
  if (realKubeconfig === undefined) return startMemory(options);
  const call = await callsOf(realKubeconfig);
  const account = await accountOf(call, options);
  const front = await startFaultFront(realKubeconfig, account?.user);
  if (options.rules !== undefined) await untilAllowed(front.url, options.rules);
  const { close, made } = front;
  const isMadeHere = (namespace: string) => made.has(namespace);
  const { fate } = options;
  const kubelet =
    faring && fate !== undefined
      ? startPretendedKubelet(call, {
          ...{ fate, labels: 'app.kubernetes.io/managed-by=forgeway' },
          isOurs: isMadeHere,
        })
      : undefined;
  const behind = behindServer(call);
  const asAdministrator = async () => {
    throw new Error('This test asks as an administrator, who may do everything.');
  };
  return Object.assign(front, {
    ...{
      memory: undefined,
      behind,
      isMadeHere,
      allow: account?.allow ?? asAdministrator,
      limit: account?.limit ?? asAdministrator,
    },
    async close() {
      await kubelet?.stop();
      try {
        // What a test left standing is in the way of whoever the cluster belongs to.
        for (const name of made) await behind.delete('Namespace', undefined, name);
      } finally {
        await account?.remove();
        await close();
      }
    },
  });
}
