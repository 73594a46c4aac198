/** Forgeway as it is run, between three forges that repeat what they are told, with secrets in everything it is given. */
import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { forges } from '../../src/forges/registry.js';
import { externalDatabase, ownDatabase } from '../chaos/database-place.js';
import { type GitHubForge, startGitHubForge } from '../chaos/github-forge.js';
import { createProgram, type Program } from '../chaos/program.js';
import { startRedisProcess } from '../chaos/redis-process.js';
import { ALLOW_LOOPBACK } from '../support/loopback.js';
import { type ArgumentWatch, watchArguments } from './arguments.js';
import { type Canary, canary, sixty, working } from './forms.js';
import { type Front, startFront } from './front.js';

export const PLACE = { owner: 'acme', name: 'alpha' };
export const PERSON = 'alice';

export interface WorldOptions {
  seed: string;
  /** An empty folder; whoever made it removes it. */
  folder: string;
  /** Database beside Forgeway, reached with a password, and feature jobs on Redis; else its own, and PostgreSQL. */
  external: boolean;
  /** Ids of those that are connected by a token. */
  connected: readonly string[];
  /** Whether there is an emulated GitHub with an App. */
  github: boolean;
  previews: boolean;
  say(line: string): void;
}

export interface ConnectedForge {
  id: string;
  fake: ForgeFake;
  front: Front;
  url: string;
  token: string;
}

export interface Heard {
  sink: string;
  what: string;
  bytes: Buffer;
  /** Secrets that belong there, by their channel. */
  lawful?: string;
}

export interface World {
  folder: string;
  dataDir: string;
  databaseDir: string;
  logFile: string;
  url: string;
  program: Program;
  github: { forge: GitHubForge; front: Front } | undefined;
  connected: readonly ConnectedForge[];
  redisUrl: string | undefined;
  redisDir: string;
  /** Everything to look for; grows with what is made during the run. */
  planted: Canary[];
  webhookSecret: string;
  /** What Forgeway answered, in the order in which it did. */
  heard: Heard[];
  arguments: ArgumentWatch;
  /** A new secret for one place. */
  plant(one: Canary): string;
  plantSixty(channel: string): readonly Canary[];
  /** Runs `forgeway` to its end, whatever that is. */
  run(
    args: readonly string[],
    o?: { lawful?: string; settings?: Record<string, string>; input?: string },
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Writes a secret into a file of its own. */
  secretFile(text: string): Promise<string>;
  /** Asks Forgeway. Answers the text. */
  ask(method: string, path: string, o?: Ask): Promise<{ status: number; text: string; headers: Headers }>;
  close(): Promise<void>;
}

export interface Ask {
  headers?: Record<string, string>;
  body?: string | object;
  lawful?: string;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const cli = join(process.cwd(), 'dist/src/entry/cli.js');

/** What a pull request's build prints and leaves: all that it can see. */
const PROJECT = {
  '.forgeway.yml': 'preview:\n  build: sh build.sh\n  start: node server.mjs\n  health: /\n',
  'build.sh':
    'env\ncat /proc/self/environ /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\0" "\\n"\nmkdir -p public\nenv > public/env.txt\n',
  'server.mjs':
    "import { createServer } from 'node:http';\ncreateServer((_, res) => res.end(JSON.stringify(process.env))).listen(process.env.PORT, '127.0.0.1');\n",
};

/** A key that works, of which every line is looked for. */
function privateKey(): string {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
}

export async function startWorld(options: WorldOptions): Promise<World> {
  const { seed, folder, say } = options;
  await chmod(folder, 0o711);
  const ends: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const planted: Canary[] = [];
    const plant = (one: Canary): string => {
      planted.push(one);
      return one.text;
    };
    const ports = await freePorts(5 + 2 * options.connected.length);
    const [port = 0, previewPort = 0, redisPort = 0, githubPort = 0, proxyPort = 0, ...more] = ports;
    const url = `http://127.0.0.1:${port}`;
    const dataDir = join(folder, 'data');
    const redisDir = join(folder, 'redis');
    await mkdir(redisDir);

    const database = options.external ? await externalDatabase(folder) : ownDatabase(dataDir);
    ends.push(() => database.remove());
    const settings: Record<string, string> = { ...database.settings };
    const master = randomBytes(32);
    settings.FORGEWAY_ENCRYPTION_KEY = plant(working('master key', master.toString('base64')));
    planted.push(working('master key as hex', master.toString('hex')));
    if (settings.DATABASE_URL !== undefined)
      planted.push(working('DATABASE_URL', decodeURIComponent(new URL(settings.DATABASE_URL).password)));

    if (options.external) {
      const password = plant(working('REDIS_URL', `redis-${randomBytes(16).toString('hex')}`));
      const kept = ['--appendonly', 'yes', '--save', '5 1', '--maxmemory-policy', 'noeviction'];
      const redis = await startRedisProcess(redisPort, redisDir, ['--requirepass', password, ...kept]);
      ends.push(() => redis.stop());
      settings.REDIS_URL = `redis://:${password}@127.0.0.1:${redisPort}`;
    }

    const webhookSecret = plant(canary(seed, 'WEBHOOK_SECRET', 'hook-secret'));
    settings.WEBHOOK_SECRET = webhookSecret;
    settings.CRON_SECRET = plant(canary(seed, 'CRON_SECRET', 'hook-secret'));
    const proxyPassword = plant(canary(seed, 'OUTBOUND_PROXY', 'gitea'));
    settings.OUTBOUND_PROXY = `http://operator:${proxyPassword}@127.0.0.1:${proxyPort}`;
    settings.OUTBOUND_NO_PROXY = '127.0.0.1';

    let github: World['github'];
    if (options.github) {
      const forge = await startGitHubForge({
        folder: join(folder, 'forges'),
        publicUrl: `http://127.0.0.1:${githubPort}`,
        webhookUrl: `${url}/api/webhooks/github`,
        owner: PLACE.owner,
        repository: PLACE.name,
        logins: [PERSON],
        webhookSecret,
      });
      ends.push(() => forge.close());
      const front = await startFront(githubPort, forge.port);
      ends.push(() => front.close());
      Object.assign(settings, forge.settings);
      github = { forge, front };
    } else Object.assign(settings, { APP_ID: '7', PRIVATE_KEY: privateKey() });
    planted.push(working('PRIVATE_KEY', settings.PRIVATE_KEY ?? ''));

    const connected: ConnectedForge[] = [];
    for (const id of options.connected) {
      const [ownPort = 0, frontPort = 0] = more.splice(0, 2);
      const token = plant(canary(seed, `token of ${id}`, id === 'gitlab' ? 'glpat' : 'gitea'));
      const place = { folder: join(folder, 'forges', id), port: ownPort, publicUrl: `http://127.0.0.1:${frontPort}` };
      await mkdir(place.folder, { recursive: true });
      const fake = await forges.get(id)?.startFake?.({ ...place, token });
      if (fake === undefined) throw new Error(`There is no double of ${id}.`);
      ends.push(() => fake.close());
      await fake.addPerson(PERSON);
      await fake.addRepository({ ...PLACE, private: true, people: { [PERSON]: 'write' }, files: PROJECT });
      const front = await startFront(frontPort, ownPort);
      ends.push(() => front.close());
      connected.push({ id, fake, front, url: place.publicUrl, token });
    }

    const plantSixty = (channel: string): readonly Canary[] => {
      const all = sixty(seed, channel);
      planted.push(...all);
      return all;
    };
    const carried = Object.fromEntries(
      plantSixty('environment').map(({ shape, encoding, text }) => [
        `CARRIER_${shape}_${encoding}_TOKEN`.replaceAll('-', '_').toUpperCase(),
        text,
      ]),
    );
    const environment: Record<string, string> = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      LANG: 'C.UTF-8',
      ...ALLOW_LOOPBACK,
      ...settings,
      ...carried,
      PORT: String(port),
      PREVIEW_PORT: String(previewPort),
      PREVIEW_DRIVER: options.previews ? 'process' : 'off',
      PUBLIC_URL: url,
      FORGEWAY_DATA_DIR: dataDir,
      LOG_LEVEL: 'trace',
      LOG_FORMAT: 'json',
      HOOK_WATCH_SECONDS: '5',
      POLL_INTERVAL_SECONDS: '5',
    };
    const logFile = join(folder, 'forgeway.log');
    const app = join(process.cwd(), 'test/canaries/app');
    const program = createProgram({
      url,
      databaseDir: database.dataDir,
      logFile,
      folder,
      apps: [app],
      environment,
    });
    ends.push(() => program.stop());
    const watch = watchArguments(() => program.server());
    ends.push(async () => watch.stop());
    await program.start();
    say(`Forgeway at ${url}, process ${program.server()}`);

