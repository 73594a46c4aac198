/**
 * Runs Terraform as an isolated process of this machine: a sandbox as previews have one, with a directory, a user and an
 * environment of its own. It is detached, so that a run goes on while we restart.
 */
import { constants } from 'node:fs';
import { cp, lstat, mkdir, open, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { type ArchiveLimits, unpackArchive } from '../archive/archive.js';
import { LOG } from '../process/captured-log.js';
import { SYSTEM_PATH } from '../process/clean-environment.js';
import { EGRESS_ENVIRONMENT, type Egress, openEgress } from '../process/egress.js';
import { readLogPage } from '../process/log-page.js';
import { readProcessName } from '../process/process-table.js';
import { runDirectoryOf, type Sandbox, type Sandboxes } from '../process/sandbox.js';
import { chooseTerraform, type TerraformBinary } from './binary.js';
import type { TerraformExecutor, TerraformWork } from './executor.js';
import { giveProviders, keepProviders } from './kept-providers.js';
import { conclude, type ReadResult } from './outcome.js';
import {
  APPLY,
  OUT,
  OVERRIDE,
  overrideFile,
  PLAN,
  planArguments,
  SECRETS,
  SETTINGS,
  STATE,
  schemasArgument,
  secretsFile,
  settingsFile,
  stateFrom,
  VARIABLES,
  variablesFile,
} from './work-files.js';

export interface ProcessExecutorOptions {
  sandboxes: Sandboxes;
  /** The directory that the sandboxes were opened in. */
  directory: string;
  /** At least one; a workspace takes the one that it allows. */
  binaries: readonly TerraformBinary[];
  /** See {@link TerraformExecutor.place}. */
  place: string;
  limits: ArchiveLimits;
  planSeconds: number;
  applySeconds: number;
  /** What work that is trusted may reach; what is not never reaches more than the internet. */
  network: 'public' | 'shared' | 'none';
  /** Where providers are kept between runs, for each workspace apart; undefined: they are fetched anew. */
  plugins?: string;
  /** Where they are fetched from; undefined: from their registries. */
  mirror?: string;
}

const LOG_LINES = 5_000;

const failed = (message: string, cause?: unknown) => new ForgewayError('FORGEWAY_RUN_FAILED', message, { cause });

/**
 * Reads a file that a sandbox has left. Nothing of it may run any more: then what is looked at is what is read, and no part of
 * the way to it can be made a link in between.
 */
async function readResult(root: string, path: string, limit: number): Promise<Buffer | null> {
  let at = root;
  for (const part of path.split('/')) {
    at = join(at, part);
    const found = await lstat(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (found === undefined) return null;
    if (!found.isDirectory() && !found.isFile()) throw failed(`The run has left something at ${path} that is no file.`);
  }
  const file = await open(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size > limit)
      throw failed(`The run has left ${path} with ${size} bytes, more than the ${limit} that are read.`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The directory that is planned, which a link in the repository must not lead elsewhere. */
async function workingDirectory(source: string, wanted: string): Promise<string> {
  const place = join(source, wanted);
  const [root, real] = await Promise.all([realpath(source), realpath(place).catch(() => undefined)]);
  const inside = real === undefined ? undefined : relative(root, real);
  if (real === undefined || inside === undefined || inside === '..' || inside.startsWith(`..${sep}`))
    throw failed(
      `The configuration has no directory ${JSON.stringify(wanted)}. Correct the workspace's working directory.`,
    );
  if (!(await lstat(real)).isDirectory()) throw failed(`${JSON.stringify(wanted)} is no directory.`);
  if (real !== place)
    throw failed(`The working directory ${JSON.stringify(wanted)} is a link. Name the directory itself.`);
  return real;
}

/** Opens the executor. One per process; several processes may share its directory. */
export function createProcessExecutor(o: ProcessExecutorOptions): TerraformExecutor {
  const { sandboxes, binaries } = o;
  const names = new Set(['terraform', 'tofu', ...binaries.map(({ path }) => basename(path).slice(0, 15))]);
  /** Ways out that this process has opened, by work. */
  const ways = new Map<string, Egress>();

  const sourceOf = (id: string) => sandboxes.sourceDirectory(id);
  const treeOf = (id: string) => dirname(sourceOf(id));
  const homeOf = (id: string) => join(treeOf(id), 'home');
  // The first 36 letters of an id name the workspace.
  const pluginsOf = (id: string) => (o.plugins === undefined ? undefined : join(o.plugins, id.slice(0, 36)));
  const secondsOf = (phase: 'plan' | 'apply') => (phase === 'plan' ? o.planSeconds : o.applySeconds);

  async function find(id: string): Promise<Sandbox | undefined> {
    return (await sandboxes.list()).find((sandbox) => sandbox.id === id);
  }

  async function closeWay(id: string): Promise<void> {
    const way = ways.get(id);
    ways.delete(id);
    await way?.close();
  }

  /** Outside of the system's directories a sandbox does not see it. */
  async function programFor(id: string, binary: TerraformBinary): Promise<string> {
    if (/^\/(?:usr|bin|nix)\//.test(binary.path) || !sandboxes.probe.namespaces) return binary.path;
    await mkdir(join(homeOf(id), 'bin'), { mode: 0o700 });
    await cp(binary.path, join(homeOf(id), 'bin', 'terraform'));
    return join(sandboxes.workspaceInside(id), 'home', 'bin', 'terraform');
  }

  async function prepare(work: TerraformWork, signal: AbortSignal): Promise<void> {
    const { id, configuration } = work;
    const home = homeOf(id);
    const source = sourceOf(id);
    const { stripRoot } = configuration;
    await unpackArchive(configuration.archive, source, { limits: o.limits, stripRoot, signal });
    const place = await workingDirectory(source, configuration.workingDirectory);
    const write = (path: string, content: string | Uint8Array) => writeFile(path, content, { mode: 0o600 });
    for (const name of [OUT, 'state', 'plugins']) await mkdir(join(home, name), { mode: 0o700 });
    const trusted = work.untrusted ? [] : work.variables;
    // A configuration could hold a link of that name, to be written through.
    for (const name of [OVERRIDE, VARIABLES]) await rm(join(place, name), { force: true, recursive: true });
    await write(join(place, OVERRIDE), overrideFile(configuration.workingDirectory));
    await write(join(place, VARIABLES), variablesFile(work.variables));
    await write(join(home, SECRETS), secretsFile(trusted));
    await write(join(home, SETTINGS), settingsFile(o.mirror));
    if (work.state !== null) await write(join(home, STATE), work.state);
    if (work.do.phase === 'apply') {
      await write(join(home, OUT, 'plan'), work.do.plan);
      const lock = join(place, '.terraform.lock.hcl');
      await rm(lock, { force: true, recursive: true });
      if (work.do.lockFile !== null) await write(lock, work.do.lockFile);
    }
    const kept = pluginsOf(id);
    // What strangers' code could have changed is neither given to others nor taken from them.
    if (kept !== undefined && !work.untrusted) await giveProviders(kept, join(home, 'plugins'));
  }

  function environment(id: string, network: string): Record<string, string> {
    const inside = sandboxes.workspaceInside(id);
    const home = join(inside, 'home');
    return {
      PATH: SYSTEM_PATH,
      HOME: home,
      USER: 'preview',
      LOGNAME: 'preview',
      SHELL: '/bin/sh',
      TMPDIR: sandboxes.probe.namespaces ? '/tmp' : home,
      LANG: 'C.UTF-8',
      CI: 'true',
      TF_IN_AUTOMATION: '1',
      TF_INPUT: '0',
      TF_PLUGIN_CACHE_DIR: join(home, 'plugins'),
      // Nobody is told which versions are used where.
      CHECKPOINT_DISABLE: '1',
      ...(network === 'egress' ? EGRESS_ENVIRONMENT : {}),
    };
  }

  async function wayOut(work: TerraformWork): Promise<'none' | 'shared' | 'egress'> {
    if (o.network === 'none') return 'none';
    if (o.network === 'shared' && !work.untrusted) return 'shared';
    const path = sandboxes.egressOf(work.id);
    if (path === null) return work.untrusted ? 'none' : 'shared';
    ways.set(work.id, await openEgress({ path }));
    return 'egress';
  }

  return {
    kind: 'process',
    place: o.place,

    async start(work, signal) {
      const { id } = work;
      const binary = chooseTerraform(binaries, work.version);
      const { version } = binary;
      const before = await find(id);
      if (before?.process != null) return { version };
      // Whoever prepared it did not get to its end.
      if (before !== undefined) await sandboxes.destroy(before);
      const sandbox = await sandboxes.create(id);
      try {
        await prepare(work, signal);
        const program = await programFor(id, binary);
        await sandboxes.handOver(sandbox);
        const network = await wayOut(work);
        const { phase } = work.do;
        const home = join(sandboxes.workspaceInside(id), 'home');
        const state = stateFrom(work.configuration.workingDirectory);
        const schemas = schemasArgument(work.do);
        const options = work.do.phase === 'plan' ? planArguments(work.do.options) : [];
        await sandboxes.start(sandbox, {
          argv: [
            '/bin/sh',
            '-c',
            phase === 'plan' ? PLAN : APPLY,
            'forgeway-run',
            program,
            home,
            state,
            schemas,
            ...options,
          ],
          env: environment(id, network),
          cwd: join('source', work.configuration.workingDirectory),
          seconds: secondsOf(phase),
          network: { kind: network },
        });
        return { version };
      } catch (error) {
        await closeWay(id);
        await sandboxes.destroy(sandbox);
        throw error;
      }
    },

    async look(id) {
      const sandbox = await find(id);
      // Without a process it was being prepared by somebody who is gone.
      if (sandbox === undefined || sandbox.process === null) return 'absent';
      if ((await sandboxes.exitOf(sandbox)) !== undefined) return 'over';
      const way = sandboxes.egressOf(id);
      // The process that held its way out may have been restarted.
      if (way !== null && !ways.has(id) && (await hadWay(way))) ways.set(id, await openEgress({ path: way }));
      return 'running';
    },

    async end(id, { phase, keepsProviders }) {
      const sandbox = await find(id);
      if (sandbox === undefined) return { kind: 'vanished', state: null };
      const exit = (await sandboxes.exitOf(sandbox)) ?? { code: null, reason: 'killed' as const };
      await sandboxes.stop(sandbox);
      await closeWay(id);
      const read: ReadResult = (name, limit) => readResult(treeOf(id), `home/${name}`, limit);
      const result = await conclude(read, exit, { phase, seconds: secondsOf(phase) });
      const kept = pluginsOf(id);
      if (kept !== undefined && keepsProviders && result.kind === 'planned')
        await keepProviders(kept, id.slice(37), join(homeOf(id), 'plugins'), result.lockFile);
      return result;
    },

    log: (id, after, isOver) =>
      readLogPage(runDirectoryOf(o.directory, id), LOG, {
        after: after ?? { inode: '', offset: 0 },
        lines: LOG_LINES,
        isWhole: isOver,
      }),

    async interrupt(id) {
      const sandbox = await find(id);
      if (sandbox === undefined) return;
      for (const { pid } of await sandboxes.processesOf(sandbox)) {
        // Only Terraform itself knows how to stop; its providers are stopped by it.
        if (!names.has((await readProcessName(pid)) ?? '')) continue;
        try {
          // Not SIGINT, which whatever runs in the background of a shell never gets.
          process.kill(pid, 'SIGTERM');
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      }
    },

    async remove(id) {
      await closeWay(id);
      const sandbox = await find(id);
      if (sandbox !== undefined) await sandboxes.destroy(sandbox);
    },

    list: async () => (await sandboxes.list()).map(({ id }) => id),
  };
}

async function hadWay(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
