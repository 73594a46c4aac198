/** A process for tests to kill: starts a sandboxed command, prints the sandbox as JSON, and stays. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSandboxes, type SandboxProbe } from '../../src/effects/process/sandbox.js';

const [directory = '', probe = ''] = process.argv.slice(2);
const sandboxes = await openSandboxes({
  directory,
  probe: JSON.parse(probe) as SandboxProbe,
  limits: { memoryMb: 100, processes: 20, diskMb: 20 },
  usersDirectory: join(directory, 'users'),
});
const created = await sandboxes.create('of-a-worker-that-dies');
await mkdir(sandboxes.sourceDirectory(created.id));
await sandboxes.handOver(created);
const running = await sandboxes.start(created, {
  argv: ['/bin/sh', '-c', 'while sleep 0.2; do echo alive; done'],
  env: {},
  cwd: 'source',
  seconds: 0,
  network: { kind: 'none' },
});
process.stdout.write(`${JSON.stringify(running)}\n`);
setInterval(() => undefined, 1_000);
