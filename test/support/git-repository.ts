/** Makes commits in bare repositories, for tests and the demo, without a working copy. */
import { spawn } from 'node:child_process';

const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
  GIT_AUTHOR_NAME: 'Octo Cat',
  GIT_AUTHOR_EMAIL: 'octocat@example.com',
  GIT_COMMITTER_NAME: 'Octo Cat',
  GIT_COMMITTER_EMAIL: 'octocat@example.com',
};

/** Runs git to its end and answers its standard output without the last newline. Rejects with what it said. */
export function git(args: readonly string[], options: { input?: string | Buffer; cwd?: string } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd: options.cwd ?? '/', env: ENVIRONMENT, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString('utf8').replace(/\n$/, ''));
      else reject(new Error(`git ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString('utf8')}`));
    });
    child.stdin.on('error', () => child.kill());
    child.stdin.end(options.input ?? '');
  });
}

export interface CommitOptions {
  /** Full ref that is moved to the new commit, such as `refs/heads/main`. */
  ref: string;
  message: string;
  /** Path to content; a mode of 100755 or 120000 (symbolic link) is given as an object. They replace the whole tree. */
  files: Readonly<Record<string, string | { content: string; mode: '100644' | '100755' | '120000' }>>;
  parents?: readonly string[];
}

/** Writes one commit into a bare repository and answers its SHA. */
export async function commitFiles(bare: string, options: CommitOptions): Promise<string> {
  const lines: string[] = [];
  for (const [path, file] of Object.entries(options.files)) {
    const { content, mode } = typeof file === 'string' ? { content: file, mode: '100644' } : file;
    const blob = await git(['--git-dir', bare, 'hash-object', '-w', '--stdin'], { input: content });
    lines.push(`${mode} ${blob} 0\t${path}`);
  }
  const tree = await writeTree(bare, lines);
  const parents = (options.parents ?? []).flatMap((sha) => ['-p', sha]);
  const sha = await git(['--git-dir', bare, 'commit-tree', tree, ...parents, '-F', '-'], { input: options.message });
  await git(['--git-dir', bare, 'update-ref', options.ref, sha]);
  return sha;
}

/** `git mktree` takes one level only, so nested paths are written from the deepest folder up. */
async function writeTree(bare: string, lines: readonly string[]): Promise<string> {
  const own: string[] = [];
  const folders = new Map<string, string[]>();
  for (const line of lines) {
    const [head = '', path = ''] = line.split('\t');
    const slash = path.indexOf('/');
    const [mode = '', blob = ''] = head.split(' ');
    if (slash < 0) own.push(`${mode} blob ${blob}\t${path}`);
    else {
      const folder = path.slice(0, slash);
      folders.set(folder, [...(folders.get(folder) ?? []), `${head}\t${path.slice(slash + 1)}`]);
    }
  }
  for (const [folder, inside] of folders) own.push(`040000 tree ${await writeTree(bare, inside)}\t${folder}`);
  return git(['--git-dir', bare, 'mktree'], { input: `${own.join('\n')}\n` });
}
