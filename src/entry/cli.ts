#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ConfigError, formatProblems } from '../config/config.js';
import { errorTable, ForgewayError, messageOf } from '../lib/errors.js';
import { hideLastWords } from '../lib/guarded-output.js';
import { redactText } from '../lib/redact.js';
import { addAccessCommand } from './commands/access.js';
import { addAdminCommand } from './commands/admin.js';
import { addAppCommand } from './commands/app.js';
import { addClustersCommand } from './commands/clusters.js';
import { addConnectionsCommand } from './commands/connections.js';
import { addDeliveriesCommand } from './commands/deliveries.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addGcCommand } from './commands/gc.js';
import { addHoldCommands } from './commands/holds.js';
import { addHooksCommand } from './commands/hooks.js';
import { addInstallationsCommand } from './commands/installations.js';
import { addLoginCommand } from './commands/login.js';
import { addMembersCommand } from './commands/members.js';
import { addMigrateCommand } from './commands/migrate.js';
import { addOrganizationsCommand } from './commands/organizations.js';
import { addPollCommand } from './commands/poll.js';
import { addPreviewsCommand } from './commands/previews.js';
import { addPullsCommand } from './commands/pulls.js';
import { addRolesCommand } from './commands/roles.js';
import { addSignInCommand } from './commands/sign-in.js';
import { addTokensCommand } from './commands/tokens.js';
import { addUpCommand } from './commands/up.js';
import { addVaultCommand } from './commands/vault.js';
import { addWorkCommand } from './commands/work.js';
import { version } from './version.js';

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

addUpCommand(program);
addWorkCommand(program);
addAppCommand(program);
addDeliveriesCommand(program);
addHoldCommands(program);
addPullsCommand(program);
addPollCommand(program);
addPreviewsCommand(program);
addClustersCommand(program);
addGcCommand(program);
addConnectionsCommand(program);
addHooksCommand(program);
addInstallationsCommand(program);
addAccessCommand(program);
addVaultCommand(program);
addLoginCommand(program);
addSignInCommand(program);
addAdminCommand(program);
addOrganizationsCommand(program);
addMembersCommand(program);
addRolesCommand(program);
addTokensCommand(program);
addMigrateCommand(program);
addDoctorCommand(program);

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
