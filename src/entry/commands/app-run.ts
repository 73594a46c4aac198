import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { loadConfig } from '../../config/config.js';
import { ForgewayError } from '../../lib/errors.js';
import { createLogger } from '../../lib/logger.js';
import { type AddedApps, argumentsOf, legacyOption, onlyOption } from '../added-apps.js';
import { warnOfUnknownNames } from '../unknown-names.js';

/** An app whose loading takes longer than this never ends it. */
const INSPECTION_MS = 60_000;

/**
 * Loads the apps once in a process of their own and prints what they listen to and ask: an app that cannot be loaded is told now
 * and not by workers that end again and again, and none of its code runs in the server.
 * @throws ForgewayError FORGEWAY_APP_UNUSABLE when it failed; why is on standard error by then
 */
async function inspectFirst(added: AddedApps): Promise<void> {
  const script = fileURLToPath(new URL('../cli.js', import.meta.url));
  const { apps, legacy, only } = added;
  const args = [
    ...['app', 'inspect', ...apps, '--scan'],
    ...(legacy === undefined ? [] : ['--legacy', legacy]),
    ...(only ?? []).flatMap((forge) => ['--only', forge]),
  ];
  const child = fork(script, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], timeout: INSPECTION_MS });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code === 0) return;
  const why = code === null ? `did not load in ${INSPECTION_MS / 1_000} s` : 'could not be loaded, see above';
  throw new ForgewayError('FORGEWAY_APP_UNUSABLE', `${apps.join(', ')} ${why}.`);
}

export function addAppRunCommand(app: Command): void {
  app
    .command('run')
    .description('start server and workers with these apps, on every forge that is set up or connected')
    .argument(
      '<apps...>',
      'modules: ./app.js, ./app.ts, a folder or an installed package; ./app.js#export; name=./app.js',
    )
    .addOption(legacyOption())
    .addOption(onlyOption())
    .addHelpText(
      'after',
      `
Apps are switched off and on for single repositories with \`forgeway app disable\` and \`enable\`. Their deliveries are kept
under their name, so give an app a name of its own (name=./app.js) before its file may be renamed. Further workers on
other machines need the same apps: forgeway work --app ./app.js

Examples:
  $ forgeway app run ./app.js
  $ forgeway app run ./labeler.ts stale=./node_modules/stale --legacy v7`,
    )
    .action(async (apps: string[], options: Omit<AddedApps, 'apps'>) => {
      const config = loadConfig();
      const added = { ...options, apps };
      const workerArguments = argumentsOf(added);
      await inspectFirst(added);
      const log = createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'server' });
      warnOfUnknownNames(log);
      const { runServer } = await import('../server.js');
      await runServer(config, log, { workerArguments });
    });
}
