/** Every row of every table is proven by golden native requests, and no golden is left over from a row that is gone. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ofAnyForge as composed } from '../../../src/forges/kit/any-forge.js';
import { fileNameOf, readGolden } from '../../support/native-golden.js';
import { isSkipped } from './skips.js';
import { table } from './subjects.js';

const translated = table.filter(([id]) => !isSkipped(id, 'routes'));

describe.each(translated)('the native requests of %s', (_id, { descriptor, folder }) => {
  const routes = join(folder, 'routes');
  // Every resource; the index only joins them.
  const sources = readdirSync(routes).filter((name) => name.endsWith('.ts') && name !== 'index.ts');
  const textOf = (isTest: boolean) =>
    sources
      .filter((name) => name.endsWith('.test.ts') === isTest)
      .map((name) => readFileSync(join(routes, name), 'utf8'))
      .join('\n');
  const tables = [...textOf(false).matchAll(/^export const (\w+): RouteTable = \{/gm)].map((match) => match[1] ?? '');
  const files = readdirSync(join(routes, 'fixtures'));
  const golden = (file: string) => readGolden(join(routes, 'fixtures', file));

  it('are there for every row that asks the forge, and for no other', () => {
    const told = new Set(files.flatMap((file) => Object.keys(golden(file))));
    // These are the same on every forge: they ask other rows, which have theirs.
    const ofAnyForge = Object.keys(composed);
    const rows = Object.keys(descriptor.routes ?? {});
    expect(rows).toEqual(expect.arrayContaining(ofAnyForge));
    expect([...told].sort()).toEqual(rows.filter((row) => !ofAnyForge.includes(row)).sort());
  });

  it('are there for every table, in a file of its name', () => {
    const names = tables.map(fileNameOf);
    expect(names.filter((name) => !existsSync(join(routes, 'fixtures', `${name}.json`)))).toEqual([]);
    // A flavour's own file stands beside the one of the forge.
    expect(files.filter((file) => !names.includes(file.replace(/\.json$/, '').split('.', 1)[0] ?? ''))).toEqual([]);
  });

  it('are compared by a test of every table', () => {
    // Tables that a test goes through twice are listed once, in front.
    const lists = [...textOf(true).matchAll(/(?:expectEveryRow\(|const tables = )\{([^}]*)\}/g)];
    const compared = new Set(lists.flatMap(([, names = '']) => names.match(/\w+/g) ?? []));
    expect(tables.length).toBeGreaterThan(25);
    expect(tables.filter((name) => !compared.has(name))).toEqual([]);
  });

  it('say what was asked of the forge or of git', () => {
    const silent = files.flatMap((file) =>
      Object.entries(golden(file)).filter(([, examples]) => !examples.some(({ sends }) => sends.length > 0)),
    );
    expect(silent.map(([route]) => route)).toEqual([]);
  });
});
