/** Git's smart HTTP protocol through `git http-backend`, with the tokens of the API as passwords. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type BareRepository, gitEnvironment } from './bare-repository.js';
import { ApiProblem, tokenOf } from './exchange.js';
import { assertInstallationMay, type Holder, type Tokens } from './tokens.js';

export interface GitServerOptions {
  repository: BareRepository;
  /** Path prefix such as `/acme/web.git`. */
  prefix: string;
  tokens: Tokens;
  /** @throws ApiProblem when this holder may not push. */
  assertMayPush(holder: Holder): Promise<void>;
  /** Runs a push alone and copies its refs; the answer to the client waits for it. */
  push(token: string, receive: () => Promise<void>): Promise<void>;
}

interface BackendAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

const isGitPath = /^\/(info\/refs|git-upload-pack|git-receive-pack)$/;

/** Serves one git request; the caller has checked that the path starts with the prefix. */
export async function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  options: GitServerOptions,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const rest = url.pathname.slice(options.prefix.length);
  const token = tokenOf(request.headers.authorization);
  let holder: Holder;
  try {
    if (!isGitPath.test(rest)) throw new ApiProblem(404, 'Not Found');
    holder = options.tokens.holderOf(token);
    const writes = rest === '/git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack';
    assertInstallationMay(holder, 'contents', 'read');
    if (writes) await options.assertMayPush(holder);
  } catch (error) {
    refuse(response, error);
    return;
  }
  const backend = () => runBackend(request, url, rest, holder, options.repository);
  if (rest !== '/git-receive-pack') {
    send(response, await backend());
    return;
  }
  const answers: BackendAnswer[] = [];
  await options.push(token ?? '', async () => {
    answers.push(await backend());
  });
  for (const answer of answers) send(response, answer);
}

function refuse(response: ServerResponse, error: unknown): void {
  const problem = error instanceof ApiProblem ? error : new ApiProblem(500, 'The git server failed.');
  const challenge = problem.status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {};
  response.writeHead(problem.status, { 'content-type': 'text/plain; charset=utf-8', ...challenge });
  response.end(`${problem.message}\n`);
}

function send(response: ServerResponse, answer: BackendAnswer): void {
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}

async function runBackend(
  request: IncomingMessage,
  url: URL,
  rest: string,
  holder: Holder,
  repository: BareRepository,
): Promise<BackendAnswer> {
  const home = dirname(repository.path);
  const protocol = request.headers['git-protocol'];
  const child = spawn('git', ['http-backend'], {
    cwd: home,
    stdio: 'pipe',
    env: {
      ...gitEnvironment(home),
      GIT_PROJECT_ROOT: repository.path,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: rest,
      REQUEST_METHOD: request.method ?? 'GET',
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      REMOTE_ADDR: '127.0.0.1',
      REMOTE_USER: holder.kind === 'person' ? holder.login : 'x-access-token',
      ...(typeof protocol === 'string' ? { GIT_PROTOCOL: protocol } : {}),
    },
  });
  const packed = request.headers['content-encoding'] === 'gzip';
  const body: Readable = packed ? request.pipe(createGunzip()) : request;
  // A client that goes away, or git closing its input early, ends the backend: its answer says what happened.
  body.on('error', () => child.kill());
  child.stdin.on('error', () => body.unpipe(child.stdin));
  body.pipe(child.stdin);
  return cgiAnswer(await outputOf(child));
}

function outputOf(child: ChildProcessWithoutNullStreams): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 && out.length > 0) resolve(Buffer.concat(out));
      else reject(new Error(`git http-backend ended with ${code}: ${Buffer.concat(err).toString('utf8').trim()}`));
    });
  });
}

/** Reads a CGI answer: headers, an empty line, the body. */
function cgiAnswer(output: Buffer): BackendAnswer {
  const split = output.indexOf('\r\n\r\n');
  const headers: Record<string, string> = {};
  for (const line of output.subarray(0, split).toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const { status = '200', ...rest } = headers;
  return { status: Number.parseInt(status, 10), headers: rest, body: output.subarray(split + 4) };
}
