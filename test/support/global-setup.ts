// Jest loads this file on its own, without the module resolution of the tests, so the work is done in other processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the teardown ends, by closing its input. */
type Started = { [key: symbol]: ChildProcess[] };

/** Starts it and answers its first line. */
function begin(name: string, argv: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const started = globalThis as unknown as Started;
  const key = Symbol.for('forgeway.test-processes');
  started[key] = [...(started[key] ?? []), child];
  return new Promise((resolve, reject) => {
    const output: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.push(text);
      if (text.includes('\n')) resolve(output.join(''));
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${name} ended with exit code ${code}`)));
  });
}

export default async function globalSetup(): Promise<void> {
  const path = join(mkdtempSync(join(tmpdir(), 'forgeway-git-')), 'runner');
  const [server] = await Promise.all([
    begin('the test database', ['--import', 'tsx', 'test/support/test-server.ts']),
    begin('the process that starts git', ['test/support/git-runner-process.mjs', path]),
  ]);
  process.env.FORGEWAY_TEST_SERVER = server;
  process.env.FORGEWAY_TEST_GIT_RUNNER = path;
}
