// Jest loads this file on its own, without the module resolution of the tests, so the work is done in another process.
import { type ChildProcess, spawn } from 'node:child_process';

export default async function globalSetup(): Promise<void> {
  const server = spawn(process.execPath, ['--import', 'tsx', 'test/support/test-server.ts'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  (globalThis as { [key: symbol]: ChildProcess })[Symbol.for('forgeway.test-server')] = server;
  process.env.FORGEWAY_TEST_SERVER = await new Promise<string>((resolve, reject) => {
    const output: string[] = [];
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.push(text);
      if (text.includes('\n')) resolve(output.join(''));
    });
    server.on('error', reject);
    server.on('exit', (code) => reject(new Error(`the test database ended with exit code ${code}`)));
  });
}
