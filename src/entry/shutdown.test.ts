import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, it } from '@jest/globals';

const module = pathToFileURL('src/entry/shutdown.ts').href;

/** A worker that listens for the end only when it is told to, as one does that takes long to load. */
const WORKER = `
import { shutdownRequested } from ${JSON.stringify(module)};
const log = { info() {} };
while (process.connected) await new Promise((resolve) => setTimeout(resolve, 5));
// Without an answer nothing would keep it, and its exit code would tell.
process.exitCode = 3;
console.log(await shutdownRequested(log));
process.exit(0);
`;

it('a worker whose server ended while it was loading does not go on alone', async () => {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', WORKER];
  const worker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  let said = '';
  worker.stdout?.on('data', (piece: Buffer) => {
    said += piece.toString();
  });
  const read = new Promise((resolve) => worker.stdout?.once('end', resolve));
  const code = new Promise<number | null>((resolve) => worker.once('exit', resolve));
  worker.disconnect();
  expect(await code).toBe(0);
  await read;
  expect(said.trim()).toBe('disconnect');
});
