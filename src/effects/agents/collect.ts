/**
 * What an agent changed, read from its files with a repository and settings of ours, held to limits and rules, and made one
 * commit. Nothing that the agent wrote is run or believed: not its `.git`, not its links, and of its attributes line ends alone, where it
 * has changed a file.
 */
import { lstat } from 'node:fs/promises';
import { posix } from 'node:path';
import { setImmediate as pause } from 'node:timers/promises';
import { ForgewayError } from '../../lib/errors.js';
import { hideKnownSecrets } from '../../lib/known-secrets.js';
import { worktreeFolder } from '../git/bare-repository.js';
import { runGit } from '../git/git-command.js';
import type { GitMirrors, OpenMirror } from '../git/mirror.js';
import { type ListedEntry, parseTree } from '../git/object-formats.js';
import { BYTES, LINE_ENDS, withAttributes } from './attributes.js';
import { saysSubmodules, steersPipelines } from './guarded-paths.js';
import { pipelineFiles } from './pipeline-files.js';
import { shown } from './protocol.js';
import type { AgentProblem, AgentResult, AgentResultRequest } from './runner.js';
import { findSecrets, knowing } from './secret-scan.js';
import { bytesOf, gitOf, identityOf, treeOf, type WorkTreeBase, withEntries } from './work-tree.js';

/** Far above any limit on files; more is refused without being looked at. */
const MOST_LISTED_BYTES = 64 * 1024 * 1024;
const MOST_TREE_BYTES = 256 * 1024 * 1024;
const SHOWN_DIFF = 256 * 1024;
const LINK = '120000';
const SUBMODULE = '160000';
const FILE = /^100(?:644|755)$/;
const MOST_PROBLEMS = 50;

interface RawChange {
  /** Bytes, one character each. */
  path: string;
  oldMode: string;
  mode: string;
  oldSha: string;
  sha: string;
  status: 'added' | 'modified' | 'deleted';
}

interface Change extends RawChange {
  added: number;
  removed: number;
  bytes: number;
}

const readable = (path: string): string =>
  shown(Buffer.from(path, 'latin1').toString('utf8'), 300).replaceAll('\n', ' ');

/** Output of `git diff-tree -r -z --raw`. */
function parseRaw(text: string): RawChange[] {
  const fields = text.split('\0');
  const found: RawChange[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, oldMode = '', mode = '', oldSha = '', sha = '', letter = ''] =
      /^:(\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])$/.exec(fields[at] ?? '') ?? [];
    if (letter === '')
      throw new ForgewayError('FORGEWAY_GIT_FAILED', 'git printed a difference that was not understood.');
    const status = letter === 'A' ? 'added' : letter === 'D' ? 'deleted' : 'modified';
    found.push({ path: fields[at + 1] ?? '', oldMode, mode, oldSha, sha, status });
  }
  return found;
}

/** What is there after the change. */
const entryOf = ({ status, mode, sha }: RawChange): Pick<ListedEntry, 'mode' | 'sha'> | null =>
  status === 'deleted' ? null : { mode: mode as ListedEntry['mode'], sha };

/** Lines added and removed by path; a binary file has none. */
function parseNumbers(text: string): Map<string, [number, number]> {
  return new Map(
    text.split('\0').flatMap((line) => {
      const [, added = '', removed = '', path] = /^(\d+|-)\t(\d+|-)\t([\s\S]+)$/.exec(line) ?? [];
      return path === undefined ? [] : [[path, [Number(added) || 0, Number(removed) || 0]] as const];
    }),
  );
}

async function sizesOf(mirror: OpenMirror, shas: readonly string[]): Promise<Map<string, number>> {
  if (shas.length === 0) return new Map();
  const chunks: Buffer[] = [];
  await gitOf(mirror)(['cat-file', '--batch-check=%(objectname) %(objectsize)'], {
    input: Buffer.from(`${shas.join('\n')}\n`),
    onOutput: (chunk) => chunks.push(chunk) > 0,
  });
  const lines = Buffer.concat(chunks).toString('latin1').split('\n');
  return new Map(lines.map((line) => line.split(' ')).map(([sha = '', size = '0']) => [sha, Number(size)]));
}

