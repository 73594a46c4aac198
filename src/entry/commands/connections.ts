import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { type Connected, type ConnectRequest, connectForge } from '../../accounts/connecting/connect.js';
import { keepRequest } from '../../accounts/connecting/declared.js';
import { disconnectForge } from '../../accounts/connecting/disconnect.js';
import { exportConnection } from '../../accounts/connecting/held-data.js';
import { isUnreachable } from '../../accounts/connecting/probe.js';
import { type EndedConnection, endToken } from '../../accounts/connecting/revocations.js';
import { serveMore } from '../../accounts/connecting/serve-repositories.js';
import {
  type ConnectionSummary,
  listConnections,
  type SyncMode,
  setSyncMode,
  syncModes,
} from '../../accounts/connection-rows.js';
import { createVault } from '../../accounts/vault.js';
import { forges } from '../../forges/registry.js';
import { connectionNews } from '../../inbox/tell-apps.js';
import { systemClock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { MasterKeys } from '../../store/master-keys.js';
import { openNativeAccess } from '../../translate/native-access.js';
import { createApiConnections } from '../api-connections.js';
import { openConnectionDirectory } from '../connection-directory.js';
import { outboundOf } from '../outbound.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { actor } from './delivery-options.js';
import { readToken } from './read-token.js';
import { addRouteOptions, type RouteOptions, routeFrom } from './route-options.js';

const byToken = [...forges.values()].filter((forge) => forge.administration !== undefined).map(({ id }) => id);

/** Which kind of forge; of those that are served by an App, says how. */
function forgeByToken(id: string): string {
  if (byToken.includes(id)) return id;
  const forge = forges.get(id);
  throw new InvalidArgumentError(
    forge === undefined
      ? `Allowed choices are ${byToken.join(', ')}.`
      : `${forge.label} is connected by an App, not by a token: register one at PUBLIC_URL/setup/apps, or install the one ` +
          `that there is on the account. By a token: ${byToken.join(', ')}.`,
  );
}

/** The connection that a person names: by its id, or by its name where that is one alone. */
async function connectionNamed({ store, organizationId }: CommandSession, named: string): Promise<ConnectionSummary> {
  const all = await listConnections(store, organizationId);
  const byId = all.find(({ id }) => id === named);
  const byName = all.filter(({ name }) => name === named);
  const found = byId ?? byName[0];
  if (found === undefined)
    throw new InvalidArgumentError(`There is no connection ${named}. \`forgeway connections list\` shows all.`);
  if (byId === undefined && byName.length > 1)
    throw new InvalidArgumentError(
      `Several connections are named ${named}: use the id of one, ${byName.map(({ id }) => id).join(' or ')}.`,
    );
  return found;
}

const vaultOf = (keys: MasterKeys) => createVault(keys.versions);

const tools = ({ store, keys, log, config }: CommandSession) => {
  const outbound = outboundOf(config);
  const vault = vaultOf(keys);
  return {
    nativeOf: openNativeAccess({ log, fetch: outbound.fetch }),
    news: connectionNews(store),
    vault,
    endToken: (ended: EndedConnection) =>
      endToken({ store, vault, fetch: outbound.fetch, clock: systemClock, log }, ended),
    directory: openConnectionDirectory({ store, keys, outbound, log }),
  };
};

interface AddOptions extends RouteOptions {
  forge: string;
  url?: string;
  name?: string;
  tokenFile?: string;
  tokenStdin?: boolean;
  repo?: string[];
  all?: boolean;
  organization?: string;
  system?: boolean;
  hooks: boolean;
  confidential?: boolean;
  mode?: SyncMode;
  keep?: boolean;
  json?: boolean;
}

const counted = ({ repositories, hooks }: Connected['total']): string =>
  `${repositories} ${repositories === 1 ? 'repository' : 'repositories'}, ${hooks} ${hooks === 1 ? 'webhook' : 'webhooks'}`;

function levelOf(options: Pick<AddOptions, 'hooks' | 'system' | 'organization'>) {
  if (!options.hooks) return 'none' as const;
  if (options.system) return 'system' as const;
  return options.organization === undefined ? ('repository' as const) : ('organization' as const);
}

async function add(options: AddOptions): Promise<void> {
  const forge = forges.get(options.forge);
  if (forge === undefined) throw new InvalidArgumentError(`Forges that are connected by token: ${byToken.join(', ')}.`);
  const token = await readToken(options);
  await withDatabase(async (session) => {
    const { store, organizationId, config } = session;
    const request: ConnectRequest = {
      forge,
      url: options.url,
      token,
      name: options.name,
      repositories: options.repo ?? [],
      all: options.all ?? false,
      level: levelOf(options),
      organization: options.organization,
      confidential: options.confidential,
      mode: options.mode,
      route: routeFrom(options),
    };
    const own = { store, ...tools(session), organizationId };
    const progress = (line: string) => console.error(line);
    let connected: Connected;
    try {
      connected = await connectForge({ ...own, publicUrl: config.publicUrl, progress }, request);
    } catch (error) {
      if (!options.keep || !isUnreachable(error)) throw error;
      const id = await keepRequest({ ...own, by: actor() }, request, messageOf(error));
      if (options.json) console.log(formatJson({ id, kept: true, reason: messageOf(error) }));
      else
        console.log(
          `${messageOf(error)}\nKept as connection ${id}: a worker connects it by itself once the forge answers.`,
        );
      return;
    }
    const { facts, total, problems, renewed } = connected;
    if (options.json) console.log(formatJson(connected));
    else {
      const done = renewed ? 'Renewed' : 'Connected';
      console.log(`${done} ${facts.account.login} on ${forge.label}: ${counted(total)}.`);
      for (const note of facts.notes ?? []) console.log(note);
      if (total.repositories === 0 && total.hooks === 0)
        console.log('No repository is served yet: name them with --repo owner/name, or take all with --all.');
      if (problems.length > 0) console.log(`${problems.length} of the things asked for did not happen, see above.`);
    }
    if (problems.length > 0) process.exitCode = 1;
  });
}

type ServeOptions = Pick<AddOptions, 'repo' | 'all' | 'organization' | 'system' | 'hooks' | 'confidential' | 'json'>;

async function serve(named: string, options: ServeOptions): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId, config } = session;
    const { id, name } = await connectionNamed(session, named);
    const served = await serveMore(
      {
        ...{ store, organizationId, publicUrl: config.publicUrl, by: actor() },
        ...tools(session),
        progress: (line) => console.error(line),
      },
      id,
      {
        repositories: options.repo ?? [],
        all: options.all ?? false,
        level: levelOf(options),
        organization: options.organization,
        confidential: options.confidential,
      },
    );
    if (options.json) console.log(formatJson(served));
    else console.log(`${name} serves ${counted(served.total)}.`);
    if (served.problems.length > 0) process.exitCode = 1;
  });
}

