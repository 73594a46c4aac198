/**
 * Serves bare repositories over smart HTTP with `git http-backend`, for tests and the demo. Repositories lie at
 * `<directory>/<owner>/<name>.git`; a request for `/<owner>/<name>[.git]/…` is answered from there.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runGitBackend } from '../../src/forges/kit/fake/git-backend.js';
import { git } from './git-repository.js';

export interface GitCredential {
  username: string;
  password: string;
}

export interface GitServerOptions {
  /** Holds `<owner>/<name>.git`. Created when missing. */
  directory: string;
  host?: string;
  /** Default 0: a free one. */
  port?: number;
  /** Decides on each request; without it everything is open. `credential` is what basic authentication carried. */
  authorize?: (credential: GitCredential | undefined, repository: string, service: 'read' | 'write') => boolean;
  /** Waited for before an allowed request is answered; where it rejects, the connection is cut. */
  before?: (service: 'read' | 'write') => Promise<unknown>;
}

export interface GitServer {
  /** Without a trailing slash, such as `http://127.0.0.1:4567`. */
  url: string;
  directory: string;
  /** Every request line that was answered, for tests: method, path, status, and whether it carried a credential. */
  readonly requests: { method: string; path: string; status: number; credential?: GitCredential }[];
  /** Creates `<owner>/<name>.git` when it is missing and answers its path. */
  create(repository: string): Promise<string>;
  close(): Promise<void>;
}

const PATH_PATTERN =
  /^\/([A-Za-z0-9._-]+)\/([A-Za-z0-9._-]+?)(?:\.git)?(\/(?:info\/refs|git-upload-pack|git-receive-pack|HEAD|objects\/.*))$/;

function credentialOf(request: IncomingMessage): GitCredential | undefined {
  const [scheme, encoded] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic' || encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** No more than git's own defaults: what a forge allows beyond them is for its fake. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'safe.directory',
  GIT_CONFIG_VALUE_0: '*',
  GIT_CONFIG_KEY_1: 'http.receivepack',
  GIT_CONFIG_VALUE_1: 'true',
};

/** Starts the server; it listens when the promise resolves. */
export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const { directory, host = '127.0.0.1', port = 0, authorize, before = async () => undefined } = options;
  await mkdir(directory, { recursive: true });
  const requests: GitServer['requests'] = [];

  const server = createServer((request, response) => {
    const [path = '/', query = ''] = (request.url ?? '/').split('?');
    const credential = credentialOf(request);
    response.once('finish', () =>
      requests.push({ method: request.method ?? '', path, status: response.statusCode, credential }),
    );
    const match = PATH_PATTERN.exec(path);
    if (match === null) return void response.writeHead(404).end('not found\n');
    const [, owner = '', name = '', rest = ''] = match;
    const service = rest.includes('receive-pack') || query.includes('git-receive-pack') ? 'write' : 'read';
    if (authorize !== undefined && !authorize(credential, `${owner}/${name}`, service)) {
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('unauthorized\n');
    }
    const repository = join(directory, owner, `${name}.git`);
    if (!existsSync(repository)) return void response.writeHead(404).end('not found\n');
    const answered = before(service).then(() =>
      runGitBackend(request, { directory: repository, service: rest, query, environment: ENVIRONMENT }),
    );
    answered.then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    directory,
    requests,
    async create(repository) {
      const path = join(directory, `${repository}.git`);
      await mkdir(path, { recursive: true });
      await git(['init', '--bare', '--quiet', '--initial-branch=main', path]);
      return path;
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
