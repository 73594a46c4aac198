import type { Command } from 'commander';
import {
  endSessions,
  findPerson,
  listPeople,
  setPlatformAdmin,
  setSuspended,
} from '../../accounts/sign-in/administrators.js';
import { createSetupCode } from '../../accounts/sign-in/codes.js';
import { auditPlatform } from '../../accounts/sign-in/policy.js';
import { setupLink } from '../sign-in.js';
import { formatJson, printRows } from '../table.js';
import { withApiDatabase } from './api-database.js';
import { actor } from './delivery-options.js';

async function link(options: { json?: boolean }): Promise<void> {
  await withApiDatabase(async ({ pool, config }) => {
    const code = await createSetupCode(pool);
    await auditPlatform(pool, { actor: actor(), action: 'setup-link.made', subject: 'administrator' });
    const url = setupLink(config.publicUrl ?? `http://127.0.0.1:${config.port}`, code);
    if (options.json) return console.log(formatJson({ url }));
    console.log(url);
    console.error('Whoever opens it within 24 hours and signs in becomes an administrator. It works once.');
  });
}

async function list(options: { json?: boolean }): Promise<void> {
  await withApiDatabase(async ({ pool }) => {
    const people = await listPeople(pool);
    if (options.json) return console.log(formatJson(people));
    const rows = people.map(({ id, name, platformAdmin, suspendedAt, identities, lastSignInAt }) => ({
      id,
      name,
      is: suspendedAt !== null ? 'suspended' : platformAdmin ? 'administrator' : '',
      signsInAs: identities.map(({ login, host }) => `${login} on ${host}`).join(', '),
      lastSignInAt,
    }));
    printRows(rows, ['id', 'name', 'is', 'signsInAs', 'lastSignInAt'], { empty: 'Nobody has signed in yet.' });
  });
}

/** A change to one person, by id or login, and the sentence about it. */
type Change = (o: { pool: Parameters<typeof setSuspended>[0]; id: string; by: string }) => Promise<string>;

const changes: Record<string, { description: string; run: Change }> = {
  grant: {
    description: 'make somebody an administrator of this installation',
    run: async ({ pool, id, by }) => {
      await setPlatformAdmin(pool, id, true, by);
      return 'is an administrator now';
    },
  },
  revoke: {
    description: 'take that away again; in effect with their next request',
    run: async ({ pool, id, by }) => {
      await setPlatformAdmin(pool, id, false, by);
      return 'is no administrator any more';
    },
  },
  suspend: {
    description: 'sign somebody out everywhere, and let them in no more',
    run: async ({ pool, id, by }) => {
      await setSuspended(pool, id, true, by);
      return 'is suspended and signed out everywhere';
    },
  },
  restore: {
    description: 'let somebody in again who was suspended',
    run: async ({ pool, id, by }) => {
      await setSuspended(pool, id, false, by);
      return 'may sign in again';
    },
  },
  'sign-out': {
    description: 'end all sessions of somebody',
    run: async ({ pool, id, by }) => {
      const ended = await endSessions(pool, id);
      await auditPlatform(pool, { actor: by, action: 'user.signed-out', subject: `user ${id}` });
      return `is signed out everywhere (${ended === 1 ? '1 session' : `${ended} sessions`})`;
    },
  },
};

export function addAdminCommand(program: Command): void {
  const admin = program
    .command('admin')
    .description('who administers this Forgeway, and who may sign in')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway admin link                  an address for the first administrator, or for one who is locked out
  $ forgeway admin suspend mona`,
    );
  admin
    .command('link')
    .description('a link that makes whoever signs in with it an administrator, once')
    .option('--json', 'as JSON')
    .action(link);
  admin.command('list').description('everybody who has signed in').option('--json', 'as JSON').action(list);
  for (const [name, { description, run }] of Object.entries(changes))
    admin
      .command(name)
      .description(description)
      .argument('<person>', 'login on a forge, or id of `forgeway admin list`')
      .action(async (named: string) => {
        await withApiDatabase(async ({ pool }) => {
          const person = await findPerson(pool, named);
          console.log(`${person.name} ${await run({ pool, id: person.id, by: actor() })}.`);
        });
      });
}
