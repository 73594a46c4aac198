/** Puts together the argument list that starts a command under the limits and behind the walls of a mode. */
import { join } from 'node:path';
import { LOG_FILE_BYTES } from './captured-log.js';
import { EGRESS_PORT } from './egress.js';
import { RAISE_LOOPBACK, RELAY, withRelay } from './network-script.js';
import { BUBBLEWRAP_BASE, NO_NESTED_USERS, READ_ONLY_ROOT, type SandboxProbe, SHARE_NETWORK } from './sandbox-probe.js';
import { CLOSE_FILES, ENTER_ROOT, SUPERVISE } from './sandbox-script.js';

export interface SandboxLimits {
  memoryMb: number;
  processes: number;
  diskMb: number;
}

/**
 * `shared` is this machine's network. The others have only a loopback of their own, where {@link SandboxProbe.network} says
 * that they can: with a door through which we reach a port of it, with a way out through our proxy, or with neither.
 */
export type SandboxNetwork = { kind: 'shared' | 'egress' | 'none' } | { kind: 'door'; port: number };

export interface SandboxPaths {
  /** Belongs to the sandboxed user: source and home. */
  tree: string;
  /** Ours alone: log, exit record, pipe. */
  run: string;
  /** Where the new root directory is put together. */
  root: string;
}

/** Where the workspace lies as the sandboxed command sees it. */
export function workspaceInside(probe: SandboxProbe, paths: SandboxPaths): string {
  return probe.namespaces ? '/workspace' : paths.tree;
}

export interface SandboxCommand {
  /** The program and its arguments, run as given. */
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Directory inside the workspace, such as `source/app`. */
  cwd: string;
  /** 0 for a command that may run for ever. */
  seconds: number;
  network: SandboxNetwork;
  /** In place of those that every command has. */
  limits?: SandboxLimits;
  /** More of its environment, that no argument may show: others on this machine can read those. Names are ours to check. */
  secrets?: Readonly<Record<string, string>>;
  /**
   * Gives it {@link INBOX} on standard input, `follow` also what is added to it while it runs, and adds what it prints to
   * {@link SPOOL} up to a limit. The log has only its standard error then.
   */
  lines?: { input: 'follow' | 'whole'; bytes: number };
}

/** Sockets in the run directory: the door's, and that of the proxy for builds. */
export const DOOR = 'door';
const EGRESS_FOLDER = 'way-out';
export const EGRESS = `${EGRESS_FOLDER}/egress`;
/** What a command with lines reads, and what it said; both stay until its sandbox is destroyed. */
export const INBOX = 'inbox';
export const SPOOL = 'spool';
/** While this is there, its time stands still: it waits for a person. */
export const WAITING = 'waiting';
/** Where the proxy's socket lies as a relay within sees it. */
const EGRESS_INSIDE = `/.forgeway/${EGRESS}`;

/** What a command really gets: where there are no networks to give, all share this machine's. */
export function networkOf(probe: SandboxProbe, command: SandboxCommand): SandboxNetwork {
  return probe.network ? command.network : { kind: 'shared' };
}

const NO_CAPABILITIES = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'];

const LAUNCHER_VARIABLES = ['LC_ALL', 'PWD', 'OLDPWD', 'SHLVL', '_'];

/** The words before a command that set a relay beside it. */
function relayBefore(network: SandboxNetwork, node: string, drop: readonly string[]): string[] {
  if (network.kind !== 'door' && network.kind !== 'egress') return [];
  const ends = network.kind === 'door' ? ['-', String(network.port)] : [String(EGRESS_PORT), EGRESS_INSIDE];
  return ['sh', '-c', withRelay(drop.join(' ')), 'forgeway-relay', node, RELAY, ...ends];
}

