/** BullMQ's tables (decision 3): its own schema, migrated here, so that nothing is migrated at run time. */
import type pg from 'pg';
import { inTransaction } from './connection.js';
import { roleName } from './database.js';

export const QUEUE_SCHEMA = 'bullmq';

/** Brings BullMQ's schema to what the installed version needs and opens it to the roles that queue and run jobs. */
export async function migrateQueueSchema(client: pg.Client): Promise<void> {
  // Loaded here since it takes a while and only a migrating process needs it.
  const { runMigrations } = await import('bullmq');
  await runMigrations(client, QUEUE_SCHEMA);
  const roles = `${roleName('worker')}, ${roleName('api')}`;
  await inTransaction(client, async () => {
    await client.query(`grant usage on schema ${QUEUE_SCHEMA} to ${roles}`);
    await client.query(`grant select, insert, update, delete on all tables in schema ${QUEUE_SCHEMA} to ${roles}`);
    await client.query(`grant usage, select, update on all sequences in schema ${QUEUE_SCHEMA} to ${roles}`);
  });
}
