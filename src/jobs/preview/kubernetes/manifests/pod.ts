/** What every pod of ours has in common: Pod Security `restricted`, no token, no doors into the node. */
import type {
  V1Container,
  V1EnvVar,
  V1PodSecurityContext,
  V1PodSpec,
  V1ResourceRequirements,
  V1Volume,
} from '@kubernetes/client-node';
import type { PreviewFrame } from './input.js';
import type { Size } from './settings.js';

export const SERVICE_ACCOUNT = 'preview';
export const PULL_SECRET = 'image-pull';
/** Nobody on any node; the group owns volumes. */
export const DEFAULT_USER = 10_001;

/** Kubernetes expands `$(NAME)` in values and arguments, and takes `$$` for `$`: so every `$` is doubled to stay itself. */
export const literal = (text: string): string => text.replaceAll('$', '$$$$');

export const variable = (name: string, value: string): V1EnvVar => ({ name, value: literal(value) });

export const fromSecret = (name: string, secret: string, key: string): V1EnvVar => ({
  name,
  valueFrom: { secretKeyRef: { name: secret, key } },
});

/** Asks for a quarter of the CPU it may use, and for all of the memory, which cannot be taken back. */
export function resources(size: Size): V1ResourceRequirements {
  const { cpu, memory, disk } = size;
  return {
    limits: { cpu, memory, 'ephemeral-storage': disk },
    requests: { cpu: `${Math.max(10, Math.ceil(milli(cpu) / 4))}m`, memory, 'ephemeral-storage': '64Mi' },
  };
}

/** CPU in thousandths. */
export const milli = (cpu: string): number => (cpu.endsWith('m') ? Number(cpu.slice(0, -1)) : Number(cpu) * 1_000);

const UNIT: Record<string, number> = { Ki: 1 / 1_024, Mi: 1, Gi: 1_024 };
export const mebibytes = (text: string): number => Math.ceil(Number(text.slice(0, -2)) * (UNIT[text.slice(-2)] ?? 0));

export const container = (given: {
  name: string;
  image: string;
  size: Size;
  command?: readonly string[];
  args?: readonly string[];
  env?: V1EnvVar[];
  workingDir?: string;
  ports?: V1Container['ports'];
  mounts?: V1Container['volumeMounts'];
  readinessProbe?: V1Container['readinessProbe'];
  startupProbe?: V1Container['startupProbe'];
  /** Its own image may be read only; images of repositories often cannot. */
  readOnly?: boolean;
}): V1Container => {
  const { name, image, size, command, args, env, workingDir, ports, mounts, readinessProbe, startupProbe, readOnly } =
    given;
  return {
    ...{ name, image },
    ...(command === undefined ? {} : { command: command.map(literal) }),
    ...(args === undefined ? {} : { args: args.map(literal) }),
    ...(env === undefined ? {} : { env }),
    ...(workingDir === undefined ? {} : { workingDir }),
    ...(ports === undefined ? {} : { ports }),
    ...(readinessProbe === undefined ? {} : { readinessProbe }),
    ...(startupProbe === undefined ? {} : { startupProbe }),
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }, ...(mounts ?? [])],
    resources: resources(size),
    imagePullPolicy: 'IfNotPresent',
    // The last lines of what failed are read from its state, without a way into the pod.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
      ...(readOnly ? { readOnlyRootFilesystem: true } : {}),
    },
  };
};

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
