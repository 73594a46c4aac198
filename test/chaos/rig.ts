/** Everything that a run needs, started and ended together: forges, network, ledger, and Forgeway in the middle. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ALLOW_LOOPBACK } from '../support/loopback.js';
import { check, type Records, type Verdict } from './checker.js';
import { externalDatabase, ownDatabase } from './database-place.js';
import type { Effect } from './effects.js';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';
import { type ForgeClient, startForge } from './forge-client.js';
import { type InboxView, openInboxView } from './inbox-view.js';
import { type Ledger, startLedger } from './ledger.js';
import { createProgram, type Program } from './program.js';
import { createRandom } from './random.js';
import { type RedisProcess, startRedisProcess } from './redis-process.js';
import { createTraffic, type Traffic } from './traffic.js';

export interface RigOptions {
  seed: number;
  say(line: string): void;
  /** By id; the first is the emulated one. */
  forges?: readonly string[];
  /** Whether its database is one beside it, which the network between them can cut off, and not its own. */
  external?: boolean;
  /** Feature jobs on a Redis as it comes, which may be killed too, instead of PostgreSQL. */
  redis?: boolean;
  /** Share of deliveries that are sent twice, and that come late. */
  repeated?: number;
  late?: number;
  /** Further settings of Forgeway. */
  environment?: Record<string, string>;
  workers?: number;
}

export interface Rig {
  folder: string;
  forges: readonly ForgeClient[];
  /** By the name of what is behind it. */
  proxies: ReadonlyMap<string, FaultProxy>;
  ledger: Ledger;
  program: Program;
  /** Ends Forgeway in order, and starts it with further settings. */
  restart(environment: Record<string, string>): Promise<void>;
  redis: RedisProcess | undefined;
  inbox: InboxView;
  traffic: Traffic;
  /** Waits until every webhook was accepted and worked off, with no fault any more. */
  drain(stopped: AbortSignal): Promise<void>;
  /** What the records say. */
  verdict(): Promise<{ verdict: Verdict; records: Records; problems: string[] }>;
  /** Ends everything. `keep` leaves the folder, which has the logs. */
  close(keep: boolean): Promise<void>;
}

/** Of other people's kinds: comments, labels, statuses, checks. */
const EXAMPLES = ['welcome', 'label-by-path', 'wip-guard', 'semantic-titles', 'dco-check'];
const EMULATED = 'github';
const OWNER = 'acme';
const REPOSITORIES = ['alpha', 'beta', 'gamma'];
const LOGINS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
const DRAIN_MS = 300_000;
const SAY_EVERY_MS = 5_000;

