import { describe, expect, test } from '@jest/globals';
import { parseVersionConstraint } from './version-constraint.js';

const versions = ['0.15.5', '1.0.0', '1.9.0', '1.9.8', '1.10.0', '1.11.4', '2.0.0', '1.12.0-beta1'];

describe('a constraint', () => {
  test.each([
    ['1.9.8', ['1.9.8']],
    ['= 1.9.8', ['1.9.8']],
    ['1.9', ['1.9.0']],
    ['!= 1.9.8, >= 1.9', ['1.9.0', '1.10.0', '1.11.4', '2.0.0']],
    ['> 1.9.8', ['1.10.0', '1.11.4', '2.0.0']],
    ['<1.0.0', ['0.15.5']],
    ['<= 1.0.0', ['0.15.5', '1.0.0']],
    ['~> 1.9', ['1.9.0', '1.9.8', '1.10.0', '1.11.4']],
    ['~> 1.9.1', ['1.9.8']],
    ['~> 1', ['1.0.0', '1.9.0', '1.9.8', '1.10.0', '1.11.4', '2.0.0']],
    ['>= 1.9, < 1.11', ['1.9.0', '1.9.8', '1.10.0']],
    ['1.12.0-beta1', ['1.12.0-beta1']],
    ['>= 3.0', []],
  ])('%s takes %j', (text, taken) => {
    const test = parseVersionConstraint(text);
    expect(versions.filter((version) => test?.(version))).toEqual(taken);
  });

  test.each(['', 'latest', '1.9.8.1', '^1.9', '>= 1.9 < 2', '~>', '1.x', '1.9,', '; rm -rf /', '1.9.8 || 2.0.0'])(
    '%j is none',
    (text) => expect(parseVersionConstraint(text)).toBeUndefined(),
  );
});
