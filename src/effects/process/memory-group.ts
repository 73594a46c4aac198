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
  /** Only where this file names memory is a directory a group; elsewhere, as in a hybrid's tmpfs, it is just a directory. */
  evidence: { file: string; pattern: RegExp };
  parent: string;
  limits: (bytes: number) => [file: string, value: string, required: boolean][];
  fullCount: { file: string; pattern: RegExp };
}

const ROOT = '/sys/fs/cgroup';
/** Ten seconds: on a machine that is short of everything the kernel takes its time. */
const LETS_GO_LOOKS = 500;
const LETS_GO_LOOK_MS = 20;
const OOM_KILLS = /^oom_kill (\d+)$/m;

const version2 = (root: string): Layout => ({
  evidence: { file: join(root, 'cgroup.controllers'), pattern: /\bmemory\b/ },
  parent: join(root, 'forgeway'),
  limits: (bytes) => [
    ['memory.max', String(bytes), true],
    ['memory.swap.max', '0', false],
  ],
  fullCount: { file: 'memory.events', pattern: OOM_KILLS },
});

const version1 = (root: string): Layout => ({
  evidence: { file: join(root, 'memory.limit_in_bytes'), pattern: /^\d+/ },
  parent: join(root, 'forgeway'),
  limits: (bytes) => [
    ['memory.limit_in_bytes', String(bytes), true],
    ['memory.memsw.limit_in_bytes', String(bytes), false],
  ],
  fullCount: { file: 'memory.oom_control', pattern: OOM_KILLS },
});

/** Writes a control file of the kernel. Never creates one: what is not there is not a control file. */
const control = (path: string, value: string) => writeFile(path, value, { flag: 'r+' });

function groupsIn(layout: Layout): MemoryGroups {
  const directory = (name: string) => join(layout.parent, name);
  return {
    async create(name, bytes) {
      await mkdir(directory(name), { recursive: true });
      for (const [file, value, required] of layout.limits(bytes)) {
        try {
          await control(join(directory(name), file), value);
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
      for (let attempt = 0; attempt < LETS_GO_LOOKS; attempt += 1) {
        try {
          return await rmdir(directory(name));
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code;
          if (code === 'ENOENT') return;
          // The kernel lets go of the last process a moment after it is gone.
          if (code !== 'EBUSY') throw error;
          await sleep(LETS_GO_LOOK_MS);
        }
      }
      throw new Error(`memory group ${name} is still in use`);
    },
  };
}

async function works(layout: Layout): Promise<boolean> {
  const text = await readFile(layout.evidence.file, 'utf8').catch(() => '');
  if (!layout.evidence.pattern.test(text)) return false;
  const groups = groupsIn(layout);
  const name = `probe-${process.pid}`;
  try {
    await mkdir(layout.parent, { recursive: true });
    // A cgroup 2 parent hands its controllers down only when told to; version 1 has no such file.
    await access(join(layout.parent, 'cgroup.subtree_control')).then(
      () => control(join(layout.parent, 'cgroup.subtree_control'), '+memory'),
      () => undefined,
    );
    await groups.create(name, 64 * 1024 * 1024);
    await groups.remove(name);
    return true;
  } catch {
    await rmdir(join(layout.parent, name)).catch(() => undefined);
    // It stays when it holds groups of another process.
    await rmdir(layout.parent).catch(() => undefined);
    return false;
  }
}

/** Undefined when this process may not make memory groups; then limits are kept by watching. */
export async function findMemoryGroups(root = ROOT): Promise<MemoryGroups | undefined> {
  for (const layout of [version2(root), version2(join(root, 'unified')), version1(join(root, 'memory'))]) {
    if (await works(layout)) return groupsIn(layout);
  }
  return undefined;
}
