/** Commits and annotated tags as objects: written with one git process, read from their raw text. */
import { git, gitText, tryGit } from './git-process.js';

export interface FakeIdentity {
  name: string;
  email: string;
  /** ISO 8601; the clock's time when it is missing. */
  date?: string;
}

export interface FakeFileChange {
  path: string;
  /** Null removes the file or the folder. */
  content: string | Buffer | null;
  mode?: '100644' | '100755' | '120000';
}

export interface CommitOptions {
  branch: string;
  /** What the new commit follows, also when the branch exists and stands elsewhere. */
  startAt?: string;
  message: string;
  author: FakeIdentity;
  committer?: FakeIdentity;
  files: readonly FakeFileChange[];
}

export interface FakeCommit {
  sha: string;
  tree: string;
  parents: string[];
  message: string;
  author: Required<FakeIdentity>;
  committer: Required<FakeIdentity>;
}

export interface FakeTag {
  sha: string;
  name: string;
  /** The commit. */
  target: string;
  message: string;
  tagger: Required<FakeIdentity>;
}

/** `Anna <anna@example.com> 1764060000 +0000`, as git keeps it. */
export function identityLine({ name, email, date }: FakeIdentity, clock: () => Date): string {
  const clean = (text: string) => text.replace(/[<>\n\0]/g, '').trim();
  const seconds = Math.floor((date === undefined ? clock() : new Date(date)).getTime() / 1000);
  return `${clean(name)} <${clean(email)}> ${seconds} +0000`;
}

/** Writes the commit and moves its branch. @throws Error when git refuses a path */
export async function writeCommit(
  directory: string,
  options: CommitOptions,
  parent: string | undefined,
  clock: () => Date,
): Promise<string> {
  const ref = `refs/heads/${options.branch}`;
  const author = identityLine(options.author, clock);
  const committer = options.committer === undefined ? author : identityLine(options.committer, clock);
  const chunks: (string | Buffer)[] = [`commit ${ref}\nmark :1\nauthor ${author}\ncommitter ${committer}\n`];
  chunks.push(...data(options.message));
  if (parent !== undefined) chunks.push(`from ${parent}\n`);
  for (const { path, content, mode = '100644' } of options.files) {
    if (content === null) chunks.push(`D ${quoted(path)}\n`);
    else chunks.push(`M ${mode} inline ${quoted(path)}\n`, ...data(content));
  }
  chunks.push('get-mark :1\n');
  const input = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk as string)));
  return gitText(directory, ['fast-import', '--quiet', '--force', '--date-format=raw'], { input });
}

function data(content: string | Buffer): (string | Buffer)[] {
  const bytes = Buffer.from(content as string);
  return [`data ${bytes.length}\n`, bytes, '\n'];
}

function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}

/** The raw object; undefined when there is none of that type. */
async function rawObject(directory: string, type: 'commit' | 'tag', sha: string): Promise<string | undefined> {
  if (!/^[0-9a-f]{4,64}$/i.test(sha)) return undefined;
  // Without this check git would read a tag's commit where a commit is asked for.
  const { code, out } = await tryGit(directory, ['cat-file', '-t', sha]);
  if (code !== 0 || out.toString('utf8').trim() !== type) return undefined;
  return (await git(directory, ['cat-file', type, sha])).toString('utf8');
}

/** Headers (a name may come twice; the lines of a signature are left out) and the message after the empty line. */
function parseObject(raw: string): { headers: readonly (readonly [string, string])[]; message: string } {
  const end = raw.indexOf('\n\n');
  const headers = (end < 0 ? raw : raw.slice(0, end)).split('\n').flatMap((line) => {
    const space = line.indexOf(' ');
    return space <= 0 ? [] : [[line.slice(0, space), line.slice(space + 1)] as const];
  });
  return { headers, message: end < 0 ? '' : raw.slice(end + 2) };
}

function parseIdentity(line: string | undefined): Required<FakeIdentity> {
  const [, name = '', email = '', seconds = '0'] = /^(.*?) ?<(.*)> (\d+)/.exec(line ?? '') ?? [];
  return { name, email, date: new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z') };
}

export async function readCommitObject(directory: string, sha: string): Promise<FakeCommit | undefined> {
  const raw = await rawObject(directory, 'commit', sha);
  if (raw === undefined) return undefined;
  const { headers, message } = parseObject(raw);
  const all = (name: string) => headers.filter(([key]) => key === name).map(([, value]) => value);
  return {
    sha: await gitText(directory, ['rev-parse', sha]),
    tree: all('tree')[0] ?? '',
    parents: all('parent'),
    message,
    author: parseIdentity(all('author')[0]),
    committer: parseIdentity(all('committer')[0]),
  };
}

export async function readTagObject(directory: string, sha: string): Promise<FakeTag | undefined> {
  const raw = await rawObject(directory, 'tag', sha);
  if (raw === undefined) return undefined;
  const { headers, message } = parseObject(raw);
  const { object = '', tag = '', tagger } = Object.fromEntries(headers);
  return { sha, name: tag, target: object, message: message.replace(/\n$/, ''), tagger: parseIdentity(tagger) };
}

export async function createTag(
  directory: string,
  { name, target, message, tagger }: { name: string; target: string; message: string; tagger: FakeIdentity },
  clock: () => Date,
): Promise<string> {
  const raw = `object ${target}\ntype commit\ntag ${name}\ntagger ${identityLine(tagger, clock)}\n\n${message}\n`;
  const sha = await gitText(directory, ['mktag'], { input: raw });
  await git(directory, ['update-ref', `refs/tags/${name}`, sha]);
  return sha;
}
