import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { listConnections } from '../../accounts/connection-rows.js';
import { appInstallations } from '../../accounts/installation-row.js';
import {
  type HoldScope,
  type HoldSummary,
  holdsOf,
  liftHolds,
  listHolds,
  placeHold,
  runsUnderWay,
} from '../../inbox/hold-changes.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { actor, forgeOption, repositoryOf } from './delivery-options.js';

interface ScopeOptions {
  app?: string;
  repository?: string;
  forge?: string;
  host?: string;
  connection?: string;
  everywhere?: boolean;
  shadow?: boolean;
  json?: boolean;
}

const POLL_MS = 200;

async function scopeFrom(session: CommandSession, options: ScopeOptions): Promise<HoldScope> {
  const { app, connection, repository, everywhere } = options;
  const narrow = [app, connection, repository].some((value) => value !== undefined);
  if ((everywhere ?? false) === narrow)
    throw new InvalidArgumentError(
      'Say what: --app, --repository, --connection, some of them together, or --everywhere.',
    );
  const found = repository === undefined ? undefined : await repositoryOf(session, { ...options, repository });
  return {
    ...(app !== undefined && { app }),
    ...(connection !== undefined && (await connectionNamed(session, connection))),
    ...(found && { repository: { forge: found.forge, host: found.host, remoteId: found.remoteId } }),
  };
}

/** A connection by token by its id or name; an App's installation by its account, with its host or without, or its number. */
async function connectionNamed(
  { store, organizationId }: CommandSession,
  name: string,
): Promise<Pick<HoldScope, 'connectionId' | 'installationId'>> {
  // One by an App is known by its installation, below.
  const connections = (await listConnections(store, organizationId)).filter(({ kind }) => kind !== 'github-app');
  const installations = await store.tenant(organizationId, appInstallations);
  const byName = ({ account, host, virtualId }: (typeof installations)[number]) =>
    [account, `${account} on ${host}`].some((text) => text.toLowerCase() === name.toLowerCase()) ||
    String(virtualId) === name;
  const fitting = [
    ...connections.filter((one) => one.id === name || one.name === name).map(({ id }) => ({ connectionId: id })),
    ...installations.filter(byName).map(({ id }) => ({ installationId: id })),
  ];
  const [only, ...others] = fitting;
  if (only === undefined) {
    const known = installations.map(({ account, host, virtualId }) => `${account} on ${host} (${virtualId})`);
    const apps = known.length === 0 ? '' : ` An App is installed at ${known.join(', ')}.`;
    throw new InvalidArgumentError(`There is no connection ${name}: see \`forgeway connections list\`.${apps}`);
  }
  if (others.length > 0)
    throw new InvalidArgumentError(
      `Several connections are named ${name}: use the id of one, or the number of an App's installation.`,
    );
  return only;
}

const whatOf = ({ app, connection, repository, host }: HoldSummary): string => {
  const parts = [
    ...(app === null ? [] : [`the app ${app}`]),
    ...(repository === null ? [] : [`${repository} on ${host}`]),
    ...(connection === null ? [] : [`the connection ${connection}`]),
  ];
  return parts.length === 0 ? 'everything' : parts.join(' in ');
};
const runs = (count: number) => (count === 1 ? '1 handler run' : `${count} handler runs`);

async function pauseRuns(options: ScopeOptions & { reason?: string; wait?: boolean }): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const scope = await scopeFrom(session, options);
    const mode = options.shadow ? 'shadow' : 'pause';
    const { id, underWay } = await placeHold(store, organizationId, {
      mode,
      scope,
      reason: options.reason,
      actor: actor(),
    });
    let left = underWay;
    while (options.wait && left > 0) {
      await sleep(POLL_MS);
      left = await runsUnderWay(store.pool, id);
    }
    const hold = (await listHolds(store, organizationId)).find((one) => one.id === id);
    if (options.json || hold === undefined) return console.log(formatJson({ ...hold, underWay: left }));
    const what = whatOf(hold);
    console.log(
      mode === 'pause'
        ? `Paused: ${what}. Deliveries are kept, and wait until \`forgeway resume ${id.slice(0, 8)}\`.`
        : `In shadow: ${what}. Handlers run, and what they write is recorded and not sent.`,
    );
    if (left > 0) console.log(`${runs(left)} had begun before and may still be at work; --wait waits for them.`);
  });
}