    const heard: Heard[] = [];
    const files = { count: 0 };
    return {
      folder,
      dataDir,
      databaseDir: database.dataDir,
      logFile,
      url,
      program,
      github,
      connected,
      redisUrl: settings.REDIS_URL,
      redisDir,
      planted,
      webhookSecret,
      heard,
      arguments: watch,
      plant,
      plantSixty,
      async run(args, { lawful, settings: extra, input } = {}) {
        const child = spawn(process.execPath, [cli, ...args], {
          env: { ...environment, ...extra },
          cwd: folder,
          stdio: ['pipe', 'pipe', 'pipe'],
        });
        child.stdin.on('error', () => undefined);
        child.stdin.end(input ?? '');
        watch.alsoBelow(child.pid ?? 0);
        const out = { stdout: '', stderr: '' };
        for (const name of ['stdout', 'stderr'] as const)
          child[name].on('data', (chunk: Buffer) => {
            out[name] += chunk.toString();
          });
        const code = await new Promise<number | null>((resolve, reject) => {
          child.once('error', reject);
          child.once('close', resolve);
        });
        const what = `forgeway ${args.join(' ')}`;
        heard.push({
          sink: 'command line',
          what,
          bytes: Buffer.from(`${out.stdout}\n${out.stderr}`),
          ...(lawful && { lawful }),
        });
        return { code, ...out };
      },
      async secretFile(text) {
        files.count += 1;
        const file = join(folder, `handed-in-${files.count}`);
        await writeFile(file, text, { mode: 0o600 });
        return file;
      },
      async ask(method, path, { headers = {}, body, lawful } = {}) {
        const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
        const answer = await fetch(`${url}${path}`, {
          method,
          redirect: 'manual',
          headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
          ...(text !== undefined && { body: text }),
          signal: AbortSignal.timeout(30_000),
        });
        const said = await answer.text();
        const all = `${answer.status} ${JSON.stringify([...answer.headers])}\n${said}`;
        heard.push({
          sink: 'answers of the API',
          what: `${method} ${path.split('?')[0]}`,
          bytes: Buffer.from(all),
          ...(lawful && { lawful }),
        });
        return { status: answer.status, text: said, headers: answer.headers };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
