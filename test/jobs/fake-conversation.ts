/** A forge with one conversation and the commit statuses, in memory: what sticky comments and statuses need. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ProbotOctokit } from 'probot';
import type { OctokitFor } from '../../src/jobs/sync/octokit.js';

export interface FakeComment {
  id: number;
  body: string;
  user: { id: number; login: string; type: string };
}

export interface FakeStatus {
  state: string;
  context: string;
  description: string;
  target_url: string | null;
}

const BOT = { id: 9, login: 'fw[bot]', type: 'Bot' };

export async function startFakeConversation() {
  const comments: FakeComment[] = [];
  const statuses: FakeStatus[] = [];
  const writes: string[] = [];
  const next = { id: 1_000 };
  /** Given the method and path, an answer that replaces the normal one; `after` applies the write first. */
  const faults: { match: RegExp; status?: number; headers?: Record<string, string>; after?: boolean; times: number }[] =
    [];

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const body = text === '' ? {} : (JSON.parse(text) as Record<string, string>);
      const url = new URL(request.url ?? '/', 'http://fake');
      const line = `${request.method} ${url.pathname}`;
      const fault = faults.find((candidate) => candidate.times > 0 && candidate.match.test(line));
      const answer = (status: number, data: unknown, headers: Record<string, string> = {}) =>
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(data));
      if (fault !== undefined) {
        fault.times -= 1;
        if (fault.after === true) act(line, url, body);
        if (fault.status === undefined) return request.socket.destroy();
        return answer(fault.status, { message: 'fault' }, fault.headers);
      }
      const [status, data] = act(line, url, body);
      return answer(status, data);
    });
  });

  function page<T>(items: T[], url: URL): T[] {
    const size = Number(url.searchParams.get('per_page') ?? 30);
    const start = (Number(url.searchParams.get('page') ?? 1) - 1) * size;
    return items.slice(start, start + size);
  }

  function act(line: string, url: URL, body: Record<string, string>): [number, unknown] {
    const [method, path = ''] = line.split(' ');
    if (method !== 'GET') writes.push(line);
    if (line === 'GET /app') return [200, { id: 12345, slug: 'fw' }];
    if (/^\/repos\/acme\/web\/commits\/\w+\/statuses$/.test(path)) return [200, page([...statuses].reverse(), url)];
    if (method === 'POST' && /^\/repos\/acme\/web\/statuses\/\w+$/.test(path)) {
      statuses.push({ state: '', context: '', description: '', target_url: null, ...body });
      return [201, {}];
    }
    if (path.endsWith('/comments')) {
      if (method === 'GET') return [200, page(comments, url)];
      const comment = { id: next.id, body: body.body ?? '', user: BOT };
      next.id += 1;
      comments.push(comment);
      return [201, comment];
    }
    const id = Number(/\/issues\/comments\/(\d+)$/.exec(path)?.[1]);
    const comment = comments.find((candidate) => candidate.id === id);
    if (comment === undefined) return [404, { message: 'Not Found' }];
    if (method === 'PATCH') comment.body = body.body ?? '';
    return [200, comment];
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const octokit = new ProbotOctokit({ baseUrl: url, retry: { enabled: false }, throttle: { enabled: false } });
  const octokitFor: OctokitFor = async () => octokit;
  return {
    url,
    comments,
    statuses,
    writes,
    faults,
    octokitFor,
    /** Somebody else's comment. */
    say: (body: string, login = 'mallory') =>
      comments.push({ id: next.id++, body, user: { id: 7, login, type: 'User' } }),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
