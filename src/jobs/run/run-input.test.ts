import { describe, expect, it } from '@jest/globals';
import { concerns } from './forge-repository.js';
import { hiderOf } from './run-input.js';

describe('what a run prints', () => {
  it('does not show values that are sensitive, whole or by line, quoted or not', () => {
    const hide = hiderOf([
      'correct horse',
      'first line\nsecond line',
      '"in quotes"',
      'a"b\\c',
      'abc',
      'correct horse battery',
    ]);
    expect(hide('x = "correct horse battery"')).toBe('x = "(sensitive value)"');
    expect(hide('correct horse\nsecond line!')).toBe('(sensitive value)\n(sensitive value)!');
    expect(hide('in quotes')).toBe('(sensitive value)');
    expect(hide(String.raw`a\"b\\c`)).toBe('(sensitive value)');
    // As likely a part of any word.
    expect(hide('abcdef')).toBe('abcdef');
  });
});

describe('trigger prefixes', () => {
  it.each([
    [['a/b.tf'], ['a'], true],
    [['ab/c.tf'], ['a'], false],
    [['a'], ['/a/'], true],
    [['x'], [], true],
    [['x'], [''], true],
    [undefined, ['a'], true],
    [[], ['a'], false],
  ] as const)('%j below %j: %s', (paths, prefixes, expected) => expect(concerns(paths, prefixes)).toBe(expected));
});
