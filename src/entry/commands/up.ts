import type { Command } from 'commander';
import { loadConfig } from '../../config/config.js';
import { createLogger } from '../../lib/logger.js';
import { warnOfUnknownNames } from '../unknown-names.js';

export function addUpCommand(program: Command): void {
  program
    .command('up')
    .description('start the server and its workers; without settings it starts in setup mode')
    .action(async () => {
      const config = loadConfig();
      const log = createLogger({ level: config.logLevel, format: config.logFormat }).child({ process: 'server' });
      warnOfUnknownNames(log);
      // Not at the top: every other command starts in half the time.
      const { runServer } = await import('../server.js');
      await runServer(config, log);
    });
}
