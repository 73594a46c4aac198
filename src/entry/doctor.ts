import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { listConnections } from '../accounts/connection-rows.js';
import { installBannerState } from '../accounts/installations.js';
import {
  type Config,
  ConfigError,
  type Environment,
  githubOrigin,
  loadConfig,
  ownEnvironment,
} from '../config/config.js';
import { unknownNames } from '../config/unknown-names.js';
import { variables } from '../config/variables.js';
import { findMemoryGroups } from '../effects/process/memory-group.js';
import { probeSandbox, seesOpenFiles } from '../effects/process/sandbox.js';
import { createAppAuth } from '../forges/github/app-auth.js';
import { type HoldSummary, listHolds } from '../inbox/hold-changes.js';
import { openRedisQueueStore } from '../jobs/queue/redis-queue.js';
import { systemClock } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { createLogger } from '../lib/logger.js';
import { redactText } from '../lib/redact.js';
import { seemsSameSite } from '../lib/sites.js';
import { openStore, type Store } from '../store/database.js';
import { pendingMigrations } from '../store/migrate.js';
import { type OpenedDatabase, openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';
import { defaultAppCredentials, missingForSetup } from './default-app.js';
import { webhooks } from './doctor-hooks.js';
import { runningSettings, server, settingsInForce, workers } from './doctor-processes.js';
import { type Finding, ok, problem, warning } from './finding.js';
import { outboundOf } from './outbound.js';
import { vaultStatus } from './vault-status.js';

const run = promisify(execFile);
const LOW_DISK_BYTES = 1024 ** 3;

async function git(): Promise<Finding> {
  try {
    const { stdout } = await run('git', ['--version']);
    return ok('git', stdout.trim());
  } catch {
    return { state: 'problem', about: 'git', finding: 'is not installed', fix: 'apt-get install -y git' };
  }
}

async function disk(config: Config): Promise<Finding> {
  let folder = config.dataDir;
  for (;;) {
    try {
      const { bavail, bsize } = await statfs(folder);
      const gib = `${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB free for ${config.dataDir}`;
      if (bavail * bsize < LOW_DISK_BYTES)
        return warning('disk', gib, 'Free some space; PostgreSQL stops when it is full.');
      return ok('disk', gib);
    } catch (error) {
      if (folder === '/') return problem('disk', error);
      folder = folder.slice(0, folder.lastIndexOf('/')) || '/';
    }
  }
}

/** A pause that somebody forgot looks like nothing at all: deliveries come in, and nothing happens. */
function held(holds: readonly HoldSummary[]): Finding {
  if (holds.length === 0) return ok('holds', 'none: nothing is paused or in shadow');
  const pauses = holds.filter(({ mode }) => mode === 'pause').length;
  const counts = [
    ...(pauses === 0 ? [] : [`${pauses} pause(s)`]),
    ...(pauses === holds.length ? [] : [`${holds.length - pauses} shadow(s)`]),
  ];
  const [oldest] = holds;
  return warning(
    'holds',
    `${counts.join(' and ')} since ${oldest?.since.toISOString()}`,
    '`forgeway holds` shows them, `forgeway resume` lifts one.',
  );
}

function connected(connections: Awaited<ReturnType<typeof listConnections>>): Finding {
  const bad = connections.filter(({ status, statusReason }) => status !== 'active' || statusReason !== null);
  if (bad.length > 0)
    return warning(
      'connections',
      bad.map(({ name, status, statusReason }) => `${name}: ${statusReason ?? status}`).join(' '),
      'forgeway connections test',
    );
  return ok('connections', connections.length === 0 ? 'none' : `${connections.length}, see \`forgeway hooks doctor\``);
}

/** A rotation that was begun and not ended keeps the earlier key necessary. */
async function secrets(opened: OpenedDatabase): Promise<Finding> {
  const { keys, toRotate, next } = await vaultStatus(opened);
  const sealing = keys.find(({ state }) => state === 'sealing')?.version;
  if (toRotate === 0 && keys.every(({ state }) => state !== 'new')) return ok('vault', `sealed with key ${sealing}`);
  return warning('vault', `sealed with key ${sealing}; ${toRotate} rows are to be sealed with a newer one`, next);
}

const REGISTERED = 'registered Apps';

async function registeredApps(store: Store): Promise<string[]> {
  const { rows } = await store.pool.query<{ slug: string; host: string }>(
    'SELECT slug, host FROM forge_app ORDER BY created_at, id',
  );
  return rows.map(({ slug, host }) => `${slug} on ${host}`);
}

async function database(config: Config): Promise<Finding[]> {
  const log = createLogger({ level: 'silent', format: 'json' });
  try {
    const opened = await openDatabase(config, { as: 'attach', log });
    const store = openStore(opened.database, 'worker', { max: 2, log });
    try {
      const pending = await pendingMigrations(opened.database);
      const organizationId = await ensureDefaultOrganization(store);
      const banner = await store.tenant(organizationId, (tx) => installBannerState(tx, organizationId));
      const dead = await store.pool.query<{ count: bigint }>(
        `SELECT count(*) FROM dispatch WHERE status = 'dead' AND writes <> 'rehearsal'`,
      );
      const registered = pending.length === 0 ? await registeredApps(store) : [];
      const deadCount = Number(dead.rows[0]?.count ?? 0);
      return [
        await workers(store),
        pending.length === 0
          ? ok('database', `${config.databaseUrl === undefined ? 'embedded' : 'external'}, up to date`)
          : warning('database', `${pending.length} migration(s) pending`, 'forgeway migrate'),
        // A connection that was removed shows the banner too; without an App there is none to install.
        !banner.shown || (defaultAppCredentials(config) === undefined && registered.length === 0)
          ? undefined
          : warning(
              'installation',
              `the App was uninstalled at ${banner.since.toISOString()}`,
              'Install the App again.',
            ),
        deadCount === 0
          ? ok('dead letters', 'none')
          : warning('dead letters', `${deadCount} handler run(s) were given up`, 'forgeway deliveries dead'),
        registered.length === 0 ? undefined : ok(REGISTERED, registered.join(', ')),
        held(await listHolds(store, organizationId)),
        connected(await listConnections(store, organizationId)),
        // A schema that is behind has no such tables yet, and is told of above.
        ...(pending.length === 0 ? [await secrets(opened)] : []),
        ...(pending.length === 0 ? await webhooks(store, organizationId, config.hookWatchSeconds) : []),
      ].filter((finding) => finding !== undefined);
    } finally {
      await store.close();
      await opened.stop();
    }
  } catch (error) {
    if (
      config.databaseUrl === undefined &&
      error instanceof ForgewayError &&
      error.code === 'FORGEWAY_DATABASE_UNAVAILABLE'
    )
      return [warning('database', 'the embedded database is not running', 'It starts with `forgeway up`.')];
    return [problem('database', error)];
  }
}

const KEY_FIX = 'Check APP_ID, PRIVATE_KEY and GHE_HOST: the key must be one of this App, and not deleted.';

/** `fetch` says "fetch failed" and keeps the reason in its cause, which may have only a code. */
function networkCause(error: unknown): string {
  const reason = z.object({ cause: z.object({ message: z.string(), code: z.string().optional() }) }).safeParse(error);
  if (!reason.success) return messageOf(error);
  const { message, code = 'no answer' } = reason.data.cause;
  return message || code;
}

async function app(config: Config): Promise<Finding> {
  const credentials = defaultAppCredentials(config);
  if (credentials === undefined) {
    const names = missingForSetup(config).map((key) => variables[key].name);
    return warning(
      'App',
      `setup mode: ${names.join(', ')} not set`,
      'For GitHub, register an App at PUBLIC_URL/setup/apps, or create it from app.yml and set them; other forges need none.',
    );
  }
  const { appId, privateKey, apiUrl } = credentials;
  const refused = (finding: string, fix: string): Finding => ({ state: 'problem', about: 'App', finding, fix });
  const send = outboundOf(config).fetch;
  let token: string;
  try {
    const auth = createAppAuth({ appId: String(appId), privateKey, apiUrl, clock: systemClock, send });
    token = (await auth.signature()).token;
  } catch (error) {
    return refused(`cannot sign with the key: ${messageOf(error)}`, KEY_FIX);
  }
  let answer: Response;
  try {
    answer = await send(`${apiUrl}/app`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' },
      signal: AbortSignal.timeout(10_000),
      redirect: 'error',
    });
  } catch (error) {
    return refused(
      `${apiUrl} cannot be reached: ${networkCause(error)}`,
      'Check GHE_HOST and the network between this machine and the forge; nothing is known about the key.',
    );
  }
  const { status } = answer;
  if (status === 401 || status === 403 || status === 404)
    return refused(`${apiUrl} did not accept the App’s key: it answered ${status}`, KEY_FIX);
  if (!answer.ok)
    return refused(`${apiUrl} answered ${status}`, 'The forge has a problem of its own, or GHE_HOST names no forge.');
  const body = z.object({ slug: z.string() }).safeParse(await answer.json().catch(() => undefined));
  if (!body.success) return refused(`${apiUrl} answered with something else than an App`, 'Check GHE_HOST.');
  return ok('App', `${body.data.slug} on ${githubOrigin(config).host}`);
}

