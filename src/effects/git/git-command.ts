/**
 * Runs git with an argument list, an environment built from scratch and a configuration that nothing on this machine or
 * in a repository can change. Plain spawn and not simple-git: we need every variable, the exact argv, limits on the
 * child and its output as a stream, and parse nothing but SHAs, so the library would only stand in between.
 */
import { spawn } from 'node:child_process';
import { ForgewayError } from '../../lib/errors.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import { redactText } from '../../lib/redact.js';
import { SYSTEM_PATH } from '../process/clean-environment.js';
import type { GitSettings } from './git-network.js';

export interface GitCredential {
  username: string;
  password: string;
  /** The only origin it may be sent to, such as `https://github.com`. */
  origin: string;
  /** How that origin is reached, where not as usual. */
  route?: OutboundRoute;
}

export interface GitRunOptions {
  gitDir?: string;
  credential?: GitCredential;
  /** For a command that uses the network, see {@link gitNetwork}; without it, none is used. */
  network?: GitSettings;
  timeoutMs: number;
  /** Largest single file git may write, in bytes; a pack is one file. */
  maxFileBytes?: number;
  signal?: AbortSignal;
  /** The open lock file of the repository: held until the command and all that it starts have ended, even without us. */
  lockFd?: number;
  /** Given to the command on its standard input. */
  input?: Buffer;
  /** Added to the environment: whose commit it is, which index. Never `PATH` or `GIT_CONFIG…`. */
  variables?: Readonly<Record<string, string>>;
  /** Exit codes besides 0 that are an answer and no failure. */
  exits?: readonly number[];
  /** Called with each part of the standard output instead of collecting it; false ends the command. */
  onOutput?: (chunk: Buffer) => boolean;
}

/** Which repository a command works on, and the lock on it that the command inherits. */
export type Held = Required<Pick<GitRunOptions, 'gitDir' | 'lockFd'>>;

/** Settings of every command, as [key, value]. */
const CONFIGURATION: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.protectHFS', 'true'],
  ['core.protectNTFS', 'true'],
  ['core.symlinks', 'true'],
  ['core.longpaths', 'true'],
  ['protocol.allow', 'never'],
  ['protocol.http.allow', 'always'],
  ['protocol.https.allow', 'always'],
  ['http.followRedirects', 'false'],
  ['transfer.bundleURI', 'false'],
  ['fetch.uriProtocols', ''],
  ['http.lowSpeedLimit', '1000'],
  ['http.lowSpeedTime', '60'],
  ['credential.helper', ''],
  ['submodule.recurse', 'false'],
  ['fetch.recurseSubmodules', 'false'],
  ['fetch.fsckObjects', 'true'],
  ['transfer.fsckObjects', 'true'],
  // Old but harmless repositories have these; what attacks use (.gitmodules, .git paths, symlinks of it) stays an error.
  ['fetch.fsck.zeroPaddedFilemode', 'ignore'],
  ['fetch.fsck.badTimezone', 'ignore'],
  ['fetch.fsck.missingSpaceBeforeDate', 'ignore'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.detachedHead', 'false'],
  ['filter.lfs.smudge', ''],
  ['filter.lfs.process', ''],
  ['filter.lfs.required', 'false'],
  ['safe.directory', '*'],
];

/** A command that was given no network must reach none, whatever a repository's configuration says. */
const NO_NETWORK: GitSettings = [
  ['protocol.http.allow', 'never'],
  ['protocol.https.allow', 'never'],
];

