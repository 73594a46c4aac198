/**
 * A kubelet that really runs what a pod says: each container as a process of this machine, with the pod's volumes as directories.
 * Paths of mounts are put where those directories are, in arguments and in the environment; images, users and limits are not
 * looked at. A pod that is deleted stays until its processes have ended, as with a real one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { V1Container, V1Pod } from '@kubernetes/client-node';
import type { ApiObject, Fields } from './objects.js';
import type { ClusterStore } from './store.js';

export interface LogLine {
  time: string;
  text: string;
}

interface Running {
  namespace: string;
  name: string;
  directory: string;
  children: Map<string, ChildProcess>;
  /** Said in place of what a process itself ends with. */
  reasons: Map<string, string>;
  states: Map<string, Fields>;
  ended: Promise<void>;
  /** Nothing more of it is begun. */
  stopping: boolean;
  /** It goes as soon as nothing of it runs. */
  leaving: boolean;
}

const FINALIZER = 'tests/kubelet';
const SAYS = '/dev/termination-log';
const GRACE_MS = 300;

export class Kubelet {
  /** By `namespace/pod/container`. */
  readonly lines = new Map<string, LogLine[]>();
  /** Namespaces whose pods do not go although they were deleted: their node does not answer. */
  readonly unreachable = new Set<string>();
  /** Programs of images, looked for before those of this machine. */
  programs = '';
  readonly #running = new Map<string, Running>();

