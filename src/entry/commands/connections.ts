import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { listConnections, listHooks, noteCheck, removeConnection, targetOf } from '../../accounts/connection-rows.js';
import { createConnectionDirectory } from '../../accounts/connections.js';
import { createVault } from '../../accounts/vault.js';
import { RouteFailure } from '../../forges/kit/route.js';
import { forges } from '../../forges/registry.js';
import { systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { FIRST_KEY_VERSION } from '../../store/master-key-record.js';
import { openNativeAccess } from '../../translate/native-access.js';
import { administrationOf, connectForge } from '../connect-forge.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const byToken = [...forges.values()].filter((forge) => forge.administration !== undefined).map(({ id }) => id);

/** From a file, from standard input, or typed without being shown; never from the command line, where others can read it. */
async function readToken(options: { tokenFile?: string; tokenStdin?: boolean }): Promise<string> {
  let token: string;
  if (options.tokenFile !== undefined) token = readFileSync(options.tokenFile, 'utf8');
  else if (options.tokenStdin || !process.stdin.isTTY) token = await text(process.stdin);
  else token = await askHidden('Access token: ');
  token = token.trim();
  if (!/^[\x21-\x7e]{8,4096}$/.test(token))
    throw new InvalidArgumentError('No token was given: use --token-file, --token-stdin, or type it when asked.');
  return token;
}

function askHidden(question: string): Promise<string> {
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, terminal: true, output: undefined });
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      lines.close();
      process.stderr.write('\n');
      resolve(line);
    });
  });
}

const tools = ({ store, masterKey, log }: CommandSession) => ({
  nativeOf: openNativeAccess({ log }),
  directory: createConnectionDirectory({
    store,
    vault: createVault(new Map([[FIRST_KEY_VERSION, masterKey]])),
    forges,
    clock: systemClock,
  }),
});

interface AddOptions {
  forge: string;
  url?: string;
  name?: string;
  tokenFile?: string;
  tokenStdin?: boolean;
  repo: string[];
  all?: boolean;
  organization?: string;
  system?: boolean;
  hooks: boolean;
  confidential?: boolean;
  json?: boolean;
}

function levelOf(options: AddOptions) {
  if (!options.hooks) return 'none' as const;
  if (options.system) return 'system' as const;
  return options.organization === undefined ? ('repository' as const) : ('organization' as const);
}

async function add(options: AddOptions): Promise<void> {
  const forge = forges.get(options.forge);
  if (forge === undefined) throw new InvalidArgumentError(`Forges that are connected by token: ${byToken.join(', ')}.`);
  const token = await readToken(options);
  await withDatabase(async (session) => {
    const { store, masterKey, organizationId, config } = session;
    const connected = await connectForge(
      {
        store,
        masterKey,
        organizationId,
        publicUrl: config.publicUrl,
        nativeOf: openNativeAccess({ log: session.log }),
        progress: (line) => console.error(line),
      },
      {
        forge,
        url: options.url,
        token,
        name: options.name,
        repositories: options.repo,
        all: options.all ?? false,
        level: levelOf(options),
        organization: options.organization,
        confidential: options.confidential ?? false,
      },
    );
    const { id, facts, repositories, hooks, problems } = connected;
    if (options.json) console.log(formatJson({ id, facts, repositories, hooks, problems }));
    else {
      const counted = `${repositories.length} repositories, ${hooks.length - problems.length} webhooks`;
      console.log(`Connected ${facts.account.login} on ${forge.label}: ${counted}.`);
      if (repositories.length === 0 && hooks.length === 0)
        console.log('Name repositories with --repo owner/name, or take them --all.');
    }
    if (problems.length > 0) process.exitCode = 1;
  });
}

