import type { Command } from 'commander';
import { loadConfig } from '../../config/config.js';
import { createLogger } from '../../lib/logger.js';
import { runServer } from '../server.js';
import { warnOfUnknownNames } from '../unknown-names.js';

export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description('start the server and its workers; without settings it starts in setup mode')
    .action(async () => {
      const config = loadConfig();
      const log = createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'server' });
      warnOfUnknownNames(log);
      await runServer(config, log);
    });
}
