/** Git's smart HTTP protocol through `git http-backend`, with the tokens of the API as passwords. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { type GitBackendAnswer, runGitBackend } from '../../src/forges/kit/fake/git-backend.js';
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
  const { path: directory } = options.repository;
  const user = holder.kind === 'person' ? holder.login : 'x-access-token';
  const environment = gitEnvironment(dirname(directory));
  const backend = () =>
    runGitBackend(request, { directory, service: rest, query: url.search.slice(1), user, environment });
  if (rest !== '/git-receive-pack') {
    send(response, await backend());
    return;
  }
  const answers: GitBackendAnswer[] = [];
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

function send(response: ServerResponse, answer: GitBackendAnswer): void {
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}
