import { type Command, Option } from 'commander';
import { loadConfig } from '../../config/config.js';
import { createLogger } from '../../lib/logger.js';
import { runWorker } from '../worker.js';

export function addWorkCommand(program: Command): void {
  program
    .command('work')
    .description('run one more worker beside a running server; any number may run, on any machine')
    .addOption(
      new Option('--preview-port <port>', 'given by the server to its own workers').argParser(Number).hideHelp(),
    )
    .action(async (options: { previewPort?: number }) => {
      const config = loadConfig();
      await runWorker(
        config,
        createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'worker' }),
        options,
      );
    });
}
