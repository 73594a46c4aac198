import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Scope, scopes } from '../../accounts/access/actor.js';
import { atLeast, type Role, roles } from '../../accounts/access/roles.js';
import {
  createToken,
  listTokens,
  mostOf,
  revokeToken,
  type TokenKind,
  type TokenOwner,
  tokenKinds,
} from '../../accounts/api-tokens/rows.js';
import type { Store } from '../../store/database.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const BY = 'command line';
const DAY_MS = 86_400_000;
const MOST_DAYS = 3_650;

function lifetime(text: string): Date | null {
  if (text === 'never') return null;
  const days = Number(/^(\d{1,4})d$/.exec(text)?.[1]);
  if (!(days >= 1 && days <= MOST_DAYS)) throw new InvalidArgumentError('Write days, such as 90d, or never.');
  return new Date(Date.now() + days * DAY_MS);
}

async function organizationNamed(store: Store, slug: string): Promise<string> {
  const { rows } = await store.pool.query<{ id: string }>('SELECT id FROM organization WHERE slug = $1', [slug]);
  const [found] = rows;
  if (found === undefined) throw new InvalidArgumentError(`There is no organization ${slug}.`);
  return found.id;
}

interface CreateOptions {
  kind?: TokenKind;
  name: string;
  scope: Scope[];
  role?: Role;
  user?: string;
  organization?: string;
  expires: Date | null;
  json?: boolean;
}

async function ownerFrom(store: Store, o: CreateOptions): Promise<TokenOwner> {
  const named = o.organization === undefined ? undefined : await organizationNamed(store, o.organization);
  const kind = o.kind ?? (o.user === undefined ? 'organization' : 'user');
  if (kind === 'user') {
    if (o.role !== undefined) throw new InvalidArgumentError('A person’s token has their own role; leave --role out.');
    if (o.user === undefined) throw new InvalidArgumentError('Name the person with --user.');
    return { kind: 'user', userId: o.user, ...(named !== undefined && { organizationId: named }) };
  }
  if (o.user !== undefined) throw new InvalidArgumentError(`A token of kind ${kind} belongs to no person.`);
  const most = mostOf[kind];
  const role = o.role ?? (kind === 'machine' ? 'member' : most);
  if (!atLeast(most, role)) throw new InvalidArgumentError(`A token of kind ${kind} is at most ${most}.`);
  return { kind, role, organizationId: named ?? (await organizationNamed(store, 'default')) };
}

async function create(options: CreateOptions): Promise<void> {
  const made = await withDatabase(async ({ store }) =>
    createToken(store, {
      owner: await ownerFrom(store, options),
      name: options.name,
      scopes: options.scope,
      expiresAt: options.expires,
      createdBy: BY,
    }).catch((error: unknown) => {
      const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
      if (code === FOREIGN_KEY) throw new InvalidArgumentError(`There is no person ${options.user}.`);
      throw error;
    }),
  );
  if (options.json) console.log(formatJson(made));
  else {
    // Alone on standard output, so that it can be piped into a file.
    console.log(made.token);
    console.error(`Token ${made.id} (${made.scopes.join(', ')}). It is shown this once; only its hash is stored.`);
  }
}

const FOREIGN_KEY = '23503';
const COLUMNS = ['id', 'kind', 'name', 'prefix', 'scopes', 'role', 'expiresAt', 'lastUsedAt', 'revokedAt'];
const MOST_LISTED = 1_000;

interface WhoseOptions {
  user?: string;
  organization?: string;
}

const whose = async (store: Store, o: WhoseOptions) =>
  o.user !== undefined && o.organization === undefined
    ? { userId: o.user }
    : { organizationId: await organizationNamed(store, o.organization ?? 'default') };

/** `forgeway tokens`: for whoever runs this machine, who needs no sign-in. */
export function addTokensCommand(program: Command): void {
  const tokens = program.command('tokens').description('tokens of the API');
  const forWhom = (command: Command) =>
    command
      .option('--user <id>', 'of this person instead')
      .option('--organization <slug>', 'of this organization; default: default');

  forWhom(tokens.command('create').description('make a token; it is printed once and never again'))
    .addOption(
      new Option('--kind <kind>', 'whose it is; default: organization, with --user a person’s').choices(tokenKinds),
    )
    .requiredOption('--name <name>', 'what it is for')
    .addOption(new Option('--scope <scope...>', 'what it may be used for').choices(scopes).default([...scopes]))
    .addOption(
      new Option(
        '--role <role>',
        `what it may do; an organization’s is at most ${mostOf.organization}, a machine’s ${mostOf.machine}`,
      ).choices(roles),
    )
    .addOption(
      new Option('--expires <days>', 'such as 90d, or never')
        .argParser(lifetime)
        .default(new Date(Date.now() + 365 * DAY_MS), '365d'),
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ export FORGEWAY_TOKEN=$(forgeway tokens create --name terraform)
  $ forgeway tokens create --kind machine --name dashboard --scope read --role viewer --expires 30d`,
    )
    .action(create);

  forWhom(tokens.command('list').description('tokens, newest first, revoked ones too; without their secrets'))
    .option('--json', 'as JSON')
    .action(async (options: WhoseOptions & { json?: boolean }) => {
      const rows = await withDatabase(async ({ store }) =>
        listTokens(store, await whose(store, options), { limit: MOST_LISTED }),
      );
      printRows(rows, COLUMNS, {
        json: options.json,
        empty: 'No tokens. `forgeway tokens create --name NAME` makes one.',
      });
    });

  forWhom(tokens.command('revoke').description('end a token at once'))
    .argument('<id>', 'its id, as `tokens list` shows it')
    .option('--json', 'as JSON')
    .action(async (id: string, options: WhoseOptions & { json?: boolean }) => {
      const known = await withDatabase(async ({ store }) => revokeToken(store, await whose(store, options), id, BY));
      if (!known) throw new InvalidArgumentError(`There is no token ${id} there. \`forgeway tokens list\` shows all.`);
      console.log(options.json ? formatJson({ id, revoked: true }) : `Token ${id} is revoked.`);
    });
}
