#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ConfigError, formatProblems } from '../config/config.js';
import { errorTable, ForgewayError, messageOf } from '../lib/errors.js';
import { hideLastWords } from '../lib/guarded-output.js';
import { redactText } from '../lib/redact.js';
import { version } from './version.js';

/**
 * Every command, in the order of `--help`, with where it is defined. All of them together take longer to load than most
 * commands take to run.
 */
const commands: readonly (readonly [names: string, load: () => Promise<(program: Command) => void>])[] = [
  ['up', async () => (await import('./commands/up.js')).addUpCommand],
  ['work', async () => (await import('./commands/work.js')).addWorkCommand],
  ['app', async () => (await import('./commands/app.js')).addAppCommand],
  ['deliveries', async () => (await import('./commands/deliveries.js')).addDeliveriesCommand],
  ['pause resume holds', async () => (await import('./commands/holds.js')).addHoldCommands],
  ['pulls', async () => (await import('./commands/pulls.js')).addPullsCommand],
  ['poll', async () => (await import('./commands/poll.js')).addPollCommand],
  ['previews', async () => (await import('./commands/previews.js')).addPreviewsCommand],
  ['runs', async () => (await import('./commands/runs.js')).addRunsCommand],
  ['agents', async () => (await import('./commands/agents.js')).addAgentsCommand],
  ['sessions', async () => (await import('./commands/sessions.js')).addSessionsCommand],
  ['clusters', async () => (await import('./commands/clusters.js')).addClustersCommand],
  ['gc', async () => (await import('./commands/gc.js')).addGcCommand],
  ['connections', async () => (await import('./commands/connections.js')).addConnectionsCommand],
  ['hooks', async () => (await import('./commands/hooks.js')).addHooksCommand],
  ['installations', async () => (await import('./commands/installations.js')).addInstallationsCommand],
  ['access', async () => (await import('./commands/access.js')).addAccessCommand],
  ['vault', async () => (await import('./commands/vault.js')).addVaultCommand],
  ['login', async () => (await import('./commands/login.js')).addLoginCommand],
  ['sign-in', async () => (await import('./commands/sign-in.js')).addSignInCommand],
  ['admin', async () => (await import('./commands/admin.js')).addAdminCommand],
  ['organizations', async () => (await import('./commands/organizations.js')).addOrganizationsCommand],
  ['members', async () => (await import('./commands/members.js')).addMembersCommand],
  ['roles', async () => (await import('./commands/roles.js')).addRolesCommand],
  ['tokens', async () => (await import('./commands/tokens.js')).addTokensCommand],
  ['migrate', async () => (await import('./commands/migrate.js')).addMigrateCommand],
  ['doctor', async () => (await import('./commands/doctor.js')).addDoctorCommand],
];

/** The command that is called; of no such name, or for help, all there are. */
async function addCommands(program: Command, called: string | undefined): Promise<void> {
  if (called === '--version' || called === '-V') return;
  const one = commands.filter(([names]) => called !== undefined && names.split(' ').includes(called));
  for (const [, load] of one.length > 0 ? one : commands) (await load())(program);
}

hideLastWords();
const program = new Command('forgeway')
  .description('One GitHub App bot for GitHub, GitLab and Gitea/Forgejo.')
  .version(version())
  .showHelpAfterError('(--help after a command shows its options; forgeway --help lists the commands)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .addHelpText(
    'after',
    `
Examples:
  $ forgeway up                          start server and worker; settings come from the environment
  $ forgeway app run ./app.js            the same, with a Probot app of yours on every forge
  $ forgeway doctor                      check the settings and everything Forgeway needs
  $ forgeway deliveries list --json      what arrived, and what became of it

Exit codes: 0 done, 1 failed, 2 wrong usage. Logs go to standard error, results to standard output.`,
  );

await addCommands(program, process.argv[2]);

/** What a person needs: what is wrong, redacted, and what to do, as it is written in our tables; without a stack. */
function explain(error: unknown): string {
  if (error instanceof ConfigError)
    return `The configuration has problems:\n${formatProblems(error.problems, error.warnings)}`;
  if (error instanceof ForgewayError)
    return `${error.code}: ${redactText(error.message)}\n  ${errorTable[error.code].fix}`;
  // Of what the person typed: an id that does not exist, a name that is not one.
  if (error instanceof CommanderError) return redactText(error.message);
  return redactText(error instanceof Error && error.stack ? error.stack : messageOf(error));
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(explain(error));
  // What a command that failed half way has left open must not keep the process.
  process.exit(1);
}
