import { type Command, Option } from 'commander';
import { loadConfig } from '../../config/config.js';
import { createLogger } from '../../lib/logger.js';
import { type AddedApps, legacyOption, onlyOption } from '../added-apps.js';

type WorkOptions = Omit<AddedApps, 'apps'> & { app?: string[]; facade?: string[]; previewPort?: number };

export function addWorkCommand(program: Command): void {
  program
    .command('work')
    .description('run one more worker beside a running server; any number may run, on any machine')
    .addOption(
      new Option('--preview-port <port>', 'given by the server to its own workers').argParser(Number).hideHelp(),
    )
    .option('--app <app...>', 'run these Probot apps too: the ones that the server was started with')
    .option(
      '--facade <name...>',
      'hand events on to the apps of these facades: the ones that the server was started with',
    )
    .addOption(legacyOption())
    .addOption(onlyOption())
    .action(async (options: WorkOptions) => {
      const { app, legacy, only, facade } = options;
      const config = loadConfig();
      const { runWorker } = await import('../worker.js');
      await runWorker(
        config,
        createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'worker' }),
        {
          previewPort: options.previewPort,
          facades: facade,
          ...(app && { added: { apps: app, legacy, only } }),
        },
      );
    });
}
