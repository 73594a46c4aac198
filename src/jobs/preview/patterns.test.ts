import { describe, expect, it } from '@jest/globals';
import { patternMatches, someMatches } from './patterns.js';

describe('patterns', () => {
  it.each([
    ['web/**', 'web/a/b.ts', true],
    ['web/**', 'web', false],
    ['web/', 'web/x', true],
    ['/web/*.ts', 'web/a.ts', true],
    ['web/*.ts', 'web/a/b.ts', false],
    ['**/*.md', 'README.md', true],
    ['**/*.md', 'a/b/c.md', true],
    ['a/**/z', 'a/z', true],
    ['a/**/z', 'a/b/c/z', true],
    ['a/**/z', 'a/b/c/y', false],
    ['*', 'main', true],
    ['*', 'feature/x', false],
    ['release/*', 'release/1.2', true],
    ['v?', 'v1', true],
    ['v?', 'v12', false],
    ['[a]', 'a', false],
    ['a.c', 'abc', false],
    ['', 'a', false],
  ])('%j and %j: %s', (pattern, path, expected) => {
    expect(patternMatches(pattern, path)).toBe(expected);
  });

  it('takes back what an earlier one gave', () => {
    expect(someMatches(['web/**', '!web/docs/**'], 'web/docs/a')).toBe(false);
    expect(someMatches(['web/**', '!web/docs/**'], 'web/a')).toBe(true);
    expect(someMatches(['!web/docs/**', 'web/**'], 'web/docs/a')).toBe(true);
    expect(someMatches([], 'a')).toBe(false);
  });

  it('is not made slow by a pattern that is made for it', () => {
    const started = process.cpuUsage().user;
    expect(patternMatches(`${'*a'.repeat(100)}b`, 'a'.repeat(4_000))).toBe(false);
    expect(patternMatches(Array(60).fill('**').join('/'), Array(200).fill('a').join('/'))).toBe(true);
    expect(process.cpuUsage().user - started).toBeLessThan(2_000_000);
  });
});