async function test(named: string | undefined, json: boolean | undefined): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId, keys, log, config } = session;
    const { publicUrl } = config;
    const work = createApiConnections({ store, keys, outbound: outboundOf(config), publicUrl, log });
    const wanted =
      named === undefined ? await listConnections(store, organizationId) : [await connectionNamed(session, named)];
    const findings = [];
    for (const one of wanted) {
      const tested = await work.test(organizationId, one.id);
      const about = { id: one.id, name: one.name };
      if (tested.ok) {
        const { capabilities, warnings, expiresAt } = tested.facts;
        // What an App may do is in its permissions, which the forge does not measure.
        const finding = one.kind === 'github-app' ? 'installed' : `may ${capabilities.join(', ')}`;
        findings.push({ ...about, state: 'ok', finding, warnings, expiresAt });
      } else findings.push({ ...about, state: 'problem', finding: tested.reason });
    }
    printRows(findings, ['id', 'name', 'state', 'finding'], { json, empty: NONE, whole: ['finding'] });
    if (findings.some(({ state }) => state === 'problem')) process.exitCode = 1;
  });
}

const NONE = 'No connections. `forgeway connections add --help` shows how to make one.';

const MODE_MEANS: Readonly<Record<SyncMode, string>> = {
  webhook: 'The forge is not asked any more, unless the token may not make webhooks.',
  poll: 'The forge is asked for changes; webhooks that are there still count, `hooks doctor` shows them.',
  both: 'Webhooks that are missing are made by `forgeway connections add`.',
};

interface ExportOptions {
  out?: string;
}

