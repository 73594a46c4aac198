/** The bare git repository behind the emulated GitHub: what the git server serves and what decides every SHA. */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { devNull } from 'node:os';

/** Environment for git: nothing of the user's own configuration, no prompts. */
export function gitEnvironment(home: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: devNull,
    GIT_TERMINAL_PROMPT: '0',
  };
}

/** Runs git to its end. @throws Error with git's own words when it fails. */
export function runGit(
  cwd: string,
  args: readonly string[],
  { input, env = {} }: { input?: Buffer | string; env?: Record<string, string> } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd, env: { ...gitEnvironment(cwd), ...env }, stdio: 'pipe' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', reject);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out));
      else reject(new Error(`git ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString('utf8').trim()}`));
    });
    child.stdin.end(input);
  });
}

export type Refs = ReadonlyMap<string, string>;

export interface RefChange {
  ref: string;
  /** 40 zeros when the ref is new. */
  before: string;
  /** 40 zeros when the ref is gone. */
  after: string;
}

export const noCommit = '0'.repeat(40);

export function changesBetween(before: Refs, after: Refs): RefChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((ref) => ({ ref, before: before.get(ref) ?? noCommit, after: after.get(ref) ?? noCommit }))
    .filter((change) => change.before !== change.after);
}

export class BareRepository {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  git(args: readonly string[], input?: Buffer | string): Promise<Buffer> {
    return runGit(this.path, args, { input });
  }

  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await this.git(['init', '--quiet', '--bare', '--initial-branch=main']);
    const settings = {
      'http.receivepack': 'true',
      // As on GitHub: any commit of the repository can be fetched by its SHA, and nobody pushes to refs/pull.
      'uploadpack.allowAnySHA1InWant': 'true',
      'receive.hideRefs': 'refs/pull',
      'gc.auto': '0',
    };
    for (const [name, value] of Object.entries(settings)) await this.git(['config', name, value]);
  }

  /** Branches and tags with their SHAs. */
  async refs(): Promise<Refs> {
    const text = (
      await this.git(['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/tags'])
    ).toString();
    return new Map(text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ') as [string, string]])));
  }

  async has(sha: string): Promise<boolean> {
    return this.git(['cat-file', '-e', sha]).then(
      () => true,
      () => false,
    );
  }

  /** The SHA, or undefined when there is no such ref. */
  async resolve(ref: string): Promise<string | undefined> {
    const text = (await this.git(['for-each-ref', '--format=%(objectname)', ref])).toString().trim();
    return text === '' ? undefined : text;
  }

  /** The SHA of the ref, which is made first when there is none. Never moves one: somebody may do so meanwhile. */
  async resolveOrCreate(ref: string, sha: string): Promise<string> {
    const known = await this.resolve(ref);
    if (known !== undefined) return known;
    try {
      await this.git(['update-ref', ref, sha, noCommit]);
      return sha;
    } catch (error) {
      const made = await this.resolve(ref);
      if (made === undefined) throw error;
      return made;
    }
  }

  async setRef(ref: string, sha: string): Promise<void> {
    await this.git(sha === noCommit ? ['update-ref', '-d', ref] : ['update-ref', ref, sha]);
  }
}
