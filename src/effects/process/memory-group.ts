/** A kernel memory group for one sandbox, where the kernel lets us make one: cgroup version 1 or 2. */
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface MemoryGroups {
  /** Creates the group, or finds it, and answers the file through which a process joins it. */
  create(name: string, bytes: number): Promise<string>;
  /** Whether a process of the group was killed because the group was full. */
  wasFull(name: string): Promise<boolean>;
  /** After its last process has ended. */
  remove(name: string): Promise<void>;
}

interface Layout {
  parent: string;
  limits: (bytes: number) => [file: string, value: string, required: boolean][];
  fullCount: { file: string; pattern: RegExp };
}

const LAYOUTS: readonly Layout[] = [
  {
    parent: '/sys/fs/cgroup/forgeway',
    limits: (bytes) => [
      ['memory.max', String(bytes), true],
      ['memory.swap.max', '0', false],
    ],
    fullCount: { file: 'memory.events', pattern: /^oom_kill (\d+)$/m },
  },
  {
    parent: '/sys/fs/cgroup/memory/forgeway',
    limits: (bytes) => [
      ['memory.limit_in_bytes', String(bytes), true],
      ['memory.memsw.limit_in_bytes', String(bytes), false],
    ],
    fullCount: { file: 'memory.oom_control', pattern: /^oom_kill (\d+)$/m },
  },
];

function groupsIn(layout: Layout): MemoryGroups {
  const directory = (name: string) => join(layout.parent, name);
  return {
    async create(name, bytes) {
      await mkdir(directory(name), { recursive: true });
      for (const [file, value, required] of layout.limits(bytes)) {
        try {
          await writeFile(join(directory(name), file), value);
        } catch (error) {
          // Swap accounting is a kernel option; without it there is only the limit on memory itself.
          if (required) throw error;
        }
      }
      return join(directory(name), 'cgroup.procs');
    },
    async wasFull(name) {
      const text = await readFile(join(directory(name), layout.fullCount.file), 'utf8').catch(() => '');
      return Number(layout.fullCount.pattern.exec(text)?.[1] ?? 0) > 0;
    },
    async remove(name) {
      for (let attempt = 0; attempt < 50; attempt += 1) {
        try {
          return await rmdir(directory(name));
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code;
          if (code === 'ENOENT') return;
          // The kernel lets go of the last process a moment after it is gone.
          if (code !== 'EBUSY') throw error;
          await sleep(20);
        }
      }
      throw new Error(`memory group ${name} is still in use`);
    },
  };
}

/** Undefined when this process may not make memory groups; then limits are kept by watching. */
export async function findMemoryGroups(): Promise<MemoryGroups | undefined> {
  for (const layout of LAYOUTS) {
    const groups = groupsIn(layout);
    const name = `probe-${process.pid}`;
    try {
      await mkdir(layout.parent, { recursive: true });
      // A cgroup 2 parent hands its controllers down only when told to; version 1 has no such file.
      await access(join(layout.parent, 'cgroup.subtree_control')).then(
        () => writeFile(join(layout.parent, 'cgroup.subtree_control'), '+memory'),
        () => undefined,
      );
      await groups.create(name, 64 * 1024 * 1024);
      await groups.remove(name);
      return groups;
    } catch {
      await rmdir(join(layout.parent, name)).catch(() => undefined);
    }
  }
  return undefined;
}