  constructor(readonly store: ClusterStore) {
    store.subscribe(() => {
      // Of a cluster whose pods are only told nothing is looked at.
      if (this.#running.size > 0) setImmediate(() => this.#look());
    });
  }

  /** Begins to run a pod that has just been made. */
  run(pod: ApiObject): void {
    const { namespace = '', name, uid } = pod.metadata;
    const running: Running = {
      ...{ namespace, name, directory: '', children: new Map(), reasons: new Map(), states: new Map() },
      ...{ ended: Promise.resolve(), stopping: false, leaving: false },
    };
    this.#running.set(uid, running);
    this.store.change('Pod', namespace, name, (object) => {
      object.metadata.finalizers = [FINALIZER];
    });
    running.ended = this.#live(running, pod as unknown as V1Pod).catch((error: Error) => {
      this.#tell(running, { phase: 'Failed', reason: 'KubeletBroken', message: error.stack ?? error.message });
    });
  }

  /** The command's container is ended as the kernel does that finds no memory. */
  outOfMemory(namespace: string, container: string): void {
    for (const running of this.#of(namespace)) {
      running.reasons.set(container, 'OOMKilled');
      kill(running.children.get(container), 'SIGKILL');
    }
  }

  /**
   * Every process ends, and the pod says so when the last one has. @param o.outlives the container that ends by itself, within the grace
   * that a pod is given
   */
  evict(namespace: string, status: { reason: string; message: string }, o: { outlives?: string } = {}): void {
    for (const running of this.#of(namespace)) {
      running.stopping = true;
      for (const [name, child] of running.children) if (name !== o.outlives) kill(child, 'SIGKILL');
      void running.ended.then(() => this.#tell(running, { phase: 'Failed', ...status }));
    }
  }

  /** Process ids of what runs there. */
  processes(namespace: string): number[] {
    return this.#of(namespace).flatMap(({ children }) =>
      [...children.values()].flatMap(({ pid, exitCode, signalCode }) =>
        pid !== undefined && exitCode === null && signalCode === null ? [pid] : [],
      ),
    );
  }

  async close(): Promise<void> {
    for (const running of this.#running.values()) {
      running.stopping = true;
      for (const child of running.children.values()) kill(child, 'SIGKILL');
    }
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    for (const { directory } of this.#running.values())
      if (directory !== '') await rm(directory, { recursive: true, force: true });
  }

  #of(namespace: string): Running[] {
    return [...this.#running.values()].filter((one) => one.namespace === namespace);
  }

  /** Pods that are on their way out end, and are gone when nothing of them runs. */
  #look(): void {
    for (const pod of this.store.list('Pod')) {
      const running = this.#running.get(pod.metadata.uid);
      const { namespace = '', name, deletionTimestamp, finalizers = [] } = pod.metadata;
      if (running === undefined || deletionTimestamp === undefined || this.unreachable.has(namespace)) continue;
      if (!finalizers.includes(FINALIZER)) continue;
      if (!running.leaving) {
        running.leaving = true;
        running.stopping = true;
        for (const child of running.children.values()) kill(child, 'SIGTERM');
        setTimeout(() => {
          for (const child of running.children.values()) kill(child, 'SIGKILL');
        }, GRACE_MS).unref();
        void running.ended.then(() => {
          this.store.change('Pod', namespace, name, (object) => {
            object.metadata.finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== FINALIZER);
          });
        });
      }
    }
  }

  #tell({ namespace, name, states }: Running, status: Fields): void {
    const all = (containers: readonly V1Container[] | undefined) =>
      (containers ?? []).map((one) => ({
        ...{ name: one.name, image: one.image, restartCount: 0, ready: false },
        state: states.get(one.name) ?? { waiting: { reason: 'PodInitializing' } },
      }));
    this.store.change('Pod', namespace, name, (object) => {
      const spec = object.spec as unknown as V1Pod['spec'];
      object.status = {
        ...status,
        initContainerStatuses: all(spec?.initContainers),
        containerStatuses: all(spec?.containers),
      } as Fields;
    });
  }

  async #live(running: Running, pod: V1Pod): Promise<void> {
    running.directory = await mkdtemp(join(tmpdir(), 'forgeway-pod-'));
    for (const { name, secret } of pod.spec?.volumes ?? []) {
      await mkdir(join(running.directory, name));
      const held = this.store.get('Secret', running.namespace, secret?.secretName ?? '')?.data ?? {};
      for (const [key, value] of Object.entries(held))
        await writeFile(join(running.directory, name, key), Buffer.from(String(value), 'base64'));
    }
    this.#tell(running, { phase: 'Pending' });
    for (const container of pod.spec?.initContainers ?? []) {
      const code = await this.#container(running, pod, container);
      if (code !== 0) return this.#tell(running, { phase: 'Failed' });
    }
    const codes = await Promise.all((pod.spec?.containers ?? []).map((one) => this.#container(running, pod, one)));
    this.#tell(running, { phase: codes.every((code) => code === 0) ? 'Succeeded' : 'Failed' });
  }

  async #container(running: Running, pod: V1Pod, container: V1Container): Promise<number> {
    const { namespace, directory } = running;
    const says = join(directory, `says-${container.name}`);
    await writeFile(says, '');
    const mounts = new Map([[SAYS, says]]);
    for (const { mountPath, name } of container.volumeMounts ?? []) mounts.set(mountPath, join(directory, name));
    const places = new RegExp(`(?:${[...mounts.keys()].join('|')})(?=/|$|["' ])`, 'g');
    // As Kubernetes reads them: two dollars are one.
    const placed = (text: string) => text.replaceAll('$$', '$').replace(places, (path) => mounts.get(path) ?? path);
    const env: Record<string, string> = { PATH: `${this.programs}:${process.env.PATH}` };
    for (const { name, value, valueFrom } of container.env ?? [])
      env[name] = placed(valueFrom === undefined ? (value ?? '') : this.#valueOf(namespace, pod, valueFrom));
    const [program = '', ...args] = [...(container.command ?? []), ...(container.args ?? [])].map(placed);
    // It was evicted meanwhile: nothing of it begins any more.
    if (running.stopping) return 137;
    const startedAt = new Date().toISOString();
    const child = spawn(program, args, { cwd: directory, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.children.set(container.name, child);
    running.states.set(container.name, { running: { startedAt } });
    this.#tell(running, { phase: container === pod.spec?.containers[0] ? 'Running' : this.#phase(running) });
    const lines: LogLine[] = [];
    this.lines.set(`${namespace}/${running.name}/${container.name}`, lines);
    for (const stream of [child.stdout, child.stderr]) keepLines(stream, lines);
    const code = await new Promise<number>((resolve) => {
      child.once('error', () => resolve(128));
      child.once('close', (exit) => resolve(exit ?? 137));
    });
    const message = (await readFile(says, 'utf8')) || (code === 0 ? '' : lines.map(({ text }) => text).join('\n'));
    const reason = running.reasons.get(container.name) ?? (code === 0 ? 'Completed' : 'Error');
    const terminated = { exitCode: code, reason, message, startedAt, finishedAt: new Date().toISOString() };
    running.states.set(container.name, { terminated });
    if (this.store.get('Pod', namespace, running.name) !== undefined)
      this.#tell(running, { phase: this.#phase(running) });
    return code;
  }

  #phase({ namespace, name }: Running): string {
    return String(this.store.get('Pod', namespace, name)?.status?.phase ?? 'Pending');
  }

  #valueOf(
    namespace: string,
    pod: V1Pod,
    from: NonNullable<NonNullable<V1Container['env']>[number]['valueFrom']>,
  ): string {
    if (from.fieldRef?.fieldPath === 'metadata.uid') return pod.metadata?.uid ?? '';
    const { name = '', key = '' } = from.secretKeyRef ?? {};
    const data = this.store.get('Secret', namespace, name)?.data as Record<string, string> | undefined;
    if (data?.[key] === undefined) throw new Error(`no ${key} in Secret ${name}`);
    return Buffer.from(data[key], 'base64').toString('utf8');
  }
}

function keepLines(stream: NodeJS.ReadableStream, lines: LogLine[]): void {
  const state = { rest: '' };
  const add = (text: string) => lines.push({ time: new Date().toISOString().replace('Z', '000000Z'), text });
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (state.rest + chunk).split('\n');
    state.rest = parts.pop() ?? '';
    for (const part of parts) add(part);
  });
  stream.on('end', () => {
    if (state.rest !== '') add(state.rest);
  });
}

/** With all that it started. */
function kill(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
