import { describe, expect, it } from '@jest/globals';
import { findApp } from './app-module.js';

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
