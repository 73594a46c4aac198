import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatAppSource, readAppSource, readAppSources } from './app-source.js';

let folder: string;

function put(path: string, text = ''): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'forgeway-apps-')));
  put('labeler.js');
  put('one/package.json', '{"name":"@acme/one","main":"lib"}');
  put('one/lib/index.js');
  put('two/package.json', '{"exports":{".":{"import":"./dist/main.mjs"}}}');
  put('two/dist/main.mjs');
  put('three/src/index.ts');
  put('broken/package.json', '{"main":"dist/index.js"}');
  put('node_modules/stale/package.json', '{"name":"stale","main":"index.js"}');
  put('node_modules/stale/index.js');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an app’s place', () => {
  it.each([
    ['./labeler.js', 'labeler', 'labeler.js'],
    ['labeler', 'labeler', 'labeler.js'],
    ['./one', 'acme-one', 'one/lib/index.js'],
    ['./two', 'two', 'two/dist/main.mjs'],
    ['./three/src', 'three', 'three/src/index.ts'],
    ['stale', 'stale', 'node_modules/stale/index.js'],
    ['my-name=./labeler.js', 'my-name', 'labeler.js'],
  ])('%s is %s', (text, name, file) => {
    expect(readAppSource(text, folder)).toEqual({ name, file: join(folder, file), exportName: undefined });
  });

  it('may name an export, which is part of the name', () => {
    const source = readAppSource('./labeler.js#sizes', folder);
    expect(source).toMatchObject({ name: 'labeler.sizes', exportName: 'sizes' });
    expect(readAppSource(formatAppSource(source), '/')).toEqual(source);
  });

  it.each([
    ['./none.js', 'There is no app at ./none.js'],
    ['not-installed', 'no package of that name is installed'],
    ['./broken', 'Build it first'],
    ['mirror=./labeler.js', 'an app of Forgeway'],
    ['A B=./labeler.js', 'no name for an app'],
    ['', 'names no app'],
  ])('is refused: %s', (text, message) => {
    expect(() => readAppSource(text, folder)).toThrow(message);
  });

  it('is refused when two apps have one name', () => {
    expect(() => readAppSources(['./labeler.js', 'labeler=./one'], folder)).toThrow('Two apps are called "labeler"');
  });
});