/** Linux gives ports from 32768 on to whoever asks for any: while a process is down its port shall be nobody's. */
const LOWEST_PORT = 10_000;
const PORTS = 20_000;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  // Another run beside this one begins elsewhere.
  for (let at = process.pid * 37; ports.length < count; at += 1) {
    const port = LOWEST_PORT + (at % PORTS);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

export async function startRig(options: RigOptions): Promise<Rig> {
  const { seed, say, forges: names = [EMULATED, 'gitlab', 'gitea'], environment = {}, workers = 2 } = options;
  const random = createRandom(seed ^ 0x1ed6e5);
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-chaos-'));
  // As root the database runs as another user, who has to pass through.
  await chmod(folder, 0o711);
  const ends: (() => Promise<unknown>)[] = [];
  const close = async (keep: boolean): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
    if (!keep) await rm(folder, { recursive: true, force: true });
  };
  try {
    const dataDir = join(folder, 'data');
    const database = options.external ? await externalDatabase(folder) : ownDatabase(dataDir);
    ends.push(() => database.remove());
    const [port = 0, previewPort = 0, redisPort = 0, ...more] = await freePorts(3 + 2 * names.length);
    const url = `http://127.0.0.1:${port}`;
    const ledger = await startLedger({
      target: url,
      file: join(folder, 'deliveries.jsonl'),
      random,
      repeated: options.repeated ?? 0.05,
      late: options.late ?? 0.1,
    });
    ends.push(() => ledger.close());

    const effects = join(folder, 'effects.jsonl');
    const proxies = new Map<string, FaultProxy>();
    const forges: ForgeClient[] = [];
    const settings: Record<string, string> = { ...database.settings };
    if (database.proxy) proxies.set('the database', database.proxy);
    const tokens = new Map<string, string>();
    for (const forge of names) {
      const [ownPort = 0, logPort = 0] = more.splice(0, 2);
      const proxy = await startFaultProxy({ host: '127.0.0.1', port: logPort });
      ends.push(() => proxy.close());
      proxies.set(forge, proxy);
      const emulated = forge === EMULATED;
      const client = await startForge({
        forge,
        emulated,
        folder,
        port: ownPort,
        logPort,
        publicUrl: `http://127.0.0.1:${proxy.port}`,
        webhookUrl: `${ledger.url}/api/webhooks/${forge}`,
        effects,
        owner: OWNER,
        repositories: emulated ? REPOSITORIES.slice(0, 1) : REPOSITORIES,
        logins: LOGINS,
      });
      ends.push(() => client.close());
      forges.push(client);
      Object.assign(settings, client.started.settings);
      tokens.set(forge, client.started.token ?? '');
      say(`${forge} at ${client.setup.publicUrl}, process ${client.pid}`);
    }

    const redis = options.redis ? await startRedisProcess(redisPort, folder) : undefined;
    ends.push(async () => redis?.stop());
    if (redis) settings.REDIS_URL = redis.url;
    const program = createProgram({
      url,
      databaseDir: database.dataDir,
      logFile: join(folder, 'forgeway.log'),
      folder,
      apps: [join(process.cwd(), 'test/chaos/app'), ...EXAMPLES.map((name) => join(process.cwd(), 'examples', name))],
      environment: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        LANG: 'C.UTF-8',
        ...settings,
        PORT: String(port),
        PREVIEW_PORT: String(previewPort),
        PUBLIC_URL: ledger.url,
        ...ALLOW_LOOPBACK,
        FORGEWAY_DATA_DIR: dataDir,
        WORKER_PROCESSES: String(workers),
        LOG_FORMAT: 'json',
        ...environment,
      },
    });
    ends.push(() => program.stop());
    await program.start();
    say(`Forgeway at ${url}, process ${program.server()}`);
    for (const { forge, setup, order } of forges) {
      if (setup.emulated) await order({ kind: 'begin' });
      else {
        const add = ['connections', 'add', '--forge', forge, '--url', setup.publicUrl, '--token-file'];
        const file = await tokenFile(folder, forge, tokens.get(forge) ?? '');
        await program.command([...add, file, ...setup.repositories.flatMap((name) => ['--repo', `${OWNER}/${name}`])]);
      }
      say(`${forge} is connected`);
    }

    const inbox = openInboxView(database.dataDir);
    const traffic = createTraffic(forges, new Set(EXAMPLES), createRandom(seed));
    return {
      folder,
      forges,
      proxies,
      ledger,
      program,
      async restart(more) {
        await program.stop();
        await program.start(more);
      },
      redis,
      inbox,
      traffic,
      drain: (stopped) => drain(forges, ledger, inbox, say, stopped),
      async verdict() {
        traffic.finish();
        const text = await readFile(effects, 'utf8');
        const records: Records = {
          happenings: traffic.happenings,
          heads: traffic.heads,
          deliveries: ledger.deliveries,
          effects: text
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as Effect),
          inbox: await inbox.rows(),
          mirror: await inbox.mirror(),
          writes: await inbox.writes(),
        };
        const problems: string[] = [];
        for (const { forge, order } of forges)
          for (const problem of (await order({ kind: 'problems' })).problems ?? [])
            problems.push(`${forge}: ${problem}`);
        const verdict = check(records);
        for (const pid of await program.strays()) verdict.zombie.push(`process ${pid} goes on without its server`);
        return { verdict, records, problems };
      },
      close,
    };
  } catch (error) {
    await close(true);
    throw error;
  }
}

/** Everything is told, accepted and worked off, for a while: effects tell of themselves. */
async function drain(
  forges: readonly ForgeClient[],
  ledger: Ledger,
  inbox: InboxView,
  say: (line: string) => void,
  stopped: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + DRAIN_MS;
  let said = 0;
  for (let quiet = 0; quiet < 4; ) {
    for (const { order } of forges) await order({ kind: 'settled' });
    const open = { unsent: ledger.waiting(), unfinished: await inbox.unfinished() };
    quiet = open.unsent + open.unfinished === 0 ? quiet + 1 : 0;
    if (quiet === 0 && Date.now() - said > SAY_EVERY_MS) {
      say(`draining: ${open.unsent} to send, ${open.unfinished} unfinished`);
      said = Date.now();
    }
    // What is left is told by the checker.
    if (Date.now() > deadline) return;
    stopped.throwIfAborted();
    await inbox.passTime();
    await sleep(500);
  }
}

async function tokenFile(folder: string, forge: string, token: string): Promise<string> {
  const file = join(folder, `${basename(forge)}.token`);
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return file;
}