async function queue(config: Config): Promise<Finding> {
  if (config.redisUrl === undefined) return ok('job queue', 'PostgreSQL');
  const log = createLogger({ level: 'silent', format: 'json' });
  try {
    const redis = openRedisQueueStore(config.redisUrl, log);
    try {
      await redis.ping();
      const warnings = await redis.warnings();
      return warnings.length === 0
        ? ok('job queue', 'Redis')
        : warning('job queue', warnings.join('; '), 'Nothing is lost by it, but work may be found a little later.');
    } finally {
      await redis.close();
    }
  } catch (error) {
    return problem('job queue', error);
  }
}

const PREVIEW_GAPS_FIX =
  'Run Forgeway as root with CAP_SYS_ADMIN, CAP_SYS_PTRACE and a writable /sys/fs/cgroup, or accept what docs/security.md says of this.';

async function previews(config: Config): Promise<Finding> {
  if (config.previewDriver === 'off') return ok('previews', 'off');
  if (config.previewDriver === 'kubernetes')
    return ok('previews', 'on, on Kubernetes; `forgeway clusters test` asks the cluster what Forgeway may do there');
  try {
    const probe = await probeSandbox({ unsafeSameUser: config.unsafeSameUser });
    const { mode, namespaces, network, nestedUsers } = probe;
    const memoryGroup = mode === 'uid' && (await findMemoryGroups()) !== undefined;
    const isolation = `on, isolated by ${mode}${namespaces ? '' : ' without namespaces'}`;
    const gaps = [
      ...(network ? [] : ['they share this machine’s network and reach what listens on its loopback']),
      ...(memoryGroup
        ? []
        : ['no memory group can be made: the limit on memory is watched, and may be passed for a moment']),
      ...((await seesOpenFiles(probe))
        ? []
        : ['without CAP_SYS_PTRACE files that are deleted but open do not count towards PREVIEW_DISK_MB']),
      // With a group, memory mounted in a namespace within is counted too.
      ...(memoryGroup || !nestedUsers ? [] : ['memory in a tmpfs that a preview mounts for itself is not counted']),
    ];
    if (gaps.length === 0) return ok('previews', `${isolation}, each with a network and a memory group of its own`);
    return warning('previews', `${isolation}; ${gaps.join('; ')}`, PREVIEW_GAPS_FIX);
  } catch (error) {
    return problem('previews', error);
  }
}

