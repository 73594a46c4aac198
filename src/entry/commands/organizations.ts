import { type Command, InvalidArgumentError } from 'commander';
import { worthOf } from '../../accounts/access/confirmed.js';
import { linkOrganization, unlinkOrganization } from '../../accounts/membership/link.js';
import { reconcileMembership } from '../../accounts/membership/reconcile.js';
import { listSources, type Source } from '../../accounts/membership/sources.js';
import { commandMembershipPorts } from '../membership-ports.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

export const OPERATOR = 'operator';

/** Names are shown as the forge writes them. */
export const shownLogin = ({ login }: Pick<Source, 'login'>): string => login.replaceAll('~', '/');

/** The source that a person names: by its id, or by its login where that is one alone. */
export async function sourceNamed({ store, organizationId }: CommandSession, name: string): Promise<Source> {
  const sources = await listSources(store, organizationId);
  const found = sources.filter(
    (one) => one.id === name || one.login.toLowerCase() === name.replaceAll('/', '~').toLowerCase(),
  );
  const [source, other] = found;
  if (source !== undefined && other === undefined) return source;
  throw new InvalidArgumentError(
    source === undefined
      ? `${name} is not linked. \`forgeway organizations list\` shows what is.`
      : `${name} is linked on several hosts: use its id, see \`forgeway organizations list\`.`,
  );
}

/** What roles through it are worth, unless people's own sign-ins confirmed them since. */
function worthNow({ readAt, state }: Source): string {
  if (readAt === null || state === 'new') return '';
  const { role, unconfirmed } = worthOf('member', readAt, new Date());
  if (unconfirmed === undefined) return 'full';
  return role === undefined ? 'none: too old' : 'reading only';
}

export const sourceRow = (source: Source) => ({
  id: source.id,
  organization: shownLogin(source),
  host: source.host,
  forge: source.forge,
  state: source.state,
  read: source.readAt,
  roles: worthNow(source),
  reason: source.reason ?? '',
});

const COLUMNS = ['id', 'organization', 'host', 'state', 'read', 'roles', 'reason'] as const;
const NONE = 'No organization is linked. `forgeway organizations link --help` shows how.';

async function link(login: string, options: { forge?: string; host?: string; json?: boolean }): Promise<void> {
  await withDatabase(async (session) => {
    const ports = commandMembershipPorts(session);
    const { organizationId, store } = session;
    const { forge, host } = options;
    const linked = await linkOrganization(ports, { organizationId, login, forge, host, linkedBy: OPERATOR });
    const source = (await listSources(store, organizationId)).find(({ id }) => id === linked.id);
    const result = source && (await reconcileMembership(ports, source));
    if (options.json) console.log(formatJson({ ...linked, first: result }));
    else {
      console.log(`${linked.isNew ? 'Linked' : 'Linked again:'} ${login} on ${linked.host}.`);
      if (result?.kind === 'applied')
        console.log(`${result.people} people, ${result.teams} teams. They get their roles when they sign in.`);
      else if (result?.kind === 'failed') console.log(`It could not be read yet: ${result.reason}`);
    }
    if (result?.kind === 'failed') process.exitCode = 1;
  });
}

async function unlink(name: string, options: { json?: boolean }): Promise<void> {
  await withDatabase(async (session) => {
    const ports = commandMembershipPorts(session);
    const source = await sourceNamed(session, name);
    const changes = await unlinkOrganization(ports, source, OPERATOR);
    if (options.json) console.log(formatJson({ id: source.id, changes }));
    else console.log(`Unlinked ${shownLogin(source)} on ${source.host}. ${changes.length} members changed.`);
  });
}

async function list(options: { json?: boolean }): Promise<void> {
  await withDatabase(async ({ store, organizationId }) => {
    const rows = (await listSources(store, organizationId)).map(sourceRow);
    printRows(rows, [...COLUMNS], { json: options.json, empty: NONE, whole: ['reason'] });
    if (rows.some(({ state }) => state === 'failing' || state === 'gone')) process.exitCode = 1;
  });
}

export function addOrganizationsCommand(program: Command): void {
  const organizations = program
    .command('organizations')
    .description('organizations and groups of forges whose people get roles here');
  organizations
    .command('link')
    .argument('<organization>', 'as the forge writes it, such as acme or acme/platform')
    .description('take over who belongs to it, and keep it so')
    .option('--forge <forge>', 'only on this forge')
    .option('--host <host>', 'only on this host')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
It is read through what is connected already: the App that is installed on it, or a token whose account maintains it.
Which role here follows from which role there: \`forgeway roles list\`.`,
    )
    .action(link);
  organizations
    .command('unlink')
    .argument('<organization>', 'its name, or its id')
    .description('end it: whoever has a role through it alone loses it')
    .option('--json', 'as JSON')
    .action(unlink);
  organizations
    .command('list')
    .description('what is linked, and when it was read; exit code 1 when one cannot be read')
    .option('--json', 'as JSON')
    .action(list);
}
