/** Every place where a secret could have come to lie. */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { unpackBody } from '../../src/inbox/packed-body.js';
import { attachEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { clusterDirOf, readLayout } from '../../src/store/embedded/layout.js';
import type { World } from './world.js';

export interface Piece {
  sink: string;
  what: string;
  bytes: Buffer;
  /** Channels that belong there. */
  lawful?: readonly string[];
}

export const sinkNames = [
  'log',
  'command line',
  'answers of the API',
  'event stream',
  'metrics',
  'database rows',
  'job data',
  'inbox bodies',
  'database files',
  'database WAL',
  'database log',
  'Redis keys',
  'Redis files',
  'sent to forges',
  'process arguments',
  'git configuration',
  'other files',
] as const;

export async function asOwner<T>(databaseDir: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, database, user, password } = await attachEmbeddedPostgres({
    dataDir: databaseDir,
    waitMs: 30_000,
  });
  const client = new pg.Client({ host, port, database, user, password });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

interface Column {
  schema: string;
  table: string;
  column: string;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/**
 * From now on PostgreSQL stores values as they are: compressed ones would hide what is in its files from who searches them.
 */
export async function storeUncompressed({ databaseDir }: World): Promise<void> {
  await asOwner(databaseDir, async (client) => {
    const { rows } = await client.query<Column>(
      `SELECT n.nspname AS schema, c.relname AS "table", a.attname AS "column"
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage IN ('x', 'm')
         AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'`,
    );
    for (const { schema, table, column } of rows)
      await client.query(
        `ALTER TABLE ${quoted(schema)}.${quoted(table)} ALTER COLUMN ${quoted(column)} SET STORAGE EXTERNAL`,
      );
  });
}

/** Every row of every table, as text; the bodies of the inbox apart, and unpacked. */
export async function* databaseRows({ databaseDir }: Pick<World, 'databaseDir'>): AsyncGenerator<Piece> {
  const pieces = await asOwner(databaseDir, async (client) => {
    await client.query('CHECKPOINT');
    const found: Piece[] = [];
    const { rows: tables } = await client.query<{ schema: string; table: string }>(
      `SELECT n.nspname AS schema, c.relname AS "table" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
    );
    for (const { schema, table } of tables) {
      const isInbox = table === 'webhook_delivery';
      const { rows } = await client.query<{ row: Record<string, unknown> }>(
        `SELECT to_jsonb(t) ${isInbox ? "- 'body'" : ''} AS row FROM ${quoted(schema)}.${quoted(table)} t`,
      );
      for (const { row } of rows) {
        const bytes = Buffer.from(
          Object.values(row)
            .map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
            .join('\n'),
        );
        const sink = schema === 'public' ? 'database rows' : 'job data';
        found.push({
          sink,
          what: `${schema}.${table} ${columnsWith(row)}`,
          bytes: Buffer.concat([bytes, byteaOf(row)]),
        });
      }
    }
    const { rows: bodies } = await client.query<{ id: string; body: Buffer | null; coding: 'identity' | 'br' }>(
      'SELECT id::text, body, body_coding AS coding FROM webhook_delivery WHERE body IS NOT NULL',
    );
    for (const { id, body, coding } of bodies) {
      if (body === null) continue;
      found.push({
        sink: 'inbox bodies',
        what: `delivery ${id} (${coding})`,
        bytes: unpackBody({ coding, bytes: body }),
      });
    }
    return found;
  });
  yield* pieces;
}

const columnsWith = (row: Record<string, unknown>): string => String(row.id ?? row.route ?? '');

/** What is stored as bytes is text in hex here, and searched as what it is as well. */
function byteaOf(row: Record<string, unknown>): Buffer {
  const parts = Object.values(row).flatMap((value) =>
    typeof value === 'string' && /^\\x(?:[0-9a-f]{2})+$/.test(value)
      ? [Buffer.from(value.slice(2), 'hex'), Buffer.from('\n')]
      : [],
  );
  return Buffer.concat(parts);
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** Of the copies of repositories, while there are any: those of a connection go with it. */
export async function* gitConfigurations({ dataDir }: Pick<World, 'dataDir'>): AsyncGenerator<Omit<Piece, 'lawful'>> {
  const copies = join(dataDir, 'git');
  if (!existsSync(copies)) return;
  for await (const path of filesBelow(copies))
    if (/(?:^|\/)(?:config|FETCH_HEAD|packed-refs|description)$/.test(path))
      yield { sink: 'git configuration', what: relative(dataDir, path), bytes: await readFile(path) };
}

/** What Redis has in memory: names, fields and values of every key. */
export async function* redisKeys(url: string): AsyncGenerator<Piece> {
  const client = new Redis(url);
  try {
    for (const key of await client.keys('*')) {
      const type = await client.type(key);
      const value =
        type === 'hash'
          ? await client.hgetall(key)
          : type === 'list'
            ? await client.lrange(key, 0, -1)
            : type === 'set'
              ? await client.smembers(key)
              : type === 'zset'
                ? await client.zrange(key, '0', '-1')
                : type === 'stream'
                  ? await client.xrange(key, '-', '+')
                  : await client.get(key);
      yield { sink: 'Redis keys', what: key, bytes: Buffer.from(`${key}\n${JSON.stringify(value)}`) };
    }
    await client.save();
  } finally {
    client.disconnect();
  }
}

const PART = 64 * 1024 * 1024;

/** All files of the run but those of the forges' doubles and those with which secrets were handed in. */
export async function* files(
  world: Pick<World, 'folder' | 'databaseDir' | 'logFile' | 'redisDir'>,
): AsyncGenerator<Piece> {
  const layout = await readLayout(world.databaseDir);
  const cluster = layout === null ? undefined : clusterDirOf(layout.home);
  const roots = [
    world.folder,
    ...(layout && relative(world.folder, layout.home).startsWith('..') ? [layout.home] : []),
  ];
  for (const root of roots)
    for await (const path of filesBelow(root)) {
      const name = relative(world.folder, path);
      if (name.startsWith('forges/') || /^handed-in-\d+$/.test(name)) continue;
      // Whoever operates the database has made it: it is the one secret of ours that has to lie in a file.
      if (/(?:^|\/)postgres-password$/.test(name)) continue;
      const inCluster = cluster !== undefined && path.startsWith(cluster);
      const sink =
        path === world.logFile
          ? 'log'
          : path.startsWith(world.redisDir)
            ? 'Redis files'
            : /postgresql\.log$/.test(name)
              ? 'database log'
              : inCluster
                ? path.includes('/pg_wal/')
                  ? 'database WAL'
                  : 'database files'
                : /\.git\/config$|\/config$/.test(name)
                  ? 'git configuration'
                  : 'other files';
      if ((await stat(path)).size > PART * 4) throw new Error(`${name} is too large to be searched at once.`);
      yield { sink, what: name, bytes: await readFile(path) };
    }
}
