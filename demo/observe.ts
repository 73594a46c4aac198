/** Reads from outside what became of each step: Forgeway's command line and its preview listener. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { arrayOf, type JsonObject } from './emulated-github/json.js';
import type { ForgewayServer } from './forgeway-server.js';

export interface StoredDelivery {
  id: string;
  event: string;
  action: string | null;
  status: string;
  reason: string | null;
}

export interface SyncedPull {
  number: number;
  state: string;
  headSha: string;
  commits: number;
}

export interface ShownPreview {
  name: string;
  phase: string;
  url: string | null;
  sha: string | null;
  port: number | null;
  pids: number[];
  message: string | null;
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

async function rows(server: ForgewayServer, args: readonly string[]): Promise<JsonObject[]> {
  const output = await server.command([...args, '--json']);
  return arrayOf(JSON.parse(output), `the output of forgeway ${args.join(' ')}`);
}

/** Newest first. `event` is GitHub's name, whatever the forge calls it. */
export async function deliveries(
  server: ForgewayServer,
  filter: { forge: string; event?: string },
): Promise<StoredDelivery[]> {
  const asked = ['--forge', filter.forge, ...(filter.event === undefined ? [] : ['--event', filter.event])];
  return (await rows(server, ['deliveries', 'list', '--limit', '1000', ...asked])).map((row) => ({
    id: String(row.id),
    event: String(row.event),
    action: textOrNull(row.action),
    status: String(row.status),
    reason: textOrNull(row.reason),
  }));
}

export async function pulls(server: ForgewayServer): Promise<SyncedPull[]> {
  return (await rows(server, ['pulls', 'list'])).map((row) => ({
    number: Number(row.number),
    state: String(row.state),
    headSha: String(row.headSha),
    commits: Number(row.commits),
  }));
}

export async function previews(server: ForgewayServer): Promise<ShownPreview[]> {
  return (await rows(server, ['previews', 'list'])).map((row) => ({
    name: String(row.name),
    phase: String(row.phase),
    url: textOrNull(row.url),
    sha: textOrNull(row.sha),
    port: typeof row.port === 'number' ? row.port : null,
    pids: Array.isArray(row.pids) ? row.pids.map(Number) : [],
    message: textOrNull(row.message),
  }));
}

/** Opens a URL of `*.localhost` on this machine, whatever the resolver makes of the name; status 0 when refused. */
export function openPage(url: string): Promise<{ status: number; body: string }> {
  const { port, host, pathname } = new URL(url);
  return new Promise((resolve) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: pathname, headers: { host }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => resolve({ status: 0, body: '' }));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    outgoing.on('error', () => resolve({ status: 0, body: '' }));
    outgoing.setTimeout(10_000, () => outgoing.destroy());
    outgoing.end();
  });
}

export function portRefuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}
