/** Sandboxes for tests: what this machine offers, and a place for them that their users can reach. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSandboxes, probeSandbox, type Sandboxes, type SandboxLimits } from '../../src/effects/process/sandbox.js';
import { ForgewayError } from '../../src/lib/errors.js';

export const TEST_LIMITS: SandboxLimits = { memoryMb: 300, processes: 60, diskMb: 60 };

/** Undefined when nothing here can isolate a process: such tests are counted as skipped, with the line to type. */
export async function findSandboxProbe() {
  try {
    return await probeSandbox();
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_SANDBOX_UNAVAILABLE') return undefined;
    throw error;
  }
}

export interface TestSandboxes {
  directory: string;
  sandboxes: Sandboxes;
  /** Destroys what is left and the directory. */
  remove(): Promise<void>;
}

export async function openTestSandboxes(probe: Sandboxes['probe'], limits = TEST_LIMITS): Promise<TestSandboxes> {
  const directory = await mkdtemp(join(tmpdir(), 'forgeway-sandboxes-'));
  await chmod(directory, 0o711);
  const sandboxes = await openSandboxes({ directory, probe, limits, usersDirectory: join(directory, 'users') });
  return {
    directory,
    sandboxes,
    async remove() {
      for (const sandbox of await sandboxes.list()) await sandboxes.destroy(sandbox);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