const ETC = [
  ...['alternatives', 'ca-certificates.conf', 'host.conf', 'hosts', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d'],
  ...['localtime', 'mime.types', 'nsswitch.conf', 'os-release', 'protocols', 'resolv.conf', 'services', 'ssl'],
];

const KIB = 1_024;
/** Private /tmp and /dev/shm, each; they live in memory. */
const TMP_MB = 64;
/** A workspace may hold one file per this many KiB of its disk limit, small ones included. */
const KIB_PER_FILE = 4;

/** @returns the launcher's argv; its process must be started detached and without open files of ours */
export function launcherArgv(o: {
  probe: SandboxProbe;
  paths: SandboxPaths;
  uid: number | null;
  limits: SandboxLimits;
  command: SandboxCommand;
  /** Control file of a memory group, when there is one. */
  memoryGroup: string | undefined;
  /** Directory of programs outside the system's own, such as an nvm installation of node. */
  programs: string | undefined;
}): readonly string[] {
  const { probe, paths, uid, limits, command, memoryGroup, programs } = o;
  const network = networkOf(probe, command);
  const inRoot = probe.mode === 'uid' && probe.namespaces;
  const diskKb = limits.diskMb * KIB;
  const limited = [
    ...['prlimit', '--core=0', '--nofile=8192:8192', `--fsize=${diskKb * KIB}`],
    ...(probe.mode === 'same-user' ? [] : [`--nproc=${limits.processes}`]),
    ...(memoryGroup === undefined ? [`--data=${limits.memoryMb * KIB * KIB}`] : []),
    '--',
  ];
  const variables = Object.entries(command.env).map(([name, value]) => `${name}=${value}`);
  // The launcher's own environment is the secrets and these, which programs on the way add.
  const begin = command.secrets === undefined ? ['-i'] : LAUNCHER_VARIABLES.flatMap((name) => ['-u', name]);
  const clean = [
    'env',
    ...begin,
    '-C',
    join(workspaceInside(probe, paths), command.cwd),
    ...variables,
    ...command.argv,
  ];
  const user = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  const drop = ['setpriv', ...user, ...NO_CAPABILITIES];
  // As root it runs outside of what the command's user can reach, without capabilities.
  const relay = relayBefore(network, process.execPath, inRoot ? ['setpriv', ...NO_CAPABILITIES] : []);
  const tmp = ['--size', String(TMP_MB * KIB * KIB), '--tmpfs'];
  const bubble = [
    ...[
      probe.bubblewrap,
      ...BUBBLEWRAP_BASE,
      ...(probe.nestedUsers ? [] : NO_NESTED_USERS),
      ...(network.kind === 'shared' ? [SHARE_NETWORK] : []),
      ...tmp,
      '/tmp',
      ...tmp,
      '/dev/shm',
      '--symlink',
      '/tmp',
      '/var/tmp',
    ],
    ...ETC.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...['--ro-bind', join(paths.run, 'passwd'), '/etc/passwd', '--ro-bind', join(paths.run, 'group'), '/etc/group'],
    ...['--ro-bind-try', '/run/systemd/resolve', '/run/systemd/resolve'],
    ...(programs === undefined ? [] : ['--ro-bind', programs, programs]),
    // The folder and not the socket: a proxy that died is followed by one with a socket of its own.
    ...(network.kind === 'egress' ? ['--ro-bind', join(paths.run, EGRESS_FOLDER), `/.forgeway/${EGRESS_FOLDER}`] : []),
    ...['--bind', paths.tree, '/workspace', ...READ_ONLY_ROOT, '--chdir', '/', '--'],
  ];
  const walls = {
    uid: [...relay, ...limited, ...drop, ...clean],
    bubblewrap: [...bubble, ...relay, ...limited, ...clean],
    'same-user': [...limited, ...clean],
  }[probe.mode];
  const supervise = [
    inRoot ? '/.forgeway' : paths.run,
    inRoot ? '/workspace' : paths.tree,
    uid === null ? '-' : String(uid),
    String(command.seconds),
    String(diskKb),
    String(Math.ceil(diskKb / KIB_PER_FILE)),
    String(memoryGroup === undefined ? limits.memoryMb * KIB : 0),
    String(LOG_FILE_BYTES),
    memoryGroup === undefined ? '' : inRoot ? '/.forgeway/memory-group' : memoryGroup,
    command.lines?.input ?? '',
    String(command.lines?.bytes ?? 0),
    ...walls,
  ];
  // Descriptor 3 is the door's listening socket; the command itself does not get it.
  const closed = ['bash', '--norc', '-c', CLOSE_FILES, 'forgeway-preview', network.kind === 'door' ? '3' : '2'];
  if (!inRoot) return [...closed, 'sh', '-c', SUPERVISE, 'forgeway-preview', ...supervise];
  return [
    ...closed,
    ...['unshare', '--mount', '--pid', '--ipc', '--uts', ...(network.kind === 'shared' ? [] : ['--net'])],
    ...['--fork', '--kill-child=SIGKILL', '--'],
    ...['sh', '-c', (network.kind === 'shared' ? '' : RAISE_LOOPBACK) + ENTER_ROOT + SUPERVISE, 'forgeway-preview'],
    ...[paths.root, paths.tree, paths.run, String(TMP_MB * KIB), programs ?? '', memoryGroup ?? ''],
    ...supervise,
  ];
}
