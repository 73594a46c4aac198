/** Where one demo keeps its files, and that only one demo of a checkout runs at a time. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identifyProcess, isStillRunning, type ProcessIdentity } from '../src/store/embedded/process-identity.js';

export interface RunFolder {
  /** All of it, which stays when the demo ends. */
  path: string;
  /** The checkout this program was built from. */
  checkout: string;
  /** Forgeway's own data. */
  data: string;
  /** The emulated GitHub's bare repository. */
  github: string;
  /** Repositories of the other emulated forges. */
  forges: string;
  /** Alice's clone. */
  clone: string;
  /** Everything the server prints. */
  log: string;
  /** Home folder of the server, so that nothing of the user's own settings is read. */
  home: string;
  /** Remembers the server, so that the next demo can end one that was left behind. */
  rememberServer(pid: number): Promise<void>;
  /** Forgets this demo, when all its processes have ended. */
  release(): Promise<void>;
}

interface Claim {
  demo: ProcessIdentity;
  server?: ProcessIdentity;
}

const leftBehindLimitMs = 60_000;

function checkoutOf(path: string): string {
  if (existsSync(join(path, 'package.json'))) return path;
  if (dirname(path) === path) throw new Error('The demo does not lie in a checkout of Forgeway.');
  return checkoutOf(dirname(path));
}

function defaultFolder(checkout: string): string {
  const parent = process.getuid?.() === 0 ? '/var/lib/forgeway' : join(homedir(), '.local/share/forgeway');
  return join(parent, `demo-${createHash('sha256').update(checkout).digest('hex').slice(0, 8)}`);
}

async function readClaim(path: string): Promise<Claim | undefined> {
  if (!existsSync(path)) return undefined;
  return JSON.parse(await readFile(path, 'utf8')) as Claim;
}

/** A demo that was killed leaves its server, which stops in order when asked. */
async function endServer(server: ProcessIdentity): Promise<void> {
  if (!(await isStillRunning(server))) return;
  process.kill(server.pid, 'SIGTERM');
  const limit = Date.now() + leftBehindLimitMs;
  while (await isStillRunning(server)) {
    if (Date.now() > limit)
      throw new Error(`The server of an earlier demo (process ${server.pid}) does not stop. Kill it and start again.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * Makes the folder ready; what an earlier run left is removed unless `keepData`.
 * @throws Error naming the process when a demo runs there already.
 */
export async function openRunFolder(options: { keepData: boolean; folder?: string }): Promise<RunFolder> {
  const checkout = checkoutOf(dirname(fileURLToPath(import.meta.url)));
  const folder = options.folder ?? defaultFolder(checkout);
  // Others may pass through: the database and the previews run as users of their own.
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const claimPath = join(folder, 'running.json');
  const earlier = await readClaim(claimPath);
  if (earlier !== undefined) {
    if (await isStillRunning(earlier.demo))
      throw new Error(`A demo runs already in ${folder} (process ${earlier.demo.pid}). Stop it first.`);
    if (earlier.server !== undefined) await endServer(earlier.server);
  }
  const demo = await identifyProcess(process.pid);
  if (demo === null) throw new Error('The demo cannot see its own process.');
  await writeFile(claimPath, JSON.stringify({ demo } satisfies Claim));

  const [data, github, forges, clone, home] = ['data', 'github', 'forges', 'clone', 'home'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string, string];
  const log = join(folder, 'forgeway.log');
  for (const path of [github, forges, clone, home, log, ...(options.keepData ? [] : [data])])
    await rm(path, { recursive: true, force: true });
  for (const path of [data, github, forges, home]) await mkdir(path, { recursive: true, mode: 0o755 });
  return {
    path: folder,
    checkout,
    data,
    github,
    forges,
    clone,
    log,
    home,
    rememberServer: async (pid) => {
      const server = await identifyProcess(pid);
      await writeFile(claimPath, JSON.stringify({ demo, ...(server === null ? {} : { server }) } satisfies Claim));
    },
    release: () => rm(claimPath, { force: true }),
  };
}