/** Far more than a change may be, seen without reading any of it; undefined where it is not. */
async function tooMuch(
  mirror: OpenMirror,
  o: { folder: string; target: string; start: string; limits: AgentResultRequest['limits'] },
): Promise<AgentProblem | undefined> {
  const { folder, target, start, limits } = o;
  const over = (rule: 'files' | 'bytes'): AgentProblem => ({
    rule,
    message: `More than ${limits[rule]} ${rule} changed.`,
  });
  // A name need not be UTF-8: it is looked for as the bytes that it is.
  const sizeOf = async (path: string) =>
    (await lstat(Buffer.from(`${Buffer.from(target).toString('latin1')}/${path}`, 'latin1')).catch(() => undefined))
      ?.size ?? 0;
  const git = { gitDir: folder, lockFd: mirror.lockFd, ...mirror.limits, variables: { GIT_WORK_TREE: target } };
  await runGit(['read-tree', '--end-of-options', start], git);
  const listed: Buffer[] = [];
  const state = { names: 0 };
  await runGit(['ls-files', '-z', '--others', '--exclude-standard'], {
    ...git,
    onOutput: (chunk) => {
      for (const byte of chunk) if (byte === 0) state.names += 1;
      if (state.names <= limits.files) listed.push(chunk);
      return true;
    },
  });
  if (state.names > limits.files) return over('files');
  let bytes = 0;
  for (const path of Buffer.concat(listed).toString('latin1').split('\0')) {
    if (path !== '') bytes += await sizeOf(path);
    if (bytes > limits.bytes) return over('bytes');
  }
  // Line ends that are written otherwise may make a file somewhat larger.
  let growth = 0;
  const tracked = await bytesOf(
    mirror,
    ['ls-tree', '-r', '-z', '-l', '--full-tree', '--end-of-options', start],
    MOST_TREE_BYTES,
  );
  for (const { path, type, size = 0 } of parseTree(tracked.toString('latin1'))) {
    if (type === 'blob') growth += Math.max(0, (await sizeOf(path)) - 2 * size);
    if (growth > limits.bytes) return over('bytes');
  }
  return undefined;
}

/**
 * Everything in the directory as a tree, beginning with the index of the start: what has other bytes than it was given with, with line ends
 * as the repository wants them. `.gitignore` of the repository counts, as for whoever works in it.
 */
async function treeOfDirectory(
  mirror: OpenMirror,
  { folder, target, start }: { folder: string; target: string; start: string },
): Promise<string> {
  // The worktree's own folder in the mirror has our index, and the mirror's settings; the directory's `.git` is never opened.
  const variables = { GIT_WORK_TREE: target, GIT_LITERAL_PATHSPECS: '1' };
  const git = (args: readonly string[], input?: Buffer) =>
    runGit(args, { gitDir: folder, lockFd: mirror.lockFd, ...mirror.limits, variables, ...(input && { input }) });
  const added = async (attributes: string, args: readonly string[], input?: Buffer): Promise<string> => {
    await git(['read-tree', '--end-of-options', start]);
    const add = () => git(['add', '--no-warn-embedded-repo', ...args], input);
    await withAttributes(mirror.gitDir, attributes, add);
    return (await git(['write-tree'])).trim();
  };
  const bytes = await added(BYTES, ['--all']);
  const files = (await rawChanges(mirror, start, bytes)).filter(({ mode }) => FILE.test(mode)).map(({ path }) => path);
  if (files.length === 0) return bytes;
  const list = Buffer.from(files.map((path) => `${path}\0`).join(''), 'latin1');
  const lines = await added(LINE_ENDS, ['--pathspec-from-file=-', '--pathspec-file-nul'], list);
  const wanted = new Set(files);
  const asLines = (await rawChanges(mirror, bytes, lines)).filter(
    ({ path, mode }) => wanted.has(path) && FILE.test(mode),
  );
  return asLines.length === 0
    ? bytes
    : withEntries(mirror, bytes, new Map(asLines.map((one) => [one.path, entryOf(one)])));
}

async function compare(mirror: OpenMirror, from: string, to: string, format: readonly string[]): Promise<string> {
  const args = ['diff-tree', '-r', '-z', '--no-renames', ...format, '--end-of-options', from, to];
  return (await bytesOf(mirror, args, MOST_LISTED_BYTES)).toString('latin1');
}

const rawChanges = async (mirror: OpenMirror, from: string, to: string): Promise<RawChange[]> =>
  parseRaw(await compare(mirror, from, to, ['--raw', '--no-abbrev']));

async function changesBetween(mirror: OpenMirror, from: string, to: string): Promise<Change[]> {
  const changes = await rawChanges(mirror, from, to);
  if (changes.length === 0) return [];
  const numbers = parseNumbers(await compare(mirror, from, to, ['--numstat', '--no-ext-diff', '--no-textconv']));
  const blobs = changes.filter(({ status, mode }) => status !== 'deleted' && mode !== SUBMODULE);
  const sizes = await sizesOf(
    mirror,
    blobs.map(({ sha }) => sha),
  );
  return changes.map((change) => {
    const [added, removed] = numbers.get(change.path) ?? [0, 0];
    return { ...change, added, removed, bytes: change.status === 'deleted' ? 0 : (sizes.get(change.sha) ?? 0) };
  });
}

