/** `npm run demo` itself, as the built program: what it says happened is what its exit code says. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const program = join(process.cwd(), 'dist/demo/demo.js');
/** Previews need a uid of their own or bubblewrap; without either they are not run at all. */
const canIsolate = process.getuid?.() === 0 || spawnSync('bwrap', ['--version']).status === 0;
const { skip } = it;
const whenIsolated = canIsolate ? it : skip;
/** Minutes on quiet cores; it has limits of its own for each step, and says which one took too long. */
const wholeRunMs = 1_500_000;

let folder: string;
const running = new Set<ChildProcess>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-demo-'));
  await chmod(folder, 0o755);
});

afterEach(async () => {
  // Only a demo that hangs is still there; one that was killed leaves its server to the next demo in its folder.
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  await rm(folder, { recursive: true, force: true });
});

interface Run {
  child: ChildProcess;
  output(): string;
  ended: Promise<{ code: number | null; output: string }>;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.on('exit', () => running.delete(child));
  const chunks: Buffer[] = [];
  const output = () => Buffer.concat(chunks).toString('utf8');
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { child, output, ended: once(child, 'close').then(([code]) => ({ code, output: output() })) };
}

/** Processes that name the folder in their command line, or work in it. */
async function processesOf(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (command.includes(path) || directory.startsWith(path)) found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

describe('the demo', () => {
  whenIsolated(
    'takes a pull request the whole way on each forge, and leaves nothing running',
    async () => {
      const { code, output } = await start('--once', '--folder', folder).ended;
      // The end first: a long text is cut where it is shown, and the reason stands there.
      expect({ code, end: output.slice(output.indexOf('\ndemo: ')) }).toEqual({
        code: 0,
        end: expect.stringMatching(/^\ndemo: (\d+) steps, \1 ok, 0 failed\n/),
      });
      expect(output).not.toContain('\x1b');
      for (const step of [
        'delivery stored',
        'pull request synced',
        'preview building',
        'preview ready',
        'comment posted',
      ])
        expect(output).toContain(`✔ ${step}`);
      for (const step of ['App installed', 'GitLab connected', 'Gitea connected'])
        expect(output).toContain(`✔ ${step}`);
      for (const step of ['agent asks', 'both links in one comment', 'agent knows the preview', 'its branch moved on'])
        expect(output).toMatch(new RegExp(`✔ .*${step}`));
      for (const step of ['second commit live', 'closed and removed'])
        expect(output.split(`✔ ${step}`)).toHaveLength(4);
      expect(await readFile(join(folder, 'forgeway.log'), 'utf8')).not.toMatch(/ghs_\w|PRIVATE KEY/);
      expect(await processesOf(folder)).toEqual([]);
    },
    wholeRunMs,
  );

  whenIsolated(
    'stops everything in order when it is asked to in the middle of a step',
    async () => {
      const run = start('--folder', folder);
      while (!run.output().includes('✔ delivery stored') && run.child.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(run.output()).toContain('✔ delivery stored');
      run.child.kill('SIGINT');
      run.child.kill('SIGINT');
      const { code, output } = await run.ended;
      expect(output).toContain('stopped:');
      expect(output.trimEnd().split('\n').at(-1)).toContain(`rm -rf '${folder}'`);
      expect(code).toBe(130);
      expect(await processesOf(folder)).toEqual([]);
      expect(await readFile(join(folder, 'forgeway.log'), 'utf8')).toContain('"msg":"stopped"');
    },
    wholeRunMs,
  );

  it('fails with the reason, and starts nothing, when its port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, output } = await start('--once', '--folder', folder, '--port', String(port)).ended;
    await new Promise((resolve) => taken.close(resolve));
    expect(output).toContain('EADDRINUSE');
    expect(code).toBe(1);
    expect(await processesOf(folder)).toEqual([]);
  });

  it('explains itself, and a wrong option', async () => {
    expect(await start('--help').ended).toMatchObject({ code: 0, output: expect.stringContaining('--once') });
    expect(await start('--port', 'x').ended).toMatchObject({
      code: 2,
      output: expect.stringContaining('--port needs'),
    });
    expect(await start('--wrong').ended).toMatchObject({ code: 2, output: expect.stringContaining('--wrong') });
  });
});
