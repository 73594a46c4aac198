/** For Prisma's command line (`generate`, `migrate deploy`); the server applies its migrations itself. */
import { defineConfig } from 'prisma/config';

const url = process.env.DATABASE_URL;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  // `generate` needs no database.
  ...(url === undefined ? {} : { datasource: { url } }),
});