/** Whether a link at `path` leads to somewhere in the repository, and not into its `.git`. */
export function staysInside(path: string, link: string): boolean {
  if (link === '' || link.startsWith('/') || link.includes('\0') || link.includes('\\')) return false;
  // What goes up after it went down goes up from wherever another link has led to, which is not what is written here.
  const steps = link.split('/').filter((step) => step !== '' && step !== '.');
  const down = steps.findIndex((step) => step !== '..');
  if (down !== -1 && steps.includes('..', down)) return false;
  const parts = posix.join(posix.dirname(path), link).split('/');
  return parts[0] !== '..' && !parts.some((part) => /^\.git[ .]*$|^git~\d+$/i.test(part.replace(/\p{Cf}/gu, '')));
}

/** Added text of one file, as a difference shows it. By its contents and not by its name, which need not be one that can be given. */
async function addedText(mirror: OpenMirror, change: Change, most: number): Promise<string> {
  const { oldSha, sha, status, oldMode } = change;
  if (oldSha === sha) return '';
  if (status === 'added' || oldMode === SUBMODULE)
    return (await bytesOf(mirror, ['cat-file', 'blob', '--end-of-options', sha], most)).toString('utf8');
  const plain = [
    '--unified=0',
    '--text',
    '--no-renames',
    '--no-color',
    '--no-ext-diff',
    '--no-textconv',
    '--no-prefix',
  ];
  const diff = await bytesOf(mirror, ['diff', ...plain, '--end-of-options', oldSha, sha], most);
  const lines = diff.toString('utf8').split('\n');
  const first = lines.findIndex((line) => line.startsWith('@@'));
  if (first === -1) return '';
  const added = lines.slice(first).filter((line) => line.startsWith('+'));
  return added.map((line) => line.slice(1)).join('\n');
}

/** Whether a change of a file changes what the forge runs, by the pipelines as they were when the agent began. */
async function steeringOf(mirror: OpenMirror, start: string): Promise<(path: string) => boolean> {
  const listing = ['ls-tree', '-r', '-z', '-l', '--full-tree', '--end-of-options', start];
  const isLed = await pipelineFiles({
    entries: parseTree((await bytesOf(mirror, listing, MOST_TREE_BYTES)).toString('latin1')),
    read: async (sha, most) =>
      (await bytesOf(mirror, ['cat-file', 'blob', '--end-of-options', sha], most)).toString('utf8'),
  });
  return (path) => steersPipelines(path) || isLed(path);
}

async function problemsOf(
  mirror: OpenMirror,
  o: { start: string; changes: readonly Change[]; request: AgentResultRequest },
): Promise<AgentProblem[]> {
  const { start, changes, request } = o;
  const { limits } = request;
  const sum = (of: (change: Change) => number) => changes.reduce((total, change) => total + of(change), 0);
  const problems: AgentProblem[] = [];
  const over = (rule: 'files' | 'lines' | 'bytes', is: number) => {
    if (is > limits[rule]) problems.push({ rule, message: `${is} ${rule} changed, and ${limits[rule]} are allowed` });
  };
  over('files', changes.length);
  over(
    'lines',
    sum(({ added, removed }) => added + removed),
  );
  over(
    'bytes',
    sum(({ bytes }) => bytes),
  );
  // What is too large is not looked at any closer.
  if (problems.length > 0) return problems;

  const isKnown = knowing(request.secrets);
  const known = (text: string) => isKnown(text) || hideKnownSecrets(text) !== text;
  const steers = request.mayChangeWorkflows ? () => false : await steeringOf(mirror, start);
  for (const change of changes) {
    const path = readable(change.path);
    if (change.mode === SUBMODULE || change.oldMode === SUBMODULE)
      problems.push({ rule: 'submodule', path, message: 'A repository within the repository was added or changed.' });
    else if (saysSubmodules(change.path))
      problems.push({
        rule: 'submodule',
        path,
        message: 'It says where repositories within the repository come from.',
      });
    if (steers(change.path))
      problems.push({
        rule: 'workflow',
        path,
        message: 'It steers what the forge runs, and this session may not change it.',
      });
    if (/\p{Cc}|\p{Cf}/u.test(Buffer.from(change.path, 'latin1').toString('utf8')))
      problems.push({ rule: 'path', path, message: 'Its name has characters that cannot be seen.' });
    const inName = findSecrets(Buffer.from(change.path, 'latin1').toString('utf8'), known)[0];
    if (inName)
      problems.push({ rule: 'secret', path: '[redacted]', message: `The name of a file has a ${inName.kind}.` });
    if (problems.length >= MOST_PROBLEMS) return problems;
    if (change.status === 'deleted' || change.mode === SUBMODULE) continue;
    if (change.mode === LINK) {
      const link = (await bytesOf(mirror, ['cat-file', 'blob', '--end-of-options', change.sha], 65_536)).toString(
        'utf8',
      );
      if (!staysInside(change.path, link))
        problems.push({ rule: 'path', path, message: 'It is a link that leads out of the repository.' });
    }
    const text = await addedText(mirror, change, 4 * limits.bytes + 1024 * 1024);
    for (const { kind, line } of findSecrets(text, known))
      problems.push({ rule: 'secret', path, line, message: `An added line has a ${kind}.` });
    // Other work of this process goes on meanwhile.
    await pause();
  }
  if (findSecrets(request.message, known).length > 0)
    problems.push({ rule: 'secret', message: 'The text of the commit has a secret.' });
  return problems.slice(0, MOST_PROBLEMS);
}

