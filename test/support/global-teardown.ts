import type { ChildProcess } from 'node:child_process';

export default async function globalTeardown(): Promise<void> {
  const server = (globalThis as { [key: symbol]: ChildProcess | undefined })[Symbol.for('forgeway.test-server')];
  if (server === undefined || server.exitCode !== null) return;
  const code = await new Promise<number | null>((resolve) => {
    server.once('exit', resolve);
    // Closing its input tells it to remove everything.
    server.stdin?.end();
  });
  if (code !== 0) throw new Error(`the test database was not removed: exit code ${code}`);
}
