/** What every pod of ours has in common: Pod Security `restricted`, no token, no doors into the node. */
import type { V1Container, V1PodSecurityContext, V1PodSpec, V1Volume } from '@kubernetes/client-node';
import type { PreviewFrame } from './input.js';

export {
  container,
  fromSecret,
  literal,
  mebibytes,
  milli,
  variable,
} from '../../../../effects/kubernetes/containers.js';

export const SERVICE_ACCOUNT = 'preview';
export const PULL_SECRET = 'image-pull';
/** Nobody on any node; the group owns volumes. */
export const DEFAULT_USER = 10_001;

function securityContext(o: { user: number; group: number; lowPorts: boolean }): V1PodSecurityContext {
  return {
    ...{ runAsNonRoot: true, runAsUser: o.user, runAsGroup: o.group, fsGroup: o.group },
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
    // Lets a server that is not root listen on port 80; `restricted` allows it.
    ...(o.lowPorts ? { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] } : {}),
  };
}

export function podSpec(
  frame: PreviewFrame,
  given: {
    containers: V1Container[];
    initContainers?: V1Container[];
    volumes?: V1Volume[];
    user?: number;
    group?: number;
    restartPolicy: 'Always' | 'Never';
    lowPorts?: boolean;
    tmpSize: string;
    graceSeconds?: number;
  },
): V1PodSpec {
  const { settings, trusted } = frame;
  const {
    containers,
    initContainers,
    volumes,
    user = DEFAULT_USER,
    group = DEFAULT_USER,
    restartPolicy,
    lowPorts = false,
  } = given;
  const runtimeClass = trusted ? settings.runtimeClass : (settings.untrustedRuntimeClass ?? settings.runtimeClass);
  return {
    serviceAccountName: SERVICE_ACCOUNT,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    imagePullSecrets: [{ name: PULL_SECRET }],
    restartPolicy,
    terminationGracePeriodSeconds: given.graceSeconds ?? 10,
    ...(settings.userNamespaces ? { hostUsers: false } : {}),
    ...(runtimeClass === undefined ? {} : { runtimeClassName: runtimeClass }),
    securityContext: securityContext({ user, group, lowPorts }),
    ...(initContainers === undefined ? {} : { initContainers }),
    containers,
    volumes: [{ name: 'tmp', emptyDir: { sizeLimit: given.tmpSize } }, ...(volumes ?? [])],
  };
}
