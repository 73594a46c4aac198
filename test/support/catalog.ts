/** What a migrated database holds, read from PostgreSQL's own catalogs. */
import type pg from 'pg';

export interface CatalogColumn {
  table: string;
  column: string;
  /** PostgreSQL's short type name: uuid, text, int8 … */
  type: string;
  nullable: boolean;
  /** Of a varchar. */
  length: number | null;
  hasDefault: boolean;
  /** Computed by the database, so that nobody can write it. */
  generated: boolean;
}

/** Every column of the tables in `public`, Prisma's ledger left out. */
export async function readColumns(client: Pick<pg.Client, 'query'>): Promise<CatalogColumn[]> {
  const { rows } = await client.query<CatalogColumn>(
    `select c.table_name as "table", c.column_name as "column", c.udt_name as "type", c.is_nullable = 'YES' as "nullable",
            c.character_maximum_length as "length",
            c.column_default is not null or c.is_identity = 'YES' as "hasDefault",
            c.is_generated = 'ALWAYS' or c.is_identity = 'YES' as "generated"
       from information_schema.columns c
       join information_schema.tables t using (table_schema, table_name)
      where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name <> '_prisma_migrations'
      order by c.table_name, c.ordinal_position`,
  );
  return rows;
}

/** Names of the tables that belong to tenants. */
export function tenantTables(columns: readonly CatalogColumn[]): string[] {
  return columns.filter(({ column }) => column === 'organization_id').map(({ table }) => table);
}
