/**
 * Golden files of what rows send: `src/forges/FORGE/routes/fixtures/TABLE.json`, one for each table of routes. They are
 * compared where a table's rows are proven. `UPDATE_GOLDENS=1` in the environment writes them instead; read the difference
 * before it is committed. A row that is gone from its table is taken out by hand.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from '@jest/globals';
import type { RouteTable } from '../../src/forges/kit/route.js';
import type { NativeExample, NativeExamples } from './native-examples.js';

type Golden = Readonly<Record<string, readonly NativeExample[]>>;

/** `pullMerge` as `pull-merge`, the name of its file. */
export const fileNameOf = (table: string): string => table.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export const readGolden = (path: string): Golden =>
  existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Golden) : {};

/** A line for each request, so that a difference shows which. */
function write(path: string, golden: Golden): void {
  const fields = (example: NativeExample): string => {
    const { sends, ...asked } = example;
    const told = Object.entries(asked).map(([key, value]) => `      ${JSON.stringify(key)}: ${inLine(value)},\n`);
    const lines = sends.map((one) => `\n        ${inLine(one)}`).join(',');
    return `    {\n${told.join('')}      "sends": [${lines}${sends.length > 0 ? '\n      ' : ''}]\n    }`;
  };
  const rows = Object.entries(golden)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([route, examples]) => `  ${JSON.stringify(route)}: [\n${examples.map(fields).join(',\n')}\n  ]`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `{\n${rows.join(',\n')}\n}\n`);
}

/** JSON in one line, with room to read it. */
function inLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inLine).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${inLine(inner)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/**
 * Compares what the rows of each table sent with its golden file; of that, only the rows that are in the table given.
 * @param folder absolute, of the golden files
 * @param tables by the name that the table is exported as; `actions.forgejo` for a file of a flavour's own
 */
export function expectGolden(
  folder: string,
  tables: Readonly<Record<string, RouteTable>>,
  examples: NativeExamples,
): void {
  for (const [name, table] of Object.entries(tables)) {
    const path = join(folder, `${fileNameOf(name)}.json`);
    const routes = Object.keys(table);
    // As they come out of a file.
    const sent = JSON.parse(JSON.stringify(examples.of(routes))) as Golden;
    if (process.env.UPDATE_GOLDENS === '1') write(path, { ...readGolden(path), ...sent });
    const golden = readGolden(path);
    const expected = Object.fromEntries(routes.map((route) => [route, golden[route]]));
    expect({ [name]: sent }).toEqual({ [name]: expected });
  }
}
