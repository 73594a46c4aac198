/** Ingress, worker and sender as processes of their own, on one database; what `ingest` and `drain` share. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchDatabase } from './bench-database.js';
import { describeMachine } from './machine.js';
import { SECRETS } from './payload.js';
import { type RunningServer, startServer } from './processes.js';

export const CONNECTIONS = 32;
export const WARM_UP_MS = 1_500;
/** Those that are measured, GitHub first: it is what others are compared with. */
export const FORGES = Object.keys(SECRETS);

export interface Load {
  rps: number;
  p50: number;
  p99: number;
  requests: number;
  statuses: Record<string, number>;
  acknowledged?: string[];
}

/** Sends for so long, after a warm-up. */
export function load(port: number, path: string, seconds: number, forge: string, ...flags: string[]): Promise<Load> {
  return new Promise((done, reject) => {
    const file = fileURLToPath(new URL('./load.ts', import.meta.url));
    const times = [`${CONNECTIONS}`, `${WARM_UP_MS}`, `${seconds * 1_000}`];
    const args = ['--import', 'tsx', file, `${port}`, path, ...times, forge, ...flags];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? done(JSON.parse(output) as Load) : reject(new Error(`load: ${code}`))));
  });
}

/** One hook of each forge, whose id is the forge's. */
export async function addHooks(database: BenchDatabase): Promise<void> {
  for (const forge of FORGES)
    await database.store.tenant(database.organizationId, (tx) =>
      tx.query(
        `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source)
         VALUES ($1, $2, $1, $1 || '.com', 'app', '1', 'environment')`,
        [forge, database.organizationId],
      ),
    );
}

export const startIngress = (dist: string, database: BenchDatabase): Promise<RunningServer> =>
  startServer('server-forgeway.mjs', [dist, JSON.stringify(database.login('ingress')), JSON.stringify(SECRETS)]);

export const startWorker = (dist: string, database: BenchDatabase): Promise<RunningServer> =>
  startServer('server-worker.mjs', [dist, JSON.stringify(database.login('worker'))]);

export interface Handled {
  handled: number;
  /** Times of the first and the last one in milliseconds since 1970, where the server keeps them. */
  firstAt?: number;
  lastAt?: number;
}

/** What a server that runs handlers says of them. */
export function askHandled(server: RunningServer): Promise<Handled> {
  return new Promise((answer) => {
    server.child.once('message', (message: Handled) => answer(message));
    server.child.send('count');
  });
}

export const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

export const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

export const machineOf = (database: BenchDatabase, rounds: number) => ({
  ...describeMachine(),
  postgresql: database.version,
  rounds,
});