const LOOPBACK = /^(?:(?:.+\.)?localhost|127\.[\d.]+|\[::1\])$/;

/** A page of a preview may set cookies for the registered domain, and so for this server, where both lie below one. */
function domains({ publicUrl, previewDomain, previewDriver }: Config): Finding[] {
  if (publicUrl === undefined || previewDriver === 'off') return [];
  const { hostname } = new URL(publicUrl);
  if (!seemsSameSite(hostname, previewDomain)) return [];
  const what = `previews at ${previewDomain} and this server at ${hostname} seem to be one registered domain: what runs in a preview can set cookies for it`;
  return [warning('PREVIEW_DOMAIN', what, 'Give previews a registered domain of their own.')];
}

function publicAddress({ publicUrl }: Config): Finding {
  if (publicUrl === undefined)
    return warning('PUBLIC_URL', 'is not set: forges reach this server only on this machine', variables.publicUrl.fix);
  if (LOOPBACK.test(new URL(publicUrl).hostname))
    return warning(
      'PUBLIC_URL',
      `${publicUrl} is this machine’s own: forges on other machines cannot reach it`,
      'Nothing to do where forges run on this machine, or are polled; else set the address that they reach it at.',
    );
  return ok('PUBLIC_URL', publicUrl);
}

/** Of a server that runs it is looked at what it was started with, whatever the shell of whoever asks has. */
async function inForce(
  shell: Environment,
  read?: (pid: number) => Promise<string>,
): Promise<{ environment: Environment; findings: Finding[] }> {
  let found: Awaited<ReturnType<typeof runningSettings>>;
  try {
    found = await runningSettings(loadConfig(shell), read);
  } catch (error) {
    // What is wrong with them is told below.
    if (!(error instanceof ConfigError)) throw error;
  }
  if (found === undefined) return { environment: shell, findings: [] };
  const { pid, environment: running } = found;
  if (running === undefined) {
    const what = `what process ${pid} was started with may not be read by this user: what stands here is of this shell`;
    return {
      environment: shell,
      findings: [warning('settings', what, 'Run it as root, or as the user of the server.')],
    };
  }
  const { environment, differ } = settingsInForce(shell, running);
  if (differ.length === 0) return { environment, findings: [] };
  const what = `those of the server that runs, process ${pid}; this shell has others: ${differ.join(', ')}`;
  return { environment, findings: [ok('settings', what)] };
}

