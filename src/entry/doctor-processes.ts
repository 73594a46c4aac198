/** Whether the server and its workers run, as the doctor sees it from another process. */
import { readFile } from 'node:fs/promises';
import type { Config, Environment } from '../config/config.js';
import { knownNames } from '../config/unknown-names.js';
import { variables } from '../config/variables.js';
import type { Store } from '../store/database.js';
import { claimHolder } from '../store/embedded/server-claim.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** Whether a server runs on the embedded database; one on an external database may run anywhere. */
export async function server(config: Pick<Config, 'dataDir' | 'databaseUrl'>): Promise<Finding[]> {
  if (config.databaseUrl !== undefined) return [];
  try {
    const pid = await claimHolder(config.dataDir);
    if (pid === undefined) return [warning('server', `none runs on ${config.dataDir}`, 'forgeway up')];
    return [ok('server', `runs, process ${pid}`)];
  } catch (error) {
    return [problem('server', error)];
  }
}

/** A worker is alive while it holds a lease that has not run out, and its session is there. */
export async function workers(store: Pick<Store, 'pool'>): Promise<Finding> {
  const { rows } = await store.pool.query<{ count: number }>(
    `SELECT count(DISTINCT l.owner)::int AS count FROM lane_lease l WHERE l.expires_at > clock_timestamp()
       AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = l.owner)`,
  );
  const count = rows[0]?.count ?? 0;
  if (count > 0) return ok('workers', `${count} at work`);
  const fix = 'Start one with `forgeway work`, or `forgeway up` with WORKER_PROCESSES above 0.';
  return warning('workers', 'none runs: deliveries are kept and wait', fix);
}

export interface RunningSettings {
  pid: number;
  /** What it was started with; undefined: only its own user and root may read that. */
  environment: Environment | undefined;
}

/** What the server on the embedded database was started with. Undefined when none runs, or on whatever machine it does. */
export async function runningSettings(
  config: Pick<Config, 'dataDir' | 'databaseUrl'>,
  read: (pid: number) => Promise<string> = (pid) => readFile(`/proc/${pid}/environ`, 'utf8'),
): Promise<RunningSettings | undefined> {
  if (config.databaseUrl !== undefined) return undefined;
  const pid = await claimHolder(config.dataDir).catch(() => undefined);
  if (pid === undefined) return undefined;
  // It may have ended, or be somebody else's: then nothing is known of its settings, which is told.
  const text = await read(pid).catch(() => undefined);
  const environment = text
    ?.split('\0')
    .filter((entry) => entry.includes('='))
    .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]);
  return { pid, environment: environment && Object.fromEntries(environment) };
}

// By the directory the server was found, whichever way each of them writes it.
const found = variables.dataDir.name;
const isOurs = (name: string) => knownNames.includes(name) && name !== found;
const ofOurs = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([name, value]) => isOurs(name) && value));

/** The server's settings, in a shell that has others; and in which they differ. */
export function settingsInForce(
  shell: Environment,
  running: Environment,
): { environment: Environment; differ: string[] } {
  const [ours, theirs] = [ofOurs(shell), ofOurs(running)];
  const differ = knownNames.filter((name) => name !== found && ours[name] !== theirs[name]);
  const rest = Object.entries(shell).filter(([name]) => !isOurs(name));
  return { environment: { ...Object.fromEntries(rest), ...theirs }, differ };
}
