/**
 * Sandboxes for a repository's own commands. A sandbox is a directory with a workspace, a user, and at most one command
 * at a time. Commands are detached: they outlive this process, are found again by what is recorded, and `destroy` leaves
 * no process, file, mount or user behind.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { BUILD_LOG, LOG, readLogTail } from './captured-log.js';
import { openDoor } from './door.js';
import { timesOf } from './log-times.js';
import { findMemoryGroups, type MemoryGroups } from './memory-group.js';
import { hasEnvironment, listProcesses, type ProcessRecord, readProcess, withDescendants } from './process-table.js';
import { findPrograms } from './programs.js';
import { removeTree, runTool, TOOL_ENVIRONMENT } from './run-tool.js';
import {
  DOOR,
  EGRESS,
  INBOX,
  launcherArgv,
  networkOf,
  type SandboxCommand,
  type SandboxLimits,
  type SandboxPaths,
  SPOOL,
  WAITING,
  workspaceInside,
} from './sandbox-command.js';
import type { SandboxProbe } from './sandbox-probe.js';
import { openUserPool } from './user-range.js';

export type { SandboxCommand, SandboxLimits, SandboxNetwork } from './sandbox-command.js';
export { probeSandbox, type SandboxProbe, seesOpenFiles } from './sandbox-probe.js';

/** A process by pid and start time, since pids are used again. */
interface ProcessName {
  pid: number;
  started: string;
}

export interface Sandbox {
  /** Name of its directory; unique on this machine. */
  readonly id: string;
  /** The user its commands run as; null when that is our own. */
  readonly uid: number | null;
  /**
   * The last command's launcher, and the first process of its PID namespace where it has one. The namespace is known by
   * that process and not by its inode: the kernel gives the inode of one that is gone to the next, anybody's.
   */
  readonly process: (ProcessName & { init: ProcessName | null }) | null;
}

/** How a command ended. `reason` is `exit`, or the limit it broke, or `killed` when nobody could write it down. */
export interface SandboxExit {
  code: number | null;
  reason: 'exit' | 'time' | 'disk' | 'files' | 'memory' | 'killed';
}

export interface Sandboxes {
  readonly probe: SandboxProbe;
  /** Makes an empty sandbox with a user of its own. */
  create(id: string): Promise<Sandbox>;
  /** Where a checkout goes: an empty directory that only we can enter until `handOver`. */
  sourceDirectory(id: string): string;
  /** As its commands see it: `/workspace`, or the real path without namespaces. */
  workspaceInside(id: string): string;
  /** Path of the socket that reaches a port in it, while a command with a door runs; null where networks are shared. */
  doorOf(id: string): string | null;
  /** Path where the proxy of a command with a way out is to listen, before it starts; null where networks are shared. */
  egressOf(id: string): string | null;
  /** Paths of what a command with lines reads, of what it said, and of {@link WAITING}. Only we can open them. */
  linesOf(id: string): { inbox: string; spool: string; waiting: string };
  /** Directory of the node that we run on, when it is not in the system's path. */
  readonly programs: string | undefined;
  /** Gives the workspace to the sandbox's user. */
  handOver(sandbox: Sandbox): Promise<void>;
  /** Starts a command and returns once it is recorded. The command before it must be over. */
  start(sandbox: Sandbox, command: SandboxCommand): Promise<Sandbox>;
  /** Undefined while the command runs. */
  exitOf(sandbox: Sandbox): Promise<SandboxExit | undefined>;
  /** Keeps what the last command printed as what the build did, while others run; the command must be over. */
  keepBuildLog(id: string): Promise<void>;
  /** The last lines of what the command printed, redacted. */
  logTail(id: string, lines: number): Promise<string>;
  /** Kills everything that runs in it; resolves when nothing is left. The workspace stays. */
  stop(sandbox: Sandbox): Promise<void>;
  /** Stops it and removes every trace. Succeeds when there is none. */
  destroy(sandbox: Sandbox): Promise<void>;
  /** Processes that belong to it, by user, namespace or parent. */
  processesOf(sandbox: Sandbox): Promise<ProcessRecord[]>;
  /** Every sandbox that has a directory here, read from its record; also those of workers that were killed. */
  list(): Promise<Sandbox[]>;
}

