/** Finds out how this machine can isolate a repository's commands, by doing it once. */
import { readFile } from 'node:fs/promises';
import { ForgewayError } from '../../lib/errors.js';
import { RAISE_LOOPBACK } from './network-script.js';
import { runTool } from './run-tool.js';

/**
 * `uid`: root starts each sandbox as a user of its own. `bubblewrap`: an ordinary user puts it into user namespaces.
 * `same-user`: no isolation, only when the operator insists.
 */
export type SandboxMode = 'uid' | 'bubblewrap' | 'same-user';

export interface SandboxProbe {
  mode: SandboxMode;
  /** Mode `uid`: whether a private root directory and PID namespace can be had besides; some containers refuse them. */
  namespaces: boolean;
  /** Whether a sandbox can have a network of its own; without namespaces it never can. */
  network: boolean;
  /** Whether what runs in a sandbox may make user namespaces, and in them file systems that live in memory. */
  nestedUsers: boolean;
  /** Path of bubblewrap, in that mode. */
  bubblewrap: string;
}

export interface ProbeOptions {
  unsafeSameUser?: boolean;
  /** Default: `bwrap` from the system's directories. */
  bubblewrap?: string;
}

const FIX =
  'Run Forgeway as root, or install bubblewrap (`apt-get install bubblewrap`), or do without: PREVIEW_DRIVER=off, and agents that have an image.';

async function worksWith(command: string, args: readonly string[]): Promise<string | undefined> {
  const { code, output } = await runTool(command, args, 20_000);
  return code === 0 ? undefined : output.trim().slice(0, 200) || `${command} ended with ${code}`;
}

const sameUser = (bubblewrap: string): SandboxProbe => ({
  ...{ mode: 'same-user', namespaces: false, network: false, nestedUsers: true, bubblewrap },
});

/** For bubblewrap: the network of this machine and not one of its own. */
export const SHARE_NETWORK = '--share-net';

/** For bubblewrap since 0.8: no user namespaces within, whose owner could mount more memory than is counted. */
export const NO_NESTED_USERS: readonly string[] = ['--unshare-user', '--disable-userns'];

/** For bubblewrap, after everything else is in place: its root and /dev are tmpfs of no certain size. */
export const READ_ONLY_ROOT: readonly string[] = ['--remount-ro', '/dev', '--remount-ro', '/'];

/** The arguments that every use of bubblewrap begins with. */
export const BUBBLEWRAP_BASE: readonly string[] = [
  ...['--unshare-all', '--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
  ...['--ro-bind', '/usr', '/usr', '--ro-bind-try', '/nix', '/nix'],
  ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => ['--ro-bind-try', `/${name}`, `/${name}`]),
  ...['--proc', '/proc', '--dev', '/dev'],
];

/**
 * The strongest isolation that works here.
 * @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE with what was tried and the line to type
 */
export async function probeSandbox(options: ProbeOptions = {}): Promise<SandboxProbe> {
  const bubblewrap = options.bubblewrap ?? 'bwrap';
  if (process.platform !== 'linux') {
    if (options.unsafeSameUser) return sameUser(bubblewrap);
    throw new ForgewayError(
      'FORGEWAY_SANDBOX_UNAVAILABLE',
      `Previews and agents need Linux, this is ${process.platform}. ${FIX}`,
    );
  }
  const failures: string[] = [];
  if (process.getuid?.() === 0) {
    const drop = ['--reuid', '50001', '--regid', '50001', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'];
    const asUser = ['prlimit', '--core=0', '--', 'setpriv', ...drop, '--no-new-privs', '--', 'true'];
    const privileges = await worksWith('prlimit', asUser.slice(1));
    if (privileges === undefined) {
      const mounts = 'mount -t tmpfs forgeway /mnt && mount -t proc proc /proc && exec "$@"';
      const enter = [
        '--mount',
        '--pid',
        '--ipc',
        '--uts',
        '--fork',
        '--kill-child',
        'sh',
        '-c',
        mounts,
        'sh',
        ...asUser,
      ];
      const namespaces = (await worksWith('unshare', enter)) === undefined;
      const alone = ['--net', '--', 'sh', '-c', RAISE_LOOPBACK];
      const network = namespaces && (await worksWith('unshare', alone)) === undefined;
      return { mode: 'uid', namespaces, network, nestedUsers: true, bubblewrap };
    }
    failures.push(`another user: ${privileges}`);
  }
  const wrap = (...more: string[]) =>
    worksWith(bubblewrap, [
      ...BUBBLEWRAP_BASE,
      ...more,
      ...['--size', '65536', '--tmpfs', '/tmp', ...READ_ONLY_ROOT, '--', 'true'],
    ]);
  const without = (await wrap(SHARE_NETWORK, ...NO_NESTED_USERS)) === undefined;
  const more = without ? NO_NESTED_USERS : [];
  const result = { mode: 'bubblewrap' as const, namespaces: true, nestedUsers: !without, bubblewrap };
  if ((await wrap(...more)) === undefined) return { ...result, network: true };
  // Some containers let nobody bring up a loopback.
  const wrapped = await wrap(SHARE_NETWORK);
  if (wrapped === undefined) return { ...result, network: false };
  failures.push(`bubblewrap: ${wrapped}`);
  if (options.unsafeSameUser) return sameUser(bubblewrap);
  throw new ForgewayError(
    'FORGEWAY_SANDBOX_UNAVAILABLE',
    `Nothing isolates previews and agents here (${failures.join('; ')}). ${FIX}`,
    {
      details: { tried: failures },
    },
  );
}

const CAP_SYS_PTRACE = 1n << 19n;

/**
 * Whether the watcher can see which files a sandbox holds open. Root needs CAP_SYS_PTRACE to look at another user's, which
 * containers often lack; an ordinary user may look at what lives in namespaces of his own.
 */
export async function seesOpenFiles({ mode }: Pick<SandboxProbe, 'mode'>): Promise<boolean> {
  if (mode !== 'uid') return true;
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return (effective & CAP_SYS_PTRACE) !== 0n;
}
