/** Output of commands: a table for people, JSON for programs. */

export type Row = object;

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString().replace('T', ' ').slice(0, 19);
  return String(value).replaceAll(/\s+/g, ' ');
};

/** Longest text in one column; the whole of it is in the JSON. */
const WIDTH_LIMIT = 60;

/** `receivedAt` reads RECEIVED AT; what begins with a capital is a name, such as GitHub, and stays one word. */
const heading = (column: string): string =>
  (/^[a-z]/.test(column) ? column.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, ' ') : column).toUpperCase();

/**
 * A column that is empty in every row is left out; the JSON has it. Columns in `whole` are never shortened: sentences that say
 * what to do.
 */
export function formatTable(rows: readonly Row[], wanted: readonly string[], whole: readonly string[] = []): string {
  const columns = wanted.filter((column) => rows.some((row) => cell(Reflect.get(row, column)) !== ''));
  const lines = [columns.map(heading), ...rows.map((row) => columns.map((c) => cell(Reflect.get(row, c))))];
  const shortened = lines.map((line) =>
    line.map((t, i) =>
      t.length > WIDTH_LIMIT && !whole.includes(columns[i] ?? '') ? `${t.slice(0, WIDTH_LIMIT - 1)}…` : t,
    ),
  );
  const widths = columns.map((_, i) => Math.max(...shortened.map((line) => (line[i] ?? '').length)));
  return shortened
    .map((line) =>
      line
        .map((t, i) => t.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Ids are bigints; JSON has only numbers, so they are written as text. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item), 2);
}

export function printRows(
  rows: readonly Row[],
  columns: readonly string[],
  options: { json?: boolean; empty: string; whole?: readonly string[] },
): void {
  if (options.json) console.log(formatJson(rows));
  else console.log(rows.length === 0 ? options.empty : formatTable(rows, columns, options.whole));
}
