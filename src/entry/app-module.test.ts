import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { findApp, howToInstall, importApp, missingPackage } from './app-module.js';

const source = { name: 'x', file: '/x.js', exportName: undefined };
const app = () => undefined;
const other = () => undefined;

describe('the app in a module', () => {
  it.each([
    ['a default export', { default: app, helper: other }],
    ['module.exports = app', { default: app, 'module.exports': app }],
    ['compiled TypeScript', { default: { default: app, __esModule: true }, __esModule: true }],
    ['the only function', { default: undefined, app, version: '1' }],
    ['module.exports = { app }', { default: { app, name: 'x' }, app }],
  ])('is %s', (_form, module) => {
    expect(findApp(module, source)).toBe(app);
  });

  it('is the export that was named, also of module.exports', () => {
    expect(findApp({ default: other, app }, { ...source, exportName: 'app' })).toBe(app);
    expect(findApp({ default: { app } }, { ...source, exportName: 'app' })).toBe(app);
  });

  it('is not guessed', () => {
    expect(() => findApp({ app, other }, source)).toThrow('several functions: app, other. Say which, as in /x.js#app');
    expect(() => findApp({ default: {} }, source)).toThrow('exports no function');
    expect(() => findApp({ default: app }, { ...source, exportName: 'none' })).toThrow('no function called none');
  });
});

describe('a module that cannot be loaded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'forgeway-module-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const put = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
    return { name: 'x', file: join(folder, path), exportName: undefined };
  };

  it('is no module', async () => {
    await expect(importApp(put('app.json', '{}'))).rejects.toThrow('app.json is no module of JavaScript or TypeScript');
    expect(() => findApp({ default: [app, other] }, source)).toThrow('exports no function');
  });

  it('says which package to install, and where', () => {
    put('listed/package.json', JSON.stringify({ dependencies: { '@x/not-there': '1' } }));
    const { file: listed } = put('listed/src/a.cjs', '');
    expect(howToInstall('@x/not-there', listed)).toBe(`Run \`npm install\` in ${join(folder, 'listed')}`);
    expect(howToInstall('other', listed)).toBe(`Run \`npm install other\` in ${join(folder, 'listed')}`);
  });

  it.each([
    ["Cannot find package 'probot' imported from /x/a.mjs", 'ERR_MODULE_NOT_FOUND', 'probot'],
    ["Cannot find module '/x/not-there.js' imported from /x/a.mjs", 'ERR_MODULE_NOT_FOUND', undefined],
    ["Cannot find module './not-there'", 'MODULE_NOT_FOUND', undefined],
    ["Cannot find module 'probot'", 'OTHER', undefined],
  ])('%s', (message, code, name) => {
    expect(missingPackage(Object.assign(new Error(message), { code }))).toBe(name);
  });
});
