/** Git's smart HTTP protocol for one request, through `git http-backend`. */
import { spawn } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import { fakeGitEnvironment } from './git-process.js';

export interface GitBackendRequest {
  /** The bare repository. */
  directory: string;
  /** What follows the repository in the path: `/info/refs`, `/git-upload-pack` or `/git-receive-pack`. */
  service: string;
  /** Without the question mark. */
  query: string;
  /** Who pushes, for git's own log. Default `git`. */
  user?: string;
  /** Of the process; default that of every git of a fake. */
  environment?: Readonly<Record<string, string>>;
}

export interface GitBackendAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** Git wants to know who pushes and does not ask whether that is true; the caller has checked it. @throws Error when git fails */
export async function runGitBackend(request: IncomingMessage, of: GitBackendRequest): Promise<GitBackendAnswer> {
  const header = (name: string): string => String(request.headers[name] ?? '');
  const child = spawn('git', ['http-backend'], {
    cwd: of.directory,
    stdio: 'pipe',
    env: {
      ...(of.environment ?? fakeGitEnvironment(of.directory)),
      GIT_PROJECT_ROOT: of.directory,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: of.service,
      QUERY_STRING: of.query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: header('content-type'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      GIT_PROTOCOL: header('git-protocol'),
      REMOTE_USER: of.user ?? 'git',
      REMOTE_ADDR: '127.0.0.1',
    },
  });
  const out: Buffer[] = [];
  const said: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  // A client that goes away, or git closing its input early, ends the backend: its answer says what happened.
  request.once('error', () => child.kill());
  child.stdin.on('error', () => request.unpipe(child.stdin));
  request.pipe(child.stdin);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0 || out.length === 0)
    throw new Error(`git http-backend ended with ${code}: ${Buffer.concat(said).toString('utf8').trim()}`);
  return readCgiAnswer(Buffer.concat(out));
}

/** Headers, an empty line, the body. */
function readCgiAnswer(output: Buffer): GitBackendAnswer {
  const split = output.indexOf('\r\n\r\n');
  const headers: Record<string, string> = {};
  for (const line of output.subarray(0, split).toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const { status = '200', ...rest } = headers;
  return { status: Number.parseInt(status, 10), headers: rest, body: output.subarray(split + 4) };
}
