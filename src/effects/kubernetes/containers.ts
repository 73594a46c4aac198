/** What containers of ours have in common, whatever runs in them: limits, no privilege, and values that stay what they are. */
import type { V1Container, V1EnvVar, V1ResourceRequirements } from '@kubernetes/client-node';
import { z } from 'zod';

/** What every pod asks for at least: an API server takes no limit below that. */
const LEAST = { cpu: 50, mebibytes: 64 };
const cpu = z
  .string()
  .regex(/^\d{1,6}m?$/, { error: 'must be a number of cores such as 2, or 500m', abort: true })
  .refine((text) => milli(text) >= LEAST.cpu, `must be at least ${LEAST.cpu}m`);
const memory = z
  .string()
  .regex(/^\d{1,9}(Ki|Mi|Gi)$/, { error: 'must be written as 512Mi or 2Gi', abort: true })
  .refine((text) => mebibytes(text) >= LEAST.mebibytes, `must be at least ${LEAST.mebibytes}Mi`);

/** How much of a node something may use. */
export const size = z.strictObject({ cpu, memory, disk: memory });
export type Size = z.output<typeof size>;

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
    requests: {
      ...{ cpu: `${Math.max(10, Math.ceil(milli(cpu) / 4))}m`, memory },
      'ephemeral-storage': `${LEAST.mebibytes}Mi`,
    },
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
  /** Its name stands for another image now and then, so a node that has one asks for it all the same. */
  moves?: boolean;
}): V1Container => {
  const { name, image, size, command, args, env, workingDir, ports, mounts, readinessProbe, startupProbe } = given;
  const { readOnly, moves = false } = given;
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
    imagePullPolicy: moves ? 'Always' : 'IfNotPresent',
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
