import { Argument, type Command, InvalidArgumentError } from 'commander';
import { defaultMapping, type MappedRole, mappedRoles } from '../../accounts/membership/mapping.js';
import { listMappings, setMapping } from '../../accounts/membership/mapping-rows.js';
import { listSources } from '../../accounts/membership/sources.js';
import { type ForgeRole, forgeRoles } from '../../forges/roles.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { OPERATOR, shownLogin, sourceNamed } from './organizations.js';

async function list(options: { json?: boolean }): Promise<void> {
  await withDatabase(async ({ store, organizationId }) => {
    const sources = new Map((await listSources(store, organizationId)).map((one) => [one.id, shownLogin(one)]));
    const chosen = await store.tenant(organizationId, (tx) => listMappings(tx));
    const rows = [
      ...chosen.map(({ sourceId, team, forgeRole, role }) => ({
        organization: sourceId === null ? '*' : (sources.get(sourceId) ?? sourceId),
        team: team?.replaceAll('~', '/') ?? '',
        there: forgeRole,
        here: role,
        set: 'by hand',
      })),
      ...forgeRoles
        .filter((there) => !chosen.some((one) => one.sourceId === null && one.forgeRole === there))
        .map((there) => ({ organization: '*', team: '', there, here: defaultMapping[there], set: 'default' })),
    ];
    printRows(rows, ['organization', 'team', 'there', 'here', 'set'], { json: options.json, empty: '' });
  });
}

interface MapOptions {
  organization?: string;
  team?: string;
  json?: boolean;
}

async function map(there: ForgeRole | 'any', here: MappedRole | 'default', options: MapOptions): Promise<void> {
  if (options.team !== undefined && options.organization === undefined)
    throw new InvalidArgumentError('A team is one of an organization: name that with --organization.');
  await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const source = options.organization === undefined ? undefined : await sourceNamed(session, options.organization);
    const mapping = {
      sourceId: source?.id ?? null,
      team: options.team?.replaceAll('/', '~') ?? null,
      forgeRole: there,
    };
    const role = here === 'default' ? undefined : here;
    const changes = await store.tenant(organizationId, (tx) =>
      setMapping(tx, organizationId, { mapping, role, by: OPERATOR }),
    );
    if (options.json) console.log(formatJson({ ...mapping, role: here, changes }));
    else console.log(`${there} there is ${here} here now. ${changes.length} members changed.`);
  });
}

export function addRolesCommand(program: Command): void {
  const mapping = program.command('roles').description('which role here follows from which role on a forge');
  mapping.command('list').description('the mapping').option('--json', 'as JSON').action(list);
  mapping
    .command('map')
    .addArgument(new Argument('<there>', 'role on the forge').choices([...forgeRoles, 'any']))
    .addArgument(
      new Argument('<here>', 'role here; nobody becomes owner in this way').choices([...mappedRoles, 'default']),
    )
    .description('say what a role on a forge is worth here; the most of what somebody has counts')
    .option('--organization <organization>', 'only of this linked one')
    .option('--team <team>', 'only of this team of it; a team gives nothing unless it is mapped')
    .option('--json', 'as JSON')
    .action(map);
}
