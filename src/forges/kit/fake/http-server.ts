/** A fake over real HTTP on loopback: its API, and its repositories for git. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runGitBackend } from './git-backend.js';
import { listRefs } from './git-process.js';
import { AnswerLost, type FakeApi } from './routing.js';

export interface FakeRefChange {
  ref: string;
  /** 40 zeros when the ref is new. */
  before: string;
  /** 40 zeros when the ref is gone. */
  after: string;
}

export interface ServeOptions {
  api: FakeApi;
  /** Holds `<owner>/<name>.git`; without it and `gitPath` there is no git. */
  gitRoot?: string;
  /** Finds a repository by the decoded path before git's own part, such as `/group/web.git`. Instead of `gitRoot`. */
  gitPath?(path: string): { directory: string } | undefined;
  /** By the Authorization header. Without it everybody may. */
  mayFetch?(authorization: string | null, directory: string): boolean;
  mayPush?(authorization: string | null, directory: string): boolean;
  /** Runs after each push that moved refs, before the client gets its answer. */
  afterPush?(directory: string, changes: readonly FakeRefChange[]): Promise<void>;
  /** Default 0: a free one. */
  port?: number;
  /** A path such as `/gitlab`, below which everything is; what is asked for elsewhere is not there, and noted. */
  below?: string;
}

export interface ServedFake {
  /** Without a slash at the end; with the path below which it is. */
  url: string;
  /** What was asked for outside of that path, as `GET /path`. */
  strays: readonly string[];
  close(): Promise<void>;
}

const NO_COMMIT = '0'.repeat(40);
const GIT_REQUEST = /^(\/.+?)(\/info\/refs|\/git-upload-pack|\/git-receive-pack)$/;

/** Listens when the promise resolves. */
export async function serveFake(options: ServeOptions): Promise<ServedFake> {
  const pushes = new Map<string, Promise<void>>();
  const strays: string[] = [];
  const { below = '' } = options;
  const server = createServer((request, response) => {
    const asked = request.url ?? '/';
    if (!asked.startsWith(`${below}/`)) {
      strays.push(`${request.method} ${asked}`);
      response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Another site</h1>');
      return;
    }
    request.url = asked.slice(below.length);
    respond(options, pushes, request, response).catch((error: unknown) => {
      // As on a real connection that breaks, whatever had been sent; an error of the fake is told to its client.
      if (error instanceof AnswerLost || response.headersSent) response.destroy();
      else response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${below}`,
    strays,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function respond(
  options: ServeOptions,
  pushes: Map<string, Promise<void>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?');
  const [, repository, service] = GIT_REQUEST.exec(path) ?? [];
  const directory = repository === undefined ? undefined : directoryOf(options, decodeURIComponent(repository));
  if (directory === undefined || service === undefined) return answerApi(options.api, request, response);

  const authorization = request.headers.authorization ?? null;
  const writes = service === '/git-receive-pack' || query.includes('service=git-receive-pack');
  const allowed = (writes ? options.mayPush : options.mayFetch)?.(authorization, directory) ?? true;
  if (!allowed) {
    // Git asks for a password only when it is told that it lacks one.
    const refusal = authorization === null ? { 'www-authenticate': 'Basic realm="git"' } : {};
    response.writeHead(authorization === null ? 401 : 403, refusal).end();
    return;
  }
  const backend = () => runGitBackend(request, { directory, service, query });
  const answer =
    service === '/git-receive-pack'
      ? await oneByOne(pushes, directory, () => push(options, directory, backend))
      : await backend();
  response.writeHead(answer.status, answer.headers).end(answer.body);
}

function directoryOf(options: ServeOptions, path: string): string | undefined {
  if (options.gitPath !== undefined) return options.gitPath(path)?.directory;
  if (options.gitRoot === undefined || path.split('/').includes('..')) return undefined;
  return join(options.gitRoot, path.endsWith('.git') ? path : `${path}.git`);
}

/** Pushes to one repository wait for each other, so that each knows what it changed. */
async function oneByOne<T>(pushes: Map<string, Promise<void>>, key: string, run: () => Promise<T>): Promise<T> {
  const mine = (pushes.get(key) ?? Promise.resolve()).then(run);
  pushes.set(
    key,
    mine.then(
      () => undefined,
      () => undefined,
    ),
  );
  return mine;
}

async function push<T>(options: ServeOptions, directory: string, backend: () => Promise<T>): Promise<T> {
  const refs = async () => new Map((await listRefs(directory)).map(({ ref, sha }) => [ref, sha]));
  const before = await refs();
  const answer = await backend();
  const after = await refs();
  const changes = [...new Set([...before.keys(), ...after.keys()])]
    .map((ref) => ({ ref, before: before.get(ref) ?? NO_COMMIT, after: after.get(ref) ?? NO_COMMIT }))
    .filter((change) => change.before !== change.after);
  if (changes.length > 0) await options.afterPush?.(directory, changes);
  return answer;
}

async function answerApi(api: FakeApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const method = request.method ?? 'GET';
  const body = method === 'GET' || method === 'HEAD' ? undefined : Buffer.concat(chunks);
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as [string, string]],
  );
  const url = `http://${request.headers.host ?? '127.0.0.1'}${request.url ?? '/'}`;
  const answer = await api.handle(new Request(url, { method, headers, body }));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
}
