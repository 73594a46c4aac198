/** Prisma over a pool of ours. Loading it takes 0.4 s, so {@link openStore} imports this module when it is first used. */
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { type Prisma, PrismaClient } from './generated/client.js';

export type { PrismaClient } from './generated/client.js';

/** What runs inside `tenantPrisma`: every model, bound to the transaction. */
export type PrismaTransaction = Prisma.TransactionClient;

/** The adapter reads values with parsers of its own, so that it and raw SQL share one pool. */
export function createPrisma(pool: pg.Pool): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg(pool) });
}
