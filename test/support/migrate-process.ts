/** Migrates a test database in a process of its own, which a test can kill. */
import { pino } from 'pino';
import { databaseAt } from '../../src/store/database.js';
import { migrate } from '../../src/store/migrate.js';
import { TEST_MASTER_KEY } from './master-key.js';

const { folder, ...address } = JSON.parse(process.env.MIGRATE ?? '{}') as {
  folder: string;
  host: string;
  port: number;
  database: string;
};
await migrate(databaseAt(address, TEST_MASTER_KEY), pino({ level: 'silent' }), { folder });
