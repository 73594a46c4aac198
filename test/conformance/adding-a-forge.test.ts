import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import ts from 'typescript';

const read = (path: string) => readFileSync(join(process.cwd(), path), 'utf8');
const guide = read('docs/adding-a-forge.md');

function fieldsOf(path: string, name: string): string[] {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2022, true);
  const found = file.statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === name);
  if (found === undefined || !ts.isInterfaceDeclaration(found)) throw new Error(`${path} has no ${name}.`);
  return found.members.map((member) => member.name?.getText(file) ?? '');
}

it.each([
  ['src/forges/forge.ts', 'ForgeDescriptor'],
  ['src/forges/kit/route.ts', 'Route'],
])('the guide names every field of %s %s', (path, name) => {
  const fields = fieldsOf(path, name);
  expect(fields.length).toBeGreaterThan(4);
  expect(fields.filter((field) => !new RegExp(`\`${field}\\b`).test(guide))).toEqual([]);
});

it('the guide names only files that are there', () => {
  const paths = [...guide.matchAll(/`((?:src|test|docs)\/[\w./-]+)`/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(5);
  const lacking = paths.filter((path) => {
    const folder = join(process.cwd(), path.replace(/\/$/, ''), '..');
    return !readdirSync(folder).includes(path.replace(/\/$/, '').split('/').at(-1) ?? '');
  });
  expect(lacking).toEqual([]);
});

it('the toy has no file but in its folder', () => {
  const elsewhere = (folder: string): string[] =>
    readdirSync(join(process.cwd(), folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'generated' ? [] : elsewhere(path);
      return entry.name.endsWith('.ts') && /toy-forge|'toy'/.test(read(path)) ? [path] : [];
    });
  expect(elsewhere('src')).toEqual([]);
});
