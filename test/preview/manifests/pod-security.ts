/**
 * Pod Security `restricted`, as the standard words it, and what else a preview's pod may not have. Written without the
 * builder: it looks at plain data and knows nothing of how it was made.
 */

export interface Found {
  kind: string;
  metadata: { name: string; namespace?: string; labels: Record<string, string>; annotations?: Record<string, string> };
  [key: string]: unknown;
}

type Plain = Record<string, unknown>;
const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>(
    (part, key) => (typeof part === 'object' && part !== null ? Reflect.get(part, key) : undefined),
    value,
  );
const list = (value: unknown): Plain[] => (Array.isArray(value) ? value : []);

/** The pod of a workload; undefined for what has none. */
export function podOf(found: Found): Plain | undefined {
  return at(found, 'spec', 'template', 'spec') as Plain | undefined;
}

export const containersOf = (pod: Plain): Plain[] => [
  ...list(pod.initContainers),
  ...list(pod.containers),
  ...list(pod.ephemeralContainers),
];

/** Volumes that `restricted` knows, less those that we have no use for. */
const VOLUMES = [
  'emptyDir',
  'secret',
  'configMap',
  'persistentVolumeClaim',
  'projected',
  'downwardAPI',
  'csi',
  'ephemeral',
];
const SYSCTLS = [
  ...['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start'],
  ...['net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_local_reserved_ports'],
];

/** Every way in which a pod is not `restricted`. */
export function podSecurityProblems(pod: Plain): string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod[key] !== true, key);
  for (const sysctl of list(at(pod, 'securityContext', 'sysctls')))
    expect(SYSCTLS.includes(String(sysctl.name)), `sysctl ${String(sysctl.name)}`);
  for (const volume of list(pod.volumes)) {
    const kinds = Object.keys(volume).filter((key) => key !== 'name');
    expect(kinds.length === 1 && VOLUMES.includes(kinds[0] ?? ''), `volume ${kinds.join()}`);
  }
  const podContext = (pod.securityContext ?? {}) as Plain;
  expect(podContext.runAsUser === undefined || podContext.runAsUser !== 0, 'runs as root');
  expect(podContext.windowsOptions === undefined, 'windowsOptions');
  expect(podContext.seLinuxOptions === undefined, 'seLinuxOptions');
  for (const container of containersOf(pod)) {
    const name = String(container.name);
    const context = (container.securityContext ?? {}) as Plain;
    const effective = (key: string) => context[key] ?? podContext[key];
    expect(context.privileged !== true, `${name}: privileged`);
    expect(context.allowPrivilegeEscalation === false, `${name}: allowPrivilegeEscalation`);
    expect(effective('runAsNonRoot') === true, `${name}: runAsNonRoot`);
    expect(effective('runAsUser') !== 0, `${name}: root`);
    expect(context.procMount === undefined || context.procMount === 'Default', `${name}: procMount`);
    expect(
      list(at(context, 'capabilities', 'drop')).some((one) => String(one) === 'ALL'),
      `${name}: capabilities kept`,
    );
    expect(
      list(at(context, 'capabilities', 'add')).every((one) => String(one) === 'NET_BIND_SERVICE'),
      `${name}: capabilities added`,
    );
    const seccomp = at(context, 'seccompProfile', 'type') ?? at(podContext, 'seccompProfile', 'type');
    expect(seccomp === 'RuntimeDefault' || seccomp === 'Localhost', `${name}: seccomp ${String(seccomp)}`);
    expect(context.appArmorProfile === undefined, `${name}: AppArmor`);
    for (const port of list(container.ports))
      expect(port.hostPort === undefined || port.hostPort === 0, `${name}: hostPort`);
    for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'])
      expect(at(container, probe, 'httpGet', 'host') === undefined, `${name}: ${probe} asks another host`);
  }
  return problems;
}

/** What section I of the plan asks of a pod beyond the standard. */
export function previewPodProblems(
  found: Found,
  pod: Plain,
  o: { userNamespaces: boolean; runtimeClass?: string },
): string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  expect(pod.automountServiceAccountToken === false, 'mounts a token');
  expect(pod.enableServiceLinks === false, 'is told of other services');
  expect(pod.shareProcessNamespace !== true, 'shares processes');
  expect(
    pod.nodeName === undefined && pod.nodeSelector === undefined && pod.tolerations === undefined,
    'chooses its node',
  );
  expect(pod.priorityClassName === undefined, 'chooses its priority');
  expect(pod.hostAliases === undefined, 'names hosts');
  expect(pod.serviceAccountName === 'preview', 'chooses its account');
  expect(o.userNamespaces === (pod.hostUsers === false), 'user namespace');
  expect(pod.runtimeClassName === o.runtimeClass, 'runtime class');
  for (const volume of list(pod.volumes)) {
    const empty = at(volume, 'emptyDir');
    if (empty !== undefined)
      expect(typeof at(empty, 'sizeLimit') === 'string', `volume ${String(volume.name)} without a limit`);
    expect(at(volume, 'projected') === undefined, 'a projected volume');
  }
  for (const container of containersOf(pod)) {
    for (const resource of ['cpu', 'memory', 'ephemeral-storage']) {
      expect(
        typeof at(container, 'resources', 'limits', resource) === 'string',
        `${String(container.name)}: no limit of ${resource}`,
      );
      expect(
        typeof at(container, 'resources', 'requests', resource) === 'string',
        `${String(container.name)}: no request of ${resource}`,
      );
    }
    expect(container.lifecycle === undefined, 'lifecycle hooks');
    expect(container.stdin === undefined && container.tty === undefined, 'a terminal');
    expect(container.volumeDevices === undefined, 'devices');
  }
  if (found.kind === 'Job') expect(typeof at(found, 'spec', 'activeDeadlineSeconds') === 'number', 'a job without end');
  return problems;
}