export interface SandboxesOptions {
  /** Holds one directory per sandbox. Created when missing; as root others may pass through it. */
  directory: string;
  probe: SandboxProbe;
  limits: SandboxLimits;
  /** Where uids in use are written down; default one place for the whole machine. */
  usersDirectory?: string;
}

/** One for the whole machine: of two installations none may end the processes of the other. */
const USERS_IN_USE = '/var/lib/forgeway/users';
const STOP_ROUNDS = 600;
const EXIT_REASONS = ['exit', 'time', 'disk', 'files', 'memory'] as const;

const SANDBOX_ID = /^[a-z0-9][a-z0-9-]{0,99}$/;

/** Where the logs of a sandbox are, below the directory that {@link openSandboxes} was given. */
export function runDirectoryOf(directory: string, id: string): string {
  if (!SANDBOX_ID.test(id)) throw failure('A sandbox has an invalid id.');
  return join(directory, 'sandboxes', id, 'run');
}

function failure(message: string, cause?: unknown): ForgewayError {
  return new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', message, { cause });
}

async function writeRecord(directory: string, sandbox: Sandbox): Promise<void> {
  const path = join(directory, 'sandbox.json');
  await writeFile(`${path}.new`, `${JSON.stringify(sandbox)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function isSandbox(value: unknown): value is Sandbox {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('uid' in value)) return false;
  return typeof value.id === 'string' && (value.uid === null || typeof value.uid === 'number');
}

/** Opens the place where sandboxes live. Several processes may share it. */
export async function openSandboxes(options: SandboxesOptions): Promise<Sandboxes> {
  const { directory, probe } = options;
  const mode = probe.mode === 'uid' ? 0o711 : 0o700;
  const places = join(directory, 'sandboxes');
  await mkdir(places, { recursive: true, mode });
  await chmod(places, mode);
  const users = await openUserPool(
    probe.mode === 'uid' ? (options.usersDirectory ?? USERS_IN_USE) : join(directory, 'users'),
  );
  const memory: MemoryGroups | undefined = probe.mode === 'uid' ? await findMemoryGroups() : undefined;
  const ownNamespace = (await readProcess(process.pid))?.namespace ?? '';
  const programs = await findPrograms();

  const placeOf = (id: string): string => {
    if (!SANDBOX_ID.test(id)) throw failure('A sandbox has an invalid id.');
    return join(places, id);
  };
  const pathsOf = (id: string): SandboxPaths => ({
    tree: join(placeOf(id), 'tree'),
    run: join(placeOf(id), 'run'),
    root: join(placeOf(id), 'root'),
  });

  async function processesOf(sandbox: Sandbox): Promise<ProcessRecord[]> {
    const all = await listProcesses();
    const holder = all.find(({ pid }) => pid === sandbox.process?.pid);
    const launcher = holder?.started === sandbox.process?.started ? holder : undefined;
    const found = new Set(launcher === undefined ? [] : withDescendants(all, launcher.pid));
    // The launcher began a session: what it forked while it was being killed is still in it.
    if (sandbox.process !== null && (launcher !== undefined || holder === undefined)) {
      for (const candidate of all) if (candidate.session === sandbox.process.pid) found.add(candidate);
    }
    // A namespace ends with its first process: while that lives, whatever is in it is ours.
    const init = sandbox.process?.init;
    const namespace = all.find(({ pid, started }) => pid === init?.pid && started === init.started)?.namespace;
    for (const candidate of all) {
      if (sandbox.uid !== null && candidate.uids.includes(sandbox.uid)) found.add(candidate);
      if (namespace && namespace !== ownNamespace && candidate.namespace === namespace) found.add(candidate);
      // Without a user or a namespace of its own only this mark tells a daemon that has left its parents.
      if (probe.mode === 'same-user' && candidate.pid !== process.pid) {
        if (await hasEnvironment(candidate.pid, 'FORGEWAY_SANDBOX', sandbox.id)) found.add(candidate);
      }
    }
    return [...found];
  }

  async function stop(sandbox: Sandbox): Promise<void> {
    for (let round = 0; round < STOP_ROUNDS; round += 1) {
      const left = await processesOf(sandbox);
      if (left.length === 0) {
        await Promise.all([DOOR, EGRESS].map((name) => rm(join(pathsOf(sandbox.id).run, name), { force: true })));
        // What was killed from here did not end by itself, even if its supervisor had time to write so.
        if (round > 0) await rm(join(pathsOf(sandbox.id).run, 'exit'), { force: true });
        // The next start makes it again; nobody else would take it away while no worker runs.
        return memory?.remove(sandbox.id);
      }
      for (const { pid } of left) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      }
      // One call that reaches every process of the user: a fork bomb cannot run away from it.
      if (sandbox.uid !== null) {
        const user = String(sandbox.uid);
        const asUser = ['--reuid', user, '--regid', user, '--clear-groups'];
        await runTool('setpriv', [...asUser, '--', 'kill', '-KILL', '--', '-1']);
      }
      await sleep(Math.min(20 * (round + 1), 200));
    }
    throw failure(`Processes of sandbox ${sandbox.id} could not be killed.`);
  }

  /** The namespace appears a moment after the launcher. */
  async function initOf(launcher: number, started: string): Promise<ProcessName | null> {
    for (let round = 0; round < 200; round += 1) {
      const family = withDescendants(await listProcesses(), launcher);
      const inside = family.find((p) => p.namespace !== '' && p.namespace !== ownNamespace);
      if (inside !== undefined) return { pid: inside.pid, started: inside.started };
      if ((await readProcess(launcher))?.started !== started) return null;
      await sleep(10);
    }
    return null;
  }

  return {
    probe,
    programs: programs?.bin,
    processesOf,
    stop,
    sourceDirectory: (id) => join(pathsOf(id).tree, 'source'),
    workspaceInside: (id) => workspaceInside(probe, pathsOf(id)),
    doorOf: (id) => (probe.network ? join(pathsOf(id).run, DOOR) : null),
    linesOf(id) {
      const { run } = pathsOf(id);
      return { inbox: join(run, INBOX), spool: join(run, SPOOL), waiting: join(run, WAITING) };
    },
    egressOf: (id) => (probe.network ? join(pathsOf(id).run, EGRESS) : null),

    async create(id) {
      const place = placeOf(id);
      const paths = pathsOf(id);
      await mkdir(place, { mode });
      await chmod(place, mode);
      // Recorded before anything exists that would have to be given back.
      await writeRecord(place, { id, uid: null, process: null });
      const uid = probe.mode === 'uid' ? await users.take(place) : null;
      const sandbox: Sandbox = { id, uid, process: null };
      await writeRecord(place, sandbox);
      for (const path of Object.values(paths)) await mkdir(path, { mode: 0o700 });
      await mkdir(join(paths.tree, 'home'), { mode: 0o700 });
      const user = uid ?? process.getuid?.() ?? 65_534;
      const home = join(workspaceInside(probe, paths), 'home');
      await writeFile(
        join(paths.run, 'passwd'),
        `root:x:0:0:root:/:/usr/sbin/nologin\npreview:x:${user}:${user}:preview:${home}:/bin/sh\n`,
      );
      await writeFile(join(paths.run, 'group'), `root:x:0:\npreview:x:${user}:\n`);
      return sandbox;
    },

    async handOver(sandbox) {
      if (sandbox.uid === null) return;
      const owner = `${sandbox.uid}:${sandbox.uid}`;
      const { code, output } = await runTool('chown', ['-R', '-h', '-P', '--', owner, pathsOf(sandbox.id).tree]);
      if (code !== 0) throw failure(`The workspace could not be given to its user: ${output.trim().slice(0, 300)}`);
    },

    async start(sandbox, command) {
      const paths = pathsOf(sandbox.id);
      await Promise.all(
        ['exit', LOG, `${LOG}.1`, timesOf(LOG), 'reason', WAITING].map((name) =>
          rm(join(paths.run, name), { force: true }),
        ),
      );
      const limits = command.limits ?? options.limits;
      const memoryGroup = await memory?.create(sandbox.id, limits.memoryMb * 1_024 * 1_024);
      const marked =
        probe.mode === 'same-user' ? { ...command, env: { ...command.env, FORGEWAY_SANDBOX: sandbox.id } } : command;
      const [file = '', ...args] = launcherArgv({
        ...{ probe, paths, limits, memoryGroup },
        ...{ uid: sandbox.uid, command: marked, programs: programs?.bind },
      });
      const door = networkOf(probe, command).kind === 'door' ? await openDoor(join(paths.run, DOOR)) : undefined;
      const stdio = ['ignore' as const, 'ignore' as const, 'ignore' as const, ...(door ? [door.descriptor] : [])];
      const env = { ...TOOL_ENVIRONMENT, ...command.secrets };
      const child = spawn(file, args, { cwd: '/', env, stdio, detached: true });
      const spawned = new Promise<number>((resolve, reject) => {
        child.once('error', (error) => reject(failure(`A command could not be started: ${messageOf(error)}`, error)));
        child.once('spawn', () => resolve(child.pid ?? 0));
      });
      const pid = await spawned.finally(() => door?.close());
      child.unref();
      const started = (await readProcess(pid))?.started ?? '';
      const first: Sandbox = { ...sandbox, process: { pid, started, init: null } };
      await writeRecord(placeOf(sandbox.id), first);
      if (!probe.namespaces) return first;
      const running: Sandbox = { ...sandbox, process: { pid, started, init: await initOf(pid, started) } };
      await writeRecord(placeOf(sandbox.id), running);
      return running;
    },

    async exitOf(sandbox) {
      if (sandbox.process === null) return { code: null, reason: 'killed' };
      const read = async (): Promise<SandboxExit | undefined> => {
        const text = await readFile(join(pathsOf(sandbox.id).run, 'exit'), 'utf8').catch(() => undefined);
        if (text === undefined) return undefined;
        const [code, word] = text.trim().split(' ');
        const reason = EXIT_REASONS.find((known) => known === word) ?? 'exit';
        const full = reason === 'exit' && code !== '0' && (await memory?.wasFull(sandbox.id));
        return { code: Number(code), reason: full ? 'memory' : reason };
      };
      const written = await read();
      if (written !== undefined) return written;
      const now = await readProcess(sandbox.process.pid);
      if (now?.started === sandbox.process.started) return undefined;
      // It may have written its record between the two looks.
      return (await read()) ?? { code: null, reason: (await memory?.wasFull(sandbox.id)) ? 'memory' : 'killed' };
    },

    async keepBuildLog(id) {
      const { run } = pathsOf(id);
      for (const end of ['.1', '', timesOf('')]) {
        await rm(join(run, BUILD_LOG + end), { force: true });
        await rename(join(run, LOG + end), join(run, BUILD_LOG + end)).catch((error: NodeJS.ErrnoException) => {
          // A command that printed little has filled no second file, one that printed nothing may have none.
          if (error.code !== 'ENOENT') throw error;
        });
      }
    },

    logTail: (id, lines) => readLogTail(pathsOf(id).run, lines),

    async destroy(sandbox) {
      await stop(sandbox);
      const place = placeOf(sandbox.id);
      if (sandbox.uid !== null && !probe.namespaces) {
        const owned = ['-xdev', '-user', String(sandbox.uid), '-delete'];
        await runTool('find', ['/tmp', '/var/tmp', '/dev/shm', ...owned]);
      }
      await removeTree(place);
      // Last: until here the file under the user's number says whose it is.
      if (sandbox.uid !== null) await users.release(sandbox.uid);
    },

    async list() {
      const names = await readdir(places);
      const records = await Promise.all(
        names.map(async (name) => {
          const text = await readFile(join(places, name, 'sandbox.json'), 'utf8').catch(() => '{}');
          const record: unknown = JSON.parse(text);
          return isSandbox(record) && record.id === basename(name) ? record : { id: name, uid: null, process: null };
        }),
      );
      return records;
    },
  };
}