/**
 * Checks the settings and everything Forgeway needs. Never throws: what is wrong is a finding.
 * @param readEnvironment what a process of this machine was started with; default: as the kernel tells
 */
export async function examine(
  shell: Environment = ownEnvironment(),
  readEnvironment?: (pid: number) => Promise<string>,
): Promise<Finding[]> {
  const { environment, findings: settings } = await inForce(shell, readEnvironment);
  return [...(await examineSettings(environment)), ...settings];
}

async function examineSettings(environment: Environment): Promise<Finding[]> {
  const oddNames = unknownNames(environment).map((odd) => warning(odd.variable, odd.problem, odd.fix));
  let config: Config;
  try {
    config = loadConfig(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) return [problem('configuration', error)];
    const found = error.problems.map((p): Finding => {
      return { state: 'problem', about: p.variable, finding: redactText(p.problem), fix: p.fix };
    });
    return [...found, ...oddNames];
  }
  const parts = await Promise.all([
    git(),
    disk(config),
    server(config),
    database(config),
    app(config),
    queue(config),
    previews(config),
  ]);
  const findings = parts.flat();
  // None in the environment is nothing to be warned of where one was registered.
  const hasApp = findings.some(({ about }) => about === REGISTERED);
  return [
    ok('configuration', 'no mistakes'),
    ok('node', process.versions.node),
    publicAddress(config),
    ...domains(config),
    ...oddNames,
    ...findings.filter(({ about, state }) => !(hasApp && about === 'App' && state === 'warning')),
  ];
}
