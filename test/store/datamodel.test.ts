/** prisma/schema.prisma says the same as the migrations. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withConnection } from '../../src/store/connection.js';
import { readColumns } from '../support/catalog.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

interface Field {
  column: string;
  /** Prisma's type, with the native one where it is named: `String @db.Uuid`. */
  type: string;
  nullable: boolean;
}

interface Model {
  name: string;
  table: string;
  fields: Field[];
}

const SCALARS = new Set(['String', 'Int', 'BigInt', 'Boolean', 'DateTime', 'Json', 'Bytes']);

const prismaTypes: Readonly<Record<string, string>> = {
  uuid: 'String @db.Uuid',
  text: 'String',
  varchar: 'String @db.VarChar',
  int8: 'BigInt',
  int4: 'Int',
  int2: 'Int @db.SmallInt',
  bool: 'Boolean',
  jsonb: 'Json',
  bytea: 'Bytes',
  timestamptz: 'DateTime @db.Timestamptz',
};

function parseField(line: string): Field[] {
  const found = /^ {2}(\w+)\s+(\w+)(\?|\[\])?\s*(.*)$/.exec(line);
  if (found === null || !SCALARS.has(found[2] ?? '')) return [];
  const [, name = '', type = '', suffix, attributes = ''] = found;
  const native = /@db\.(\w+)/.exec(attributes)?.[1];
  return [
    {
      column: /@map\("(\w+)"\)/.exec(attributes)?.[1] ?? name,
      type: native === undefined ? type : `${type} @db.${native}`,
      nullable: suffix === '?',
    },
  ];
}

function readModels(): Model[] {
  const schema = readFileSync('prisma/schema.prisma', 'utf8');
  return [...schema.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => ({
    name,
    table: /@@map\("(\w+)"\)/.exec(body)?.[1] ?? name,
    fields: body.split('\n').flatMap(parseField),
  }));
}

describe('prisma/schema.prisma', () => {
  const models = readModels();
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it('has a model for every table, with its columns, their types and which may be null', async () => {
    const columns = await withConnection(db.superuser, readColumns);
    const wanted = columns.map(({ table, column, type, nullable }) => ({
      table,
      column,
      type: prismaTypes[type] ?? `unknown ${type}`,
      nullable,
    }));
    const actual = models.flatMap(({ table, fields }) => fields.map((field) => ({ table, ...field })));
    const sorted = (rows: { table: string; column: string; type: string; nullable: boolean }[]) =>
      rows.map(({ table, column, type, nullable }) => `${table}.${column} ${type}${nullable ? '?' : ''}`).sort();
    expect(sorted(actual)).toEqual(sorted(wanted));
    expect(actual.length).toBeGreaterThan(200);
  });

  it('is what the generated client knows: every model can be read', async () => {
    const read = await db.store('migrate').tenantPrisma(db.organizationId, async (tx) => {
      const delegates = tx as unknown as Record<string, { findMany(args: { take: number }): Promise<unknown[]> }>;
      const names: string[] = [];
      for (const { name } of models) {
        const delegate = delegates[name.charAt(0).toLowerCase() + name.slice(1)];
        if (delegate === undefined) throw new Error(`the client has no ${name}: run npm run generate`);
        await delegate.findMany({ take: 1 });
        names.push(name);
      }
      return names;
    });
    expect(read).toEqual(models.map(({ name }) => name));
  });
});
