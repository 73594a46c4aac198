/**
 * The way out of one agent, in a process of its own: it goes on while no server runs, since an agent whose model cannot be
 * reached is a dead one. It ends by itself when the agent's sandbox has.
 */
import { spawn } from 'node:child_process';
import { access, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { addressKind, isPublicAddress } from '../../lib/outbound/address.js';
import { openEgress } from '../process/egress.js';
import { readProcess } from '../process/process-table.js';
import { TOOL_ENVIRONMENT } from '../process/run-tool.js';

const settings = z.object({
  /** Where the proxy listens. */
  path: z.string(),
  hosts: z.array(z.string()),
  privateHosts: z.array(z.string()),
  /** The record of the sandbox that it is for. */
  sandbox: z.string(),
});
export type EgressSettings = z.output<typeof settings>;

const sandboxRecord = z.object({ process: z.object({ pid: z.number(), started: z.string() }).nullable() });
const processName = z.object({ pid: z.number(), started: z.string() });

/** Whether `host:port` is named by the list: `host`, `*.host`, with 443 where no port is given. */
export function isListed(list: readonly string[], host: string, port: number): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return list.some((entry) => {
    const [, wild, base = '', only] = /^(\*\.)?([^:]*)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (Number(only ?? 443) !== port) return false;
    return wild === undefined ? name === base : name.endsWith(`.${base}`) && name.length > base.length + 1;
  });
}

const CHECK_MS = 1_000;
/** A sandbox that has not begun after this long never will. */
const ROUNDS_TO_BEGIN = 120;

async function sandboxLives(path: string): Promise<'alive' | 'not-begun' | 'gone'> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return 'gone';
  const record = sandboxRecord.safeParse(JSON.parse(text)).data?.process ?? null;
  if (record === null) return 'not-begun';
  return (await readProcess(record.pid))?.started === record.started ? 'alive' : 'not-begun';
}

/** The whole life of that process. @param file its settings as JSON */
export async function runEgressProcess(file: string): Promise<void> {
  const { path, hosts, privateHosts, sandbox } = settings.parse(JSON.parse(await readFile(file, 'utf8')));
  const egress = await openEgress({
    path,
    allowsHost: (host, port) => isListed([...hosts, ...privateHosts], host, port),
    isAllowed: (address, { host, port }) =>
      isPublicAddress(address) || (addressKind(address) === 'private' && isListed(privateHosts, host, port)),
  });
  const state = { begun: false, rounds: 0 };
  for (;;) {
    const now = await sandboxLives(sandbox);
    if (now === 'alive') state.begun = true;
    state.rounds += 1;
    const over = now === 'gone' || (now === 'not-begun' && (state.begun || state.rounds > ROUNDS_TO_BEGIN));
    if (over) break;
    await sleep(CHECK_MS);
  }
  await egress.close();
}

const recordOf = (file: string) => `${file}.pid`;

/** Undefined when it does not run. */
export async function runningEgress(file: string): Promise<z.output<typeof processName> | undefined> {
  const text = await readFile(recordOf(file), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const name = text === undefined ? undefined : processName.safeParse(JSON.parse(text)).data;
  if (name === undefined) return undefined;
  return (await readProcess(name.pid))?.started === name.started ? name : undefined;
}

/**
 * Starts it where it does not run, and waits until it listens.
 * @param command the words that start a process which calls {@link runEgressProcess} with its last argument
 * @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE
 */
export async function ensureEgress(command: readonly string[], file: string, wanted: EgressSettings): Promise<void> {
  if (await runningEgress(file)) return;
  await rm(wanted.path, { force: true });
  await writeFile(file, JSON.stringify(wanted), { mode: 0o600 });
  const [program = '', ...args] = command;
  const child = spawn(program, [...args, file], { cwd: '/', env: TOOL_ENVIRONMENT, stdio: 'ignore', detached: true });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', `The agent’s way out did not start: ${messageOf(error)}`),
      ),
    );
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  child.unref();
  const started = (await readProcess(pid))?.started ?? '';
  await writeFile(`${recordOf(file)}.new`, JSON.stringify({ pid, started }), { mode: 0o600 });
  await rename(`${recordOf(file)}.new`, recordOf(file));
  for (let round = 0; round < 600; round += 1) {
    const listens = await access(wanted.path).then(
      () => true,
      () => false,
    );
    if (listens) return;
    if (child.exitCode !== null || child.signalCode !== null) break;
    await sleep(50);
  }
  throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'The agent’s way out does not listen.');
}

/** Ends it; resolves when it is gone. */
export async function endEgress(file: string): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    const name = await runningEgress(file);
    if (name === undefined) return;
    try {
      process.kill(name.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    await sleep(20);
  }
  throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'The agent’s way out could not be ended.');
}
