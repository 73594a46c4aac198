/** The environment of a repository's commands: built from nothing, with what the repository may add. */

/** Names a repository may not set: they change what our own programs do, or say who and where it is. */
const FORBIDDEN = [
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|ENV|BASH_ENV|IFS|TMPDIR|PORT|HOST|CI)$/,
  /^(?:LD_|DYLD_|GIT_|FORGEWAY_|GCONV_|MALLOC_|NODE_OPTIONS$|NODE_EXTRA_CA_CERTS$)/,
  /_PROXY$/i,
];

/** Whether a repository may set this variable. The name must be a shell identifier. */
export function isAllowedVariable(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name) && !FORBIDDEN.some((pattern) => pattern.test(name));
}

export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentOptions {
  home: string;
  tmp: string;
  /** A directory to look for programs in first, such as the one node was started from. */
  programs?: string;
  port: number;
  sha: string;
  subject: { kind: 'pull-request'; number: number } | { kind: 'branch'; branch: string };
  /** From the repository's own file; forbidden names are left out even if the schema let them pass. */
  extra: Readonly<Record<string, string>>;
}

/** Those of them that a command can be given. */
export const allowedVariables = (variables: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(variables).filter(([name, value]) => isAllowedVariable(name) && !value.includes('\0')),
  );

/** Everything the command will see. Not one value comes from our own environment. */
export function cleanEnvironment(options: EnvironmentOptions): Record<string, string> {
  return {
    ...allowedVariables(options.extra),
    PATH: options.programs === undefined ? SYSTEM_PATH : `${options.programs}:${SYSTEM_PATH}`,
    HOME: options.home,
    USER: 'preview',
    LOGNAME: 'preview',
    SHELL: '/bin/sh',
    TMPDIR: options.tmp,
    LANG: 'C.UTF-8',
    CI: 'true',
    HOST: '127.0.0.1',
    PORT: String(options.port),
    FORGEWAY_COMMIT_SHA: options.sha,
    ...(options.subject.kind === 'branch'
      ? { FORGEWAY_BRANCH: options.subject.branch }
      : { FORGEWAY_PULL_REQUEST: String(options.subject.number) }),
  };
}
