/** The built program as a user runs it: a child process with an environment from scratch and a data directory of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { ALLOW_LOOPBACK } from '../support/loopback.js';
import { PATIENCE_MS } from '../support/patience.js';

export const WEBHOOK_SECRET = 'the secret of the end-to-end tests';
const cli = join(process.cwd(), 'dist/src/entry/cli.js');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunningProgram {
  url: string;
  child: ChildProcess;
  stderr(): string;
  ended: Promise<Ended>;
}

export interface Installation {
  environment: Record<string, string>;
  /** Runs a command to its end. */
  run(args: readonly string[], extra?: Record<string, string>): Promise<Ended>;
  /** Starts `forgeway up`; resolves when /readyz says 200. */
  up(extra?: Record<string, string>): Promise<RunningProgram>;
  remove(): Promise<void>;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const MOST_REST_MS = 2_000;

/**
 * Asks until the answer is not undefined, however slow the machine is. Where asking starts a program, half of the time is left
 * to what is waited for.
 */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const asked = Date.now();
    const answer = await ask();
    if (answer !== undefined) return answer;
    const restMs = Math.max(50, Math.min(MOST_REST_MS, Date.now() - asked));
    if (Date.now() > deadline) throw new Error(`still waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, restMs));
  }
}

export function appSettings(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    APP_ID: '7',
    PRIVATE_KEY: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    WEBHOOK_SECRET,
  };
}

function start(
  args: readonly string[],
  environment: Record<string, string>,
): { child: ChildProcess; stderr(): string; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [cli, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    out.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    out.stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...out }));
  });
  return { child, stderr: () => out.stderr, ended };
}

/** @param settings environment of every command, besides the data directory */
export async function createInstallation(settings: Record<string, string> = {}): Promise<Installation> {
  const dataDir = await mkdtemp(join(tmpdir(), 'forgeway-e2e-'));
  const environment = {
    PATH: process.env.PATH ?? '',
    FORGEWAY_DATA_DIR: dataDir,
    LOG_FORMAT: 'json',
    // No GitHub is asked what it could not deliver unless the test has one.
    HOOK_WATCH_SECONDS: '0',
    ...ALLOW_LOOPBACK,
    ...settings,
  };
  const running = new Set<{ child: ChildProcess; ended: Promise<Ended> }>();
  return {
    environment,
    async run(args, extra) {
      return start(args, { ...environment, ...extra }).ended;
    },
    async up(extra) {
      const port = Number(extra?.PORT ?? (await freePort()));
      const previewPort = await freePort();
      const program = start(['up'], {
        ...environment,
        PORT: String(port),
        PREVIEW_PORT: String(previewPort),
        ...extra,
      });
      running.add(program);
      const url = `http://127.0.0.1:${port}`;
      await eventually(`readiness: ${program.stderr()}`, async () => {
        if (program.child.exitCode !== null) throw new Error(`it ended: ${program.stderr()}`);
        const answer = await fetch(`${url}/readyz`).catch(() => undefined);
        return answer?.ok ? true : undefined;
      });
      return { url, ...program };
    },
    async remove() {
      for (const { child, ended } of running) {
        child.kill('SIGKILL');
        await ended;
      }
      await eventually('the data directory to be released', () =>
        removeEmbeddedPostgres({ dataDir }).then(
          () => true,
          () => undefined,
        ),
      );
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