/** The whole environment of a git process. The credential is here and nowhere else: not in argv, not in a file. */
export function gitEnvironment(
  credential: GitCredential | undefined,
  network: GitSettings = NO_NETWORK,
): Record<string, string> {
  const settings = [...CONFIGURATION, ...network];
  if (credential !== undefined) {
    const basic = Buffer.from(`${credential.username}:${credential.password}`).toString('base64');
    settings.push([`http.${new URL(credential.origin).origin}/.extraHeader`, `Authorization: Basic ${basic}`]);
  }
  return {
    PATH: SYSTEM_PATH,
    LC_ALL: 'C',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

function withoutCredential(text: string, credential: GitCredential | undefined): string {
  if (credential === undefined || credential.password === '') return redactText(text);
  const basic = Buffer.from(`${credential.username}:${credential.password}`).toString('base64');
  return redactText(text.replaceAll(credential.password, '[redacted]').replaceAll(basic, '[redacted]'));
}

const MESSAGE_BYTES = 8_192;
const OUTPUT_BYTES = 1024 * 1024;

/** On Linux git ends with us, however we end, and is held to its limits. */
function commandLine(argv: readonly string[], maxFileBytes: number | undefined): [string, ...string[]] {
  if (process.platform !== 'linux') return ['git', ...argv];
  const limits = maxFileBytes === undefined ? [] : ['prlimit', '--core=0', `--fsize=${maxFileBytes}`, '--'];
  return ['setpriv', '--pdeathsig', 'KILL', '--', ...limits, 'git', ...argv];
}

/**
 * Runs git to its end and answers its standard output.
 * @throws ForgewayError FORGEWAY_GIT_FAILED with what git said, without credentials
 */
export function runGit(args: readonly string[], options: GitRunOptions): Promise<string> {
  const {
    gitDir,
    credential,
    network,
    timeoutMs,
    maxFileBytes,
    signal,
    onOutput,
    input,
    variables,
    exits = [],
    lockFd,
  } = options;
  const full = ['--no-optional-locks', ...(gitDir === undefined ? [] : ['--git-dir', gitDir]), ...args];
  const [file, ...argv] = commandLine(full, maxFileBytes);
  return new Promise((resolve, reject) => {
    // Of a group of its own, so that helpers such as git-remote-https end with it.
    const child = spawn(file, argv, {
      cwd: '/',
      env: { ...gitEnvironment(credential, network), ...variables },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(lockFd === undefined ? [] : [lockFd])],
      detached: true,
    });
    const state = { bytes: 0, said: '', why: '' };
    const out: Buffer[] = [];
    const stop = (why: string) => {
      state.why ||= why;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    };
    const timer = setTimeout(() => stop(`took longer than ${Math.round(timeoutMs / 1_000)} s`), timeoutMs);
    const onAbort = () => stop('was stopped');
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout?.on('data', (chunk: Buffer) => {
      state.bytes += chunk.length;
      if (onOutput !== undefined) {
        if (!onOutput(chunk)) stop('was more than is allowed');
      } else if (state.bytes <= OUTPUT_BYTES) out.push(chunk);
    });
    // A command that ends without reading everything breaks the pipe; its exit code says the rest.
    child.stdin?.on('error', () => undefined).end(input);
    child.stderr?.on('data', (chunk: Buffer) => {
      state.said = (state.said + chunk.toString('utf8')).slice(-MESSAGE_BYTES);
    });
    const finish = (code: number | null, problem: string) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (code !== null && (code === 0 || exits.includes(code)) && state.why === '')
        return resolve(Buffer.concat(out).toString('utf8'));
      // Shown to people on a forge, whom it does not concern where ours lie.
      const said = [gitDir, variables?.GIT_WORK_TREE].reduce<string>(
        (text, place) => (place === undefined ? text : text.replaceAll(place, '…')),
        withoutCredential(state.said.trim() || problem, credential),
      );
      const why = state.why === '' ? `ended with ${code ?? 'a signal'}` : state.why;
      const message = `git ${args[0]} ${why}: ${said.split('\n').slice(-4).join(' ').slice(0, 500)}`;
      reject(new ForgewayError('FORGEWAY_GIT_FAILED', message, { details: { command: args[0] } }));
    };
    child.once('error', (error) => finish(-1, error.message));
    child.once('close', (code) => finish(code, ''));
  });
}