/** By the beginning of its id, or by what it covers. */
async function meant(session: CommandSession, id: string | undefined, options: ScopeOptions): Promise<string[]> {
  const { store, organizationId } = session;
  const all = await listHolds(store, organizationId);
  if (id === undefined) {
    const scope = await scopeFrom(session, options);
    const found = await holdsOf(store, organizationId, scope, options.shadow ? 'shadow' : undefined);
    if (found.length > 0) return found;
    const others = all.length === 0 ? 'Nothing is held.' : 'See `forgeway holds` for those that are there.';
    throw new InvalidArgumentError(`There is no hold of just that. ${others}`);
  }
  const found = all.filter((one) => one.id.startsWith(id));
  if (found.length === 0) throw new InvalidArgumentError(`There is no hold ${id}: see \`forgeway holds\`.`);
  if (found.length > 1) throw new InvalidArgumentError(`Several holds begin with ${id}: write more of the id.`);
  return found.map((one) => one.id);
}

async function resume(id: string | undefined, options: ScopeOptions): Promise<void> {
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const ids = await meant(session, id, options);
    const before = (await listHolds(store, organizationId)).filter((one) => ids.includes(one.id));
    const { released } = await liftHolds(store, organizationId, ids, actor());
    if (options.json) return console.log(formatJson({ lifted: before, released }));
    for (const hold of before) console.log(`Lifted: the ${hold.mode} of ${whatOf(hold)}.`);
    console.log(
      released === 0
        ? 'No handler run had waited for it.'
        : `${runs(released)} ${released === 1 ? 'goes' : 'go'} on, in order.`,
    );
  });
}

function addScopeOptions(command: Command): Command {
  return command
    .option('--app <name>', 'this app, see `forgeway app list`')
    .option('--repo, --repository <owner/name>', 'this repository')
    .option(
      '--connection <id>',
      'all that came through this connection (its id or name), or where an App is installed: the account',
    )
    .addOption(new Option('--everywhere', 'everything'))
    .addOption(forgeOption('with --repository, where several forges have one of that name'))
    .option('--host <host>', 'with --repository, where several servers have one of that name');
}

export function addHoldCommands(program: Command): void {
  addScopeOptions(program.command('pause').description('stop handlers; deliveries are still accepted, and wait'))
    .option('--shadow', 'do not stop them: let them run, and record what they write instead of sending it')
    .option('--reason <text>', 'why, for whoever reads `forgeway holds`')
    .option('--wait', 'until what had begun before has ended')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Nothing that it covers begins after this command has ended. Options together narrow it down. Our own previews, comments and
statuses in a repository wait too, in a pause and in a shadow alike.

Examples:
  $ forgeway pause --everywhere --reason "moving the database" --wait
  $ forgeway pause --app stale --repository acme/web
  $ forgeway pause --shadow --connection git.example.com
  $ forgeway pause --connection acme`,
    )
    .action(pauseRuns);

  addScopeOptions(
    program
      .command('resume')
      .description('lift what `pause` put in force; what waited goes on in its order')
      .argument('[id]', 'a hold, as `forgeway holds` shows it; or say with the options what it covers'),
  )
    .option('--shadow', 'only a shadow')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
What a shadow recorded is not sent later.

Examples:
  $ forgeway resume --everywhere
  $ forgeway resume 5c0ffee0`,
    )
    .action(resume);

  program
    .command('holds')
    .description('what is paused or in shadow, since when, by whom and why')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => listHolds(store, organizationId));
      printRows(
        options.json ? rows : rows.map((hold) => ({ ...hold, id: hold.id.slice(0, 8), covers: whatOf(hold) })),
        ['id', 'mode', 'covers', 'waiting', 'since', 'placedBy', 'reason'],
        { json: options.json, empty: 'Nothing is paused or in shadow.' },
      );
    });
}
