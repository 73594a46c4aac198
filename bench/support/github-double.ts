/** A GitHub with many repositories that answers what the poller asks, after a delay; its content is made, not stored. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DoubleItem {
  number: number;
  isPull: boolean;
  title: string;
  state: 'open' | 'closed';
  createdAt: string;
  updatedAt: string;
}

export interface GitHubDouble {
  url: string;
  host: string;
  appId: number;
  installationId: number;
  privateKey: string;
  /** By name; each is `acme/NAME`. */
  repositories: Map<string, { id: number; items: DoubleItem[] }>;
  /** Heads of `main` that are other ones than at the beginning, by repository. */
  heads: Map<string, string>;
  /** Requests since it was emptied, as `METHOD /path` without the query, each with its status. */
  asked: { request: string; status: number }[];
  close(): Promise<void>;
}

const PREFIX = '/api/v3';
const OWNER = { id: 1, login: 'acme', type: 'Organization' };
const shaOf = (text: string): string => createHash('sha1').update(text).digest('hex');

export async function startGitHubDouble(o: {
  repositories: number;
  /** Open pull requests and issues of each. */
  pulls: number;
  issues: number;
  latencyMs: number;
}): Promise<GitHubDouble> {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const old = new Date(Date.now() - 86_400_000).toISOString();
  const repositories: GitHubDouble['repositories'] = new Map();
  for (let index = 1; index <= o.repositories; index += 1)
    repositories.set(`repo-${index}`, {
      id: 1_000 + index,
      items: Array.from({ length: o.pulls + o.issues }, (_, at) => ({
        number: at + 1,
        isPull: at < o.pulls,
        title: `Number ${at + 1}`,
        state: 'open',
        createdAt: old,
        updatedAt: old,
      })),
    });
  const asked: GitHubDouble['asked'] = [];
  const heads: GitHubDouble['heads'] = new Map();
  let base = '';

  const repositoryJson = (name: string, id: number) => ({
    id,
    name,
    full_name: `acme/${name}`,
    owner: OWNER,
    private: false,
    html_url: `${base}/acme/${name}`,
    default_branch: 'main',
    updated_at: old,
  });
  const itemJson = (name: string, id: number, item: DoubleItem, asIssue: boolean) => {
    const about = {
      id: id * 10_000 + item.number,
      number: item.number,
      title: item.title,
      body: null,
      state: item.state,
      user: { id: 2, login: 'alice', type: 'User' },
      labels: [],
      assignees: [],
      milestone: null,
      comments: 0,
      html_url: `${base}/acme/${name}/issues/${item.number}`,
      created_at: item.createdAt,
      updated_at: item.updatedAt,
      closed_at: null,
    };
    if (!item.isPull) return about;
    if (asIssue) return { ...about, pull_request: { url: '' } };
    const sha = shaOf(`${name} ${item.number}`);
    const repo = repositoryJson(name, id);
    return {
      ...about,
      draft: false,
      merged_at: null,
      head: { ref: `change-${item.number}`, sha, repo },
      base: { ref: 'main', sha: shaOf(name), repo },
      requested_reviewers: [],
      requested_teams: [],
    };
  };

  function answerTo(method: string, path: string, query: URLSearchParams): { status: number; json: unknown } {
    if (method === 'POST' && path === '/app/installations/7/access_tokens')
      return { status: 201, json: { token: 'ghs_x', expires_at: new Date(Date.now() + 3_600_000).toISOString() } };
    const [, name = '', rest = ''] = /^\/repos\/acme\/([^/]+)(.*)$/.exec(path) ?? [];
    const repository = repositories.get(name);
    if (repository === undefined || method !== 'GET') return { status: 404, json: { message: 'Not Found' } };
    const { id, items } = repository;
    const paged = (all: unknown[]) => {
      const size = Number(query.get('per_page') ?? 30);
      const page = Number(query.get('page') ?? 1);
      return { status: 200, json: all.slice((page - 1) * size, page * size) };
    };
    const wanted = items
      .filter(({ state }) => query.get('state') === 'all' || state === (query.get('state') ?? 'open'))
      .filter(({ updatedAt }) => Date.parse(updatedAt) >= Date.parse(query.get('since') ?? old));
    if (rest === '') return { status: 200, json: repositoryJson(name, id) };
    if (rest === '/issues') {
      const newest = [...wanted].sort((left, right) => (left.updatedAt < right.updatedAt ? 1 : -1));
      return paged(newest.map((item) => itemJson(name, id, item, true)));
    }
    if (rest === '/pulls')
      return paged(wanted.filter(({ isPull }) => isPull).map((item) => itemJson(name, id, item, false)));
    if (rest === '/branches') return paged([{ name: 'main', commit: { sha: shaOf(name) } }]);
    if (rest === '/git/ref/heads/main' || rest === '/git/ref/heads%2Fmain')
      return {
        status: 200,
        json: { ref: 'refs/heads/main', object: { type: 'commit', sha: heads.get(name) ?? shaOf(name) } },
      };
    if (rest === '/collaborators/alice/permission')
      return { status: 200, json: { permission: 'write', role_name: 'write', user: { id: 2, login: 'alice' } } };
    if (rest === '/git/matching-refs/tags' || rest === '/releases') return paged([]);
    const [, kind, number, list] = /^\/(pulls|issues)\/(\d+)(\/\w+)?$/.exec(rest) ?? [];
    const item = items.find((one) => one.number === Number(number));
    if (item === undefined) return { status: 404, json: { message: 'Not Found' } };
    return { status: 200, json: list === undefined ? itemJson(name, id, item, kind === 'issues') : [] };
  }

  const server = createServer(async (request, response) => {
    request.resume();
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://double');
    const method = request.method ?? 'GET';
    await sleep(o.latencyMs);
    const { status, json } = answerTo(method, pathname.slice(PREFIX.length), searchParams);
    const body = JSON.stringify(json);
    const etag = `"${shaOf(body)}"`;
    const same = status === 200 && request.headers['if-none-match'] === etag;
    asked.push({ request: `${method} ${pathname.slice(PREFIX.length)}`, status: same ? 304 : status });
    if (same) response.writeHead(304, { etag }).end();
    else response.writeHead(status, { 'content-type': 'application/json', etag }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  base = `http://${host}`;
  return {
    url: base,
    host,
    appId: 42,
    installationId: 7,
    privateKey,
    repositories,
    heads,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