async function test(id: string | undefined, json: boolean | undefined): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const { directory, nativeOf } = tools(session);
    const all = await listConnections(store, organizationId);
    const wanted = id === undefined ? all : all.filter((connection) => connection.id === id);
    if (id !== undefined && wanted.length === 0) throw new InvalidArgumentError(`There is no connection ${id}.`);
    const findings = [];
    for (const { id: connectionId, name } of wanted) {
      try {
        const connection = await directory.open(organizationId, connectionId);
        const facts = await administrationOf(connection.forge).probe(nativeOf(connection));
        await noteCheck(store, organizationId, connectionId, facts);
        findings.push({ id: connectionId, name, state: 'ok', finding: `may ${facts.capabilities.join(', ')}` });
      } catch (error) {
        if (!(error instanceof RouteFailure) && !(error instanceof ForgewayError)) throw error;
        const expired = error instanceof RouteFailure && error.status === 401;
        const reason = expired
          ? 'The forge does not accept the token any more. Connect it again with a fresh one.'
          : messageOf(error);
        await noteCheck(store, organizationId, connectionId, { status: expired ? 'expired' : 'unreachable', reason });
        findings.push({ id: connectionId, name, state: 'problem', finding: reason });
      }
    }
    printRows(findings, ['id', 'name', 'state', 'finding'], { json, empty: 'No connections.' });
    if (findings.some(({ state }) => state === 'problem')) process.exitCode = 1;
  });
}

async function remove(id: string, keepHooks: boolean): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const { directory, nativeOf } = tools(session);
    const known = (await listConnections(store, organizationId)).some((connection) => connection.id === id);
    if (!known)
      throw new InvalidArgumentError(`There is no connection ${id}. \`forgeway connections list\` shows all.`);
    for (const hook of keepHooks ? [] : await listHooks(store, organizationId, id)) {
      if (hook.remoteHookId === null) continue;
      try {
        const connection = await directory.open(organizationId, id);
        await administrationOf(connection.forge).deleteHook(nativeOf(connection), targetOf(hook), hook.remoteHookId);
        console.error(`removed the webhook at ${hook.target || hook.host}`);
      } catch (error) {
        if (!(error instanceof RouteFailure) && !(error instanceof ForgewayError)) throw error;
        // The owner wants to be rid of it, whatever the forge says by now.
        console.error(`! The webhook at ${hook.target || hook.host} is still there: ${messageOf(error)}`);
      }
    }
    await removeConnection(store, organizationId, id);
    console.log(`Connection ${id} is removed, and its token with it.`);
  });
}

export function addConnectionsCommand(program: Command): void {
  const connections = program.command('connections').description('forges that are connected by a token');

  connections
    .command('add')
    .description('connect a forge: measure the token, store it sealed, create webhooks, and test them')
    .addOption(new Option('--forge <forge>', 'which kind of forge').choices(byToken).makeOptionMandatory())
    .option('--url <url>', 'address of the instance; default: the forge’s own cloud')
    .option('--name <name>', 'name for people')
    .option('--token-file <file>', 'a file that holds the token')
    .option('--token-stdin', 'read the token from standard input')
    .option('--repo <owner/name...>', 'repositories to serve, each with a webhook', [])
    .option('--all', 'every repository that the token reaches')
    .option('--organization <name>', 'one webhook at this organization or group, and all of its repositories')
    .option('--system', 'one webhook for the whole server; needs an administrator’s token')
    .option('--no-hooks', 'create no webhooks')
    .option('--confidential', 'also run apps on confidential issues and notes')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway connections add --forge ${byToken[0] ?? 'FORGE'} --url https://git.example.com --repo acme/web --token-file token.txt
  $ pass show forge-token | forgeway connections add --forge ${byToken.at(-1) ?? 'FORGE'} --url https://code.example.com --all --token-stdin`,
    )
    .action(add);

  connections
    .command('list')
    .description('connections with their state')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => listConnections(store, organizationId));
      printRows(rows, ['id', 'name', 'forge', 'host', 'status', 'statusReason', 'repositories', 'hooks', 'checkedAt'], {
        json: options.json,
        empty: 'No connections. `forgeway connections add --help` shows how to make one.',
      });
    });

  connections
    .command('test')
    .description('ask the forge again what a token may do; all of them without an id')
    .argument('[id]', 'a connection')
    .option('--json', 'as JSON')
    .action((id: string | undefined, options: { json?: boolean }) => test(id, options.json));

  connections
    .command('remove')
    .description('remove a connection, its token and its webhooks')
    .argument('<id>', 'a connection')
    .option('--keep-hooks', 'leave the webhooks at the forge')
    .action((id: string, options: { keepHooks?: boolean }) => remove(id, options.keepHooks ?? false));
}
