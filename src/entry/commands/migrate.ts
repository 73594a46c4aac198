import type { Command } from 'commander';
import { loadConfig } from '../../config/config.js';
import { createLogger } from '../../lib/logger.js';
import { migrate } from '../../store/migrate.js';
import { openDatabase } from '../../store/open-database.js';

export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('bring the database to this version; `forgeway up` does it by itself')
    .action(async () => {
      const config = loadConfig();
      const log = createLogger({ level: config.logLevel, format: config.logFormat });
      const opened = await openDatabase(config, { as: config.databaseUrl === undefined ? 'server' : 'attach', log });
      try {
        const { applied } = await migrate(opened.database, log);
        console.log(applied.length === 0 ? 'Nothing to do.' : `Applied: ${applied.join(', ')}`);
      } finally {
        await opened.stop();
      }
    });
}
