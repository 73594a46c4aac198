import { Argument, type Command } from 'commander';
import { roles } from '../../accounts/access/roles.js';
import { giveRole, listMembers, listStrangers, personNamed } from '../../accounts/membership/members.js';
import { reconcileMembership } from '../../accounts/membership/reconcile.js';
import { listSources } from '../../accounts/membership/sources.js';
import { commandMembershipPorts } from '../membership-ports.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';
import { OPERATOR, shownLogin, sourceNamed } from './organizations.js';

const NONE = 'Nobody yet. People become members when they sign in, and their organization is linked.';

async function list(options: { strangers?: boolean; json?: boolean }): Promise<void> {
  await withDatabase(async ({ store, organizationId }) => {
    if (options.strangers) {
      const rows = await store.tenant(organizationId, (tx) => listStrangers(tx, organizationId));
      printRows(rows, ['login', 'host', 'role'], { json: options.json, empty: 'Everybody has signed in.' });
      return;
    }
    const members = await store.tenant(organizationId, (tx) => listMembers(tx, organizationId));
    const rows = options.json
      ? members
      : members.map((one) => ({ ...one, logins: one.logins.join(' '), teams: one.teams.join(' ') }));
    printRows(rows, ['userId', 'name', 'role', 'origin', 'logins', 'teams'], { json: options.json, empty: NONE });
  });
}

async function sync(name: string | undefined, options: { json?: boolean }): Promise<void> {
  await withDatabase(async (session) => {
    const ports = commandMembershipPorts(session);
    const sources =
      name === undefined
        ? await listSources(session.store, session.organizationId)
        : [await sourceNamed(session, name)];
    const results = [];
    for (const source of sources)
      results.push({
        organization: shownLogin(source),
        host: source.host,
        ...(await reconcileMembership(ports, source)),
      });
    if (options.json) console.log(formatJson(results));
    else if (results.length === 0) console.log('No organization is linked: there is nothing to read.');
    for (const one of options.json ? [] : results) {
      const at = `${one.organization} on ${one.host}`;
      if (one.kind === 'failed') console.log(`${at}: not read. ${one.reason}`);
      else if (one.kind === 'applied') {
        console.log(`${at}: ${one.people} people, ${one.teams} teams, ${one.changes.length} members changed.`);
        for (const change of one.changes)
          console.log(
            `  ${change.kind} ${change.userId}: ${change.from === undefined ? '' : `${change.from} -> `}${change.role}`,
          );
      } else console.log(`${at}: being read by another process just now.`);
    }
    if (results.some(({ kind }) => kind === 'failed')) process.exitCode = 1;
  });
}

async function set(named: string, role: (typeof roles)[number] | 'mirror', options: { json?: boolean }): Promise<void> {
  await withDatabase(async ({ store, organizationId }) => {
    const { userId, name, logins } = await store.tenant(organizationId, async (tx) => {
      const person = await personNamed(tx, named);
      await giveRole(tx, organizationId, { userId: person.userId, role, by: OPERATOR });
      return person;
    });
    if (options.json) return console.log(formatJson({ userId, role }));
    // A login may be another person's on another forge: say who it was.
    const who = `${name} (${logins.join(', ') || userId})`;
    console.log(role === 'mirror' ? `${who} has the role that the forge gives.` : `${who} is ${role} now.`);
  });
}

export function addMembersCommand(program: Command): void {
  const members = program.command('members').description('who belongs here, and as what');
  members
    .command('list')
    .description('members, their roles, and whether a person or a forge gave them')
    .option('--strangers', 'people of the linked organizations who have never signed in')
    .option('--json', 'as JSON')
    .action(list);
  members
    .command('sync')
    .argument('[organization]', 'one that is linked; all when it is left out')
    .description('read the linked organizations now; the server does this every few minutes by itself')
    .option('--json', 'as JSON')
    .action(sync);
  members
    .command('set')
    .argument('<user>', 'login on a forge, login@host, or id; see `members list`')
    .addArgument(new Argument('<role>', 'given by hand, or mirror: what the forge says').choices([...roles, 'mirror']))
    .description('give a role by hand, which no forge changes; the only way to make an owner')
    .option('--json', 'as JSON')
    .action(set);
}
