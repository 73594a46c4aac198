import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** Closing its input tells a process to end, and to remove what it has made. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
    child.stdin?.end();
  });
  if (code !== 0) throw new Error(`a process of the tests ended with exit code ${code}`);
}

export default async function globalTeardown(): Promise<void> {
  const key = Symbol.for('forgeway.test-processes');
  await Promise.all(((globalThis as { [key: symbol]: ChildProcess[] })[key] ?? []).map(end));
  const runner = process.env.FORGEWAY_TEST_GIT_RUNNER;
  if (runner !== undefined) rmSync(dirname(runner), { recursive: true, force: true });
}