/** Where the start differs from the commit that it stands for, what the agent left alone is as it was in that. */
async function ontoBranch(
  mirror: OpenMirror,
  base: WorkTreeBase,
  to: string,
  changes: readonly Change[],
): Promise<string> {
  if (base.start === base.sha) return to;
  const theirs = new Set(changes.map(({ path }) => path));
  const restored = await changesBetween(mirror, base.start, base.sha);
  const entries = restored.filter(({ path }) => !theirs.has(path));
  return withEntries(mirror, to, new Map(entries.map((change) => [change.path, entryOf(change)])));
}

const QUARREL =
  /unsupported file type|can only add regular files|invalid path|beyond a symbolic link|adding embedded|does not have a commit|permission denied/i;

/**
 * The changes in `target` as one commit in the mirror, or why they are refused.
 * @throws ForgewayError FORGEWAY_GIT_FAILED
 */
export function collectResult(
  mirrors: GitMirrors,
  o: { base: WorkTreeBase; target: string },
  request: AgentResultRequest,
  signal?: AbortSignal,
): Promise<AgentResult> {
  const { base, target } = o;
  const shas = [base.sha, base.start];
  const need = { repositoryId: base.repositoryId, shas, fallbackRefs: [], ...(signal && { signal }) };
  return mirrors.use(need, async (mirror): Promise<AgentResult> => {
    const folder = await worktreeFolder(mirror.gitDir, target);
    if (folder === undefined) throw new ForgewayError('FORGEWAY_GIT_FAILED', 'The session has no work tree here.');
    // The agent may have put something else in its place, such as a link to a directory of ours.
    const own = await lstat(target).catch(() => undefined);
    if (own?.isDirectory() !== true)
      return { kind: 'refused', problems: [{ rule: 'path', message: 'The work tree itself was taken away.' }] };
    const much = await tooMuch(mirror, { folder, target, start: base.start, limits: request.limits });
    if (much !== undefined) return { kind: 'refused', problems: [much] };
    const from = await treeOf(mirror, base.start);
    let to: string;
    try {
      to = await treeOfDirectory(mirror, { folder, target, start: base.start });
    } catch (error) {
      if (!(error instanceof ForgewayError && QUARREL.test(error.message))) throw error;
      return { kind: 'refused', problems: [{ rule: 'special-file', message: shown(error.message, 500) }] };
    }
    const changes = await changesBetween(mirror, from, to);
    if (changes.length === 0) return { kind: 'unchanged' };
    const problems = await problemsOf(mirror, { start: base.start, changes, request });
    if (problems.length > 0) return { kind: 'refused', problems };
    const tree = await ontoBranch(mirror, base, to, changes);
    const git = gitOf(mirror);
    const commit = await git(['commit-tree', '-p', base.sha, '-F', '-', tree], {
      ...{ input: Buffer.from(request.message), variables: identityOf(request.author, request.date) },
    });
    // Kept from being collected as rubbish, under a name that no forge sees.
    await git(['update-ref', '--end-of-options', `refs/forgeway/agents/${commit.trim()}`, commit.trim()]);
    const diff: Buffer[] = [];
    const state = { bytes: 0 };
    await git(['diff-tree', '-p', '--no-color', '--no-ext-diff', '--no-textconv', '--end-of-options', from, to], {
      onOutput: (chunk) => {
        if (state.bytes < SHOWN_DIFF) diff.push(chunk);
        state.bytes += chunk.length;
        return true;
      },
    });
    return {
      ...{ kind: 'changed', commit: commit.trim() },
      files: changes.map(({ path, status, added, removed }) => ({ path: readable(path), status, added, removed })),
      added: changes.reduce((total, { added }) => total + added, 0),
      removed: changes.reduce((total, { removed }) => total + removed, 0),
      diff: shown(Buffer.concat(diff).toString('utf8'), SHOWN_DIFF),
    };
  });
}