/** Lines go out as fast as whoever reads them takes them. */
async function exportAll(named: string, { out }: ExportOptions): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const { id } = await connectionNamed(session, named);
    const target = out === undefined ? process.stdout : createWriteStream(out, { flags: 'wx', mode: 0o600 });
    if (out !== undefined) await once(target, 'open');
    // Whoever reads has seen enough, such as `head`.
    else target.once('error', () => process.exit(1));
    const lines = await exportConnection(store, organizationId, id, async (line) => {
      if (!target.write(line)) await once(target, 'drain');
    });
    if (out !== undefined) {
      target.end();
      await once(target, 'close');
    }
    if (lines === undefined) throw new InvalidArgumentError(`The connection ${named} was removed just now.`);
    console.error(`${lines} lines, without secrets.`);
  });
}

interface RemoveOptions {
  withData?: boolean;
  repo?: string[];
  keepHooks?: boolean;
  now?: boolean;
  json?: boolean;
}

async function remove(named: string, options: RemoveOptions): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const { id } = await connectionNamed(session, named);
    const gone = await disconnectForge(
      {
        store,
        organizationId,
        ...tools(session),
        progress: (line) => console.error(line),
        ...(options.now && { toldWithinMs: 0 }),
      },
      {
        connectionId: id,
        repositories: options.repo ?? [],
        keepHooks: options.keepHooks ?? false,
        withData: options.withData,
      },
    );
    if (options.json) console.log(formatJson(gone));
    else if (gone.removed) console.log(`Connection ${id} is removed, and its token with it.`);
    else console.log(`No longer served: ${gone.repositories.join(', ').replaceAll('~', '/')}.`);
    if (gone.problems.length > 0) process.exitCode = 1;
  });
}

