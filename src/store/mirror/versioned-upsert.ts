/**
 * The one way rows enter the mirror: many at once, in one statement, and older data never overwrites newer.
 *
 * A row's version is the forge's own `updated_at` in whole seconds: all that webhooks tell, and a read that counts finer must not
 * refuse what happens later in its second. So two changes of one second look the same; {@link Tie} says what an equal version
 * may do, and reading the forge again settles the rest: pull requests after every event, issues where it is in doubt.
 */
import type { PoolClient } from 'pg';

/**
 * What a row whose version equals the stored one may do.
 * `wins`: overwrite (a fresh read of the forge, or an event that comes last by its nature, such as closed).
 * `loses`: nothing (an event that comes first by its nature, such as opened).
 * `keeps-closed`: overwrite, but not make a closed object open again (every other event).
 */
export type Tie = 'wins' | 'loses' | 'keeps-closed';

export interface Upserted {
  id: string;
  /** False when the stored row was newer, or already said the same. */
  changed: boolean;
}

interface Column {
  type: 'bigint' | 'integer' | 'text' | 'boolean' | 'timestamptz' | 'jsonb' | 'uuid';
  /** `fill`: null does not overwrite a value. `first`: only the insert sets it. Otherwise it is replaced. */
  merge?: 'fill' | 'first';
}

interface MirrorTable<Row extends object> {
  name: string;
  /** Fields of the unique key. Fields are in camel case; columns are the same words in snake case. */
  key: readonly (keyof Row & string)[];
  columns: { readonly [K in keyof Row & string]-?: Column };
  /** The field that says how new a row is; null counts as older than any. Absent for what never changes. */
  version?: keyof Row & string;
  /** Wraps the version rule in more conditions: SQL over `stored` and `excluded`; `$2` is the {@link Tie}. */
  accepts?: (versionRule: string) => string;
}

const quoted = (field: string) => `"${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}"`;

/** SQL: may this row overwrite the stored one? */
function versionRule(version: string): string {
  const column = quoted(version);
  return `(stored.${column} IS NULL OR excluded.${column} > stored.${column}
    OR (excluded.${column} = stored.${column} AND $2 <> 'loses'))`;
}

function statements<Row extends object>(table: MirrorTable<Row>) {
  type Field = keyof Row & string;
  const fields = Object.keys(table.columns) as Field[];
  const names = fields.map(quoted).join(', ');
  const types = fields.map((field) => `${quoted(field)} ${table.columns[field].type}`).join(', ');
  const incoming = `jsonb_to_recordset($1::jsonb) AS incoming (${types})`;
  const mutable = fields.filter((field) => !table.key.includes(field) && table.columns[field].merge !== 'first');
  const next = (field: Field) =>
    table.columns[field].merge === 'fill'
      ? `coalesce(excluded.${quoted(field)}, stored.${quoted(field)})`
      : `excluded.${quoted(field)}`;
  const newer = table.version === undefined ? `$2 <> ''` : versionRule(table.version);
  const updatedAt = table.version === undefined ? '' : ', "updated_at" = now()';
  const key = table.key.map((field) => `stored.${quoted(field)}::text`).join(` || '/' || `);
  return {
    write: `INSERT INTO "${table.name}" AS stored (${names}) SELECT ${names} FROM ${incoming}
      ON CONFLICT (${table.key.map(quoted).join(', ')}) DO UPDATE
      SET ${mutable.map((field) => `${quoted(field)} = ${next(field)}`).join(', ')}${updatedAt}
      WHERE ${table.accepts ? table.accepts(newer) : newer}
        AND (${mutable.map((field) => `stored.${quoted(field)}`).join(', ')})
          IS DISTINCT FROM (${mutable.map(next).join(', ')})
      RETURNING stored.id, ${key} AS key`,
    find: `SELECT stored.id, ${key} AS key FROM ${incoming} JOIN "${table.name}" AS stored
      ON ${table.key.map((field) => `stored.${quoted(field)} = incoming.${quoted(field)}`).join(' AND ')}`,
  };
}

/** Keys stand in snake case in the JSON; bigint goes as text, which the column's type reads exactly. */
const toJson = (rows: readonly object[]) =>
  JSON.stringify(
    rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([field, value]) => [quoted(field).slice(1, -1), value])),
    ),
    (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
  );

/** A version further ahead than clocks differ is taken for this: else one wrong date would refuse all that follows. */
const CLOCK_SKEW_MS = 300_000;

const inSeconds = (ms: number): number => Math.floor(ms / 1_000) * 1_000;

const time = (value: unknown) => (value instanceof Date ? value.getTime() : Number.NEGATIVE_INFINITY);

/**
 * Makes the upsert of one table. The answers stand in the order of the rows. Rows of one key in one call count as one,
 * the newest (among equals, the last). Rows are written in the order of their keys, so that two transactions with
 * overlapping batches wait for each other and do not deadlock.
 */
export function versionedUpsert<Row extends object>(table: MirrorTable<Row>) {
  const { write, find } = statements(table);
  const keyOf = (row: Row) => table.key.map((field) => String(row[field])).join('/');
  const versionOf = (row: Row) => (table.version === undefined ? 0 : time(row[table.version]));

  return async (tx: PoolClient, rows: readonly Row[], tie: Tie = 'wins'): Promise<Upserted[]> => {
    if (rows.length === 0) return [];
    const newest = new Map<string, Row>();
    const latest = inSeconds(Date.now() + CLOCK_SKEW_MS);
    for (const given of rows) {
      const version = Math.min(inSeconds(versionOf(given)), latest);
      const row = version === versionOf(given) ? given : { ...given, [String(table.version)]: new Date(version) };
      const other = newest.get(keyOf(row));
      if (other === undefined || versionOf(row) >= versionOf(other)) newest.set(keyOf(row), row);
    }
    const batch = [...newest].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, row]) => row);
    const found = new Map<string, Upserted>();
    const written = await tx.query<{ id: string; key: string }>({
      name: `mirror-write-${table.name}`,
      text: write,
      values: [toJson(batch), tie],
    });
    for (const { id, key } of written.rows) found.set(key, { id, changed: true });
    const rest = batch.filter((row) => !found.has(keyOf(row)));
    if (rest.length > 0) {
      // A second statement, since only a new snapshot surely sees a row that another transaction has just added.
      const stored = await tx.query<{ id: string; key: string }>({
        name: `mirror-find-${table.name}`,
        text: find,
        values: [toJson(rest)],
      });
      for (const { id, key } of stored.rows) found.set(key, { id, changed: false });
    }
    return rows.map((row) => {
      const answer = found.get(keyOf(row));
      if (answer === undefined) throw new Error(`${table.name} ${keyOf(row)} is neither written nor found`);
      return answer;
    });
  };
}
