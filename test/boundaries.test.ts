import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { layers, typeOnlyEverywhere } from './support/layers.js';

const root = process.cwd();
const source = join(root, 'src');

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === 'generated' || name === 'fixtures' ? [] : filesBelow(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

const all = filesBelow(source);
const production = all.filter((path) => !path.endsWith('.test.ts'));
const folderOf = (path: string) => relative(source, path).split('/')[0] ?? '';
const shown = (path: string) => relative(root, path);

interface Import {
  target: string;
  typeOnly: boolean;
}

/** Static and dynamic imports and re-exports of a file, relative ones only. */
function importsOf(path: string): Import[] {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
  const found: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean) => {
    if (node && ts.isStringLiteral(node) && node.text.startsWith('.'))
      found.push({ target: resolve(dirname(path), node.text), typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** String literals of a file, without those that name a module. */
function literalsOf(path: string): string[] {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe('folders of src', () => {
  it('are all named in the layer table', () => {
    const folders = new Set(all.map(folderOf).filter((name) => !name.endsWith('.ts')));
    expect([...folders].filter((folder) => !(folder in layers))).toEqual([]);
  });

  it('import only what the layer table allows', () => {
    const violations = production.flatMap((path) => {
      const from = folderOf(path);
      // The public API hands out what the folders have; nothing imports it.
      const allowed = from === 'index.ts' ? Object.keys(layers) : (layers[from] ?? []);
      return importsOf(path)
        .map((found) => ({ ...found, to: folderOf(found.target) }))
        .filter(({ target, to, typeOnly }) => {
          if (!target.startsWith(source)) return !target.includes('node_modules');
          return to !== from && !allowed.includes(to) && !(typeOnly && typeOnlyEverywhere.includes(to));
        })
        .map(({ target }) => `${shown(path)} → ${shown(target)}`);
    });
    expect(violations).toEqual([]);
  });

  it('form no cycle', () => {
    const visiting = new Set<string>();
    const walk = (folder: string): void => {
      if (visiting.has(folder)) throw new Error(`cycle through ${folder}`);
      visiting.add(folder);
      for (const next of layers[folder] ?? []) walk(next);
      visiting.delete(folder);
    };
    expect(() => Object.keys(layers).forEach(walk)).not.toThrow();
  });

  it('are drawn the same in docs/architecture.md', () => {
    const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `([a-z]+)\/` \|[^|]*\| ([^|]*) \|$/gm)];
    const drawn = Object.fromEntries(
      rows.map((row) => [row[1], [...(row[2] ?? '').matchAll(/`([a-z]+)`/g)].map((m) => m[1]).sort()]),
    );
    expect(drawn).toEqual(Object.fromEntries(Object.entries(layers).map(([name, to]) => [name, [...to].sort()])));
  });

  it('are restricted the same way by the linter', () => {
    const biome = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as {
      overrides: {
        includes: string[];
        linter: { rules: { style?: { noRestrictedImports?: { options: { patterns: { group: string[] }[] } } } } };
      }[];
    };
    const restricted = Object.fromEntries(
      biome.overrides.flatMap((override) => {
        const patterns = override.linter.rules.style?.noRestrictedImports?.options.patterns[0]?.group;
        const folder = /^src\/([a-z]+)\/\*\*\/\*\.ts$/.exec(override.includes[0] ?? '')?.[1];
        return patterns && folder
          ? [[folder, patterns.map((p) => /\*\*\/([a-z]+)\/\*\*/.exec(p)?.[1] ?? p).sort()]]
          : [];
      }),
    );
    const expected = Object.fromEntries(
      Object.keys(layers)
        .map((folder) => [
          folder,
          Object.keys(layers)
            .filter(
              (other) => other !== folder && !layers[folder]?.includes(other) && !typeOnlyEverywhere.includes(other),
            )
            .sort(),
        ])
        .filter(([, others]) => (others?.length ?? 0) > 0),
    );
    expect(restricted).toEqual(expected);
  });
});

describe('source files', () => {
  it('name a forge only inside src/forges', () => {
    const ids = new Set(['github', 'gitlab', 'gitea', 'forgejo']);
    const violations = production
      .filter((path) => folderOf(path) !== 'forges')
      .flatMap((path) =>
        literalsOf(path)
          .filter((text) => ids.has(text))
          .map((text) => `${shown(path)}: '${text}'`),
      );
    expect(violations).toEqual([]);
  });

  it('read process.env only inside src/config', () => {
    const violations = production
      .filter((path) => folderOf(path) !== 'config' && /process\s*(\.|\[['"`])env\b/.test(readFileSync(path, 'utf8')))
      .map(shown);
    expect(violations).toEqual([]);
  });

  it('have at most 500 lines, and half of them at most 150', () => {
    const sizes = production.map((path) => ({
      path: shown(path),
      lines: readFileSync(path, 'utf8').split('\n').length,
    }));
    expect(sizes.filter(({ lines }) => lines > 500)).toEqual([]);
    const sorted = sizes.map(({ lines }) => lines).sort((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(150);
  });

  it('start processes with argument lists, never through a shell of ours', () => {
    const violations = production
      .filter((path) =>
        /\bexecSync\(|shell:\s*true|\bexec\(`|from 'node:child_process'.*\bexec\b/.test(readFileSync(path, 'utf8')),
      )
      .map(shown);
    expect(violations).toEqual([]);
  });

  it('keep no state in module variables', () => {
    const violations = production.flatMap((path) => {
      const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
      return file.statements
        .filter((node) => ts.isVariableStatement(node) && (node.declarationList.flags & ts.NodeFlags.Let) !== 0)
        .map(() => shown(path));
    });
    expect(violations).toEqual([]);
  });

  it('have folders and files whose names say what they hold', () => {
    const bad = all.map(shown).filter((path) => /\/(utils?|helpers?|common|misc|manager)(\/|\.ts$)/.test(path));
    expect(bad).toEqual([]);
    expect(all.map(shown).filter((path) => /[A-Z_]/.test(path.split('/').pop() ?? ''))).toEqual([]);
  });
});

describe('tests', () => {
  it('are never skipped or focused by hand', () => {
    const tests = [...all, ...filesBelow(join(root, 'test')), ...filesBelow(join(root, 'demo'))];
    const violations = tests
      .filter((path) => path.endsWith('.test.ts') && !path.endsWith('boundaries.test.ts'))
      .filter((path) =>
        /\b(it|test|describe)\.(skip|only|todo)\b|\b(xit|fit|xdescribe)\(/.test(readFileSync(path, 'utf8')),
      )
      .map(shown);
    expect(violations).toEqual([]);
  });
});