function shown(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '-';
  if (value instanceof Date) return value.toISOString();
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** A second one would silently take the place of the first. */
function onlyOne(value: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('Name one, and run the command once for each.');
  return value;
}

function addServeOptions(command: Command): Command {
  return command
    .option('--repository, --repo <owner/name...>', 'repositories to serve, each with a webhook')
    .addOption(new Option('--all', 'every repository that the token administers').conflicts('organization'))
    .addOption(
      new Option('--organization <name>', 'one webhook at this organization or group, and all of its repositories')
        .argParser(onlyOne)
        .conflicts('system'),
    )
    .option('--system', 'one webhook for the whole server; needs an administrator’s token')
    .option('--no-hooks', 'create no webhooks')
    .option('--confidential', 'also run apps on confidential issues and notes');
}

function checkServeOptions({ organization, repo }: ServeOptions, command: Command): void {
  if (organization !== undefined && repo !== undefined)
    command.error('error: use either --repo or --organization, whose webhook covers its repositories');
}

export function addConnectionsCommand(program: Command): void {
  const connections = program
    .command('connections')
    .description('forges that are connected by a token, by OAuth, or by an App with a key of its own');

  addServeOptions(addRouteOptions(connections.command('add')))
    .description('connect a forge: measure the token, store it sealed, create webhooks, and test them')
    .addOption(
      new Option('--forge <forge>', 'which kind of forge')
        .choices(byToken)
        .argParser(forgeByToken)
        .makeOptionMandatory(),
    )
    .option('--url <url>', 'address of the instance, with its path when it has one; default: the forge’s own cloud')
    .option('--name <name>', 'name for people')
    .option('--token-file <file>', 'a file that holds the token')
    .addOption(new Option('--token-stdin', 'read the token from standard input').conflicts('tokenFile'))
    .addOption(
      new Option(
        '--mode <mode>',
        'how events come: by webhook, by asking the forge every minute (poll: makes no webhooks and needs no PUBLIC_URL), or both; default: as it is, and both where it is new',
      ).choices(syncModes),
    )
    .option('--keep', 'where the forge cannot be reached: keep all of this, and connect it by itself once it answers')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
The same account again is the same connection: its token is replaced, repositories are added, webhooks get new secrets.

Examples:
  $ forgeway connections add --forge ${byToken[0] ?? 'FORGE'} --url https://git.example.com --repo acme/web --token-file token.txt
  $ pass show forge-token | forgeway connections add --forge ${byToken.at(-1) ?? 'FORGE'} --url https://code.example.com --all --token-stdin
  $ forgeway connections add --forge ${byToken[0] ?? 'FORGE'} --url https://git.example.com --organization acme --token-file token.txt

Exit code 1 when something that was asked for did not happen; the lines that begin with ! say what.`,
    )
    .action((options: AddOptions, command: Command) => {
      checkServeOptions(options, command);
      return add(options);
    });

  addServeOptions(connections.command('serve'))
    .description('have a connection that is there serve more repositories; it is how one by OAuth gets its first')
    .argument('<connection>', 'its id or name, as `connections list` shows them')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway connections serve acme-bot --repo acme/web
  $ forgeway connections serve acme-bot --all

Exit code 1 when something that was asked for did not happen; the lines that begin with ! say what.`,
    )
    .action((named: string, options: ServeOptions, command: Command) => {
      checkServeOptions(options, command);
      return serve(named, options);
    });

  connections
    .command('list')
    .description('connections with their state')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const all = await withDatabase(({ store, organizationId }) => listConnections(store, organizationId));
      const rows = all.map((one) => ({ ...one, advice: one.status === 'active' ? '' : one.advice }));
      printRows(
        rows,
        [
          'id',
          'name',
          'kind',
          'forge',
          'host',
          'status',
          'mode',
          'repositories',
          'hooks',
          'expiresAt',
          'nextTryAt',
          'statusReason',
          'advice',
        ],
        {
          json: options.json,
          empty: NONE,
          whole: ['statusReason', 'advice'],
        },
      );
    });

  connections
    .command('set-mode')
    .description('how events of a connection come: webhook, poll or both')
    .argument('<connection>', 'its id or name, as `connections list` shows them')
    .addArgument(new Argument('<mode>', 'webhook, poll or both').choices(syncModes))
    .action(async (named: string, mode: SyncMode) => {
      const changed = await withDatabase(async (session) => {
        const { id } = await connectionNamed(session, named);
        if (!(await setSyncMode(session.store, session.organizationId, id, mode)))
          throw new InvalidArgumentError(
            `${named} is an App, and there is nothing to choose: its events come by the webhook of the App.`,
          );
        return connectionNamed(session, id);
      });
      console.log(`Connection ${changed.id}: ${mode}. ${MODE_MEANS[mode]}`);
      if (mode !== 'poll' && changed.hooks === 0)
        console.error(
          '! It has no webhook: `forgeway connections add` with the same address and token makes one, where PUBLIC_URL is set.',
        );
    });

  connections
    .command('test')
    .description('ask the forge again what a token may do; all of them when none is named')
    .argument('[connection]', 'its id or name, as `connections list` shows them')
    .option('--json', 'as JSON')
    .action((named: string | undefined, options: { json?: boolean }) => test(named, options.json));

  connections
    .command('show')
    .description('all that is known of one connection; its secrets are shown by nothing')
    .argument('<connection>', 'its id or name, as `connections list` shows them')
    .option('--json', 'as JSON')
    .action(async (named: string, options: { json?: boolean }) => {
      const one = await withDatabase((session) => connectionNamed(session, named));
      if (options.json) console.log(formatJson(one));
      else for (const [name, value] of Object.entries(one)) console.log(`${name.padEnd(14)}${shown(value)}`);
    });

  connections
    .command('export')
    .description('write what is held of a connection as JSON lines, without secrets')
    .argument('<connection>', 'its id or name, as `connections list` shows them')
    .option('--out <file>', 'a file that does not exist yet; default: standard output')
    .action(exportAll);

  connections
    .command('remove')
    .description(
      'remove a connection with its token and webhooks, or some of its repositories; the apps hear of it first',
    )
    .argument('<connection>', 'its id or name, as `connections list` shows them')
    .option('--repository, --repo <owner/name...>', 'only these repositories')
    .option('--keep-hooks', 'leave the webhooks at the forge')
    .option(
      '--with-data',
      'also delete what is held of it: deliveries, the mirror, records; `export` first to keep a copy',
    )
    .option('--now', 'do not wait until the apps have heard of it')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway connections remove ID --repo acme/old   serve one repository less
  $ forgeway connections remove ID                   forget the forge, its token and its webhooks`,
    )
    .action(remove);
}
