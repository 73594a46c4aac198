/** Starts git for the fakes: arguments as a list, nothing of the machine's own configuration, no hooks, no prompts. */
import { spawn } from 'node:child_process';
import { devNull } from 'node:os';

/** Environment of every git that a fake starts. */
export function fakeGitEnvironment(directory: string): Record<string, string> {
  const settings = {
    'safe.directory': '*',
    'core.hooksPath': devNull,
    'core.quotePath': 'false',
    'gc.auto': '0',
    'http.receivepack': 'true',
    'uploadpack.allowAnySHA1InWant': 'true',
  };
  const numbered = Object.entries(settings).flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ]);
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: directory,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: devNull,
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(Object.keys(settings).length),
    ...Object.fromEntries(numbered),
  };
}

export interface GitOutcome {
  code: number;
  out: Buffer;
  /** What git said to people. */
  said: string;
}

/** All that a git needs to be started. */
export interface GitStart {
  directory: string;
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  input?: Buffer | string;
}

export interface GitRun {
  input?: Buffer | string;
  environment?: Record<string, string>;
}

/** What these answer depends on nothing but the objects they are given, and an object never changes. */
const READERS: ReadonlySet<string> = new Set([
  'rev-parse',
  'rev-list',
  'cat-file',
  'ls-tree',
  'diff',
  'merge-base',
  'merge-tree',
]);
/** A whole SHA, as an object, as what is left out, as a commit, or as where a path begins. */
const NAMES_AN_OBJECT = /^\^?[0-9a-f]{40}(\^\{commit\}|:.*)?$/s;

const remembered = new Map<string, Map<string, Promise<GitOutcome>>>();

/** A repository that is made anew in the same folder has other objects. */
export function forgetObjects(directory: string): void {
  remembered.delete(directory);
}

/** True when the answer can only ever be the same. */
function isOfObjects([command = '', ...rest]: readonly string[], run: GitRun): boolean {
  if (!READERS.has(command) || Object.keys(run).length > 0) return false;
  const paths = rest.indexOf('--');
  const before = paths === -1 ? rest : rest.slice(0, paths);
  const names = before.filter((argument) => !argument.startsWith('-') && !/^(commit|tag|tree|blob)$/.test(argument));
  // What is compared with a time changes with it.
  return (
    names.length > 0 &&
    names.every((name) => NAMES_AN_OBJECT.test(name)) &&
    !before.some((argument) => /^--(since|until)/.test(argument))
  );
}

/**
 * Runs git to its end, however it ends. A process for each question would be most of what a fake costs, and the same few
 * commits are asked about over and over: what was answered of them is remembered.
 */
export function tryGit(directory: string, argv: readonly string[], run: GitRun = {}): Promise<GitOutcome> {
  if (!isOfObjects(argv, run)) return start(directory, argv, run);
  const answers = remembered.get(directory) ?? new Map<string, Promise<GitOutcome>>();
  remembered.set(directory, answers);
  const key = argv.join('\0');
  const known = answers.get(key) ?? start(directory, argv, run);
  answers.set(key, known);
  // What is missing now may be pushed later; a conflict, and two histories without a common commit, stay.
  const mayEnd = argv[0] === 'merge-base' || argv[0] === 'merge-tree' ? 1 : 0;
  known.then(
    ({ code }) => code > mayEnd && answers.delete(key),
    () => answers.delete(key),
  );
  return known;
}

const starter = { run: spawned };

/** From now on `run` starts every git: a large process, as a test's is, takes longer to start another than git does to answer. */
export function startGitBy(run: (order: GitStart) => Promise<GitOutcome>): void {
  starter.run = run;
}

const start = (directory: string, argv: readonly string[], { input, environment }: GitRun): Promise<GitOutcome> =>
  starter.run({
    ...{ directory, argv, env: { ...fakeGitEnvironment(directory), ...environment } },
    ...(input !== undefined && { input }),
  });

function spawned({ directory, argv, env, input }: GitStart): Promise<GitOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', argv, { cwd: directory, env, stdio: 'pipe' });
    const out: Buffer[] = [];
    const said: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    // Git may end before it has read everything; its exit code says whether that is an error.
    child.stdin.on('error', () => child.stdin.destroy());
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? -1, out: Buffer.concat(out), said: Buffer.concat(said).toString('utf8').trim() }),
    );
    child.stdin.end(input ?? '');
  });
}

/** Runs git and answers what it printed. @throws Error with git's own words when it fails */
export async function git(directory: string, argv: readonly string[], run: GitRun = {}): Promise<Buffer> {
  const { code, out, said } = await tryGit(directory, argv, run);
  if (code !== 0) throw new Error(`git ${argv.join(' ')} ended with ${code}: ${said}`);
  return out;
}

/** The same, as text without the last newline. */
export async function gitText(directory: string, argv: readonly string[], run: GitRun = {}): Promise<string> {
  return (await git(directory, argv, run)).toString('utf8').replace(/\n$/, '');
}

export interface FakeRef {
  /** Full name. */
  ref: string;
  /** Of a commit, or of the tag object where the tag is annotated. */
  sha: string;
  /** What the ref finally names. */
  commit: string;
}

/** Refs below `prefix`, by name. */
export async function listRefs(directory: string, prefix = 'refs'): Promise<readonly FakeRef[]> {
  const format = '--format=%(refname) %(objectname) %(*objectname)';
  const text = await gitText(directory, ['for-each-ref', format, prefix.replace(/\/$/, '')]);
  return text.split('\n').flatMap((line) => {
    const [ref = '', sha = '', peeled] = line.split(' ');
    return ref === '' ? [] : [{ ref, sha, commit: peeled || sha }];
  });
}
