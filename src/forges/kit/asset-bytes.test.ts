import { describe, expect, it } from '@jest/globals';
import { pathBelow } from './asset-bytes.js';

const web = 'https://git.example/tools';

describe('the path of a link below the pages of a forge', () => {
  it.each([
    ['/a/b/releases/download/v1/one.zip', '/a/b/releases/download/v1/one.zip'],
    // A tag of two words, and a name of several dots.
    ['/a/b/releases/download/v%2F1/one..two.zip', '/a/b/releases/download/v%2F1/one..two.zip'],
    ['/a/b/100%25.zip', '/a/b/100%25.zip'],
    // What every reader of addresses agrees on is put right before.
    ['/a/b/../c/one.zip', '/a/c/one.zip'],
  ])('of %s is %s', (link, path) => {
    expect(pathBelow(web, `${web}${link}`)).toBe(path);
  });

  it.each([
    ['of another forge', 'https://git.example.evil/tools/a/one.zip'],
    ['of another port', 'https://git.example:444/tools/a/one.zip'],
    ['beside it', 'https://git.example/toolsmith/a/one.zip'],
    ['above it', `${web}/../a/one.zip`],
    ['of a person', 'https://x@git.example/tools/a/one.zip'],
    ['without a scheme', '/tools/a/one.zip'],
    ['that climbs, encoded', `${web}/a/b/packages/..%2F..%2Fc/secret`],
    ['that climbs by a backslash', `${web}/a/b/packages/..%5c..%5Cc/secret`],
    ['that climbs, encoded twice', `${web}/a/b/packages/%252e%252e%252fc/secret`],
    ['that cannot be decoded', `${web}/a/b/%zz/one.zip`],
  ])('is none for an address %s', (_what, address) => {
    expect(pathBelow(web, address)).toBeUndefined();
  });
});
